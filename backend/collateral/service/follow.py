"""Lots follow their sensors: after a batch of readings, and as time passes without any.

If the rules for one lot raise, that lot becomes unevaluated, which locks; its readings are stored
all the same, and every other lot goes on.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from prometheus_client import Counter

from backend.collateral.rules.lot import (
    Around,
    Evaluated,
    evaluate,
    facts_of,
    sensor_of,
    state_of,
)
from backend.collateral.rules.sensors import sensors_of
from backend.collateral.rules.series import SeriesBook
from backend.collateral.rules.sightings import epcs_of
from backend.collateral.rules.turn import RULE_ERRORS, change_of, fold_batch, unevaluated
from backend.collateral.service.book import SensorBook
from backend.collateral.store import lots as lots_store
from backend.collateral.store import registry as registry_store
from backend.collateral.store import releases as releases_store
from backend.collateral.store import states as states_store
from backend.collateral.store.lots import LotRows
from backend.collateral.store.states import ItemWrite, LotWrite
from backend.collateral.types import (
    ItemCustody,
    LotChange,
    LotState,
    SensorKey,
    SensorState,
    Sight,
)
from backend.db import Conn
from backend.ids import GatewayId, ItemId, LotId
from backend.telemetry.types import ReadingBatch, datetime_of, unix_us_of

log = structlog.get_logger()

SHOWN_EVERY: Final = timedelta(seconds=5)  # An item that only stays is shown as seen that often.
UNEVALUATED: Final = Counter(
    "pledgewatch_lots_unevaluated", "Lots whose rules raised.", ("error",)
)


Loaded = tuple[dict[SensorKey, SensorState], frozenset[SensorKey]]
Decided = tuple[LotChange | None, LotWrite | None, list[ItemWrite], Evaluated | None]


def fold(conn: Conn, batch: ReadingBatch, now: datetime, known: SensorBook) -> list[LotChange]:
    """Fold a batch of readings into the states of its sensors, items and lots; store them.

    Args:
        conn: in the transaction of the worker that holds the leases of the batch's gateways.
        batch: the readings.
        now: the backend's time.
        known: what that worker remembers of its sensors.

    Returns:
        The lots whose state, or what is wrong with them, is not what it was.
    """
    if batch.readings == 0:
        return []
    known.open()
    _learn(conn, {row.gateway for row in batch.envelopes}, known)
    book = SeriesBook(batch)
    sensors = sensors_of(batch, book)
    epcs = epcs_of(batch.sightings)
    batch = replace(batch, sightings=replace(batch.sightings, epcs=epcs))  # Sought once.
    lots, owners = lots_store.fetch_concerned(conn, sensors, epcs.distinct)
    rows = lots_store.load_lots(conn, lots)
    sights = _sights_of(rows)
    keys = sensors | _bound(rows) | set(_readers(sights))
    states, broken = _load_sensors(conn, keys, known)
    folded = fold_batch(batch, book, owners, states, sights, _lots_of(rows))
    states.update(folded.sensors)
    sights.update(folded.sights)
    written = [state for key, state in folded.sensors.items() if key not in broken]
    with conn.pipeline():
        states_store.save_sensors(conn, written)
        states_store.save_sights(conn, list(folded.sights.values()))
    known.write(written)
    if not rows:
        return []
    around = _around(conn, (states, broken), rows, sights, now, known)
    return _decide(conn, rows, around, book, now)


def due(conn: Conn, now: datetime) -> list[LotId]:
    """Return every lot whose state depends on the time, in the order of their ids."""
    return sorted(lots_store.fetch_due(conn, now))


def sweep(conn: Conn, now: datetime, lots: Collection[LotId] | None = None) -> list[LotChange]:
    """Decide lots again as time passes; store what changed.

    Args:
        conn: in the caller's transaction.
        now: the backend's time.
        lots: which; None: all that are due.

    Returns:
        The lots whose state, or what is wrong with them, is not what it was.
    """
    return _decide_again(conn, due(conn, now) if lots is None else lots, now)


def distrust(conn: Conn, lot_id: LotId) -> None:
    """Mark a lot as not evaluated, which locks: what was found of it can not be stored."""
    registry_store.mark_unevaluated(conn, None, lot_id)


def reconsider(conn: Conn, gateways: Collection[GatewayId], now: datetime) -> list[LotChange]:
    """Decide again every lot that these gateways' sensors watch: their streams have changed.

    Returns:
        The lots whose state, or what is wrong with them, is not what it was.
    """
    if not gateways:
        return []
    return _decide_again(conn, lots_store.fetch_watched_by(conn, gateways), now)


def _decide_again(conn: Conn, lots: Collection[LotId], now: datetime) -> list[LotChange]:
    if not lots:
        return []
    rows = lots_store.load_lots(conn, lots)
    sights = _sights_of(rows)
    nothing = SensorBook()  # Who holds no lease must read what is stored.
    states, broken = _load_sensors(conn, _bound(rows) | set(_readers(sights)), nothing)
    around = _around(conn, (states, broken), rows, sights, now, nothing)
    return _decide(conn, rows, around, None, now)


def _decide(
    conn: Conn,
    rows: Sequence[LotRows],
    around: Around,
    book: SeriesBook | None,
    now: datetime,
) -> list[LotChange]:
    changes: list[LotChange] = []
    writes: list[LotWrite] = []
    moved: list[tuple[LotId, Evaluated]] = []
    actor = "timekeeper" if book is None else "ingest"
    shown: list[ItemWrite] = []
    for each in rows:
        change, write, items, found = _decide_one(each, around, book, now)
        shown += items
        if found is not None and (found.settlements or found.progress):
            moved.append((found.decision.state.lot_id, found))
        if write is not None:
            writes.append(write)
        if change is not None:
            changes.append(change)
    if writes or shown:
        with conn.pipeline():
            states_store.save_lots(conn, writes, now, actor)
            states_store.save_items(conn, shown)
    for lot_id, found in moved:
        releases_store.save_progress(conn, lot_id, found.progress, now, actor)
        releases_store.save_settlements(conn, lot_id, found.settlements, now, actor)
    return changes


def _decide_one(each: LotRows, around: Around, book: SeriesBook | None, now: datetime) -> Decided:
    """Return a lot's change, what to store of it, and of its items; None: nothing is new."""
    before = state_of(each.lot)
    facts: Mapping[str, bool] = {}
    try:
        facts = facts_of(before)
        found: Evaluated = evaluate(each.lot, each.items, each.bindings, around, book)
        shown = _shown(each, found, around, now)
    except RULE_ERRORS as error:
        return _unevaluated(before, facts, error)
    after = found.decision.state
    change = change_of(before, facts, found.decision)
    if change is None and found.settlements:
        change = LotChange(  # What is pledged has changed, if nothing else has.
            lot_id=before.lot_id,
            before=before,
            after=after,
            before_facts=facts,
            facts=found.decision.facts,
        )
    write = None
    if after != before or found.memory is not None:
        moved = after.dimensions != before.dimensions
        write = LotWrite(state=after, memory=found.memory, moved=moved, was=before)
    return change, write, shown, found


