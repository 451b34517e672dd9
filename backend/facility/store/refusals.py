"""What was not allowed, in the database: kept with its rules, numbers and evidence."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.facility.types import Reason, Refusal
from backend.ids import FacilityId

ROWS_MAX: Final = 200  # A page: each may hold the lines of a whole valuation.


def add_refusal(
    conn: Conn,
    facility_id: FacilityId,
    refused: tuple[str, UUID, Sequence[Reason]],
    evidence: Mapping[str, object],
    at: tuple[datetime, str],
) -> None:
    """Store a refusal.

    Args:
        conn: The connection.
        facility_id: Whose rules refused.
        refused: The action, what it was about, and the reasons against it.
        evidence: What the rules had before them.
        at: When, and whose wish it was.
    """
    action, subject, reasons = refused
    now, actor = at
    said = [
        {"code": each.code, "detail": each.detail, "numbers": dict(each.numbers)}
        for each in reasons
    ]
    conn.execute(
        "INSERT INTO refusal (facility_id, at, actor, action, subject, reasons, evidence)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [facility_id, now, actor, action, subject, Jsonb(said), Jsonb(dict(evidence))],
    )


def list_refusals(conn: Conn, facility_id: FacilityId, before_id: int) -> Sequence[Refusal]:
    """Return what was refused under a facility before a refusal, newest first."""
    query = (
        "SELECT id, facility_id, at, actor, action, subject, reasons, evidence FROM refusal"
        " WHERE facility_id = %s AND id < %s ORDER BY id DESC LIMIT %s"
    )
    return [
        Refusal(
            id=row[0],
            facility_id=FacilityId(row[1]),
            at=row[2],
            actor=row[3],
            action=row[4],
            subject=row[5],
            reasons=tuple(
                Reason(code=each["code"], detail=each["detail"], numbers=each["numbers"])
                for each in row[6]
            ),
            evidence=row[7],
        )
        for row in conn.execute(query, [facility_id, before_id, ROWS_MAX])
    ]
