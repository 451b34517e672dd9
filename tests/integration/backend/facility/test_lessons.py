"""What peers' lending software got wrong, one test a lesson, on a real database.

Each plant is a test's own; the database is the module's. The rules by themselves have their own
tests, which name the same lessons.
"""

from itertools import count
from uuid import uuid4

import pytest

from backend.db import Database
from backend.errors import RefusedError
from backend.facility.service import facilities, pledges
from backend.facility.service.standings import assess_one
from backend.facility.types import (
    CallState,
    DrawdownState,
    LockReason,
    Refuse,
    Standing,
)
from backend.ids import PledgeId
from backend.money import Minor
from backend.parties.types import Role
from tests.integration.backend.facility.lending import (
    BASE_MINOR,
    add_price,
    authorise,
    build_loan,
    disburse,
    draw,
    later,
    open_reasons,
    relocked,
    repay,
    request,
    rows,
    standing,
    steal,
)
from tests.plant import Plant, set_lot_state

pytestmark = pytest.mark.integration
_numbers = count()


@pytest.fixture
def db(shared_db: Database) -> Database:
    """The module's database: no lesson reads another's plant."""
    return shared_db


@pytest.fixture
def plant(db: Database) -> Plant:
    """A loan of the lesson's own."""
    return build_loan(db, f"lesson-{next(_numbers)}")


def tick(db: Database, plant: Plant, price: str, seconds: float) -> Standing:
    """Quote copper, and fish as before, so many seconds later; relock and return what stands."""
    with db.working() as conn:
        add_price(conn, plant, price, later(seconds))
        add_price(conn, plant, "3000", later(seconds), lot="fish")
    return relocked(db, plant, later(seconds))


def called(db: Database, plant: Plant) -> Standing:
    """Owe all that may be drawn, and let copper fall under the call line."""
    draw(db, plant, BASE_MINOR)
    return tick(db, plant, "3500", 10)


def test_lesson_1_no_price_locks_and_is_no_ratio_of_zero(db: Database, plant: Plant) -> None:
    """Worthless or unpriced goods under a loan are a lock and a refusal, never "no shortfall"."""
    draw(db, plant, 1_000)

    found = tick(db, plant, "-36.98", 10)

    assert LockReason.PRICE_STALE in open_reasons(db, plant.facility_id)
    assert found.position.availability_minor < BASE_MINOR
    assert request(db, plant, 1, now=later(11)).state is DrawdownState.REFUSED


def test_lesson_2_a_call_closes_by_recomputation_only(db: Database, plant: Plant) -> None:
    """Money equal to the shortfall leaves the call open; three valuations after it close it."""
    found = called(db, plant)
    assert found.call is not None
    repay(db, plant, found.call.cure.cash_minor)

    paid = relocked(db, plant, later(11))
    assert paid.call is not None
    assert paid.call.state is CallState.OPEN
    prices = enumerate(("3501", "3502", "3503"))
    states = [tick(db, plant, price, 12 + number).call for number, price in prices]

    assert [None if call is None else call.state for call in states] == [
        CallState.OPEN,
        CallState.OPEN,
        CallState.CURED,
    ]


def test_lesson_3_released_pledges_back_nothing(db: Database, plant: Plant) -> None:
    """Pledge, release, draw must fail."""
    lender = plant.actors[Role.LENDER]
    with db.acting(lender) as conn:
        done = pledges.release(conn, lender, PledgeId(plant.pledge_id), later(1))
    assert not isinstance(done, Refuse)

    refused = request(db, plant, 1, now=later(2))

    assert refused.state is DrawdownState.REFUSED
    assert "OVER_BASE" in [reason.code for reason in refused.reasons]


def test_lesson_4_an_authorisation_pins_a_valuation_of_now(db: Database, plant: Plant) -> None:
    """The price at the time of pledging has no say; the pinned valuation expires."""
    asked = request(db, plant, BASE_MINOR)
    tick(db, plant, "7000", 5)

    refused = authorise(db, plant, asked.id, later(6))

    assert [reason.code for reason in refused.reasons] == ["OVER_BASE"]
    small = request(db, plant, 1_000, now=later(7))
    promised = authorise(db, plant, small.id, later(8))
    assert promised.valuation_id is not None
    assert promised.expires_at is not None


def test_lesson_5_one_source_has_one_price_for_one_moment(db: Database, plant: Plant) -> None:
    """The second is refused by the database itself."""
    tick(db, plant, "7000", 5)

    with pytest.raises(RefusedError), db.acting(plant.actors[Role.LENDER]) as conn:
        add_price(conn, plant, "9000", later(5))


def test_lesson_6_each_lot_has_its_own_haircut(db: Database, plant: Plant) -> None:
    """A mixed basket is not lent against at its first item's rate."""
    with db.working() as conn:
        conn.execute(
            "UPDATE instrument SET haircut_floor_bps = 9000 WHERE id = %s",
            [plant.instruments["fish"]],
        )

    found = {lot.name: lot.haircut_bps for lot in standing(db, plant).valuation.lots}

    assert found["fish"] == 9_000
    assert found["copper"] < 9_000


