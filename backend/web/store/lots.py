"""Lots, items, what watches them, and their alerts, as pages show them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from backend.db import Conn
from backend.web.types import (
    EVERYTHING,
    ROWS_MAX,
    AlertRow,
    ChannelPoint,
    EventRow,
    ItemRow,
    LotRow,
    WatchRow,
    Window,
)

ITEMS_MAX: Final = 2_000  # Of one lot, or of one site that is drawn.
HISTORY_ROWS_MAX: Final = 50

_LOTS: Final = """
SELECT l.id, l.name, l.site_id, s.name AS site, z.name AS zone, o.name AS owner,
  c.name AS commodity, l.instrument_id, l.pledged_mass_g,
  (SELECT count(*)::int FROM item i WHERE i.lot_id = l.id AND i.retired_at IS NULL) AS items,
  t.custody, t.quantity, t.short_mass_g, t.measured_mass_g, t.condition, t.condition_since,
  t.surveillance, coalesce(t.tampered, false) AS tampered,
  coalesce(t.evaluated, false) AS evaluated, t.detail, t.evaluated_at, t.changed_at,
  f.id AS facility_id, f.name AS facility, coalesce(a.alerts, 0) AS alerts
FROM lot l
JOIN site s ON s.id = l.site_id
JOIN zone z ON z.id = l.zone_id
JOIN party o ON o.id = l.owner_party
JOIN commodity c ON c.id = l.commodity_id
LEFT JOIN lot_state t ON t.lot_id = l.id
LEFT JOIN pledge_lot pl ON pl.lot_id = l.id AND pl.active
LEFT JOIN pledge p ON p.id = pl.pledge_id
LEFT JOIN facility f ON f.id = p.facility_id
LEFT JOIN (SELECT lot_id, count(*)::int AS alerts FROM alert WHERE state <> 'resolved'
           GROUP BY lot_id) a ON a.lot_id = l.id
WHERE """
_LOTS_ORDER: Final = """
ORDER BY a.alerts IS NULL, s.name, l.name, l.id LIMIT %(rows)s OFFSET %(offset)s
"""
# A text for each question, not one with parameters that may be null: its plan is kept, and good.
_ONE_LOT: Final = f"{_LOTS}l.id = %(id)s{_LOTS_ORDER}"
_LOTS_OF_FACILITY: Final = f"{_LOTS}f.id = %(facility)s{_LOTS_ORDER}"
_LOTS_OF_SITE: Final = f"{_LOTS}l.site_id = %(site)s{_LOTS_ORDER}"
_FREE_LOTS: Final = f"{_LOTS}pl.lot_id IS NULL{_LOTS_ORDER}"
_ALL_LOTS: Final = f"{_LOTS}true{_LOTS_ORDER}"
_LOTS_FOUND: Final = f"""{_LOTS}
position(lower(%(search)s) IN lower(l.name || ' ' || c.name || ' ' || s.name)) > 0{_LOTS_ORDER}"""
_ITEMS: Final = """
SELECT i.id, i.lot_id, l.name AS lot, i.name, encode(i.epc, 'hex') AS epc, i.net_mass_g,
  i.tare_mass_g, l.zone_id AS home_zone_id, coalesce(t.custody, 'unseen') AS custody,
  t.zone_id, z.name AS zone,
  t.seen_at, t.rssi_cdbm, t.gateway_id, t.sensor, t.envelope_number
FROM item i
JOIN lot l ON l.id = i.lot_id
LEFT JOIN item_state t ON t.item_id = i.id
LEFT JOIN zone z ON z.id = t.zone_id
WHERE i.retired_at IS NULL AND """
_ITEMS_ORDER: Final = """
ORDER BY coalesce(t.custody, 'unseen') = 'in_zone', l.name, i.name, i.id LIMIT %(rows)s
"""
_ITEMS_OF_LOT: Final = f"{_ITEMS}i.lot_id = %(key)s AND i.retired_at IS NULL{_ITEMS_ORDER}"
_ITEMS_OF_SITE: Final = f"{_ITEMS}l.site_id = %(key)s AND i.retired_at IS NULL{_ITEMS_ORDER}"
_WATCHES: Final = """
SELECT b.gateway_id, b.sensor, min(b.purpose) AS purpose, min(b.max_gap_s) AS max_gap_s,
  c.id AS channel_id, c.quantity, (s."values" -> c.quantity ->> 1)::double precision AS value,
  s.last_at, s.last_arrival_at, s.health, coalesce(s.tampered, false) AS tampered
FROM lot l
JOIN sensor_binding b ON b.zone_id = l.zone_id AND (b.lot_id IS NULL OR b.lot_id = l.id)
LEFT JOIN channel c ON c.gateway_id = b.gateway_id AND c.sensor = b.sensor
LEFT JOIN sensor_state s ON s.gateway_id = b.gateway_id AND s.sensor = b.sensor
WHERE l.id = %s
GROUP BY b.gateway_id, b.sensor, c.id, c.quantity, s."values", s.last_at, s.last_arrival_at,
  s.health, s.tampered
ORDER BY b.gateway_id, b.sensor, c.quantity NULLS LAST LIMIT %s
"""
_ALERTS: Final = """
SELECT a.id, a.kind, a.severity, a.state, a.lot_id, l.name AS lot, a.gateway_id, a.facility_id,
  f.name AS facility, a.summary, a.opened_at, a.ceased_at, a.acknowledged_at,
  k.login AS acknowledged_by, a.resolved_at, r.login AS resolved_by, a.resolution, a.note
