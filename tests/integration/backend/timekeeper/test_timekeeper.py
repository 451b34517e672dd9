"""The timekeeper on a real database: prices, time and people reach the locks; it survives."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from backend.clock import SystemClock
from backend.db import Database
from backend.facility.types import LockReason
from backend.parties.types import Role
from backend.timekeeper import LEASE, Timekeeper
from tests.integration.backend.facility.lending import add_price, open_reasons
from tests.plant import Plant, build_plant, insert, set_lot_state

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(60)]

ROOT = Path(__file__).parents[4]
WAIT_S_MAX = 20.0
CLOCK = SystemClock()


_NO_EVENT_OF_A_LOT = sql.SQL(
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.lot_id = {} THEN RAISE EXCEPTION 'it can not be stored'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON lot_event FOR EACH ROW EXECUTE FUNCTION refuse()
    """
)


def build_now(db: Database) -> Plant:
    """Store a plant whose lots are sound and whose prices are of now."""
    now = CLOCK.now()
    with db.working() as conn:
        plant = build_plant(conn, now=now)
        for lot_id in plant.lots.values():
            set_lot_state(conn, lot_id, evaluated_at=now, changed_at=now)
    return plant


@contextlib.contextmanager
def running(db: Database) -> Generator[Timekeeper]:
    """Run a timekeeper in a thread of its own, and end it."""
    keeper = Timekeeper(db, CLOCK, threading.Event())
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.stop.set()
        thread.join(WAIT_S_MAX)
        assert not thread.is_alive(), "the timekeeper did not end"


def wait_for(holds: Callable[[], bool]) -> float:
    """Return after how many seconds something held; fail when it never does."""
    begun_s = time.perf_counter()
    while not holds():
        assert time.perf_counter() - begun_s < WAIT_S_MAX, "it never happened"
        time.sleep(0.005)
    return time.perf_counter() - begun_s


def is_locked(db: Database, plant: Plant, reason: LockReason) -> bool:
    """Return whether a stored lock of that reason holds."""
    return reason in open_reasons(db, plant.facility_id)


def is_valued(db: Database, plant: Plant) -> bool:
    """Return whether the facility has been looked at."""
    with db.working() as conn:
        row = conn.execute(
            "SELECT valuation_id IS NOT NULL FROM facility WHERE id = %s", [plant.facility_id]
        ).fetchone()
    assert row is not None
    return bool(row[0])


def leaders(db: Database) -> list[int]:
    """Return the server's processes that hold the timekeepers' lease."""
    query = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND (classid, objid) = (%s, %s)"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with db.working() as conn:
        return [row[0] for row in conn.execute(query, LEASE)]


def test_a_price_reaches_the_lock_in_well_under_a_second(db: Database) -> None:
    """The commit of a price wakes the timekeeper; nobody waits for the second hand."""
    plant = build_now(db)
    with running(db):
        wait_for(lambda: is_valued(db, plant))
        assert not is_locked(db, plant, LockReason.PRICE_STALE)
        took_s: list[float] = []
        for price, locked in (("0", True), ("8000", False), ("-36.98", True), ("8000", False)):
            with db.working() as conn:
                add_price(conn, plant, price, CLOCK.now())
            took_s.append(
                wait_for(
                    lambda locked=locked: is_locked(db, plant, LockReason.PRICE_STALE) is locked
                )
            )

    assert sorted(took_s)[1] < 0.5, took_s


def test_a_price_goes_stale_by_itself(db: Database) -> None:
    """Nobody does anything, and the facility locks."""
    plant = build_now(db)
    with db.working() as conn:
        conn.execute("UPDATE instrument SET max_price_age_s = 2")
    with running(db):
        wait_for(lambda: is_valued(db, plant))
        wait_for(lambda: is_locked(db, plant, LockReason.PRICE_STALE))


def test_days_that_are_over_are_booked_by_themselves(db: Database) -> None:
    """Interest of the days since the rate began, once each, and not of today."""
    plant = build_now(db)
    today = CLOCK.now().date()
    with db.working() as conn:
        insert(
            conn,
            "facility_rate",
            facility_id=plant.facility_id,
            from_day=today - timedelta(days=2),
            day_count="act/360",
            annual_bps=900,
            set_at=CLOCK.now(),
            set_by=plant.actors[Role.LENDER].account_id,
        )

    def booked() -> list[object]:
        query = "SELECT day FROM facility_accrual WHERE kind = 'interest' ORDER BY day"
        with db.working() as conn:
            return [row[0] for row in conn.execute(query)]

    with running(db):
        wait_for(lambda: len(booked()) > 0)
        wait_for(lambda: is_valued(db, plant))

    assert booked() == [today - timedelta(days=2), today - timedelta(days=1)]


def test_silent_sensors_lock_by_themselves(db: Database) -> None:
    """A sensor that never spoke, or speaks no more, is found by the sweep."""
    plant = build_now(db)
    with running(db):
        wait_for(
            lambda: bool(
                open_reasons(db, plant.facility_id)
                & {LockReason.SENSOR_LOST, LockReason.UNEVALUATED}
            )
        )


def test_a_promise_expires_by_itself(db: Database) -> None:
    """What is not paid out in time is over without anybody's act."""
    plant = build_now(db)
    now = CLOCK.now()
    with db.working() as conn:
        key = insert(
            conn,
            "drawdown",
            id=uuid4(),
            facility_id=plant.facility_id,
            amount_minor=100,
            state="pending",
            body_sha256=bytes(32),
            requested_by=plant.actors[Role.BORROWER].account_id,
            requested_at=now,
            decided_at=now,
            expires_at=now - timedelta(seconds=1),
        )

    def is_over() -> bool:
        with db.working() as conn:
            row = conn.execute("SELECT state FROM drawdown WHERE id = %s", [key]).fetchone()
        return row == ("expired",)

    with running(db):
        wait_for(is_over)


