"""Locks on a real database: derived, opened, lifted, with their alerts."""

from datetime import timedelta
from uuid import uuid4

import pytest

from backend.db import Database
from backend.facility.errors import NoManualLockError
from backend.facility.service import facilities, relock
from backend.facility.service.standings import assess_one
from backend.facility.types import DrawdownState, LineState, LockReason
from backend.ids import FacilityId
from backend.parties.types import Role
from tests.builders import NOW
from tests.integration.backend.facility.lending import (
    add_price,
    authorise,
    build_loan,
    draw,
    events,
    later,
    open_reasons,
    relocked,
    repay,
    request,
    rows,
    standing,
    steal,
)
from tests.plant import insert

pytestmark = pytest.mark.integration


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
    before = rows(db)

    for _ in range(3):
        relocked(db, plant)

    assert rows(db) == before


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
