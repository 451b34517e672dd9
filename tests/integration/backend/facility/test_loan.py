"""A loan on a real database: drawn, locked by evidence, voided, repaid, recovered."""

from datetime import timedelta
from uuid import uuid4

import pytest

from backend.db import Database
from backend.errors import NotFoundError
from backend.facility.errors import IdReusedError, NoManualLockError, WrongStateError
from backend.facility.service import drawdowns, facilities, relock
from backend.facility.service.standings import assess_one
from backend.facility.types import DrawdownState, LineState, LockReason, Refuse
from backend.ids import FacilityId
from backend.money import Minor
from backend.parties.types import Role
from backend.valuation.store import load_valuation
from tests.builders import NOW, insert, set_lot_state
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
    standing,
    steal,
)

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


def test_a_stale_price_locks_by_the_passing_of_time(db: Database) -> None:
    """Lending lesson 11: a second past its age a price locks; repaying goes on."""
    plant = build_loan(db)
    draw(db, plant, 1_000)

    assert relocked(db, plant, later(3_600)).locks == ()
    relocked(db, plant, later(3_601))

    assert open_reasons(db, plant.facility_id) == {
        LockReason.PRICE_STALE,
        LockReason.UNEVALUATED,
    }
    assert repay(db, plant, 1_000).split.principal_minor == 1_000


@pytest.mark.parametrize("price", ["0", "-36.98"])
def test_goods_that_cost_nothing_lock(db: Database, price: str) -> None:
    """A price of zero or below is stored, valued at nothing, and locks."""
    plant = build_loan(db)
    draw(db, plant, 1_000)
    with db.working() as conn:
        add_price(conn, plant, price, later(1))
        add_price(conn, plant, price, later(1), lot="fish")

    found = relocked(db, plant, later(2))

    assert found.valuation.value_minor == 0
    assert found.line.state is LineState.LIQUIDATION
    assert open_reasons(db, plant.facility_id) == {
        LockReason.PRICE_STALE,
        LockReason.BELOW_CALL_LINE,
    }


def test_a_preview_writes_nothing(db: Database) -> None:
    """Lending lesson 8: previews and reads leave every table as it was, even when much is due."""
    plant = build_loan(db)
    asked = request(db, plant, 100)
    authorise(db, plant, asked.id)
    with db.working() as conn:
        set_lot_state(conn, plant.lots["copper"], custody="relocated")
    actor = plant.actors[Role.BORROWER]
    before = _rows(db)

    with db.acting(actor) as conn:
        _, decision = facilities.preview_drawdown(conn, plant.facility_id, Minor(1), later(7_200))
        assess_one(conn, plant.facility_id, later(7_200))

    assert isinstance(decision, Refuse)
    assert _rows(db) == before


