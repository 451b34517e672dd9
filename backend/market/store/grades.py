"""Grades and their differentials in the database."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from psycopg import errors
from psycopg.rows import TupleRow

from backend.db import Conn
from backend.ids import AccountId, InstrumentId
from backend.market.errors import DifferentialOverlapError
from backend.market.types import Differential, DifferentialKind

DIFFERENTIALS_MAX: Final = 5_000  # Of one instrument: a hundred grades for fifty windows.

_DIFFERENTIAL: Final = (
    "SELECT d.id, g.code, d.kind, d.amount, lower(d.valid), upper(d.valid), g.instrument_id"
    " FROM grade_differential d JOIN grade g ON g.id = d.grade_id"
)


def load_in_force(
    conn: Conn, ids: Sequence[InstrumentId], today: date
) -> Mapping[InstrumentId, Mapping[str, Differential]]:
    """Return the differentials in force on a day, by instrument and grade."""
    found: dict[InstrumentId, dict[str, Differential]] = {}
    query = f"{_DIFFERENTIAL} WHERE g.instrument_id = ANY(%s) AND d.valid @> %s::date"
    for row in conn.execute(query, [list(ids), today]):
        found.setdefault(InstrumentId(row[6]), {})[row[1]] = _differential(row)
    return found


def list_differentials(conn: Conn, instrument_id: InstrumentId) -> Sequence[Differential]:
    """Return an instrument's differentials, by grade and day."""
    query = f"{_DIFFERENTIAL} WHERE g.instrument_id = %s ORDER BY g.code, lower(d.valid) LIMIT %s"
    return [_differential(row) for row in conn.execute(query, [instrument_id, DIFFERENTIALS_MAX])]


def load_differential(
    conn: Conn, instrument_id: InstrumentId, differential_id: int
) -> Differential | None:
    """Return one differential."""
    query = f"{_DIFFERENTIAL} WHERE g.instrument_id = %s AND d.id = %s"
    row = conn.execute(query, [instrument_id, differential_id]).fetchone()
    return None if row is None else _differential(row)


def _differential(row: TupleRow) -> Differential:
    return Differential(
        id=row[0],
        grade=row[1],
        kind=DifferentialKind(row[2]),
        amount=Decimal(row[3]),
        first_day=row[4],
        last_day=None if row[5] is None else row[5] - timedelta(days=1),
    )


def add_differential(
    conn: Conn,
    instrument_id: InstrumentId,
    differential: Differential,
    set_by: AccountId,
    set_at: datetime,
) -> int:
    """Store a differential and return its id.

    Raises:
        DifferentialOverlapError: Another one of that grade is in force on one of its days.
    """
    conn.execute(
        "INSERT INTO grade (instrument_id, code) VALUES (%s, %s)"
        " ON CONFLICT (instrument_id, code) DO NOTHING",
        [instrument_id, differential.grade],
    )
    statement = (
        "INSERT INTO grade_differential (grade_id, kind, amount, valid, set_by, set_at)"
        " SELECT g.id, %s, %s, daterange(%s, %s, '[]'), %s, %s FROM grade g"
        " WHERE g.instrument_id = %s AND g.code = %s RETURNING id"
    )
    values = [
        differential.kind,
        differential.amount,
        differential.first_day,
        differential.last_day,
        set_by,
        set_at,
        instrument_id,
        differential.grade,
    ]
    try:
        row = conn.execute(statement, values).fetchone()
    except errors.ExclusionViolation as error:
        raise DifferentialOverlapError(
            differential.grade, differential.first_day, differential.last_day
        ) from error
    assert row is not None
    return int(row[0])


def save_last_day(conn: Conn, differential_id: int, last_day: date) -> None:
    """Let a differential end with a day."""
    conn.execute(
        "UPDATE grade_differential SET valid = daterange(lower(valid), %s, '[]') WHERE id = %s",
        [last_day, differential_id],
    )
