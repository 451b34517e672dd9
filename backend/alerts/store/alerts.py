"""Alerts, their evidence and their history in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, LiteralString

from psycopg.rows import class_row, dict_row

from backend.alerts.types import (
    Alert,
    AlertEvent,
    AlertEvidence,
    AlertKind,
    AlertState,
    Finding,
    Resolution,
    Severity,
    What,
)
from backend.db import Conn
from backend.ids import AccountId, AlertId, LotId

ALERTS_MAX: Final = 500  # A page.
ROWS_MAX: Final = 1_000  # Of evidence, and of history.

_ALERT: Final[LiteralString] = """
    SELECT id, kind, severity, state, cause, lot_id, gateway_id, facility_id, summary,
           probability, began_at, opened_at, critical_at, eased_at, unattended_at, ceased_at,
           acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolution, note
    FROM alert
"""
_FETCH: Final[LiteralString] = (
    _ALERT
    + " WHERE (%(state)s::text IS NULL OR state = %(state)s)"
    + " AND (%(lot)s::uuid IS NULL OR lot_id = %(lot)s)"
    + " ORDER BY state = 'resolved', opened_at DESC, id LIMIT %(limit)s"
)
_ADD: Final = """
    INSERT INTO alert (id, kind, severity, cause, lot_id, gateway_id, facility_id, summary,
                       probability, began_at, opened_at, critical_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_SAVE_RAISED: Final = """
    UPDATE alert SET severity = %(severity)s, summary = %(summary)s,
      probability = %(probability)s, ceased_at = NULL, eased_at = NULL,
      began_at = CASE WHEN ceased_at IS NULL THEN coalesce(began_at, %(began)s) ELSE %(began)s END,
      critical_at = CASE WHEN %(severity)s = 'critical' THEN coalesce(critical_at, %(now)s) END
    WHERE id = %(id)s
"""
_NOTE_UNATTENDED: Final = """
    UPDATE alert SET unattended_at = %(now)s
    WHERE state = 'open' AND severity = 'critical' AND unattended_at IS NULL
      AND critical_at <= %(before)s
    RETURNING id
"""
_ADD_EVIDENCE: Final = """
    INSERT INTO alert_evidence (alert_id, at, recorded_at, gateway_id, envelope_number, sensor,
                                quantity, value, text, image_sha256, expected, log_odds)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def load_unresolved(conn: Conn, causes: Collection[str]) -> dict[str, Alert]:
    """Return the unresolved alerts of causes, locked, by cause."""
    query = _ALERT + " WHERE cause = ANY(%s) AND state <> 'resolved' ORDER BY id FOR UPDATE"
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, (list(causes),)).fetchall()
    return {row["cause"]: _alert(row) for row in rows}


def add(conn: Conn, alert_id: AlertId, finding: Finding, now: datetime) -> None:
    """Store a new alert under an id of the caller's: in a pipeline nobody waits for an answer."""
    conn.execute(
        _ADD,
        (
            alert_id,
            finding.kind.value,
            finding.severity.value,
            finding.cause,
            finding.lot_id,
            finding.gateway,
            finding.facility_id,
            finding.summary,
            finding.probability,
            finding.began_at,
            now,
            now if finding.severity is Severity.CRITICAL else None,
        ),
    )


def save_raised(
    conn: Conn, alert_id: AlertId, severity: Severity, finding: Finding, now: datetime
) -> None:
    """Store that an alert's cause is there, as found, in this severity."""
    conn.execute(
        _SAVE_RAISED,
        {
            "severity": severity.value,
            "summary": finding.summary,
            "probability": finding.probability,
            "began": finding.began_at,
            "now": now,
            "id": alert_id,
        },
    )


def save_eased(conn: Conn, alert_id: AlertId, finding: Finding, now: datetime) -> None:
    """Store that an alert's cause is found less grave than its severity, which stays."""
    conn.execute(
        "UPDATE alert SET eased_at = %s, probability = %s, summary = %s WHERE id = %s",
        (now, finding.probability, finding.summary, alert_id),
    )


def note_unattended(conn: Conn, before: datetime, now: datetime) -> list[AlertId]:
    """Note which critical alerts nobody has acknowledged since ``before``; each once."""
    rows = conn.execute(_NOTE_UNATTENDED, {"now": now, "before": before}).fetchall()
    return [AlertId(row[0]) for row in rows]


def save_ceased(conn: Conn, alert_id: AlertId, now: datetime) -> None:
    """Store that an alert's cause is no more; the alert stays."""
    conn.execute("UPDATE alert SET ceased_at = %s WHERE id = %s", (now, alert_id))


def add_evidence(conn: Conn, alert_id: AlertId, finding: Finding, now: datetime) -> None:
    """Store the readings behind a finding."""
    rows = [
        (
            alert_id,
            each.at,
            now,
            each.gateway,
            each.envelope_number,
            each.sensor,
            each.quantity,
            each.value,
            each.text,
            each.image_sha256,
            each.expected,
            each.log_odds,
        )
        for each in finding.evidence
    ]
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(_ADD_EVIDENCE, rows)


def add_event(
    conn: Conn, alert_id: AlertId, now: datetime, actor: str, event: tuple[What, str | None]
) -> None:
    """Store what happened to an alert, and a note."""
    conn.execute(
        "INSERT INTO alert_event (alert_id, at, actor, what, note) VALUES (%s, %s, %s, %s, %s)",
        (alert_id, now, actor, event[0].value, event[1]),
    )


def fetch(
    conn: Conn, state: AlertState | None, lot_id: LotId | None, limit: int = ALERTS_MAX
) -> list[Alert]:
    """Return alerts that the actor may see, unresolved ones first, then by age."""
    wanted = {"state": state, "lot": lot_id, "limit": min(limit, ALERTS_MAX)}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_alert(row) for row in cursor.execute(_FETCH, wanted).fetchall()]