FROM alert a
LEFT JOIN lot l ON l.id = a.lot_id
LEFT JOIN facility f ON f.id = a.facility_id
LEFT JOIN account k ON k.id = a.acknowledged_by
LEFT JOIN account r ON r.id = a.resolved_by
WHERE (%(id)s::uuid IS NULL OR a.id = %(id)s)
  AND (%(lot)s::uuid IS NULL OR a.lot_id = %(lot)s)
  AND (%(facility)s::uuid IS NULL OR a.facility_id = %(facility)s OR a.lot_id IN (
    SELECT pl.lot_id FROM pledge p JOIN pledge_lot pl ON pl.pledge_id = p.id AND pl.active
    WHERE p.facility_id = %(facility)s))
  AND (%(state)s::text = 'all' OR a.state = %(state)s
    OR (%(state)s = 'unresolved' AND a.state <> 'resolved'))
ORDER BY a.state = 'resolved', array_position(ARRAY['critical','warning','info'], a.severity),
  a.opened_at DESC, a.id LIMIT %(rows)s OFFSET %(offset)s
"""
_POINTS: Final = """
SELECT channel_id,
  to_timestamp(floor(extract(epoch FROM at) / %(step)s) * %(step)s) AS at, avg(value) AS value
FROM visible_scalar_reading
WHERE channel_id = ANY(%(channels)s) AND at >= %(begin)s AND at < %(end)s AND quality <= 1
GROUP BY 1, 2 ORDER BY 1, 2
"""


def list_lots(conn: Conn, window: Window = EVERYTHING) -> Sequence[LotRow]:
    """Return lots that the actor may see, those with alerts first."""
    return _lots(conn, _LOTS_FOUND if window.search else _ALL_LOTS, window)


def list_lots_of_facility(conn: Conn, facility_id: UUID) -> Sequence[LotRow]:
    """Return the lots that back a facility, those with alerts first."""
    return _lots(conn, _LOTS_OF_FACILITY, EVERYTHING, facility=facility_id)


def list_lots_of_site(conn: Conn, site_id: UUID, window: Window) -> Sequence[LotRow]:
    """Return the lots of a site, those with alerts first."""
    return _lots(conn, _LOTS_OF_SITE, window, site=site_id)


def list_free_lots(conn: Conn) -> Sequence[LotRow]:
    """Return the lots that back nothing, as far as the actor knows, those with alerts first."""
    return _lots(conn, _FREE_LOTS, EVERYTHING)


def load_lot(conn: Conn, lot_id: UUID) -> LotRow | None:
    """Return one lot, if the actor may see it."""
    return next(iter(_lots(conn, _ONE_LOT, EVERYTHING, id=lot_id)), None)


def _lots(conn: Conn, query: LiteralString, window: Window, **key: UUID) -> Sequence[LotRow]:
    with conn.cursor(row_factory=class_row(LotRow)) as cursor:
        return cursor.execute(query, {**asdict(window), **key}).fetchall()


def list_items_of_lot(conn: Conn, lot_id: UUID) -> Sequence[ItemRow]:
    """Return a lot's items with where they were last seen, those that are not in place first."""
    return _items(conn, _ITEMS_OF_LOT, lot_id)


def list_items_of_site(conn: Conn, site_id: UUID) -> Sequence[ItemRow]:
    """Return the items of a site's lots, those that are not in place first."""
    return _items(conn, _ITEMS_OF_SITE, site_id)


def _items(conn: Conn, query: LiteralString, key: UUID) -> Sequence[ItemRow]:
    with conn.cursor(row_factory=class_row(ItemRow)) as cursor:
        return cursor.execute(query, {"key": key, "rows": ITEMS_MAX}).fetchall()


def list_watches(conn: Conn, lot_id: UUID) -> Sequence[WatchRow]:
    """Return every channel of every sensor that watches a lot."""
    with conn.cursor(row_factory=class_row(WatchRow)) as cursor:
        return cursor.execute(_WATCHES, [lot_id, ROWS_MAX]).fetchall()


def list_points(
    conn: Conn, channels: Sequence[int], begin: datetime, end: datetime, points: int
) -> Sequence[ChannelPoint]:
    """Return the means of several channels' good readings over equal spans of time."""
    step = max((end - begin).total_seconds() / points, 0.1)
    values = {"channels": list(channels), "begin": begin, "end": end, "step": step}
    with conn.cursor(row_factory=class_row(ChannelPoint)) as cursor:
        return cursor.execute(_POINTS, values).fetchall()


def list_lot_events(conn: Conn, lot_id: UUID) -> Sequence[EventRow]:
    """Return who or what changed a lot, newest first."""
    query = (
        "SELECT at, actor, what, detail FROM lot_event WHERE lot_id = %s ORDER BY at DESC, id DESC"
        " LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(EventRow)) as cursor:
        return cursor.execute(query, [lot_id, HISTORY_ROWS_MAX]).fetchall()


def list_alerts(
    conn: Conn,
    state: str = "all",
    *,
    alert_id: UUID | None = None,
    lot_id: UUID | None = None,
    facility_id: UUID | None = None,
    window: Window = EVERYTHING,
) -> Sequence[AlertRow]:
    """Return alerts, unresolved and worst first; ``state`` may be 'all' or 'unresolved' too."""
    values = {
        "state": state,
        "id": alert_id,
        "lot": lot_id,
        "facility": facility_id,
        "rows": window.rows,
        "offset": window.offset,
    }
    with conn.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(_ALERTS, values).fetchall()


def count_open_alerts(conn: Conn) -> tuple[int, int]:
    """Return how many unresolved alerts the actor has, and how many of them are critical."""
    row = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE severity = 'critical') FROM alert"
        " WHERE state <> 'resolved'"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
