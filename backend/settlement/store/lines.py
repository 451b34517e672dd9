"""Lines of bank statements in the database: what came, and where it belongs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import TupleRow

from backend.db import Conn
from backend.ids import DrawdownId, FacilityId, RepaymentId
from backend.money import Minor
from backend.settlement.types import (
    BankLine,
    Declared,
    Direction,
    Line,
    Promised,
    StatementLineState,
    Why,
)

ROWS_MAX: Final = 1_000  # A page for people, newest first.
LINES_MAX: Final = 200  # Matched in one go; the rest follows at once.

_LINE: Final = """
SELECT l.id, l.account_id, l.file_id, a.number, l.currency, l.direction, l.amount_minor,
  l.entry_key, l.entry_minor, l.part, l.is_reversal, l.booked_on, l.end_to_end_id, l.reference,
  l.remittance, l.counterparty, l.state, l.why, l.detail, l.facility_id, l.drawdown_id,
  l.received_at
FROM settlement_line l JOIN settlement_account a ON a.id = l.account_id
"""
_ADD_LINES: Final = (
    "INSERT INTO settlement_line (id, account_id, file_id, entry_key, entry_minor, part,"
    " direction, amount_minor, currency, is_reversal, booked_on, end_to_end_id, reference,"
    " remittance, counterparty, received_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_DECLARED: Final = """
SELECT r.id, r.facility_id, r.amount_minor, EXISTS (
  SELECT 1 FROM settlement_line l WHERE l.repayment_id = r.id AND l.state = 'matched')
FROM repayment r JOIN facility f ON f.id = r.facility_id
WHERE r.id = %(id)s AND r.paid_by IS NOT NULL AND (f.id = %(owner)s OR f.lender_party = %(owner)s)
"""
_PROMISED: Final = """
SELECT d.id, d.facility_id, d.amount_minor, f.currency, d.state,
  d.expires_at IS NOT NULL AND d.expires_at <= %(now)s, EXISTS (
    SELECT 1 FROM settlement_line l
    WHERE l.drawdown_id = d.id AND l.state = 'matched' AND l.direction = 'debit')
