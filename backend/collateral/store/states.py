"""What is derived from readings: states of sensors, sightings, items and lots."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from backend.collateral.rules.memory import lot_memory_json, sensor_memory_json, values_json
from backend.collateral.types import (
    ItemCustody,
    LotMemory,
    LotState,
    SensorKey,
    SensorState,
    Sight,
    StreamView,
)
from backend.db import Conn
from backend.ids import GatewayId, ItemId, LotId, ZoneId
from backend.telemetry.types import datetime_of, unix_us_of

Row = Mapping[str, Any]

_json: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class LotWrite:
    """A lot's state to store; ``moved``: its dimensions changed, which is history."""

    state: LotState
    memory: LotMemory | None
    moved: bool
    was: LotState


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemWrite:
    """Where an item is to be shown."""

    item_id: ItemId
    custody: ItemCustody
    zone_id: ZoneId | None
    sight: Sight | None


_LOAD_SENSORS: Final = """
    SELECT s.gateway_id, s.sensor, s.last_at, s.last_arrival_at, s.fresh_at, s.health,
           s."values", s.memory
    FROM unnest(%s::text[], %s::text[]) AS n(gateway_id, sensor)
    JOIN sensor_state s ON s.gateway_id = n.gateway_id AND s.sensor = n.sensor
"""

_SAVE_SENSORS: Final = """
    INSERT INTO sensor_state AS s
      (gateway_id, sensor, last_at, last_arrival_at, fresh_at, health, tampered, "values", memory)
    SELECT n.gateway_id, n.sensor, n.last_at, n.arrival_at, n.fresh_at, n.health, n.tampered,
           n.said::jsonb, n.memory::jsonb
    FROM unnest(%b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[],
                %b::text[], %b::boolean[], %b::text[], %b::text[])
      AS n(gateway_id, sensor, last_at, arrival_at, fresh_at, health, tampered, said, memory)
    ON CONFLICT (gateway_id, sensor) DO UPDATE SET
      last_at = excluded.last_at, last_arrival_at = excluded.last_arrival_at,
      fresh_at = excluded.fresh_at, health = excluded.health, tampered = excluded.tampered,
      "values" = excluded."values", memory = excluded.memory
"""

_SAVE_SIGHTS: Final = """
    INSERT INTO item_sighting AS s
      (item_id, gateway_id, sensor, seen_us, made_us, listened_us, streak_us, streak_reads,
       rssi_cdbm, envelope_number, arrived_us, effective_us, doubt_mnat, settled_us, peak_mnat,
       away_from_us, away_until_us, away_arrived_us, stay_us, learnt)
    SELECT n.item_id, n.gateway_id, n.sensor, n.seen_us, n.made_us, n.listened_us, n.streak_us,
           n.streak_reads, n.rssi_cdbm, n.envelope_number, n.arrived_us, n.effective_us,
           n.doubt_mnat, n.settled_us, n.peak_mnat, n.away_from_us, n.away_until_us,
           n.away_arrived_us, n.stay_us, n.learnt::bigint[]
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
                %s::bigint[], %s::int[], %s::smallint[], %s::bigint[], %s::bigint[], %s::bigint[],
                %s::int[], %s::bigint[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[],
                %s::bigint[], %s::text[])
      AS n(item_id, gateway_id, sensor, seen_us, made_us, listened_us, streak_us, streak_reads,
           rssi_cdbm, envelope_number, arrived_us, effective_us, doubt_mnat, settled_us,
           peak_mnat, away_from_us, away_until_us, away_arrived_us, stay_us, learnt)
    ON CONFLICT (item_id, gateway_id, sensor) DO UPDATE SET
      seen_us = excluded.seen_us, made_us = excluded.made_us,
      listened_us = excluded.listened_us, streak_us = excluded.streak_us,
      streak_reads = excluded.streak_reads, rssi_cdbm = excluded.rssi_cdbm,
      envelope_number = excluded.envelope_number, arrived_us = excluded.arrived_us,
      effective_us = excluded.effective_us, doubt_mnat = excluded.doubt_mnat,
      settled_us = excluded.settled_us, peak_mnat = excluded.peak_mnat,
      away_from_us = excluded.away_from_us, away_until_us = excluded.away_until_us,
      away_arrived_us = excluded.away_arrived_us, stay_us = excluded.stay_us,
      learnt = excluded.learnt
"""

