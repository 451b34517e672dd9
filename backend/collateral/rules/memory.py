"""What detectors remember, as the JSON that is stored.

Reading back trusts nothing: whatever is not as written raises, and its lot is then unevaluated.
"""

from collections.abc import Mapping
from dataclasses import astuple, fields
from typing import Any

from backend.collateral.rules.load_memory import load_json, load_of
from backend.collateral.rules.memory_position import fence_json, fence_of
from backend.collateral.rules.samples import sample_json, sample_of
from backend.collateral.types import (
    Echo,
    Excursion,
    Latch,
    LoadMemory,
    LotMemory,
    OverRun,
    SensorKey,
    SensorState,
    Shelf,
    TamperSpell,
    VehicleSpell,
)
from backend.ids import GatewayId
from schemas.quantities import Quantity

Loaded = Mapping[str, Any]  # JSON from the database: of any shape until it is read here.


def sensor_memory_json(state: SensorState) -> dict[str, object]:
    """Return what a sensor's detectors remember, beside its columns and values."""
    memory: dict[str, object] = {"listened_us": state.listened_us}
    if state.inventory_at_us is not None:
        memory["inventory_at_us"] = state.inventory_at_us
    if state.tampers:
        memory["tampers"] = {what: sample_json(s) for what, s in state.tampers.items()}
    if state.offline is not None:
        memory["offline"] = state.offline
    if state.opened is not None:
        memory["opened"] = sample_json(state.opened)
    if state.spells:
        memory["spells"] = {
            what: [sample_json(spell.since), spell.until_us, spell.arrived_us]
            for what, spell in state.spells.items()
        }
    if state.echoes:
        memory["echoes"] = {name.value: echo_json(e) for name, e in state.echoes.items()}
    if state.vehicles:
        memory["vehicles"] = [[v.since_us, v.last_us, list(v.ids)] for v in state.vehicles]
    if state.shelves:
        memory["shelves"] = {name: list(astuple(shelf)) for name, shelf in state.shelves.items()}
    return memory


def shelves_of(stored: Loaded) -> dict[str, Shelf]:
    """Return a reader's shelves from what is stored of them.

    Raises:
        ValueError, TypeError, AttributeError: It is not what was written.
    """
    names = [each.name for each in fields(Shelf)]
    return {
        name: Shelf(**dict(zip(names, map(int, listed), strict=True)))
        for name, listed in stored.items()
    }


def echo_json(echo: Echo) -> list[object]:
    """Return what a channel said before, as JSON."""
    found = None if echo.found is None else sample_json(echo.found)
    said = [list(echo.tail), echo.slot, echo.kept, echo.slots, echo.hits]
    return [*said, found, echo.bits, echo.arrived_us]


def echoes_of(memory: Loaded) -> dict[Quantity, Echo]:
    """Return what a sensor's channels said before, from JSON."""
    return {
        Quantity(name): Echo(
            tail=tuple(map(float, tail)),
            slot=int(slot),
            kept=str(kept),
            slots=int(slots),
            hits=int(hits),
            found=None if found is None else sample_of(found),
            bits=int(bits),
            arrived_us=int(arrived_us),
        )
        for name, (tail, slot, kept, slots, hits, found, bits, arrived_us) in memory.get(
            "echoes", {}
        ).items()
    }


def spells_of(memory: Loaded) -> dict[str, TamperSpell]:
    """Return the tamperings of a sensor that have ended, from JSON."""
    return {
        what: TamperSpell(
            since=sample_of(since), until_us=int(until_us), arrived_us=int(arrived_us)
        )
        for what, (since, until_us, arrived_us) in memory.get("spells", {}).items()
    }


def vehicles_of(memory: Loaded) -> tuple[VehicleSpell, ...]:
    """Return the vehicles that a camera told of, from JSON."""
    return tuple(
        VehicleSpell(since_us=int(since_us), last_us=int(last_us), ids=tuple(map(str, ids)))
        for since_us, last_us, ids in memory.get("vehicles", [])
    )