def _rows(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the tables that hold money and evidence."""
    tables = (
        "facility",
        "facility_lock",
        "facility_event",
        "drawdown",
        "repayment",
        "valuation",
        "lot_valuation",
        "alert",
        "pledge",
        "pledge_lot",
        "lot_state",
        "price",
    )
    with db.working() as conn:
        return {
            table: sorted(conn.execute(f"SELECT {table}::text FROM {table}").fetchall())
            for table in tables
        }


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


def test_a_line_is_crossed_at_once_and_recovered_after_three_valuations(db: Database) -> None:
    """Down on the first price under it, with a call and an alert; up on the third above it."""
    plant = build_loan(db)
    draw(db, plant, 1_500_000)

    def at_price(step: int, value: str) -> LineState:
        with db.working() as conn:
            add_price(conn, plant, value, later(step))
        return relocked(db, plant, later(step)).line.state

    assert at_price(1, "8000") is LineState.ABOVE
    assert at_price(2, "2800") is LineState.CALL
    assert LockReason.BELOW_CALL_LINE in open_reasons(db, plant.facility_id)
    called = standing(db, plant, later(2))
    assert called.cure_by == later(2) + timedelta(hours=48)
    assert _alerts(db) == [("below_line", "critical", True)]
    assert [at_price(n, "8000") for n in (3, 4, 5)] == [
        LineState.CALL,
        LineState.CALL,
        LineState.ABOVE,
    ]
    assert open_reasons(db, plant.facility_id) == set()
    assert _alerts(db) == [("below_line", "critical", False)]
    assert [what for what in events(db, plant) if what.startswith("line")] == [
        "line_fallen",
        "line_recovered",
    ]


def _alerts(db: Database) -> list[tuple[str, str, bool]]:
    """Return the facilities' alerts: kind, severity, whether still true."""
    query = "SELECT kind, severity, ceased_at IS NULL FROM alert WHERE facility_id IS NOT NULL"
    with db.working() as conn:
        return [(row[0], row[1], row[2]) for row in conn.execute(query)]


def test_a_stale_price_is_one_alert_however_often_it_is_seen(db: Database) -> None:
    """One continuing cause is one alert; it ceases when a price comes."""
    plant = build_loan(db)
    for second in (3_601, 3_602, 3_603):
        relocked(db, plant, later(second))

    assert _alerts(db) == [("price_stale", "critical", True)] * 2
    with db.working() as conn:
        add_price(conn, plant, "8000", later(3_604))
        add_price(conn, plant, "3000", later(3_604), lot="fish")
    relocked(db, plant, later(3_604))
    assert _alerts(db) == [("price_stale", "critical", False)] * 2


def test_an_unresolved_critical_alert_locks_until_it_is_resolved(db: Database) -> None:
    """Goods that look whole again stay locked until a person has said what it was."""
    plant = build_loan(db)
    with db.working() as conn:
        alert = insert(
            conn,
            "alert",
            kind="tamper",
            severity="critical",
            cause="lot:x:tamper",
            lot_id=plant.lots["copper"],
            summary="the camera was covered",
            opened_at=NOW,
        )
    relocked(db, plant)
    assert open_reasons(db, plant.facility_id) == {LockReason.TAMPERED}

    with db.working() as conn:
        conn.execute(
            "UPDATE alert SET state = 'resolved', resolved_at = now(), resolution = 'sensor_fault'"
            " WHERE id = %s",
            [alert],
        )
    relocked(db, plant)
    assert open_reasons(db, plant.facility_id) == set()


def test_a_manual_lock_holds_until_its_person_lifts_it(db: Database) -> None:
    """Relocking keeps it; it names who opened it; lifting it twice is refused."""
    plant = build_loan(db)
    asked = request(db, plant, 100)
    authorise(db, plant, asked.id)
    lender = plant.actors[Role.LENDER]

    with db.acting(lender) as conn:
        facilities.lock_manually(conn, lender, plant.facility_id, "audit", NOW)
    relocked(db, plant)

    found = standing(db, plant)
    assert [(lock.reason, lock.opened_by) for lock in found.holding.opened] == [
        (LockReason.MANUAL, f"api:{lender.login}")
    ]
    assert found.position.pending_minor == 0
    assert request(db, plant, 1).state is DrawdownState.REFUSED
    with db.acting(lender) as conn:
        facilities.lift_manual_lock(conn, lender, plant.facility_id, NOW)
    assert open_reasons(db, plant.facility_id) == set()
    with pytest.raises(NoManualLockError), db.acting(lender) as conn:
        facilities.lift_manual_lock(conn, lender, plant.facility_id, NOW)


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


def test_relocking_nothing_and_nobody_is_nothing(db: Database) -> None:
    """Lots that are pledged to no facility relock none."""
    with db.working() as conn:
        assert relock(conn, [], NOW, opened_by="ingest") == []
        assert relock(conn, [FacilityId(uuid4())], NOW, opened_by="ingest") == []


def test_relocking_the_same_again_writes_no_history(db: Database) -> None:
    """What has not changed is no event, no lock and no valuation, however often it is asked."""
    plant = build_loan(db)
    with db.working() as conn:
        steal(conn, plant)
    before = _rows(db)

    for _ in range(3):
        relocked(db, plant)

    assert _rows(db) == before


def test_a_lot_that_its_actor_may_not_see_locks(db: Database) -> None:
    """Under row-level security a hidden lot is a lock, never a lot less to worry about."""
    plant = build_loan(db)
    with db.working() as conn:
        stranger = insert(conn, "party", name="stranger")
        conn.execute(
            "UPDATE lot SET owner_party = %s WHERE id = %s", [stranger, plant.lots["fish"]]
        )

    with db.acting(plant.actors[Role.BORROWER]) as conn:
        found = assess_one(conn, plant.facility_id, NOW)

    assert LockReason.UNEVALUATED in {lock.reason for lock in found.locks}