FROM drawdown d JOIN facility f ON f.id = d.facility_id
WHERE d.id = %(id)s AND (f.id = %(owner)s OR f.lender_party = %(owner)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a line is, once that is known."""

    state: StatementLineState
    why: Why | None = None
    detail: str = ""
    facility_id: FacilityId | None = None
    drawdown_id: DrawdownId | None = None
    repayment_id: RepaymentId | None = None
    other_line: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEvent:
    """Who did what to a line."""

    at: datetime
    actor: str
    what: str
    detail: str


def lines_waiting(conn: Conn) -> Sequence[UUID]:
    """Return the lines of which nobody has said where they belong, oldest first."""
    query = (
        "SELECT id FROM settlement_line WHERE state = 'received'"
        " ORDER BY received_at, is_reversal, booked_on, id LIMIT %s"
    )
    return [row[0] for row in conn.execute(query, [LINES_MAX])]


def entries_known(
    conn: Conn, account_id: UUID, keys: Iterable[str]
) -> Mapping[str, tuple[Minor, Direction, str]]:
    """Return the entries of an account that are there: their amount, direction and currency."""
    query = (
        "SELECT DISTINCT entry_key, entry_minor, direction, currency FROM settlement_line"
        " WHERE account_id = %s AND entry_key = ANY(%s)"
    )
    rows = conn.execute(query, [account_id, sorted(set(keys))])
    return {row[0]: (Minor(row[1]), Direction(row[2]), row[3]) for row in rows}


def add_lines(
    conn: Conn, file_id: UUID, lines: Sequence[tuple[UUID, UUID, BankLine]], now: datetime
) -> None:
    """Store lines under their ids and accounts."""
    rows = [
        (
            key,
            account_id,
            file_id,
            line.entry_key,
            line.entry_minor,
            line.part,
            line.direction.value,
            line.amount_minor,
            line.currency,
            line.is_reversal,
            line.booked_on,
            line.end_to_end_id,
            line.reference,
            line.remittance,
            line.counterparty,
            now,
        )
        for key, account_id, line in lines
    ]
    with conn.cursor() as cursor:
        cursor.executemany(_ADD_LINES, rows)


def hold_line(conn: Conn, line_id: UUID) -> Line | None:
    """Hold a line until the transaction ends, and return it as it is then."""
    conn.execute("SELECT id FROM settlement_line WHERE id = %s FOR UPDATE", [line_id])
    return load_line(conn, line_id)


def load_line(conn: Conn, line_id: UUID) -> Line | None:
    """Return a line, if the actor may see it."""
    row = conn.execute(f"{_LINE} WHERE l.id = %s", [line_id]).fetchone()
    return None if row is None else _line(row)


def list_lines(conn: Conn, state: StatementLineState | None) -> Sequence[Line]:
    """Return the newest lines in a state, or in any, newest first."""
    query = (
        f"{_LINE} WHERE %(state)s::text IS NULL OR l.state = %(state)s"
        " ORDER BY l.booked_on DESC, l.received_at DESC, l.id LIMIT %(rows)s"
    )
    values = {"state": None if state is None else state.value, "rows": ROWS_MAX}
    return [_line(row) for row in conn.execute(query, values)]


def list_earlier(conn: Conn, line: Line) -> Sequence[Line]:
    """Return the lines of a line's account that it may take back: of its amount, newest first."""
    query = (
        f"{_LINE} WHERE l.account_id = %s AND l.amount_minor = %s AND l.id <> %s"
        " ORDER BY l.booked_on DESC, l.id LIMIT %s"
    )
    values = [line.account_id, line.line.amount_minor, line.id, ROWS_MAX]
    return [_line(row) for row in conn.execute(query, values)]


def save_place(conn: Conn, line_id: UUID, place: Place, event: LineEvent) -> None:
    """Store what a line is, and who said so."""
    statement = (
        "UPDATE settlement_line SET state = %s, why = %s, detail = %s, facility_id = %s,"
        " drawdown_id = %s, repayment_id = %s, other_line = %s WHERE id = %s"
    )
    values = [
        place.state.value,
        None if place.why is None else place.why.value,
        place.detail,
        place.facility_id,
        place.drawdown_id,
        place.repayment_id,
        place.other_line,
        line_id,
    ]
    conn.execute(statement, values)
    append_event(conn, line_id, event)


def append_event(conn: Conn, line_id: UUID, event: LineEvent) -> None:
    """Store what happened to a line."""
    statement = (
        "INSERT INTO settlement_event (line_id, at, actor, what, detail)"
        " VALUES (%s, %s, %s, %s, %s)"
    )
    conn.execute(statement, [line_id, event.at, event.actor, event.what, event.detail])


def list_events(conn: Conn, line_id: UUID) -> Sequence[LineEvent]:
    """Return what happened to a line, oldest first."""
    query = (
        "SELECT at, actor, what, detail FROM settlement_event WHERE line_id = %s"
        " ORDER BY id LIMIT %s"
    )
    return [
        LineEvent(at=row[0], actor=row[1], what=row[2], detail=row[3])
        for row in conn.execute(query, [line_id, ROWS_MAX])
    ]


def load_repayment_of(conn: Conn, line_id: UUID) -> RepaymentId | None:
    """Return the repayment that a line is, or confirms."""
    query = "SELECT repayment_id FROM settlement_line WHERE id = %s"
    row = conn.execute(query, [line_id]).fetchone()
    return None if row is None or row[0] is None else RepaymentId(row[0])


def find_declared(conn: Conn, key: UUID, owner: UUID) -> Declared | None:
    """Return the repayment that a party declared under an id, of an owner's facilities."""
    row = conn.execute(_DECLARED, {"id": key, "owner": owner}).fetchone()
    if row is None:
        return None
    return Declared(
        repayment_id=RepaymentId(row[0]),
        facility_id=FacilityId(row[1]),
        amount_minor=Minor(row[2]),
        confirmed=row[3],
    )


def find_promised(conn: Conn, key: UUID, owner: UUID, now: datetime) -> Promised | None:
    """Return the drawdown with an id, of an owner's facilities."""
    row = conn.execute(_PROMISED, {"id": key, "owner": owner, "now": now}).fetchone()
    if row is None:
        return None
    return Promised(
        drawdown_id=DrawdownId(row[0]),
        facility_id=FacilityId(row[1]),
        amount_minor=Minor(row[2]),
        currency=row[3],
        state=row[4],
        expired=row[5],
        confirmed=row[6],
    )


def _line(row: TupleRow) -> Line:
    return Line(
        id=row[0],
        account_id=row[1],
        file_id=row[2],
        line=BankLine(
            account_number=row[3],
            currency=row[4],
            direction=Direction(row[5]),
            amount_minor=Minor(row[6]),
            entry_key=row[7],
            entry_minor=Minor(row[8]),
            part=row[9],
            is_reversal=row[10],
            booked_on=row[11],
            end_to_end_id=row[12],
            reference=row[13],
            remittance=row[14],
            counterparty=row[15],
        ),
        state=StatementLineState(row[16]),
        why=None if row[17] is None else Why(row[17]),
        detail=row[18],
        facility_id=None if row[19] is None else FacilityId(row[19]),
        drawdown_id=None if row[20] is None else DrawdownId(row[20]),
        received_at=row[21],
    )