def values_json(state: SensorState) -> dict[str, object]:
    """Return a sensor's last good values."""
    return {quantity.value: sample_json(sample) for quantity, sample in state.values.items()}


def lot_memory_json(memory: LotMemory) -> dict[str, object]:
    """Return what a lot's detectors remember; what says nothing is left out."""
    stored: dict[str, object] = {
        "loads": {
            _key(key): load_json(load)
            for key, load in memory.loads.items()
            if load != LoadMemory()
        },
        "overs": {
            _channel(channel): [
                sample_json(r.since),
                r.last_at_us,
                r.last_value,
                r.dwell_us,
                r.dose_us,
                sample_json(r.worst),
            ]
            for channel, r in memory.overs.items()
        },
        "latches": {
            quantity.value: [
                _key(latch.sensor),
                sample_json(latch.sample),
                latch.last_us,
                latch.arrived_us,
            ]
            for quantity, latch in memory.latches.items()
        },
        "passed": {
            _channel(channel): [
                sample_json(e.since),
                sample_json(e.worst),
                sample_json(e.ended),
                e.arrived_us,
                e.dose_us,
                e.last_at_us,
            ]
            for channel, e in memory.passed.items()
        },
        "fences": {_key(key): fence_json(fence) for key, fence in memory.fences.items()},
        "detectors": {name: dict(kept) for name, kept in memory.detectors.items() if kept},
    }
    return {name: value for name, value in stored.items() if value}


def lot_memory_of(stored: Loaded) -> LotMemory:
    """Return what a lot's detectors remember, from JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: It is not what was written.
    """
    return LotMemory(
        loads={sensor_key(name): load_of(kept) for name, kept in stored.get("loads", {}).items()},
        overs={channel_of(name): _over_of(run) for name, run in stored.get("overs", {}).items()},
        latches={
            Quantity(name): Latch(
                sensor=sensor_key(sensor),
                sample=sample_of(sample),
                last_us=int(last_us),
                arrived_us=int(arrived[0]) if arrived else int(last_us),
            )
            for name, (sensor, sample, last_us, *arrived) in stored.get("latches", {}).items()
        },
        passed={
            channel_of(name): Excursion(
                since=sample_of(since),
                worst=sample_of(worst),
                ended=sample_of(ended),
                arrived_us=int(arrived_us),
                dose_us=int(dose_us),
                last_at_us=int(last_at_us),
            )
            for name, (since, worst, ended, arrived_us, dose_us, last_at_us) in stored.get(
                "passed", {}
            ).items()
        },
        fences={
            sensor_key(name): fence_of(said) for name, said in stored.get("fences", {}).items()
        },
        detectors={name: dict(kept) for name, kept in stored.get("detectors", {}).items()},
    )


def _over_of(listed: list[Any]) -> OverRun:
    """Return a run over a limit; the first releases stored its time only, which was its dose."""
    since, last_at_us, *more = listed
    first = sample_of(since)
    last_value, dwell_us, dose_us, worst = (
        more if len(more) > 1 else (first.value, *more * 2, since)
    )
    return OverRun(
        since=first,
        last_at_us=int(last_at_us),
        last_value=float(last_value),
        dwell_us=int(dwell_us),
        dose_us=int(dose_us),
        worst=sample_of(worst),
    )


def _key(key: SensorKey) -> str:
    return f"{key[0]}/{key[1]}"


def _channel(channel: tuple[SensorKey, Quantity]) -> str:
    return f"{_key(channel[0])}/{channel[1].value}"


def channel_of(name: str) -> tuple[SensorKey, Quantity]:
    """Return a channel from its name as stored.

    Raises:
        ValueError: It is none.
    """
    gateway, sensor, quantity = name.split("/")
    return (GatewayId(gateway), sensor), Quantity(quantity)


def sensor_key(name: str) -> SensorKey:
    """Return a sensor from its name as stored; neither part may hold a slash.

    Raises:
        ValueError: It is none.
    """
    gateway, sensor = name.split("/")
    return GatewayId(gateway), sensor
