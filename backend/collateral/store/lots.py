"""Lots as their rules need them: registered, watched, remembered; set-based, by lot.

JSON comes back as it lies there: the rules read it, one lot at a time, so that one that is
corrupt does not keep the others from being decided.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from backend.collateral.types import SensorKey
from backend.db import Conn
from backend.ids import GatewayId, ItemId, LotId, ZoneId

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRows:
    """Everything stored of one lot, as it lies there."""

    lot: Row
    items: Sequence[Row]
    bindings: Sequence[Row]


_WATCHED: Final = """
    SELECT DISTINCT l.id
    FROM unnest(%s::text[], %s::text[]) AS n(gateway_id, sensor)
    JOIN sensor_binding b ON b.gateway_id = n.gateway_id AND b.sensor = n.sensor
    JOIN lot l ON l.id = b.lot_id OR (b.lot_id IS NULL AND l.zone_id = b.zone_id)
"""

_WATCHED_BY: Final = """
    SELECT DISTINCT l.id FROM sensor_binding b
    JOIN lot l ON l.id = b.lot_id OR (b.lot_id IS NULL AND l.zone_id = b.zone_id)
    WHERE b.gateway_id = ANY(%s)
"""

_LOCK: Final = "SELECT lot_id FROM lot_state WHERE lot_id = ANY(%s) ORDER BY lot_id FOR UPDATE"

_CREATE: Final = """
    INSERT INTO lot_state (lot_id) SELECT unnest(%s::uuid[]) ON CONFLICT DO NOTHING
"""

_LOTS: Final = """
    SELECT l.id, l.name, l.zone_id, l.pledged_mass_g, z.polygon_m, s.origin_lat_deg,
           s.origin_lon_deg, c.temperature_min_c, c.temperature_max_c, c.temperature_dwell_s,
           c.humidity_max_pct, c.shock_max_g0,
           t.custody, t.quantity, t.short_mass_g, t.measured_mass_g, t.condition,
           t.condition_since, t.surveillance, t.tampered, t.evaluated, t.detail, t.memory
    FROM lot l JOIN lot_state t ON t.lot_id = l.id JOIN zone z ON z.id = l.zone_id
    JOIN site s ON s.id = l.site_id JOIN commodity c ON c.id = l.commodity_id
    WHERE l.id = ANY(%s)
"""

_ITEMS: Final = """
    SELECT i.id, i.lot_id, i.name, i.epc, i.net_mass_g, i.tare_mass_g, t.custody,
           t.zone_id, t.seen_arrival_at
    FROM item i LEFT JOIN item_state t ON t.item_id = i.id
    WHERE i.lot_id = ANY(%s) ORDER BY i.lot_id, i.name
"""

_BINDINGS: Final = """
    SELECT l.id AS for_lot, b.id, b.gateway_id, b.sensor, b.purpose, b.zone_id, b.lot_id,
           b.tare_mass_g, b.tolerance_mass_g, b.max_gap_s, b.missing_after_s
    FROM lot l JOIN sensor_binding b ON b.lot_id = l.id
    WHERE l.id = ANY(%(lots)s)
    UNION ALL
    SELECT l.id, b.id, b.gateway_id, b.sensor, b.purpose, b.zone_id, b.lot_id,
           b.tare_mass_g, b.tolerance_mass_g, b.max_gap_s, b.missing_after_s
    FROM lot l JOIN sensor_binding b ON b.zone_id = l.zone_id AND b.lot_id IS NULL
    WHERE l.id = ANY(%(lots)s)
    ORDER BY 1, 2
"""

_READERS: Final = """
    SELECT b.gateway_id, b.sensor, b.zone_id
    FROM unnest(%s::text[], %s::text[]) AS n(gateway_id, sensor)
    JOIN sensor_binding b ON b.gateway_id = n.gateway_id AND b.sensor = n.sensor
    WHERE b.purpose = 'presence'
