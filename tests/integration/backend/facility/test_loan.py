"""A loan on a real database: drawn, locked by evidence, voided, repaid."""

from uuid import uuid4

import pytest

from backend.db import Database
from backend.errors import NotFoundError
from backend.facility.errors import IdReusedError, WrongStateError
from backend.facility.service import drawdowns, facilities
from backend.facility.service.standings import assess_one
from backend.facility.types import DrawdownState, LockReason, Refuse
from backend.money import Minor
from backend.parties.types import Role
from backend.valuation.store import load_valuation
from tests.builders import NOW
from tests.integration.backend.facility.lending import (
    BASE_MINOR,
    VALUE_MINOR,
    add_price,
    authorise,
    build_loan,
    disburse,
    draw,
    events,
    later,
    open_reasons,
    put_back,
    relocked,
    repay,
    request,
    rows,
    standing,
    steal,
)
from tests.plant import set_lot_state

pytestmark = pytest.mark.integration


def test_a_sound_loan_is_drawn_in_two_phases(db: Database) -> None:
    """Requested, promised on a pinned valuation, paid out: each step leaves its event."""
    plant = build_loan(db)

    asked = request(db, plant, 1_000_000)
    promised = authorise(db, plant, asked.id)
    assert standing(db, plant).position.pending_minor == 1_000_000
    paid = disburse(db, plant, asked.id)

    assert (asked.state, promised.state, paid.state) == ("requested", "pending", "disbursed")
    assert promised.valuation_id is not None
    with db.working() as conn:
        pinned = load_valuation(conn, promised.valuation_id)
    assert pinned is not None
    assert pinned.value_minor == VALUE_MINOR
    assert pinned.expires_at > NOW
    assert len(pinned.lots) == 2
    after = standing(db, plant)
    assert after.position.exposure_minor == 1_000_000
    assert after.position.pending_minor == 0
    assert after.position.availability_minor == BASE_MINOR - 1_000_000
    assert after.valuation.coverage_bps == 33_000
    assert events(db, plant) == ["drawdown_requested", "drawdown_pending", "drawdown_disbursed"]


def test_a_theft_locks_voids_and_refuses_and_repaying_stays_allowed(db: Database) -> None:
    """The lock commits with the evidence; what was promised is void, what is asked is refused."""
    plant = build_loan(db)
    draw(db, plant, 500_000)
    asked = request(db, plant, 100_000)
    authorise(db, plant, asked.id)

    with db.working() as conn:
        steal(conn, plant)

    assert open_reasons(db, plant.facility_id) == {LockReason.QUANTITY_SHORT}
    voided = disburse(db, plant, asked.id)
    assert voided.state is DrawdownState.VOIDED
    assert [reason.code for reason in voided.reasons] == ["QUANTITY_SHORT"]
    refused = request(db, plant, 1)
    assert refused.state is DrawdownState.REFUSED
    assert [reason.code for reason in refused.reasons] == ["QUANTITY_SHORT"]
    assert "copper: 1000000 g short of 3000000 g pledged" in refused.reasons[0].detail
    assert repay(db, plant, 200_000).split.principal_minor == 200_000
    assert standing(db, plant).position.exposure_minor == 300_000
    assert "drawdown_voided" in events(db, plant)

    with db.working() as conn:
        put_back(conn, plant)
    assert open_reasons(db, plant.facility_id) == set()
    assert events(db, plant)[-1] == "lock_lifted"


def test_evidence_between_request_and_authorisation_is_seen(db: Database) -> None:
    """Even when nobody has relocked: the authorisation derives the locks itself."""
    plant = build_loan(db)
    asked = request(db, plant, 100)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["fish"], condition="damaged")

    refused = authorise(db, plant, asked.id)

    assert refused.state is DrawdownState.REFUSED
    assert [reason.code for reason in refused.reasons] == ["DAMAGED"]
    assert open_reasons(db, plant.facility_id) == {LockReason.DAMAGED}


def test_evidence_between_promise_and_payment_is_seen(db: Database) -> None:
    """A promise is void when its goods are not what they were, relocked or not."""
    plant = build_loan(db)
    asked = request(db, plant, 100)
    authorise(db, plant, asked.id)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["fish"], surveillance="dark")

    voided = disburse(db, plant, asked.id)

    assert voided.state is DrawdownState.VOIDED
    assert [reason.code for reason in voided.reasons] == ["SENSOR_LOST"]
    assert standing(db, plant).position.exposure_minor == 0


def test_a_price_of_the_past_is_not_drawn_on(db: Database) -> None:
    """Lending lesson 4: the price at the time of pledging is not the price of the drawdown."""
    plant = build_loan(db)
    asked = request(db, plant, BASE_MINOR)
    with db.working() as conn:
        add_price(conn, plant, "7999", later(1))

    refused = authorise(db, plant, asked.id, later(2))

    assert [reason.code for reason in refused.reasons] == ["OVER_BASE"]


