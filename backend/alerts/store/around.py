"""What is stored of the time around an alert: readings, events, locks; each bounded."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from backend.alerts.types import (
    CausedLock,
    LotHappening,
    MinuteOfSightings,
    MinuteOfValues,
    SensorEvent,
)
from backend.db import Conn
from backend.ids import LotId

MINUTES_MAX: Final = 5_000  # Of all channels: a lot has some twenty, watched for some hours.
HAPPENINGS_MAX: Final = 500
LOCKS_MAX: Final = 50

# The channels of what watches a lot; visible_* shows no others than those of the actor.
_OF_LOT: Final = """
    WITH w AS MATERIALIZED (
      SELECT DISTINCT c.id, c.gateway_id, c.sensor, c.quantity
      FROM lot l
      JOIN sensor_binding b ON b.lot_id = l.id OR (b.lot_id IS NULL AND b.zone_id = l.zone_id)
      JOIN channel c ON c.gateway_id = b.gateway_id AND c.sensor = b.sensor
      WHERE l.id = %(lot)s)
    SELECT w.gateway_id, w.sensor, """
_VALUES: Final = f"""{_OF_LOT}w.quantity, date_trunc('minute', r.at) AS minute,
           count(*)::int AS count, min(r.value) AS value_min, max(r.value) AS value_max
    FROM visible_scalar_reading r JOIN w ON w.id = r.channel_id
    WHERE r.at >= %(begin)s AND r.at < %(end)s AND r.quality <= 1 AND w.quantity IS NOT NULL
    GROUP BY 1, 2, 3, 4 ORDER BY minute, 1, 2, 3 LIMIT %(limit)s
"""
_SIGHTINGS: Final = f"""{_OF_LOT}date_trunc('minute', r.at) AS minute,
           count(DISTINCT r.epc)::int AS items, sum(r.count)::int AS reads
    FROM visible_sighting_reading r JOIN w ON w.id = r.channel_id
    JOIN item i ON i.epc = r.epc AND i.lot_id = %(lot)s
    WHERE r.at >= %(begin)s AND r.at < %(end)s
    GROUP BY 1, 2, 3 ORDER BY minute, 1, 2 LIMIT %(limit)s
"""
_EVENTS: Final = f"""{_OF_LOT}r.at, r.type, r.image_sha256
    FROM visible_event_reading r JOIN w ON w.id = r.channel_id
    WHERE r.at >= %(begin)s AND r.at < %(end)s
    ORDER BY r.at, w.gateway_id, w.sensor LIMIT %(limit)s
"""
_HAPPENINGS: Final = """
    SELECT at, actor, what, detail FROM lot_event
    WHERE lot_id = %(lot)s AND at >= %(begin)s AND at < %(end)s ORDER BY at, id LIMIT %(limit)s
"""
_LOCKS: Final = """
    SELECT k.facility_id, f.name AS facility, k.reason, k.detail, k.opened_at, k.opened_by,
           k.lifted_at
    FROM facility_lock k JOIN facility f ON f.id = k.facility_id
    WHERE k.reason = ANY(%(reasons)s)
      AND (k.lifted_at IS NULL OR k.lifted_at > %(since)s)
      AND (k.facility_id = %(facility)s OR k.facility_id IN (
        SELECT p.facility_id FROM pledge p JOIN pledge_lot pl ON pl.pledge_id = p.id
        WHERE pl.lot_id = %(lot)s AND pl.active))
    ORDER BY k.opened_at, k.id LIMIT %(limit)s
"""
# An order lets go what it names, or any of the lot; some minutes before its time and after it, as
# the rules do (backend/collateral/rules/let_go.py).
_COVERED: Final = """
    SELECT EXISTS (
      SELECT 1 FROM release_order o WHERE o.lot_id = %(lot)s
        AND o.begins_at - interval '2 minutes' <= %(began)s
        AND least(o.ends_at, o.revoked_at) + interval '3 minutes' >= %(began)s
        AND (NOT o.by_items OR %(item)s::uuid IS NULL OR EXISTS (
          SELECT 1 FROM release_item r WHERE r.order_id = o.id AND r.item_id = %(item)s)))
"""


def fetch_values(
    conn: Conn, lot_id: LotId, begin: datetime, end: datetime
) -> Sequence[MinuteOfValues]:
    """Return least and greatest good values of each channel that watches a lot, by minute."""
    values = {"lot": lot_id, "begin": begin, "end": end, "limit": MINUTES_MAX}
    with conn.cursor(row_factory=class_row(MinuteOfValues)) as cursor:
        return cursor.execute(_VALUES, values).fetchall()


def fetch_sightings(
    conn: Conn, lot_id: LotId, begin: datetime, end: datetime
) -> Sequence[MinuteOfSightings]:
    """Return how much of a lot each of its readers read, by minute."""
    values = {"lot": lot_id, "begin": begin, "end": end, "limit": MINUTES_MAX}
    with conn.cursor(row_factory=class_row(MinuteOfSightings)) as cursor:
        return cursor.execute(_SIGHTINGS, values).fetchall()


def fetch_sensor_events(
    conn: Conn, lot_id: LotId, begin: datetime, end: datetime
) -> Sequence[SensorEvent]:
    """Return what the sensors of a lot said beside values and sightings."""
    values = {"lot": lot_id, "begin": begin, "end": end, "limit": HAPPENINGS_MAX}
    with conn.cursor(row_factory=class_row(SensorEvent)) as cursor:
        return cursor.execute(_EVENTS, values).fetchall()


def fetch_lot_happenings(
    conn: Conn, lot_id: LotId, begin: datetime, end: datetime
) -> Sequence[LotHappening]:
    """Return what happened to a lot."""
    values = {"lot": lot_id, "begin": begin, "end": end, "limit": HAPPENINGS_MAX}
    with conn.cursor(row_factory=class_row(LotHappening)) as cursor:
        return cursor.execute(_HAPPENINGS, values).fetchall()


def fetch_locks(
    conn: Conn, subject: tuple[LotId | None, object], reasons: Sequence[str], since: datetime
) -> Sequence[CausedLock]:
    """Return locks for these reasons of a lot's facility, or of a facility, that held since."""
    values = {
        "lot": subject[0],
        "facility": subject[1],
        "reasons": list(reasons),
        "since": since,
        "limit": LOCKS_MAX,
    }
    with conn.cursor(row_factory=class_row(CausedLock)) as cursor:
        return cursor.execute(_LOCKS, values).fetchall()


def load_least_gross_g(conn: Conn, lot_id: LotId) -> int | None:
    """Return what a lot's scale must show for nothing to be short; None: it has no scale."""
    row = conn.execute(
        "SELECT (detail ->> 'least_gross_g')::bigint FROM lot_state WHERE lot_id = %s", (lot_id,)
    ).fetchone()
    return None if row is None else row[0]


def is_covered(conn: Conn, lot_id: LotId, item_id: UUID | None, began_at: datetime) -> bool:
    """Return whether a release order lets an item of a lot, or some of it, go at a time."""
    row = conn.execute(_COVERED, {"lot": lot_id, "item": item_id, "began": began_at}).fetchone()
    return row is not None and bool(row[0])