def test_lesson_7_exposure_is_one_function_and_agrees_with_the_entries(
    db: Database, plant: Plant
) -> None:
    """What the row says, what the entries say and what is shown are one number."""
    draw(db, plant, 500_000)
    repay(db, plant, 123_456)

    query = (
        "SELECT (SELECT sum(amount_minor) FROM drawdown WHERE facility_id = f.id AND state ="
        " 'disbursed') - (SELECT sum(principal_minor) FROM repayment WHERE facility_id = f.id)"
        " FROM facility f WHERE id = %s"
    )
    with db.working() as conn:
        row = conn.execute(query, [plant.facility_id]).fetchone()

    assert row == (376_544,)
    assert standing(db, plant).position.exposure_minor == 376_544
    assert standing(db, plant).valuation.exposure_minor == 376_544


def test_lesson_8_a_preview_never_writes(db: Database, plant: Plant) -> None:
    """Every table is as it was, even when locks and expiries are due."""
    asked = request(db, plant, 100)
    authorise(db, plant, asked.id)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["copper"], custody="relocated")
    before = rows(db)

    with db.acting(plant.actors[Role.BORROWER]) as conn:
        facilities.preview_drawdown(conn, plant.facility_id, Minor(1), later(7_200))
        assess_one(conn, plant.facility_id, later(7_200))

    assert rows(db) == before


def test_lesson_9_what_counts_is_the_exposure_after_the_draw(db: Database, plant: Plant) -> None:
    """Not what was paid out before: promises count at once."""
    first = request(db, plant, BASE_MINOR - 10)
    second = request(db, plant, 11)
    authorise(db, plant, first.id)

    refused = authorise(db, plant, second.id)

    assert [reason.code for reason in refused.reasons] == ["OVER_BASE"]
    assert refused.reasons[0].numbers["after_minor"] == BASE_MINOR + 1


def test_lesson_10_a_lock_has_an_opener_and_is_derived_again(db: Database, plant: Plant) -> None:
    """It goes when its cause goes, whoever opened it; a person's own stays."""
    with db.working() as conn:
        steal(conn, plant)
    lender = plant.actors[Role.LENDER]
    with db.acting(lender) as conn:
        facilities.lock_manually(conn, lender, plant.facility_id, "audit", later(1))
    with db.working() as conn:
        set_lot_state(conn, plant.lots["copper"], short_mass_g=0)

    found = relocked(db, plant, later(2))

    assert {lock.reason for lock in found.locks} == {LockReason.MANUAL}
    query = (
        "SELECT opened_by, lifted_by FROM facility_lock WHERE facility_id = %s"
        " AND reason = 'QUANTITY_SHORT'"
    )
    with db.working() as conn:
        assert conn.execute(query, [plant.facility_id]).fetchall() == [("ingest", "timekeeper")]


def test_lesson_11_safer_is_allowed_under_every_lock(db: Database, plant: Plant) -> None:
    """With stale prices and stolen goods nothing is drawn, and repaying goes on."""
    draw(db, plant, 1_000)
    with db.working() as conn:
        steal(conn, plant)
    relocked(db, plant, later(4_000))

    assert request(db, plant, 1, now=later(4_001)).state is DrawdownState.REFUSED
    assert repay(db, plant, 1_000).split.principal_minor == 1_000


def test_lesson_12_after_an_outage_liquidation_waits_and_draws_do_not(
    db: Database, plant: Plant
) -> None:
    """A deadline passes in the dark: locked all the time, enforceable after three valuations."""
    found = called(db, plant)
    assert found.call is not None
    dark_s = 49 * 3_600

    dark = relocked(db, plant, later(dark_s))
    states = [
        tick(db, plant, price, dark_s + number).call
        for number, price in enumerate(("3401", "3402", "3403"), 1)
    ]

    assert dark.call is not None
    assert (dark.call.state, dark.call.observations) == (CallState.OPEN, 0)
    assert LockReason.BELOW_CALL_LINE in {lock.reason for lock in dark.locks}
    assert [None if call is None else call.state for call in states] == [
        CallState.OPEN,
        CallState.OPEN,
        CallState.LIQUIDATABLE,
    ]


def test_lesson_13_nothing_stands_in_for_the_second_factor_or_runs_twice(
    db: Database, plant: Plant
) -> None:
    """Value is measured, not applied for; a lock is asked at payment too; a payment runs once."""
    with db.working() as conn:
        set_lot_state(conn, plant.lots["copper"], measured_mass_g=1_000_000)
    assert standing(db, plant).valuation.value_minor == 800_000 + 900_000
    asked = request(db, plant, 1_000)
    with pytest.raises(RefusedError, match="must be pending"):
        disburse(db, plant, asked.id)
    authorise(db, plant, asked.id)
    disburse(db, plant, asked.id)
    disburse(db, plant, asked.id)
    key = uuid4()
    repay(db, plant, 400, key)
    repay(db, plant, 400, key)
    assert standing(db, plant).position.exposure_minor == 600
