"""Lots as their rules need them: registered, watched, remembered; set-based, by lot.

JSON comes back as it lies there: the rules read it, one lot at a time, so that one that is
corrupt does not keep the others from being decided.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from backend.collateral.store.counts import COUNTED, counts_of
from backend.collateral.store.releases import OPEN, release_of
from backend.collateral.types import Place, SensorKey, Sight
from backend.collateral.types.counts import NO_COUNTS
from backend.collateral.types.releases import Release
from backend.db import Conn
from backend.ids import GatewayId, ItemId, LotId, SiteId, ZoneId

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRows:
    """Everything stored of one lot, as it lies there; ``sights`` are those of its items."""

    lot: Row
    items: Sequence[Row]
    bindings: Sequence[Row]
    sights: Sequence[Sight]


_WATCHED: Final = """
    SELECT DISTINCT l.id
    FROM unnest(%b::text[], %b::text[]) AS n(gateway_id, sensor)
    JOIN sensor_binding b ON b.gateway_id = n.gateway_id AND b.sensor = n.sensor
    JOIN lot l ON l.id = b.lot_id OR (b.lot_id IS NULL AND l.zone_id = b.zone_id)
"""

_WATCHED_BY: Final = """
    SELECT DISTINCT l.id FROM sensor_binding b
    JOIN lot l ON l.id = b.lot_id OR (b.lot_id IS NULL AND l.zone_id = b.zone_id)
    WHERE b.gateway_id = ANY(%s)
"""

_LOCK: Final = "SELECT lot_id FROM lot_state WHERE lot_id = ANY(%s) ORDER BY lot_id FOR UPDATE"
# With the lots that goods may join by order.
_LOCK_ALL: Final = """
    SELECT lot_id FROM lot_state WHERE lot_id IN (
      SELECT unnest(%(lots)s::uuid[]) UNION SELECT o.into_lot FROM release_order o
      WHERE o.lot_id = ANY(%(lots)s) AND o.settled_at IS NULL AND o.into_lot IS NOT NULL)
    ORDER BY lot_id FOR UPDATE
"""

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
    WHERE i.lot_id = ANY(%s) AND i.retired_at IS NULL ORDER BY i.lot_id, i.name
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

_SIGHTS: Final = """
    SELECT i.lot_id, s.item_id, s.gateway_id, s.sensor, s.seen_us, s.made_us, s.listened_us,
           s.streak_us, s.streak_reads, s.rssi_cdbm, s.envelope_number, s.arrived_us,
           s.effective_us, s.doubt_mnat, s.settled_us, s.peak_mnat, s.away_from_us,
           s.away_until_us, s.away_arrived_us, s.stay_us, s.learnt
    FROM item i JOIN item_sighting s ON s.item_id = i.id
    WHERE i.lot_id = ANY(%s) AND i.retired_at IS NULL
"""

_OWNERS: Final = "SELECT epc, id, lot_id FROM item WHERE epc = ANY(%b) AND retired_at IS NULL"

_READERS: Final = """
    SELECT b.gateway_id, b.sensor, b.zone_id, z.name, z.kind, z.site_id, s.origin_lat_deg,
           s.origin_lon_deg
    FROM unnest(%s::text[], %s::text[]) AS n(gateway_id, sensor)
    JOIN sensor_binding b ON b.gateway_id = n.gateway_id AND b.sensor = n.sensor
    JOIN zone z ON z.id = b.zone_id JOIN site s ON s.id = z.site_id
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
    SELECT o.lot_id FROM release_order o
    WHERE o.settled_at IS NULL AND o.begins_at <= %(now)s + interval '2 minutes'
    UNION
    SELECT l.id FROM lot l LEFT JOIN lot_state t ON t.lot_id = l.id WHERE t.lot_id IS NULL
