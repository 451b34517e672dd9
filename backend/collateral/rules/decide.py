"""A lot's state, from what its sensors left behind and the time; it remembers nothing itself.

Fails closed: what was never measured, is not measured now, or contradicts itself is never sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from backend.collateral.rules.counts import as_counted
from backend.collateral.rules.detector import Seen
from backend.collateral.rules.detectors import DETECTORS
from backend.collateral.rules.fusion import GONE, Fused, fuse
from backend.collateral.rules.harm import condition_facts
from backend.collateral.rules.load import expected_net_g, threshold_g
from backend.collateral.rules.load_facts import load_facts
from backend.collateral.rules.presence import Whereabouts, decide_items
from backend.collateral.rules.strayed import is_outside, position_facts
from backend.collateral.rules.surveillance import Lost, lost_fact, lost_sensors
from backend.collateral.rules.tags import Scale, excused, item_facts, zone_names
from backend.collateral.rules.view import tamper_facts
from backend.collateral.rules.weigh import Load, Says, decide_load
from backend.collateral.types import (
    Binding,
    Condition,
    Custody,
    Decision,
    Fact,
    FactKind,
    ItemCustody,
    LoadMemory,
    LotMemory,
    LotSetup,
    LotState,
    Purpose,
    QuantityState,
    SensorKey,
    SensorState,
    Sight,
    StreamView,
    Surveillance,
)
from backend.ids import GatewayId
from backend.telemetry.types import datetime_of
from schemas.quantities import Quantity

SCALES_MAX: Final = 1  # One scale weighs a lot; how several would share it is not known.
_TAMPERING: Final = (FactKind.TAMPER, FactKind.TAGS_LEFT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All that a lot is decided from, beside its setup and the time.

    ``since_us`` is when the first of the readings came that the decision follows, by our clock.
    """

    sensors: Mapping[SensorKey, SensorState]
    streams: Mapping[GatewayId, StreamView]
    sights: Sequence[Sight]
    memory: LotMemory
    since_us: int


def decide_lot(setup: LotSetup, observed: Observed, now_us: int) -> Decision:
    """Return what a lot is believed to be at ``now_us``, by our clock.

    Raises:
        ValueError: Its setup makes no sense.
    """
    sensors = observed.sensors
    lost = lost_sensors(setup, sensors, observed.streams, now_us)
    lost_keys = {each.binding.key for each in lost}
    read = as_counted(setup, decide_items(setup, sensors, observed.sights), now_us)
    scale = _scale(setup)
    load = None if scale is None else _load(setup, scale, observed, read, now_us)
    fused = fuse(read, load)
    items = fused.items
    relied = load is not None and not load.covered and load.binding.key not in lost_keys
    weighed = load if relied else None
    outside = {
        binding.key: sensors[binding.key]
        for binding in setup.bound(Purpose.POSITION)
        if binding.key in sensors and is_outside(observed.memory, binding.key)
    }
    seen = Seen(
        sensors=sensors,
        streams=observed.streams,
        sights=observed.sights,
        now_us=now_us,
        since_us=observed.since_us,
    )
    found = _facts(setup, observed, (load, weighed), fused, seen)
    found += position_facts(setup, observed.memory, seen)
    found += [fact for each in lost if (fact := lost_fact(each, now_us)) is not None]
    found += _detected(setup, observed.memory, seen)
    stopped = any(
        stream.stopped
        for gateway, stream in observed.streams.items()
        if any(binding.gateway == gateway for binding in setup.bindings)
    )
    tampered = stopped or any(fact.kind in _TAMPERING for fact in found)
    counted = not any(each.binding.purpose is Purpose.PRESENCE for each in lost)
    quantity, short_g, measured_g = _quantity(setup, items, load, weighed, counted=counted)
    silent_tag = any(where.custody is ItemCustody.MISSING for where in items)
    condition, since = _condition(observed.memory)
    state = LotState(
        lot_id=setup.id,
        custody=_custody(observed.memory, fused, (load, weighed), outside),
        quantity=quantity,
        short_mass_g=short_g,
        measured_mass_g=measured_g,
        condition=condition,
        condition_since=since,
        surveillance=_surveillance(setup, lost, observed.streams, doubted=tampered or silent_tag),
        tampered=tampered,
        evaluated=quantity is not QuantityState.UNKNOWN,
        detail=_detail(setup, items, lost, found, scale),
    )
    places = {where.item.id: (where.custody, where.zone_id) for where in items}
    return Decision(state=state, items=places, facts=tuple(found))


def _facts(
    setup: LotSetup,
    observed: Observed,
    loads: tuple[Load | None, Load | None],
    fused: Fused,
    seen: Seen,
) -> list[Fact]:
    """Return what is wrong by what a lot's scale last said, and says if it can be relied on."""
    found = item_facts(fused.items, _scale_of(loads), fused)
    found += load_facts(setup, loads[0], fused, seen)
    found += condition_facts(setup, observed.memory, seen)
    found += tamper_facts(setup, seen)
    return found


def _scale_of(loads: tuple[Load | None, Load | None]) -> Scale | None:
    """Return a scale with what it last said, and whether it can be relied on now."""
    load, weighed = loads
    return None if load is None else Scale(load=load, relied=weighed is not None)


def _detected(setup: LotSetup, memory: LotMemory, seen: Seen) -> list[Fact]:
    """Return what the detectors that stand on their own find."""
    kept = memory.detectors
    return [
        fact for each in DETECTORS for fact in each.judge(kept.get(each.name, {}), setup, seen)
    ]


