"""Real threads, each with its own connection, against one real PostgreSQL.

The checker looks at what was committed and in which order, not at what the threads believe. Every
step on a facility holds its row, and event ids are taken while it is held: their order is the
order of the commits.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest

from backend.db import Conn, Database
from backend.errors import UnavailableError
from backend.facility.types import Drawdown, DrawdownState
from tests.integration.backend.facility.lending import (
    BASE_MINOR,
    add_price,
    authorise,
    build_loan,
    disburse,
    later,
    open_reasons,
    put_back,
    relocked,
    repay,
    request,
    standing,
    steal,
)
from tests.plant import Plant

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]

THREADS = 8
REPETITIONS = 25
AMOUNT_MINOR = 100_000


def together(*steps: Callable[[], object]) -> None:
    """Run each step in a thread of its own, all let go at one moment."""
    barrier = threading.Barrier(len(steps))

    def run(step: Callable[[], object]) -> None:
        barrier.wait()
        step()

    with ThreadPoolExecutor(len(steps)) as pool:
        for future in [pool.submit(run, step) for step in steps]:
            future.result()


def history(db: Database, plant: Plant) -> list[tuple[int, str, str | None]]:
    """Return what was committed on the facility in its order: id, what, the drawdown or lock."""
    query = (
        "SELECT id, what, coalesce(detail->>'id', detail->>'reason') FROM facility_event"
        " WHERE facility_id = %s ORDER BY id"
    )
    with db.working() as conn:
        return [(row[0], row[1], row[2]) for row in conn.execute(query, [plant.facility_id])]


def check_history(db: Database, plant: Plant) -> None:
    """Fail if a drawdown was promised or paid out while a lock held, or more than may be was."""
    locked: set[str | None] = set()
    pending: set[str | None] = set()
    for number, what, key in history(db, plant):
        match what:
            case "lock_opened":
                locked.add(key)
            case "lock_lifted":
                locked.discard(key)
            case "drawdown_pending":
                assert not locked, f"event {number}: promised under {locked}"
                pending.add(key)
            case "drawdown_disbursed":
                assert not locked, f"event {number}: paid out under {locked}"
                assert key in pending, f"event {number}: paid out without a promise"
                pending.discard(key)
            case "drawdown_voided" | "drawdown_expired":
                pending.discard(key)
            case _:
                pass
    found = standing(db, plant, later(1))
    owed = found.position.exposure_minor
    with db.working() as conn:
        row = conn.execute(
            "SELECT coalesce(sum(amount_minor) FILTER (WHERE state = 'pending'), 0),"
            " coalesce(sum(amount_minor) FILTER (WHERE state = 'disbursed'), 0)"
            " - (SELECT coalesce(sum(principal_minor), 0) FROM repayment) FROM drawdown"
        ).fetchone()
    assert row is not None
    assert row[1] == owed
    if found.locks:
        assert row[0] == 0, "a promise outlived the lock"


def step_through(db: Database, plant: Plant, drawdown: Drawdown, pause_s: float) -> None:
    """Authorise and pay out, as far as it is let."""
    time.sleep(pause_s)  # A random offset is what is tested here, not a way to wait.
    if authorise(db, plant, drawdown.id).state is DrawdownState.PENDING:
        disburse(db, plant, drawdown.id)


def commit(db: Database, change: Callable[[Conn], object], pause_s: float) -> None:
    """Commit a change as the worker does, after a random while."""
    time.sleep(pause_s)  # As above.
    with db.working() as conn:
        change(conn)


def test_no_drawdown_commits_after_the_theft(db: Database) -> None:
    """Must show 6: many drawdowns against an incoming theft, many times, at random offsets."""
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    plant = build_loan(db)
    outcomes: list[int] = []
    with Database(db.url, connections_max=THREADS + 2) as pool:
        for _ in range(REPETITIONS):
            asked = [request(pool, plant, AMOUNT_MINOR) for _ in range(THREADS)]
            before = _paid(pool)

            together(
                partial(commit, pool, partial(steal, plant=plant), dice.uniform(0, 0.08)),
                *(
                    partial(step_through, pool, plant, each, dice.uniform(0, 0.05))
                    for each in asked
                ),
            )

            check_history(pool, plant)
            assert open_reasons(pool, plant.facility_id), f"seed {seed}: not locked"
            outcomes.append(_paid(pool) - before)
            commit(pool, partial(put_back, plant=plant), 0)
            if paid := standing(pool, plant).position.exposure_minor:
                repay(pool, plant, paid)
    assert 0 < sum(outcomes) < THREADS * REPETITIONS, f"seed {seed}: never a race: {outcomes}"


def _paid(db: Database) -> int:
    """Return how many drawdowns were paid out."""
    with db.working() as conn:
        row = conn.execute("SELECT count(*) FROM drawdown WHERE state = 'disbursed'").fetchone()
    assert row is not None
    return int(row[0])


def test_drawdowns_at_once_never_exceed_the_base(db: Database) -> None:
    """Lending lesson 9, with threads: what is owed and promised stays under the base."""
    plant = build_loan(db)
    amount = BASE_MINOR // 3 - 1
    with Database(db.url, connections_max=THREADS + 2) as pool:
        asked = [request(pool, plant, amount) for _ in range(THREADS)]

        together(*(partial(step_through, pool, plant, each, 0) for each in asked))

        check_history(pool, plant)
        found = standing(pool, plant)
    assert found.position.exposure_minor == 3 * amount
    assert found.position.availability_minor >= 0


def test_one_request_sent_many_times_at_once_is_one_drawdown(db: Database) -> None:
    """Replays that race each other are replays."""
    plant = build_loan(db)
    key = uuid4()
    with Database(db.url, connections_max=THREADS + 2) as pool:
        together(*(lambda: request(pool, plant, 100, key) for _ in range(THREADS)))
        asked = request(pool, plant, 100, key)
        together(*(lambda: authorise(pool, plant, asked.id) for _ in range(THREADS)))
        together(*(lambda: disburse(pool, plant, asked.id) for _ in range(THREADS)))

        assert standing(pool, plant).position.exposure_minor == 100
        assert [what for _, what, _ in history(pool, plant)] == [
            "drawdown_requested",
            "drawdown_pending",
            "drawdown_disbursed",
        ]


def test_one_repayment_sent_many_times_at_once_is_applied_once(db: Database) -> None:
    """A settlement does not run twice, however often it is sent."""
    plant = build_loan(db)
    with Database(db.url, connections_max=THREADS + 2) as pool:
        asked = request(pool, plant, 1_000)
        step_through(pool, plant, asked, 0)
        key = uuid4()

        together(*(lambda: repay(pool, plant, 400, key) for _ in range(THREADS)))

        assert standing(pool, plant).position.exposure_minor == 600


def test_prices_relocks_and_drawdowns_at_once_keep_the_invariants(db: Database) -> None:
    """Ticks that halve the base, the timekeeper, ingest and drawdowns, all at once."""
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    plant = build_loan(db)
    with Database(db.url, connections_max=2 * THREADS) as pool:
        for repetition in range(5):
            asked = [request(pool, plant, AMOUNT_MINOR) for _ in range(THREADS)]
            price = dice.choice(["4000", "8000", "-1", "2000"])
            steps: Sequence[Callable[[], object]] = [
                partial(
                    commit,
                    pool,
                    partial(add_price, plant=plant, value=price, at=later((repetition + 1) / 100)),
                    dice.uniform(0, 0.03),
                ),
                lambda: relocked(pool, plant),
                lambda: relocked(pool, plant),
                partial(commit, pool, partial(steal, plant=plant), dice.uniform(0, 0.05)),
                *(
                    partial(step_through, pool, plant, each, dice.uniform(0, 0.05))
                    for each in asked
                ),
            ]
            try:
                together(*steps)
            except UnavailableError as error:
                pytest.fail(f"seed {seed}: {error}")
            check_history(pool, plant)
            commit(pool, partial(put_back, plant=plant), 0)