"""


def fetch_concerned(
    conn: Conn, sensors: Collection[SensorKey], epcs: Collection[bytes]
) -> tuple[set[LotId], dict[bytes, ItemId]]:
    """Return the lots that sensors are bound to or whose items have these EPCs, and the items."""
    with conn.pipeline():
        watched = conn.execute(_WATCHED, _columns(sensors))
        owners = conn.execute(_OWNERS, (list(epcs),)) if epcs else None
    rows = [] if owners is None else owners.fetchall()
    lots = {LotId(row[0]) for row in watched.fetchall()} | {LotId(row[2]) for row in rows}
    return lots, {bytes(row[0]): ItemId(row[1]) for row in rows}


def fetch_watched_by(conn: Conn, gateways: Collection[GatewayId]) -> set[LotId]:
    """Return the lots that sensors of these gateways are bound to."""
    rows = conn.execute(_WATCHED_BY, (sorted(gateways),)).fetchall()
    return {LotId(row[0]) for row in rows}


def fetch_due(conn: Conn, now: datetime) -> set[LotId]:
    """Return the lots that a sweep at ``now`` must decide."""
    return {LotId(row[0]) for row in conn.execute(_DUE, {"now": now}).fetchall()}


def lock_one(conn: Conn, lot_id: LotId) -> None:
    """Lock the state of a lot that the actor sees until the transaction ends."""
    conn.execute(_LOCK, ([lot_id],))


def load_lots(conn: Conn, lots: Collection[LotId]) -> list[LotRows]:
    """Return everything stored of lots, which are locked until the transaction ends.

    In the order of their ids, so that no two wait for each other, and in one round trip: what is
    read is read after the locks are had.
    """
    wanted = sorted(lots)
    if not wanted:
        return []
    rows = _lock_and_load(conn, wanted)
    if len(rows) < len(wanted):
        conn.execute(_CREATE, (wanted,))
        rows = _lock_and_load(conn, wanted)
    return rows


def _lock_and_load(conn: Conn, wanted: list[LotId]) -> list[LotRows]:
    with conn.pipeline():
        conn.execute(_LOCK_ALL, {"lots": wanted})
        found = _dicts(conn, _LOTS, (wanted,))
        found_releases = _dicts(conn, OPEN, (wanted,))
        found_counts = _dicts(conn, COUNTED, (wanted,))
        found_items = _dicts(conn, _ITEMS, (wanted,))
        found_bindings = _dicts(conn, _BINDINGS, {"lots": wanted})
        found_sights = conn.execute(_SIGHTS, (wanted,))
    items: dict[object, list[Row]] = defaultdict(list)
    for row in found_items.fetchall():
        items[row["lot_id"]].append(row)
    bindings: dict[object, list[Row]] = defaultdict(list)
    for row in found_bindings.fetchall():
        bindings[row["for_lot"]].append(row)
    sights: dict[object, list[Sight]] = defaultdict(list)
    for row in found_sights.fetchall():
        sights[row[0]].append(_sight(row))
    releases: dict[object, list[Release]] = defaultdict(list)
    for row in found_releases.fetchall():
        releases[row["lot_id"]].append(release_of(row))
    counts = counts_of(found_counts.fetchall())
    return [
        LotRows(
            lot={
                **row,
                "releases": releases[row["id"]],
                "counts": counts.get(row["id"], NO_COUNTS),
            },
            items=items[row["id"]],
            bindings=bindings[row["id"]],
            sights=sights[row["id"]],
        )
        for row in found.fetchall()
    ]


def _sight(row: Sequence[Any]) -> Sight:
    return Sight(
        item_id=ItemId(row[1]),
        reader=(GatewayId(row[2]), row[3]),
        seen_us=row[4],
        made_us=row[5],
        listened_us=row[6],
        streak_us=row[7],
        streak_reads=row[8],
        rssi_cdbm=row[9],
        envelope_number=row[10],
        arrived_us=row[11],
        effective_us=row[12],
        doubt_mnat=row[13],
        settled_us=row[14],
        peak_mnat=row[15],
        away_from_us=row[16],
        away_until_us=row[17],
        away_arrived_us=row[18],
        stay_us=row[19],
        learnt=tuple(row[20]),
    )


def load_readers(
    conn: Conn, sensors: Collection[SensorKey]
) -> tuple[dict[SensorKey, frozenset[ZoneId]], dict[ZoneId, Place]]:
    """Return the zones that readers watch, and what is known of those: of any site."""
    if not sensors:
        return {}, {}
    zones: dict[SensorKey, set[ZoneId]] = defaultdict(set)
    places: dict[ZoneId, Place] = {}
    for row in conn.execute(_READERS, _columns(sensors)).fetchall():
        gateway, sensor, zone, name, kind, site, lat_deg, lon_deg = row
        zones[GatewayId(gateway), sensor].add(ZoneId(zone))
        places[ZoneId(zone)] = Place(
            name=name, kind=kind, site_id=SiteId(site), lat_deg=lat_deg, lon_deg=lon_deg
        )
    return {key: frozenset(ids) for key, ids in zones.items()}, places


def _columns(sensors: Collection[SensorKey]) -> tuple[list[str], list[str]]:
    return [str(key[0]) for key in sensors], [key[1] for key in sensors]


def _dicts(
    conn: Conn,
    query: LiteralString,
    parameters: Any,  # noqa: ANN401 - what the query names
) -> psycopg.Cursor[dict[str, Any]]:
    return conn.cursor(row_factory=dict_row).execute(query, parameters)