def _scale(setup: LotSetup) -> Binding | None:
    scales = setup.bound(Purpose.LOAD)
    if len(scales) > SCALES_MAX:
        message = f"lot {setup.id} has {len(scales)} scales, must have at most {SCALES_MAX}"
        raise ValueError(message)
    return scales[0] if scales else None


def _load(
    setup: LotSetup,
    scale: Binding,
    observed: Observed,
    items: Sequence[Whereabouts],
    now_us: int,
) -> Load | None:
    """Return what the scale last said, None when it never gave a stable weight."""
    memory = observed.memory.loads.get(scale.key, LoadMemory())
    gone = [where.item for where in items if where.custody in GONE]
    state = observed.sensors.get(scale.key)
    last = None if state is None else state.values.get(Quantity.MASS)
    weighed_us = None if last is None else last.made_us
    return decide_load(setup, scale, memory, gone, now_us, weighed_us)


def _quantity(
    setup: LotSetup,
    items: Sequence[Whereabouts],
    load: Load | None,
    weighed: Load | None,
    *,
    counted: bool,
) -> tuple[QuantityState, int, int | None]:
    """Return quantity, what is short and the lower bound of what is there, in grams.

    By weight while the scale can be relied on (then all of it, when every tag bears it out); else
    by count, and by the last weight if that is less.
    """
    there = [where for where in items if where.custody is ItemCustody.IN_ZONE]
    if weighed is not None:
        if weighed.short:
            return QuantityState.SHORT, weighed.short_mass_g, weighed.measured_mass_g
        whole = weighed.says is Says.WHOLE
        borne_out = whole and counted and bool(items) and len(there) == len(items)
        measured_g = expected_net_g(setup) if borne_out else weighed.measured_mass_g
        return QuantityState.WHOLE, 0, measured_g
    if not setup.bound(Purpose.PRESENCE) or not any(where.sight for where in items):
        measured_g = None if load is None else load.measured_mass_g
        return QuantityState.UNKNOWN, 0, measured_g
    there_g = sum(where.item.net_mass_g for where in there)
    short_g = max(0, expected_net_g(setup) - there_g)
    if load is not None:
        there_g = min(there_g, load.measured_mass_g)
        short_g = max(short_g, load.short_mass_g)
    return (QuantityState.SHORT if short_g else QuantityState.WHOLE), short_g, there_g


def _custody(
    memory: LotMemory,
    fused: Fused,
    loads: tuple[Load | None, Load | None],
    outside: Mapping[SensorKey, SensorState],
) -> Custody:
    items, weighed = fused.items, loads[1]
    unseen = any(where.custody is ItemCustody.UNSEEN for where in items)
    there = excused(items, _scale_of(loads), fused)
    gone = any(w.custody is ItemCustody.MISSING and w.item.id not in there for w in items)
    relocated = bool(outside) or any(w.custody is ItemCustody.RELOCATED for w in items)
    if not items:
        whole = weighed is not None and not weighed.short
        watched = whole or any(memory.fences[key].inside for key in memory.fences)
    else:
        # A single silent tag on a scale that misses nothing has failed, by all that is known.
        watched = not unseen and not gone
    if not watched:
        return Custody.MISSING
    return Custody.RELOCATED if relocated else Custody.IN_ZONE


def _condition(memory: LotMemory) -> tuple[Condition, datetime | None]:
    if not memory.overs and not memory.latches:
        return Condition.SOUND, None
    since_us = min(
        [run.since.at_us for run in memory.overs.values()]
        + [latch.sample.at_us for latch in memory.latches.values()]
    )
    worst = Condition.DAMAGED if memory.latches else Condition.AT_RISK
    return worst, datetime_of(since_us)


def _surveillance(
    setup: LotSetup,
    lost: Sequence[Lost],
    streams: Mapping[GatewayId, StreamView],
    *,
    doubted: bool,
) -> Surveillance:
    watching = setup.bound(Purpose.PRESENCE) or setup.bound(Purpose.LOAD)
    if not watching or any(each.essential for each in lost):
        return Surveillance.DARK
    gateways = {binding.gateway for binding in setup.bindings}
    flagged = any(streams[gateway].clock_flagged for gateway in gateways if gateway in streams)
    if lost or doubted or flagged:
        return Surveillance.DEGRADED
    return Surveillance.LIVE


def _detail(
    setup: LotSetup,
    items: Sequence[Whereabouts],
    lost: Sequence[Lost],
    found: Sequence[Fact],
    scale: Binding | None,
) -> dict[str, object]:
    """Return what the state was decided from; nothing in it changes while the state does not."""

    def named(custody: ItemCustody) -> list[str]:
        return sorted(where.item.name for where in items if where.custody is custody)

    detail: dict[str, object] = {
        "facts": {fact.key: fact.grave for fact in found},
        "texts": [fact.text for fact in found],
        "lost": {f"{e.binding.gateway}/{e.binding.sensor}": e.why for e in lost},
        "missing": named(ItemCustody.MISSING),
        "unseen": named(ItemCustody.UNSEEN),
        "relocated": {name: str(zone) for name, zone in sorted(zone_names(items).items())},
        "tamper": sorted(fact.text for fact in found if fact.kind in _TAMPERING),
    }
    if scale is not None:
        detail["least_gross_g"] = threshold_g(setup, scale)
    return {name: value for name, value in detail.items() if value or name == "facts"}