def test_a_resolved_alert_lifts_its_lock_soon(db: Database) -> None:
    """A person's word is heard without waiting for the next valuation."""
    plant = build_now(db)
    with db.working() as conn:
        key = insert(
            conn,
            "alert",
            kind="tamper",
            severity="critical",
            cause="test",
            lot_id=plant.lots["copper"],
            summary="covered",
            opened_at=CLOCK.now(),
        )
    with running(db):
        wait_for(lambda: is_locked(db, plant, LockReason.TAMPERED))
        with db.working() as conn:
            conn.execute(
                "UPDATE alert SET state = 'resolved', resolved_at = now(),"
                " resolution = 'sensor_fault' WHERE id = %s",
                [key],
            )
        took_s = wait_for(lambda: not is_locked(db, plant, LockReason.TAMPERED))

    assert took_s < 5


def test_one_is_active_and_the_next_takes_over(db: Database) -> None:
    """Two never work at once; when one ends the other goes on."""
    plant = build_now(db)
    with running(db):
        wait_for(lambda: is_valued(db, plant))
        first = leaders(db)
        with running(db) as second:
            assert leaders(db) == first
            assert second.housekept_s is None
    assert len(first) == 1
    assert leaders(db) == []
    with running(db) as third:
        wait_for(lambda: third.housekept_s is not None)


def test_it_survives_the_loss_of_its_connection(db: Database) -> None:
    """A restarted server is found again, and what changed meanwhile is looked at."""
    plant = build_now(db)
    with running(db):
        wait_for(lambda: is_valued(db, plant))
        for price, locked in (("0", True), ("8000", False)):
            lost = leaders(db)
            with contextlib.closing(db.connect()) as owner:
                owner.execute("SELECT pg_terminate_backend(%s)", lost)
            with db.working() as conn:
                add_price(conn, plant, price, CLOCK.now())
            wait_for(lambda locked=locked: is_locked(db, plant, LockReason.PRICE_STALE) is locked)


def test_a_facility_whose_rules_raise_locks_and_the_others_go_on(db: Database) -> None:
    """What can not be computed is a lock, and no other facility waits for it."""
    sick = build_now(db)
    now = CLOCK.now()
    with db.working() as conn:
        well = build_plant(conn, "b", now)
        for lot_id in well.lots.values():
            set_lot_state(conn, lot_id, evaluated_at=now, changed_at=now)
        insert(
            conn,
            "volatility",
            instrument_id=sick.instruments["copper"],
            sigma_daily="NaN",
            days=500,
            at=now,
        )
    with running(db):
        wait_for(lambda: is_valued(db, well))
        wait_for(lambda: is_locked(db, sick, LockReason.UNEVALUATED))


def test_a_lot_that_can_not_be_swept_locks_and_the_others_are_swept(
    db: Database, db_url: str
) -> None:
    """What the database will not take of one lot is a lock, and keeps no silence from another."""
    sick = build_now(db)
    now = CLOCK.now()
    with db.working() as conn:
        well = build_plant(conn, "b", now)
        for lot_id in well.lots.values():
            set_lot_state(conn, lot_id, evaluated_at=now, changed_at=now)
    with psycopg.connect(db_url, autocommit=True) as owner:
        owner.execute(_NO_EVENT_OF_A_LOT.format(sql.Literal(sick.lots["copper"])))
    with running(db) as keeper:
        wait_for(lambda: is_locked(db, sick, LockReason.UNEVALUATED))
        wait_for(
            lambda: bool(
                open_reasons(db, well.facility_id)
                & {LockReason.SENSOR_LOST, LockReason.UNEVALUATED}
            )
        )
        wait_for(lambda: keeper.distrusted == {sick.lots["copper"]})
    with db.working() as conn:
        states = conn.execute(
            "SELECT evaluated, surveillance FROM lot_state WHERE lot_id = %s",
            [sick.lots["copper"]],
        ).fetchall()
    assert states == [(False, "live")]  # Not what the sweep found, but never trusted.


def test_it_keeps_house(db: Database) -> None:
    """Sessions that are over are gone, those that are not stay, tomorrow has its partitions."""
    plant = build_now(db)
    now = CLOCK.now()
    with db.working() as conn:
        for number, life in ((1, -1), (2, 60)):
            insert(
                conn,
                "session",
                token_sha256=bytes([number]) * 32,
                account_id=plant.actors[Role.LENDER].account_id,
                csrf_token="x",
                created_at=now,
                expires_at=now + timedelta(seconds=life),
            )

    def sessions() -> list[int]:
        with db.working() as conn:
            return [row[0][0] for row in conn.execute("SELECT token_sha256 FROM session")]

    with running(db):
        wait_for(lambda: sessions() == [2])


def test_it_ends_cleanly_when_told(db: Database) -> None:
    """SIGTERM ends the process within seconds, with exit code 0 and its lease given up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "backend", "timekeeper"],
        cwd=ROOT,
        env={**os.environ, "PLEDGEWATCH_DATABASE_URL": db.url},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: bool(leaders(db)))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=WAIT_S_MAX)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    wait_for(lambda: leaders(db) == [])
