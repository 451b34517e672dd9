"""A statement as of any past moment is what was shown then, whatever happened since."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from os import environ
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.db import Database
from backend.errors import InvalidError, NotFoundError
from backend.exports import service
from backend.exports.errors import NoRecordError
from backend.exports.rules.content import canonical, content_of
from backend.exports.types import Statement
from backend.facility.service import drawdowns, facilities
from backend.ids import FacilityId
from backend.parties.types import Role
from tests.fixtures.properties import EXAMPLES_VARIABLE
from tests.integration.backend.facility.lending import (
    add_price,
    authorise,
    build_loan,
    draw,
    later,
    put_back,
    relocked,
    repay,
    request,
    steal,
)
from tests.plant import Plant, build_plant

pytestmark = pytest.mark.integration

EXAMPLES_MAX = max(3, int(environ.get(EXAMPLES_VARIABLE, "0")) // 10)  # Each is a history.
Act = Callable[[Database, Plant, int], object]


def shown(
    db: Database, plant: Plant, at: datetime | None = None, role: Role = Role.LENDER
) -> Statement:
    """Return the statement that a party is shown, now or of a moment."""
    with db.acting(plant.actors[role]) as conn:
        return service.load_statement(conn, plant.facility_id, at)


def seen(statement: Statement) -> bytes:
    """Return all that a statement says, as bytes."""
    return canonical(content_of(statement))


def _price(value: str) -> Act:
    def act(db: Database, plant: Plant, step: int) -> None:
        with db.working() as conn:
            add_price(conn, plant, value, later(step))
        relocked(db, plant, later(step))

    return act


def _lock(db: Database, plant: Plant, step: int) -> None:
    lender = plant.actors[Role.LENDER]
    with db.acting(lender) as conn:
        facilities.lock_manually(conn, lender, plant.facility_id, f"audit {step}", later(step))


def _unlock(db: Database, plant: Plant, step: int) -> None:
    lender = plant.actors[Role.LENDER]
    opened = [lock.reason for lock in shown(db, plant).locks]
    if "MANUAL" in opened:
        with db.acting(lender) as conn:
            facilities.lift_manual_lock(conn, lender, plant.facility_id, later(step))


def _steal(db: Database, plant: Plant, _step: int) -> None:
    with db.working() as conn:
        steal(conn, plant)


def _put_back(db: Database, plant: Plant, _step: int) -> None:
    with db.working() as conn:
        put_back(conn, plant)


def _promise(db: Database, plant: Plant, step: int) -> None:
    asked = request(db, plant, 70_000, now=later(step))
    if asked.state.value == "requested":
        authorise(db, plant, asked.id, later(step))


def _void(db: Database, plant: Plant, step: int) -> None:
    borrower = plant.actors[Role.BORROWER]
    for line in shown(db, plant).waiting:
        with db.acting(borrower) as conn:
            drawdowns.void_drawdown(conn, borrower, drawdowns.DrawdownId(line.id), later(step))


ACTS: dict[str, Act] = {
    "cheap": _price("2800"),
    "dear": _price("8000"),
    "worthless": _price("-36.98"),
    "lock": _lock,
    "unlock": _unlock,
    "steal": _steal,
    "put back": _put_back,
    "promise": _promise,
    "void": _void,
    "repay": lambda db, plant, _: repay(db, plant, 30_000),
    "stale": lambda db, plant, step: relocked(db, plant, later(3_700 + step)),
}


@settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=st.lists(st.sampled_from(sorted(ACTS)), min_size=4, max_size=9))
def test_what_was_shown_is_what_is_told_later(db: Database, acts: list[str]) -> None:
    """Through prices, thefts, locks reworded and lifted, promises, voids and repayments."""
    plant = build_loan(db, uuid4().hex[:8])
    draw(db, plant, 200_000)
    remembered = [shown(db, plant)]
    for step, name in enumerate(acts, start=1):
        ACTS[name](db, plant, step)
        remembered.append(shown(db, plant))
    # The pledge goes; the lender sees the lots no more.
    with db.working() as conn:
        conn.execute(
            "UPDATE pledge_lot SET active = false WHERE pledge_id = %s", [plant.pledge_id]
        )
        conn.execute("UPDATE pledge SET state = 'released' WHERE id = %s", [plant.pledge_id])
    relocked(db, plant, later(len(acts) + 1))

    for statement in remembered:
        for role in (Role.LENDER, Role.BORROWER):
            assert seen(shown(db, plant, statement.at, role)) == seen(statement)
    assert len({seen(statement) for statement in remembered}) == len(remembered)


def test_between_two_changes_nothing_else_is_told(db: Database) -> None:
    """A moment before a change says what was before it, a microsecond later what is after."""
    plant = build_loan(db)
    before = shown(db, plant)
    with db.working() as conn:
        steal(conn, plant)
    after = shown(db, plant)
    edge = after.recorded_at

    assert shown(db, plant, edge).locks == after.locks
    assert shown(db, plant, edge - timedelta(microseconds=1)).number == before.number
    assert before.locks == ()
    assert [lock.reason for lock in after.locks] == ["QUANTITY_SHORT"]
    assert after.drawable_minor == 0


def test_the_way_down_adds_up(db: Database) -> None:
    """Gross less each deduction is the base; the lower of it and the limit, less debt, is left."""
    plant = build_loan(db)
    draw(db, plant, 1_000)
    with db.working() as conn:
        steal(conn, plant)
    statement = shown(db, plant)
    valued = statement.valued
    assert valued is not None
    off = sum(line.amount_minor for line in valued.base.lines)
    assert valued.base.gross_minor - off == statement.position.base_minor
    position = statement.position
    assert position.availability_minor == (
        min(position.limit_minor, position.base_minor) - position.exposure_minor
    )
    assert position.exposure_minor == 1_000


def test_a_writer_under_way_is_waited_for(db: Database) -> None:
    """What is shown at a moment is all that was recorded by then: nothing appears behind it."""
    plant = build_loan(db)
    found: list[Statement] = []
    with db.working() as conn:
        steal(conn, plant)
        reader = threading.Thread(target=lambda: found.append(shown(db, plant)))
        reader.start()
        reader.join(0.3)
        assert found == []
    reader.join(10)
    assert len(found[0].locks) == 1
    assert seen(shown(db, plant, found[0].at)) == seen(found[0])


def test_nobody_elses_facility_and_no_future_is_told(db: Database) -> None:
    """Another party's facility is not there; nor is a moment before the first, or after now."""
    plant = build_loan(db)
    with db.working() as conn:
        other = build_plant(conn, "b")
    with pytest.raises(NotFoundError), db.acting(other.actors[Role.LENDER]) as conn:
        service.load_statement(conn, plant.facility_id, None)
    with pytest.raises(NotFoundError), db.acting(plant.actors[Role.LOGISTICS]) as conn:
        service.load_statement(conn, plant.facility_id, None)
    with pytest.raises(NotFoundError), db.acting(plant.actors[Role.LENDER]) as conn:
        service.load_statement(conn, FacilityId(uuid4()), None)
    with pytest.raises(NoRecordError):
        shown(db, plant, datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidError):
        shown(db, plant, datetime(2120, 1, 1, tzinfo=UTC))