_SAVE_ITEMS: Final = """
    INSERT INTO item_state AS s
      (item_id, zone_id, seen_at, seen_arrival_at, rssi_cdbm, gateway_id, sensor,
       envelope_number, custody)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::timestamptz[],
                         %s::smallint[], %s::text[], %s::text[], %s::bigint[], %s::text[])
    ON CONFLICT (item_id) DO UPDATE SET
      zone_id = coalesce(excluded.zone_id, s.zone_id), seen_at = excluded.seen_at,
      seen_arrival_at = excluded.seen_arrival_at, rssi_cdbm = excluded.rssi_cdbm,
      gateway_id = excluded.gateway_id, sensor = excluded.sensor,
      envelope_number = excluded.envelope_number, custody = excluded.custody
"""

_SAVE_LOTS: Final = """
    UPDATE lot_state s SET custody = n.custody, quantity = n.quantity,
      short_mass_g = n.short_g, measured_mass_g = n.measured_g, condition = n.condition,
      condition_since = n.since, surveillance = n.surveillance, tampered = n.tampered,
      evaluated = n.evaluated, detail = n.detail, memory = coalesce(n.memory, s.memory),
      evaluated_at = %s, changed_at = CASE WHEN n.moved THEN %s ELSE s.changed_at END
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[],
                %s::timestamptz[], %s::text[], %s::boolean[], %s::boolean[], %s::jsonb[],
                %s::jsonb[], %s::boolean[])
      AS n(id, custody, quantity, short_g, measured_g, condition, since, surveillance, tampered,
           evaluated, detail, memory, moved)
    WHERE s.lot_id = n.id
"""

_ADD_LOT_EVENTS: Final = """
    INSERT INTO lot_event (lot_id, at, actor, what, detail)
    SELECT n.id, %s, %s, 'state', n.detail FROM unnest(%s::uuid[], %s::jsonb[]) AS n(id, detail)
"""

_LOAD_SENSORS_OF: Final = """
    SELECT s.gateway_id, s.sensor, s.last_at, s.last_arrival_at, s.fresh_at, s.health,
           s."values", s.memory
    FROM sensor_state s WHERE s.gateway_id = ANY(%s)
"""

_LOAD_STREAMS: Final = """
    SELECT s.gateway_id, s.state, s.last_arrival_at, s.clock_flag, s.unanswered_since,
           CASE WHEN s.gateway_id <> ALL(%(known)s) THEN
             (SELECT max(t.fresh_at) FROM sensor_state t WHERE t.gateway_id = s.gateway_id) END
    FROM stream s WHERE s.gateway_id = ANY(%(wanted)s)
"""


def load_sensors(conn: Conn, keys: Collection[SensorKey]) -> dict[SensorKey, Row]:
    """Return the stored states of sensors, as they lie there."""
    columns = [str(key[0]) for key in keys], [key[1] for key in keys]
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LOAD_SENSORS, columns).fetchall()
    return {(GatewayId(row["gateway_id"]), row["sensor"]): row for row in rows}


