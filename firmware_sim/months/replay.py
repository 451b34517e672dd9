"""A sensor that says again what it said before: kept, cut out and told with new times.

Only what some happening of the run will have repeated is kept; a week of one reader is 200 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from firmware_sim.months.course import SECOND_US, Course
from firmware_sim.months.devices import Device, Said
from firmware_sim.months.types import RawEvent, ReadBlock, ScalarBlock, SiteRun
from firmware_sim.world import World, build_world
from schemas.quantities import EventType, Quantity

# A bus error is the wire's, not the sensor's: it is told as it happens.
_NEVER_AGAIN: Final = frozenset({EventType.FAULT})
_FOREVER_US: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """From ``begins_us`` to ``ends_us`` a sensor says what it said ``ago_us`` before."""

    sensor: str
    begins_us: int
    ends_us: int
    ago_us: int


def repeats_of(run: SiteRun) -> list[Repeat]:
    """Return what the happenings of a run will have repeated."""
    found: list[Repeat] = []
    world = build_world(run.scenario)
    since_us: dict[str, int] = {}
    ends_us = max(run.ends_us, run.happenings[-1].at_us if run.happenings else 0)
    changes = [(happening.at_us, happening.change) for happening in run.happenings]
    for at_us, change in [*changes, (ends_us, _end_replays)]:
        before, world = world.replayed_s, change(world)
        if before == world.replayed_s:
            continue
        for sensor, ago_s in before.items():
            if world.replayed_s.get(sensor) != ago_s:
                begins_us, ago_us = since_us.pop(sensor), ago_s * SECOND_US
                found.append(
                    Repeat(sensor=sensor, begins_us=begins_us, ends_us=at_us, ago_us=ago_us)
                )
        since_us |= {sensor: at_us for sensor in world.replayed_s if sensor not in since_us}
    return found


def _end_replays(world: World) -> World:
    return replace(world, replayed_s={})


class Replayed:
    """A device that will be made to repeat itself."""

    def __init__(self, device: Device, repeats: Sequence[Repeat]) -> None:
        """Remember of it what ``repeats`` need."""
        self.name, self.gateway = device.name, device.gateway
        self._device = device
        self._repeats = repeats
        self._tapes: list[list[Said]] = [[] for _ in repeats]

    def sample(self, course: Course) -> Said:
        """Return what it says, or said."""
        told = self._device.sample(course)
        for repeat, tape in zip(self._repeats, self._tapes, strict=True):
            first_us, last_us = repeat.begins_us - repeat.ago_us, repeat.ends_us - repeat.ago_us
            if first_us < course.ends_us and course.begins_us < last_us:
                tape.append(_cut(told, first_us, last_us))
            begins_us = max(repeat.begins_us, course.begins_us)
            ends_us = min(repeat.ends_us, course.ends_us)
            if begins_us < ends_us:
                told = _repeated(told, tape, repeat.ago_us, (begins_us, ends_us))
        return told


def wrapped(devices: Sequence[Device], run: SiteRun) -> list[Device]:
    """Return the devices, of which those that will repeat themselves remember what they said."""
    repeats = repeats_of(run)
    names = {repeat.sensor for repeat in repeats}
    return [
        Replayed(device, [r for r in repeats if r.sensor == device.name])
        if device.name in names
        else device
        for device in devices
    ]


def _repeated(told: Said, tape: Sequence[Said], ago_us: int, span_us: tuple[int, int]) -> Said:
    """Return ``told`` with a span of it replaced by what the tape has."""
    begins_us, ends_us = span_us
    parts = [_cut(told, -_FOREVER_US, begins_us)]
    for part in tape:
        parts.append(_later(_cut(part, begins_us - ago_us, ends_us - ago_us), ago_us))
    parts.append(_cut(told, ends_us, _FOREVER_US))
    joined = _join(parts)
    joined.events += [event for event in told.events if event.type in _NEVER_AGAIN]
    joined.repeated += told.repeated
    return joined


def _cut(said: Said, begins_us: int, ends_us: int) -> Said:
    """Return what was said in a span of time, without bus errors and signs of life."""
    return Said(
        scalars=[_cut_scalars(block, begins_us, ends_us) for block in said.scalars],
        reads=[_cut_reads(block, begins_us, ends_us) for block in said.reads],
        events=[
            event
            for event in said.events
            if begins_us <= event.at_us < ends_us and event.type not in _NEVER_AGAIN
        ],
    )


def _cut_scalars(block: ScalarBlock, begins_us: int, ends_us: int) -> ScalarBlock:
    span = slice(*np.searchsorted(block.at_us, (begins_us, ends_us)))
    return replace(
        block, at_us=block.at_us[span], value=block.value[span], quality=block.quality[span]
    )


def _cut_reads(block: ReadBlock, begins_us: int, ends_us: int) -> ReadBlock:
    first, last = np.searchsorted(block.round_us, (begins_us, ends_us)).tolist()
    span = slice(*np.searchsorted(block.round, (first, last)))
    return replace(
        block,
        round_us=block.round_us[first:last],
        round=block.round[span] - np.int32(first),
        tag=block.tag[span],
        rssi_cdbm=block.rssi_cdbm[span],
    )


def _later(said: Said, by_us: int) -> Said:
    return Said(
        scalars=[replace(block, at_us=block.at_us + by_us) for block in said.scalars],
        reads=[replace(block, round_us=block.round_us + by_us) for block in said.reads],
        events=[replace(event, at_us=event.at_us + by_us) for event in said.events],
    )


def _join(parts: Sequence[Said]) -> Said:
    """Return what was said one after the other as blocks without a seam."""
    scalars: dict[Quantity, list[ScalarBlock]] = {}
    for part in parts:
        for block in part.scalars:
            scalars.setdefault(block.quantity, []).append(block)
    reads = [block for part in parts for block in part.reads]
    events: list[RawEvent] = [event for part in parts for event in part.events]
    return Said(
        scalars=[
            replace(
                blocks[0],
                at_us=np.concatenate([block.at_us for block in blocks]),
                value=np.concatenate([block.value for block in blocks]),
                quality=np.concatenate([block.quality for block in blocks]),
            )
            for blocks in scalars.values()
        ],
        reads=[_join_reads(reads)] if reads else [],
        events=events,
    )


def _join_reads(blocks: Sequence[ReadBlock]) -> ReadBlock:
    starts = np.cumsum([0, *(len(block.round_us) for block in blocks[:-1])]).tolist()
    rounds = [block.round + np.int32(start) for block, start in zip(blocks, starts, strict=True)]
    return replace(
        blocks[0],
        epcs=max((block.epcs for block in blocks), key=len),  # lists that only ever grow
        round_us=np.concatenate([block.round_us for block in blocks]),
        round=np.concatenate(rounds),
        tag=np.concatenate([block.tag for block in blocks]),
        rssi_cdbm=np.concatenate([block.rssi_cdbm for block in blocks]),
    )
