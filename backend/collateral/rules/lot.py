"""One lot, from what is stored of it and a batch of readings to a decision; pure and alone.

Whatever is wrong with its setup or memory raises here, and reaches no other lot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from backend.collateral.rules.condition import fold_condition, ranges_of
from backend.collateral.rules.counts import weighed
from backend.collateral.rules.decide import Observed, decide_lot
from backend.collateral.rules.detectors import DETECTORS
from backend.collateral.rules.load import fold_load
from backend.collateral.rules.memory import (
    Loaded,
    echoes_of,
    lot_memory_of,
    shelves_of,
    spells_of,
    vehicles_of,
)
from backend.collateral.rules.position import fold_position
from backend.collateral.rules.releases import clear, explain
from backend.collateral.rules.samples import sample_of
from backend.collateral.rules.series import SeriesBook
from backend.collateral.types import (
    Binding,
    Condition,
    Custody,
    Decision,
    Fence,
    Health,
    ItemSetup,
    Limits,
    LoadMemory,
    LotMemory,
    LotSetup,
    LotState,
    Place,
    Purpose,
    QuantityState,
    SensorKey,
    SensorState,
    Sight,
    StreamView,
    Surveillance,
)
from backend.collateral.types.counts import NO_COUNTS, Counts
from backend.collateral.types.releases import Progress, Release, Settlement
from backend.ids import BindingId, GatewayId, ItemId, LotId, ZoneId
from backend.telemetry.types import unix_us_of
from schemas.quantities import Quantity

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a lot shares with others: sensors after the batch, streams, readers' zones, time.

    ``places`` are the zones that readers watch; without them no item is seen at another site.
    """

    sensors: Mapping[SensorKey, SensorState]
    broken: frozenset[SensorKey]
    streams: Mapping[GatewayId, StreamView]
    sights: Mapping[ItemId, Sequence[Sight]]
    readers: Mapping[SensorKey, frozenset[ZoneId]]
    now_us: int
    places: Mapping[ZoneId, Place] = field(default_factory=lambda: dict[ZoneId, Place]())


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """A decision, and what the lot's detectors remember after it; None: nothing new.

    ``settlements`` are the release orders that end with it, ``progress`` what of others is new.
    """

    decision: Decision
    memory: LotMemory | None
    settlements: tuple[Settlement, ...] = ()
    progress: tuple[Progress, ...] = ()


def evaluate(
    lot: Row,
    items: Sequence[Row],
    bindings: Sequence[Row],
    around: Around,
    book: SeriesBook | None,
) -> Evaluated:
    """Return what a lot is after the readings in ``book``.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: What is stored of it makes no sense.
    """
    setup = setup_of(lot, items, bindings, around.readers, around.places)
    broken = [binding.sensor for binding in setup.bindings if binding.key in around.broken]
    if broken:
        message = f"the stored state of {broken} can not be read"
        raise ValueError(message)
    before = lot_memory_of(lot["memory"])
    memory = before if book is None else fold_memory(before, setup, book)
    sights = [sight for item in setup.items for sight in around.sights.get(item.id, ())]
    came_us = None if book is None else book.since_us
    observed = Observed(
        sensors=around.sensors,
        streams=around.streams,
        sights=sights,
        memory=memory,
        since_us=around.now_us if came_us is None else came_us,
    )
    cleared = clear(setup, observed, around.now_us)
    rest = decide_lot(cleared.setup, cleared.observed, around.now_us)
    decision = explain(cleared, rest, around.now_us)
    return Evaluated(
        decision=weighed(cleared.settled, decision, around.now_us),
        memory=None if memory == before else memory,
        settlements=cleared.settlements,
        progress=cleared.progress,
    )


def fold_memory(memory: LotMemory, setup: LotSetup, book: SeriesBook) -> LotMemory:
    """Return what a lot's detectors remember after a batch of readings."""
    loads, fences = dict(memory.loads), dict(memory.fences)
    for binding in setup.bound(Purpose.LOAD):
        load = fold_load(loads.pop(binding.key, LoadMemory()), setup, binding, book)
        if load != LoadMemory():
            loads[binding.key] = load
    for binding in setup.bound(Purpose.POSITION):
        fence = fences.get(binding.key, Fence())
        fence = fold_position(fence, setup, book, binding.key)
        if fence != Fence():
            fences[binding.key] = fence
    kept = {
        **memory.detectors,
        **{d.name: d.fold(memory.detectors.get(d.name, {}), setup, book) for d in DETECTORS},
    }
    memory = replace(
        memory,
        loads=loads,
        fences=fences,
        detectors={name: said for name, said in kept.items() if said},
    )
    ranges = ranges_of(setup.limits)
    for binding in setup.bound(Purpose.CONDITION):
        gap_us = binding.max_gap_s * 1_000_000
        memory = fold_condition(memory, binding.key, book, ranges, gap_us)
    return memory