def load(conn: Conn, alert_id: AlertId, *, lock: bool = False) -> Alert | None:
    """Return an alert, if the actor may see it."""
    query = _ALERT + (" WHERE id = %s FOR UPDATE" if lock else " WHERE id = %s")
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, (alert_id,)).fetchone()
    return None if row is None else _alert(row)


def fetch_evidence(conn: Conn, alert_id: AlertId) -> Sequence[AlertEvidence]:
    """Return the readings behind an alert, oldest first."""
    with conn.cursor(row_factory=class_row(AlertEvidence)) as cursor:
        return cursor.execute(
            "SELECT at, recorded_at, gateway_id, envelope_number, sensor, quantity, value, text,"
            " image_sha256, expected, log_odds FROM alert_evidence WHERE alert_id = %s"
            " ORDER BY id LIMIT %s",
            (alert_id, ROWS_MAX),
        ).fetchall()


def fetch_events(conn: Conn, alert_id: AlertId) -> Sequence[AlertEvent]:
    """Return what happened to an alert, oldest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT at, actor, what, note FROM alert_event WHERE alert_id = %s"
            " ORDER BY id LIMIT %s",
            (alert_id, ROWS_MAX),
        ).fetchall()
    return [
        AlertEvent(at=row["at"], actor=row["actor"], what=What(row["what"]), note=row["note"])
        for row in rows
    ]


def save_acknowledged(conn: Conn, alert_id: AlertId, by: AccountId, now: datetime) -> None:
    """Store that somebody has seen an alert."""
    conn.execute(
        "UPDATE alert SET state = 'acknowledged', acknowledged_at = %s, acknowledged_by = %s"
        " WHERE id = %s",
        (now, by, alert_id),
    )


def save_resolved(
    conn: Conn,
    alert_id: AlertId,
    by: AccountId,
    now: datetime,
    said: tuple[Resolution, str | None],
) -> None:
    """Store what an alert turned out to be, and a note."""
    conn.execute(
        "UPDATE alert SET state = 'resolved', resolved_at = %s, resolved_by = %s,"
        " resolution = %s, note = %s WHERE id = %s",
        (now, by, said[0].value, said[1], alert_id),
    )


def is_pledged(conn: Conn, lot_id: LotId) -> bool:
    """Return whether a lot is pledged, to whomever."""
    row = conn.execute("SELECT pw_pledged(%s)", (lot_id,)).fetchone()
    return row is not None and bool(row[0])


def _alert(row: dict[str, object]) -> Alert:
    resolution = row["resolution"]
    typed: dict[str, object] = {
        **row,
        "kind": AlertKind(str(row["kind"])),
        "severity": Severity(str(row["severity"])),
        "state": AlertState(str(row["state"])),
        "resolution": None if resolution is None else Resolution(str(resolution)),
    }
    return Alert(**typed)  # pyright: ignore[reportArgumentType]  # columns are named as fields
