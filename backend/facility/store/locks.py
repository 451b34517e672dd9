"""Locks of facilities in the database, and the alerts that ask for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from backend.db import Conn
from backend.facility.types import CriticalAlert, Lock, LockReason, OpenLock
from backend.ids import AlertId, FacilityId, LotId


def load_open_locks(
    conn: Conn, facility_ids: Sequence[FacilityId]
) -> Mapping[FacilityId, Sequence[OpenLock]]:
    """Return the locks that hold, by facility."""
    query = (
        "SELECT id, facility_id, reason, detail, opened_at, opened_by FROM facility_lock"
        " WHERE lifted_at IS NULL AND facility_id = ANY(%s) ORDER BY facility_id, id"
    )
    locks: dict[FacilityId, list[OpenLock]] = {}
    for row in conn.execute(query, [list(facility_ids)]):
        lock = OpenLock(
            id=row[0],
            facility_id=FacilityId(row[1]),
            reason=LockReason(row[2]),
            detail=row[3],
            opened_at=row[4],
            opened_by=row[5],
        )
        locks.setdefault(lock.facility_id, []).append(lock)
    return locks


def add_locks(
    conn: Conn, locks: Sequence[tuple[FacilityId, Lock]], now: datetime, opened_by: str
) -> None:
    """Open locks, each of its facility."""
    if not locks:
        return
    statement = (
        "INSERT INTO facility_lock (facility_id, reason, detail, opened_at, opened_by)"
        " SELECT f, r, d, %s, %s FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS t (f, r, d)"
    )
    keys = [key for key, _ in locks]
    reasons = [lock.reason.value for _, lock in locks]
    details = [lock.detail for _, lock in locks]
    conn.execute(statement, [now, opened_by, keys, reasons, details])


def save_lock_details(conn: Conn, details: Mapping[int, str]) -> None:
    """Say anew why locks hold."""
    if not details:
        return
    statement = (
        "UPDATE facility_lock SET detail = t.d FROM unnest(%s::bigint[], %s::text[]) AS t (i, d)"
        " WHERE id = t.i"
    )
    conn.execute(statement, [list(details), list(details.values())])


def save_locks_lifted(conn: Conn, ids: Sequence[int], now: datetime, lifted_by: str) -> None:
    """Lift locks."""
    if not ids:
        return
    statement = "UPDATE facility_lock SET lifted_at = %s, lifted_by = %s WHERE id = ANY(%s)"
    conn.execute(statement, [now, lifted_by, list(ids)])


def load_critical_alerts(conn: Conn, lot_ids: Sequence[LotId]) -> Sequence[CriticalAlert]:
    """Return the critical alerts of lots that nobody has resolved."""
    query = (
        "SELECT id, kind, lot_id, summary FROM alert"
        " WHERE state <> 'resolved' AND severity = 'critical' AND lot_id = ANY(%s) ORDER BY id"
    )
    return [
        CriticalAlert(id=AlertId(row[0]), kind=row[1], lot_id=LotId(row[2]), summary=row[3])
        for row in conn.execute(query, [list(lot_ids)])
    ]