def setup_of(
    lot: Row,
    items: Sequence[Row],
    bindings: Sequence[Row],
    readers: Mapping[SensorKey, frozenset[ZoneId]],
    places: Mapping[ZoneId, Place] | None = None,
) -> LotSetup:
    """Return a lot's setup from what is stored of it."""
    return LotSetup(
        id=LotId(lot["id"]),
        name=lot["name"],
        zone_id=ZoneId(lot["zone_id"]),
        polygon_m=lot["polygon_m"],
        origin_lat_deg=lot["origin_lat_deg"],
        origin_lon_deg=lot["origin_lon_deg"],
        pledged_mass_g=lot["pledged_mass_g"],
        limits=Limits(
            temperature_min_c=lot["temperature_min_c"],
            temperature_max_c=lot["temperature_max_c"],
            temperature_dwell_s=lot["temperature_dwell_s"],
            humidity_max_pct=lot["humidity_max_pct"],
            shock_max_g0=lot["shock_max_g0"],
        ),
        items=tuple(
            ItemSetup(
                id=ItemId(row["id"]),
                name=row["name"],
                epc=bytes(row["epc"]),
                net_mass_g=row["net_mass_g"],
                tare_mass_g=row["tare_mass_g"],
            )
            for row in items
        ),
        bindings=tuple(_binding(row) for row in bindings),
        readers=readers,
        places=places or {},
        releases=releases_of(lot),
        counts=counts_of(lot),
    )


def counts_of(lot: Row) -> Counts:
    """Return what people counted of a lot; one made without a database was never counted."""
    counts: Counts = lot.get("counts", NO_COUNTS)
    return counts


def releases_of(lot: Row) -> tuple[Release, ...]:
    """Return a lot's open release orders; a lot as it is made without a database may have none."""
    releases: Sequence[Release] = lot.get("releases", ())
    return tuple(releases)


def _binding(row: Row) -> Binding:
    return Binding(
        id=BindingId(row["id"]),
        gateway=GatewayId(row["gateway_id"]),
        sensor=row["sensor"],
        purpose=Purpose(row["purpose"]),
        zone_id=ZoneId(row["zone_id"]),
        lot_id=None if row["lot_id"] is None else LotId(row["lot_id"]),
        tare_mass_g=row["tare_mass_g"],
        tolerance_mass_g=row["tolerance_mass_g"],
        max_gap_s=row["max_gap_s"],
        missing_after_s=row["missing_after_s"],
    )


def state_of(lot: Row) -> LotState:
    """Return a lot's stored state."""
    return LotState(
        lot_id=LotId(lot["id"]),
        custody=Custody(lot["custody"]),
        quantity=QuantityState(lot["quantity"]),
        short_mass_g=lot["short_mass_g"],
        measured_mass_g=lot["measured_mass_g"],
        condition=Condition(lot["condition"]),
        condition_since=lot["condition_since"],
        surveillance=Surveillance(lot["surveillance"]),
        tampered=lot["tampered"],
        evaluated=lot["evaluated"],
        detail=lot["detail"],
    )


def facts_of(state: LotState) -> dict[str, bool]:
    """Return the facts that held at a stored state: their keys, and whether they were grave.

    Raises:
        AttributeError: Its detail is not what was written.
    """
    stored = cast("Mapping[str, object]", state.detail.get("facts") or {})
    return {key: bool(grave) for key, grave in stored.items()}


def sensor_of(row: Loaded) -> SensorState:
    """Return a sensor's stored state.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: It is not what was written.
    """
    memory: Loaded = row["memory"]
    opened = memory.get("opened")
    return SensorState(
        key=(GatewayId(row["gateway_id"]), row["sensor"]),
        last_at_us=_us(row["last_at"]),
        arrival_us=_us(row["last_arrival_at"]),
        fresh_us=_us(row["fresh_at"]),
        health=Health(row["health"]),
        values={Quantity(name): sample_of(s) for name, s in row["values"].items()},
        listened_us=int(memory.get("listened_us", 0)),
        inventory_at_us=memory.get("inventory_at_us"),
        tampers={what: sample_of(s) for what, s in memory.get("tampers", {}).items()},
        offline=memory.get("offline"),
        opened=None if opened is None else sample_of(opened),
        spells=spells_of(memory),
        vehicles=vehicles_of(memory),
        echoes=echoes_of(memory),
        shelves=shelves_of(memory.get("shelves", {})),
    )


def _us(at: datetime | None) -> int | None:
    return None if at is None else unix_us_of(at)