def _unevaluated(before: LotState, facts: Mapping[str, bool], error: Exception) -> Decided:
    """Return the change to a lot whose rules raised, and what to store of it."""
    name = type(error).__name__
    UNEVALUATED.labels(name).inc()
    change = unevaluated(before, facts, error)
    if change is None:
        return None, None, [], None
    log.error("lot_unevaluated", lot_id=str(before.lot_id), error=name, exc_info=error)
    write = LotWrite(state=change.after, memory=None, moved=before.evaluated, was=before)
    return change, write, [], None


def _shown(each: LotRows, found: Evaluated, around: Around, now: datetime) -> list[ItemWrite]:
    """Return the items to be shown anew: moved, or seen long enough since they were shown."""
    writes: list[ItemWrite] = []
    for row in each.items:
        item_id = ItemId(row["id"])
        custody, zone_id = found.decision.items[item_id]
        sight = max(around.sights.get(item_id, ()), key=lambda sight: sight.made_us, default=None)
        moved = custody != (row["custody"] or ItemCustody.UNSEEN) or (
            zone_id is not None and zone_id != row["zone_id"]
        )
        shown_at = row["seen_arrival_at"]
        stale = sight is not None and (
            shown_at is None or datetime_of(sight.made_us) - shown_at >= SHOWN_EVERY
        )
        if moved or stale or row["custody"] is None:
            writes.append(
                ItemWrite(item_id=item_id, custody=custody, zone_id=zone_id, sight=sight)
            )
    return writes


def _around(
    conn: Conn,
    loaded: Loaded,
    rows: Sequence[LotRows],
    sights: Mapping[tuple[ItemId, SensorKey], Sight],
    now: datetime,
    known: SensorBook,
) -> Around:
    states, broken = loaded
    gateways: set[GatewayId] = {key[0] for key in (*states, *broken, *_bound(rows))}
    by_item: dict[ItemId, list[Sight]] = defaultdict(list)
    for (item_id, _), sight in sights.items():
        by_item[item_id].append(sight)
    readers, places = lots_store.load_readers(conn, set(_readers(sights)))
    return Around(
        sensors=states,
        broken=broken,
        streams=states_store.load_streams(conn, gateways, known.fresh_us()),
        sights=by_item,
        readers=readers,
        places=places,
        now_us=unix_us_of(now),
    )


def _learn(conn: Conn, gateways: Collection[GatewayId], known: SensorBook) -> None:
    """Remember the gateways of a batch, except those with a state that can not be read."""
    new = known.unknown(gateways)
    if not new:
        return
    states: dict[GatewayId, list[SensorState]] = {gateway: [] for gateway in new}
    for row in states_store.load_sensors_of(conn, new):
        gateway = GatewayId(row["gateway_id"])
        try:
            state = sensor_of(row)
        except RULE_ERRORS:
            states.pop(gateway, None)  # Read again each time, until somebody has mended it.
        else:
            if gateway in states:
                states[gateway].append(state)
    for gateway, found in states.items():
        known.learn(gateway, found)


def _load_sensors(conn: Conn, keys: Collection[SensorKey], known: SensorBook) -> Loaded:
    """Return the states of sensors, and which of them can not be read."""
    states = known.states(keys)
    broken: set[SensorKey] = set()
    missing = [key for key in keys if not known.knows(key)]
    for key, row in states_store.load_sensors(conn, missing).items() if missing else ():
        try:
            states[key] = sensor_of(row)
        except RULE_ERRORS:
            broken.add(key)
    return states, frozenset(broken)


def _sights_of(rows: Sequence[LotRows]) -> dict[tuple[ItemId, SensorKey], Sight]:
    return {(sight.item_id, sight.reader): sight for each in rows for sight in each.sights}


def _lots_of(rows: Sequence[LotRows]) -> dict[ItemId, LotId]:
    return {ItemId(item["id"]): LotId(each.lot["id"]) for each in rows for item in each.items}


def _bound(rows: Sequence[LotRows]) -> set[SensorKey]:
    return {
        (GatewayId(row["gateway_id"]), row["sensor"]) for each in rows for row in each.bindings
    }


def _readers(sights: Mapping[tuple[ItemId, SensorKey], Sight]) -> list[SensorKey]:
    return [reader for _, reader in sights]