"""

# Time alone changes what is decided of these: sensors that fell silent, findings that grow graver
# or end, and lots that were never decided. The sweep need not look at any other.
_DUE: Final = """
    SELECT t.lot_id FROM lot_state t
    WHERE NOT t.evaluated OR t.surveillance <> 'live' OR t.detail -> 'facts' <> '{}'::jsonb
    UNION
    SELECT l.id
    FROM lot l
    JOIN sensor_binding b ON b.lot_id = l.id OR (b.lot_id IS NULL AND b.zone_id = l.zone_id)
    LEFT JOIN sensor_state s ON s.gateway_id = b.gateway_id AND s.sensor = b.sensor
    LEFT JOIN stream g ON g.gateway_id = b.gateway_id
    WHERE s.fresh_at IS NULL OR s.fresh_at < %(now)s - make_interval(secs => b.max_gap_s)
       OR g.state = 'stopped'
    UNION
    SELECT l.id FROM lot l LEFT JOIN lot_state t ON t.lot_id = l.id WHERE t.lot_id IS NULL
"""


def fetch_watched(conn: Conn, sensors: Collection[SensorKey]) -> set[LotId]:
    """Return the lots that sensors are bound to."""
    rows = conn.execute(_WATCHED, _columns(sensors)).fetchall()
    return {LotId(row[0]) for row in rows}


def fetch_watched_by(conn: Conn, gateways: Collection[GatewayId]) -> set[LotId]:
    """Return the lots that sensors of these gateways are bound to."""
    rows = conn.execute(_WATCHED_BY, (sorted(gateways),)).fetchall()
    return {LotId(row[0]) for row in rows}


def fetch_owners(conn: Conn, epcs: Collection[bytes]) -> tuple[dict[bytes, ItemId], set[LotId]]:
    """Return the items that have these EPCs, and their lots."""
    if not epcs:
        return {}, set()
    rows = conn.execute(
        "SELECT epc, id, lot_id FROM item WHERE epc = ANY(%s)", (list(epcs),)
    ).fetchall()
    return {bytes(row[0]): ItemId(row[1]) for row in rows}, {LotId(row[2]) for row in rows}


def fetch_due(conn: Conn, now: datetime) -> set[LotId]:
    """Return the lots that a sweep at ``now`` must decide."""
    return {LotId(row[0]) for row in conn.execute(_DUE, {"now": now}).fetchall()}


def lock(conn: Conn, lots: Collection[LotId]) -> None:
    """Lock the states of lots until the transaction ends, in the order of their ids."""
    wanted = sorted(lots)
    if len(conn.execute(_LOCK, (wanted,)).fetchall()) < len(wanted):
        conn.execute(_CREATE, (wanted,))
        conn.execute(_LOCK, (wanted,))


def lock_one(conn: Conn, lot_id: LotId) -> None:
    """Lock the state of a lot that the actor sees until the transaction ends."""
    conn.execute(_LOCK, ([lot_id],))


def load_lots(conn: Conn, lots: Collection[LotId]) -> list[LotRows]:
    """Return everything stored of lots."""
    wanted = sorted(lots)
    rows = _all(conn, _LOTS, (wanted,))
    items: dict[object, list[Row]] = defaultdict(list)
    for row in _all(conn, _ITEMS, (wanted,)):
        items[row["lot_id"]].append(row)
    bindings: dict[object, list[Row]] = defaultdict(list)
    for row in _all(conn, _BINDINGS, {"lots": wanted}):
        bindings[row["for_lot"]].append(row)
    return [LotRows(lot=row, items=items[row["id"]], bindings=bindings[row["id"]]) for row in rows]


def load_readers(conn: Conn, sensors: Collection[SensorKey]) -> dict[SensorKey, frozenset[ZoneId]]:
    """Return the zones that readers watch."""
    zones: dict[SensorKey, set[ZoneId]] = defaultdict(set)
    for gateway, sensor, zone in conn.execute(_READERS, _columns(sensors)).fetchall():
        zones[GatewayId(gateway), sensor].add(ZoneId(zone))
    return {key: frozenset(ids) for key, ids in zones.items()}


def _columns(sensors: Collection[SensorKey]) -> tuple[list[str], list[str]]:
    return [str(key[0]) for key in sensors], [key[1] for key in sensors]


def _all(conn: Conn, query: LiteralString, parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()