def load_sensors_of(conn: Conn, gateways: Collection[GatewayId]) -> list[Row]:
    """Return the stored states of all sensors of gateways, as they lie there."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return list(cursor.execute(_LOAD_SENSORS_OF, (sorted(gateways),)).fetchall())


def load_streams(
    conn: Conn, gateways: Collection[GatewayId], fresh_us: Mapping[GatewayId, int | None]
) -> dict[GatewayId, StreamView]:
    """Return how the streams of gateways stand.

    Args:
        conn: in the caller's transaction.
        gateways: whose.
        fresh_us: when the newest reading was made, of those gateways of which that is known.
    """
    wanted = {"wanted": sorted(gateways), "known": sorted(fresh_us.keys() & set(gateways))}
    rows = conn.execute(_LOAD_STREAMS, wanted).fetchall()
    views: dict[GatewayId, StreamView] = {}
    for name, state, arrival, flag, unanswered, stored in rows:
        gateway = GatewayId(name)
        fresh = fresh_us[gateway] if gateway in fresh_us else _unix_us(stored)
        views[gateway] = StreamView(
            stopped=state == "stopped",
            fresh_us=_unix_us(arrival) if fresh is None else fresh,
            clock_flagged=flag is not None,
            unanswered=unanswered is not None,
        )
    return views


def save_sensors(conn: Conn, states: Collection[SensorState]) -> None:
    """Store the states of sensors."""
    if not states:
        return
    ordered = sorted(states, key=lambda state: state.key)
    conn.execute(
        _SAVE_SENSORS,
        (
            [state.key[0] for state in ordered],
            [state.key[1] for state in ordered],
            [_at(state.last_at_us) for state in ordered],
            [_at(state.arrival_us) for state in ordered],
            [_at(state.fresh_us) for state in ordered],
            [state.health.value for state in ordered],
            [state.is_tampered for state in ordered],
            [_json(values_json(state)) for state in ordered],
            [_json(sensor_memory_json(state)) for state in ordered],
        ),
    )


def save_sights(conn: Conn, sights: Collection[Sight]) -> None:
    """Store the last sightings of items."""
    if not sights:
        return
    ordered = sorted(sights, key=lambda sight: (sight.item_id, sight.reader))
    conn.execute(
        _SAVE_SIGHTS,
        (
            [s.item_id for s in ordered],
            [s.reader[0] for s in ordered],
            [s.reader[1] for s in ordered],
            [s.seen_us for s in ordered],
            [s.made_us for s in ordered],
            [s.listened_us for s in ordered],
            [s.streak_us for s in ordered],
            [s.streak_reads for s in ordered],
            [s.rssi_cdbm for s in ordered],
            [s.envelope_number for s in ordered],
            [s.arrived_us for s in ordered],
            [s.effective_us for s in ordered],
            [s.doubt_mnat for s in ordered],
            [s.settled_us for s in ordered],
            [s.peak_mnat for s in ordered],
            [s.away_from_us for s in ordered],
            [s.away_until_us for s in ordered],
            [s.away_arrived_us for s in ordered],
            [s.stay_us for s in ordered],
            [_array(s.learnt) for s in ordered],
        ),
    )


def save_items(conn: Conn, items: Sequence[ItemWrite]) -> None:
    """Store where items are."""
    if not items:
        return
    ordered = sorted(items, key=lambda item: item.item_id)
    sights = [item.sight for item in ordered]
    conn.execute(
        _SAVE_ITEMS,
        (
            [item.item_id for item in ordered],
            [item.zone_id for item in ordered],
            [None if s is None else datetime_of(s.seen_us) for s in sights],
            [None if s is None else datetime_of(s.made_us) for s in sights],
            [None if s is None else s.rssi_cdbm for s in sights],
            [None if s is None else s.reader[0] for s in sights],
            [None if s is None else s.reader[1] for s in sights],
            [None if s is None else s.envelope_number for s in sights],
            [item.custody.value for item in ordered],
        ),
    )


def save_lots(conn: Conn, writes: Sequence[LotWrite], now: datetime, actor: str) -> None:
    """Store the states of lots, and what changed in their dimensions."""
    if not writes:
        return
    states = [write.state for write in writes]
    conn.execute(
        _SAVE_LOTS,
        (
            now,
            now,
            [state.lot_id for state in states],
            [state.custody.value for state in states],
            [state.quantity.value for state in states],
            [state.short_mass_g for state in states],
            [state.measured_mass_g for state in states],
            [state.condition.value for state in states],
            [state.condition_since for state in states],
            [state.surveillance.value for state in states],
            [state.tampered for state in states],
            [state.evaluated for state in states],
            [Jsonb(state.detail) for state in states],
            [None if w.memory is None else Jsonb(lot_memory_json(w.memory)) for w in writes],
            [write.moved for write in writes],
        ),
    )
    moved = [write for write in writes if write.moved]
    if moved:
        lots: list[LotId] = [write.state.lot_id for write in moved]
        changes = [
            Jsonb({"before": write.was.dimensions, "after": write.state.dimensions})
            for write in moved
        ]
        conn.execute(_ADD_LOT_EVENTS, (now, actor, lots, changes))


def _array(values: Sequence[int]) -> str:
    """Return whole numbers as PostgreSQL writes an array: several do not nest in one."""
    return f"{{{','.join(map(str, values))}}}"


def _at(unix_us: int | None) -> datetime | None:
    return None if unix_us is None else datetime_of(unix_us)


def _unix_us(at: datetime | None) -> int | None:
    return None if at is None else unix_us_of(at)