def test_released_pledges_back_nothing(db: Database) -> None:
    """Lending lesson 3: pledge, release, draw must fail."""
    plant = build_loan(db)
    with db.working() as conn:
        conn.execute("UPDATE pledge SET state = 'released', ended_at = now()")
        conn.execute("UPDATE pledge_lot SET active = false")

    refused = request(db, plant, 1)

    assert refused.state is DrawdownState.REFUSED
    assert "UNEVALUATED" in [reason.code for reason in refused.reasons]


def test_a_preview_writes_nothing(db: Database) -> None:
    """Lending lesson 8: previews and reads leave every table as it was, even when much is due."""
    plant = build_loan(db)
    asked = request(db, plant, 100)
    authorise(db, plant, asked.id)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["copper"], custody="relocated")
    actor = plant.actors[Role.BORROWER]
    before = rows(db)

    with db.acting(actor) as conn:
        _, decision = facilities.preview_drawdown(conn, plant.facility_id, Minor(1), later(7_200))
        assess_one(conn, plant.facility_id, later(7_200))

    assert isinstance(decision, Refuse)
    assert rows(db) == before


def test_the_same_request_again_is_answered_as_before(db: Database) -> None:
    """Ids are the caller's: a replay changes nothing, the id for something else is refused."""
    plant = build_loan(db)
    key = uuid4()

    first = request(db, plant, 100, key)
    assert request(db, plant, 100, key) == first
    with pytest.raises(IdReusedError):
        request(db, plant, 101, key)
    promised = authorise(db, plant, first.id)
    assert authorise(db, plant, first.id) == promised
    paid = disburse(db, plant, first.id)
    assert disburse(db, plant, first.id) == paid
    assert request(db, plant, 100, key).state is DrawdownState.DISBURSED
    assert standing(db, plant).position.exposure_minor == 100
    with pytest.raises(WrongStateError):
        authorise(db, plant, first.id)
    second = request(db, plant, 100)
    with pytest.raises(WrongStateError):
        disburse(db, plant, second.id)


def test_the_same_repayment_again_is_applied_once(db: Database) -> None:
    """A repayment sent twice is paid once; a settlement can not run twice."""
    plant = build_loan(db)
    draw(db, plant, 1_000)
    key = uuid4()

    first = repay(db, plant, 1_500, key)

    assert repay(db, plant, 1_500, key) == first
    assert (first.split.principal_minor, first.split.surplus_minor) == (1_000, 500)
    assert standing(db, plant).position.exposure_minor == 0
    with pytest.raises(IdReusedError):
        repay(db, plant, 1_501, key)
    with pytest.raises(IdReusedError):
        repay(db, plant, 1_500, key, Role.LENDER)


def test_what_is_owed_is_what_was_drawn_less_what_came_back(db: Database) -> None:
    """Lending lesson 7: the facility's columns agree with the entries that they were made of."""
    plant = build_loan(db)
    for amount in (100_000, 250_000, 7):
        draw(db, plant, amount)
    for amount in (1, 99_999, 123_456):
        repay(db, plant, amount)

    with db.working() as conn:
        row = conn.execute(
            "SELECT (SELECT sum(amount_minor) FROM drawdown WHERE state = 'disbursed')"
            " - (SELECT sum(principal_minor) FROM repayment), principal_minor FROM facility"
        ).fetchone()
    assert row is not None
    assert row[0] == row[1] == 100_000 + 250_000 + 7 - 1 - 99_999 - 123_456


def test_a_promise_expires(db: Database) -> None:
    """What is not paid out within its hour is over, and reserves nothing."""
    plant = build_loan(db)
    asked = request(db, plant, BASE_MINOR)
    authorise(db, plant, asked.id)
    with db.working() as conn:
        add_price(conn, plant, "8000", later(3_600))
        add_price(conn, plant, "3000", later(3_600), lot="fish")

    found = relocked(db, plant, later(3_600))

    assert [each.id for each in found.expired] == [asked.id]
    assert standing(db, plant, later(3_600)).position.pending_minor == 0
    over = disburse(db, plant, asked.id, later(3_600))
    assert (over.state, over.reasons[0].code) == (DrawdownState.EXPIRED, "EXPIRED")


def test_either_party_voids_what_is_not_paid_out(db: Database) -> None:
    """Taking a request back is safer, so it is allowed under any lock."""
    plant = build_loan(db)
    asked, promised = request(db, plant, 100), request(db, plant, 200)
    authorise(db, plant, promised.id)

    for role, drawdown in ((Role.BORROWER, asked), (Role.LENDER, promised)):
        actor = plant.actors[role]
        with db.acting(actor) as conn:
            voided = drawdowns.void_drawdown(conn, actor, drawdown.id, NOW)
        assert voided.state is DrawdownState.VOIDED
    assert standing(db, plant).position.pending_minor == 0


def test_another_lender_finds_nothing_to_authorise(db: Database) -> None:
    """What is not the caller's does not exist, for any step."""
    plant, other = build_loan(db), build_loan(db, "b")
    asked = request(db, plant, 100)

    with pytest.raises(NotFoundError):
        authorise(db, other, asked.id)
    stranger = other.actors[Role.BORROWER]
    with pytest.raises(NotFoundError), db.acting(stranger) as conn:
        assess_one(conn, plant.facility_id, NOW)
    with pytest.raises(IdReusedError):
        request(db, other, 100, asked.id)
