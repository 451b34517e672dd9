"""Everybody on one facility of a real PostgreSQL: alone step by step, and in racing processes.

``PLEDGEWATCH_STATEFUL_STEPS`` lengthens both (CONTRIBUTING.md).
"""

import multiprocessing
import os
import random
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest

from backend.db import Database
from backend.facility.types import Position
from backend.parties.types import Role
from tests.builders import NOW
from tests.integration.backend.facility.lending import build_loan, open_reasons, rows, standing
from tests.integration.backend.facility.racing import Walker, parts_of, race, sums_of
from tests.plant import Plant, insert

STEPS = max(16, int(os.environ.get("PLEDGEWATCH_STATEFUL_STEPS", "0")) // 100)
PROCESSES = 2
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300 + 20 * STEPS)]


def build(db: Database) -> Plant:
    """Store a loan with a rate, so that days accrue."""
    plant = build_loan(db)
    with db.working() as conn:
        insert(
            conn,
            "facility_rate",
            facility_id=plant.facility_id,
            from_day=NOW.date() - timedelta(days=3),
            day_count="act/360",
            annual_bps=900,
            set_at=NOW,
            set_by=plant.actors[Role.LENDER].account_id,
        )
    return plant


def check_promises(db: Database, plant: Plant) -> None:
    """Fail when something was promised or paid while a lock held, by the order of the commits."""
    query = (
        "SELECT id, what, coalesce(detail->>'id', detail->>'reason') FROM facility_event"
        " WHERE facility_id = %s ORDER BY id"
    )
    with db.working() as conn:
        history = conn.execute(query, [plant.facility_id]).fetchall()
    locked: set[str] = set()
    for number, what, key in history:
        if what == "lock_opened":
            locked.add(key)
        elif what == "lock_lifted":
            locked.discard(key)
        elif what in ("drawdown_pending", "drawdown_disbursed"):
            assert not locked, f"event {number}: {what} under {locked}"


def check_sums(db: Database, plant: Plant) -> Position:
    """Fail when an update was lost, or entries do not make up what the facility says."""
    by_row, by_entries = sums_of(db, plant.facility_id)
    assert by_row == by_entries
    query = (
        "SELECT f.interest_minor, (SELECT coalesce(sum(amount_minor), 0) FROM facility_accrual"
        " WHERE facility_id = f.id AND kind = 'interest') - (SELECT"
        " coalesce(sum(interest_minor), 0) FROM repayment WHERE facility_id = f.id)"
        " FROM facility f WHERE id = %s"
    )
    with db.working() as conn:
        row = conn.execute(query, [plant.facility_id]).fetchone()
    assert row is not None
    assert row[0] == row[1]
    return standing(db, plant).position


def test_a_walk_keeps_the_invariants_after_every_step(db: Database) -> None:
    """Locks stored are locks derived, money fits, and asking what would be writes nothing."""
    seed = random.SystemRandom().randrange(2**32)
    plant = build(db)
    walker = Walker(db, plant, random.Random(seed))
    for number in range(STEPS):
        before = rows(db) if number % 10 == 0 else None
        if before is not None:
            walker.preview()
            assert rows(db) == before, f"seed {seed}: a preview wrote"
        name = walker.step()
        if name != "relock":
            walker.relock()
        found = standing(db, plant, walker.now)
        where = f"seed {seed}, step {number}: {name}"
        assert open_reasons(db, plant.facility_id) == {each.reason for each in found.locks}, where
        if found.holding.pending:
            assert not found.locks, where
            assert found.position.availability_minor >= 0, where
    check_sums(db, plant)
    check_promises(db, plant)


def test_processes_race_without_a_cent_lost_or_a_deadlock_left(db: Database) -> None:
    """Drawdowns, releases, ticks, thefts, repayments, accruals: four threads, two processes."""
    seed = random.SystemRandom().randrange(2**32)
    plant = build(db)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        runs = [
            pool.submit(race, db.url, parts_of(plant), seed + 10 * number, STEPS)
            for number in range(PROCESSES)
        ]
        taken = [run.result() for run in runs]

    where = f"seed {seed}: {taken}"
    assert sum(each.get("gave_up", 0) for each in taken) == 0, where
    assert sum(each.get("draw", 0) for each in taken) > 0, where
    check_promises(db, plant)
    check_sums(db, plant)
    with db.working() as conn:
        twice = conn.execute(
            "SELECT detail->>'id' FROM facility_event WHERE what = 'drawdown_disbursed'"
            " GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
        limits = conn.execute(
            "SELECT count(*) FROM facility WHERE principal_minor > limit_minor"
        ).fetchone()
    assert twice == [], where
    assert limits == (0,), where
