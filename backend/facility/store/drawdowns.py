"""Drawdowns and repayments in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.facility.types import Drawdown, DrawdownState, Reason, Repayment, Split
from backend.ids import AccountId, DrawdownId, FacilityId, RepaymentId, ValuationId
from backend.money import Minor

ROWS_MAX: Final = 1_000  # A page for people, newest first.

_DRAWDOWN: Final = (
    "SELECT id, facility_id, amount_minor, state, body_sha256, requested_by, requested_at,"
    " decided_by, decided_at, valuation_id, expires_at, ended_at, reasons, request_message,"
    " request_key_id, decision_message, decision_key_id FROM drawdown"
)
_REPAYMENT: Final = (
    "SELECT id, facility_id, amount_minor, fees_minor, interest_minor, principal_minor,"
    " surplus_minor, body_sha256, paid_by, paid_at, penalty_minor FROM repayment"
)


def add_drawdown(conn: Conn, drawdown: Drawdown) -> bool:
    """Store a drawdown as asked for; return false when its id is taken."""
    statement = (
        "INSERT INTO drawdown (id, facility_id, amount_minor, state, body_sha256, requested_by,"
        " requested_at, decided_by, decided_at, ended_at, reasons, request_message,"
        " request_key_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING"
    )
    values = [
        drawdown.id,
        drawdown.facility_id,
        drawdown.amount_minor,
        drawdown.state.value,
        drawdown.body_sha256,
        drawdown.requested_by,
        drawdown.requested_at,
        drawdown.decided_by,
        drawdown.decided_at,
        drawdown.ended_at,
        _reasons_json(drawdown.reasons),
        drawdown.request_message,
        drawdown.request_key_id,
    ]
    return conn.execute(statement, values).rowcount == 1


def save_drawdown(conn: Conn, drawdown: Drawdown) -> None:
    """Store where a drawdown is now, and why."""
    statement = (
        "UPDATE drawdown SET state = %s, decided_by = %s, decided_at = %s, valuation_id = %s,"
        " expires_at = %s, ended_at = %s, reasons = %s, decision_message = %s,"
        " decision_key_id = %s WHERE id = %s"
    )
    values = [
        drawdown.state.value,
        drawdown.decided_by,
        drawdown.decided_at,
        drawdown.valuation_id,
        drawdown.expires_at,
        drawdown.ended_at,
        _reasons_json(drawdown.reasons),
        drawdown.decision_message,
        drawdown.decision_key_id,
        drawdown.id,
    ]
    conn.execute(statement, values)


def load_drawdown(conn: Conn, drawdown_id: DrawdownId) -> Drawdown | None:
    """Return a drawdown, if the actor may see it."""
    row = conn.execute(f"{_DRAWDOWN} WHERE id = %s", [drawdown_id]).fetchone()
    return None if row is None else _drawdown(row)


def list_drawdowns(conn: Conn, facility_id: FacilityId) -> Sequence[Drawdown]:
    """Return the newest drawdowns of a facility, newest first."""
    query = f"{_DRAWDOWN} WHERE facility_id = %s ORDER BY requested_at DESC, id LIMIT %s"
    return [_drawdown(row) for row in conn.execute(query, [facility_id, ROWS_MAX])]


def load_pending(
    conn: Conn, facility_ids: Sequence[FacilityId]
) -> Mapping[FacilityId, Sequence[Drawdown]]:
    """Return the drawdowns that are promised and not paid out, oldest promise first."""
    query = (
        f"{_DRAWDOWN} WHERE facility_id = ANY(%s) AND state = 'pending' ORDER BY decided_at, id"
    )
    pending: dict[FacilityId, list[Drawdown]] = {}
    for row in conn.execute(query, [list(facility_ids)]):
        drawdown = _drawdown(row)
        pending.setdefault(drawdown.facility_id, []).append(drawdown)
    return pending


def count_waiting(conn: Conn, facility_id: FacilityId) -> int:
    """Return how many drawdowns are asked for or promised, and not at an end."""
    query = (
        "SELECT count(*) FROM drawdown WHERE facility_id = %s AND state IN ('requested','pending')"
    )
    row = conn.execute(query, [facility_id]).fetchone()
    return 0 if row is None else int(row[0])


def facilities_with_expired(conn: Conn, now: datetime) -> Sequence[FacilityId]:
    """Return the facilities with a promised drawdown whose time is over, in order."""
    query = (
        "SELECT DISTINCT facility_id FROM drawdown WHERE state = 'pending' AND expires_at <= %s"
        " ORDER BY 1"
    )
    return [FacilityId(row[0]) for row in conn.execute(query, [now])]


def _drawdown(row: TupleRow) -> Drawdown:
    return Drawdown(
        id=DrawdownId(row[0]),
        facility_id=FacilityId(row[1]),
        amount_minor=Minor(row[2]),
        state=DrawdownState(row[3]),
        body_sha256=bytes(row[4]),
        requested_by=AccountId(row[5]),
        requested_at=row[6],
        decided_by=row[7],
        decided_at=row[8],
        valuation_id=None if row[9] is None else ValuationId(row[9]),
        expires_at=row[10],
        ended_at=row[11],
        reasons=tuple(_reason(each) for each in row[12]),
        request_message=row[13],
        request_key_id=row[14],
        decision_message=row[15],
        decision_key_id=row[16],
    )


def _reason(stored: dict[str, Any]) -> Reason:
    return Reason(code=stored["code"], detail=stored["detail"], numbers=stored["numbers"])


def _reasons_json(reasons: Sequence[Reason]) -> Jsonb:
    return Jsonb(
        [
            {"code": each.code, "detail": each.detail, "numbers": dict(each.numbers)}
            for each in reasons
        ]
    )


def add_repayment(conn: Conn, repayment: Repayment) -> bool:
    """Store a repayment; return false when its id is taken."""
    statement = (
        "INSERT INTO repayment (id, facility_id, amount_minor, fees_minor, interest_minor,"
        " principal_minor, surplus_minor, body_sha256, paid_by, paid_at, penalty_minor)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING"
    )
    values = [
        repayment.id,
        repayment.facility_id,
        repayment.amount_minor,
        repayment.split.fees_minor,
        repayment.split.interest_minor,
        repayment.split.principal_minor,
        repayment.split.surplus_minor,
        repayment.body_sha256,
        repayment.paid_by,
        repayment.paid_at,
        repayment.split.penalty_minor,
    ]
    return conn.execute(statement, values).rowcount == 1


def add_reversal(conn: Conn, repayment: Repayment, why: str, at: datetime, actor: str) -> None:
    """Store that a repayment was taken back, with what it had paid."""
    statement = (
        "INSERT INTO repayment_reversal (repayment_id, facility_id, at, actor, why, penalty_minor,"
        " fees_minor, interest_minor, principal_minor) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    )
    split = repayment.split
    values = [
        repayment.id,
        repayment.facility_id,
        at,
        actor,
        why,
        split.penalty_minor,
        split.fees_minor,
        split.interest_minor,
        split.principal_minor,
    ]
    conn.execute(statement, values)


def load_repayment(conn: Conn, repayment_id: RepaymentId) -> Repayment | None:
    """Return a repayment, if the actor may see it."""
    row = conn.execute(f"{_REPAYMENT} WHERE id = %s", [repayment_id]).fetchone()
    return None if row is None else _repayment(row)


def list_repayments(conn: Conn, facility_id: FacilityId) -> Sequence[Repayment]:
    """Return the newest repayments of a facility, newest first."""
    query = f"{_REPAYMENT} WHERE facility_id = %s ORDER BY paid_at DESC, id LIMIT %s"
    return [_repayment(row) for row in conn.execute(query, [facility_id, ROWS_MAX])]


def _repayment(row: TupleRow) -> Repayment:
    return Repayment(
        id=RepaymentId(row[0]),
        facility_id=FacilityId(row[1]),
        amount_minor=Minor(row[2]),
        split=Split(
            fees_minor=Minor(row[3]),
            interest_minor=Minor(row[4]),
            principal_minor=Minor(row[5]),
            surplus_minor=Minor(row[6]),
            penalty_minor=Minor(row[10]),
        ),
        body_sha256=bytes(row[7]),
        paid_by=None if row[8] is None else AccountId(row[8]),
        paid_at=row[9],
    )
