"""Random minutes of a run, by the columns and by the real stages, compared value by value."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backend.telemetry.types import EventRow, ReadingBatch
from deploy.evaluate.gateway import SEAL_US, GatewayTwin
from deploy.evaluate.reported import batch_of
from deploy.evaluate.wire import Wire
from firmware_sim.months.types import Raw, ReadBlock, ScalarBlock
from schemas.quantities import EventType

MINUTE_US: Final = 60_000_000


def compare_minute(twin: GatewayTwin, raw: Raw, rng: Random) -> str:
    """Return how the columns of one random minute differ from the real ones; empty: they do not.

    Both begin anew with that minute; ``raw`` is at least a minute long.
    """
    span_us = raw.ends_us - raw.begins_us - MINUTE_US
    begins_us = (raw.begins_us + rng.randrange(span_us + 1)) // SEAL_US * SEAL_US
    begins_us = max(begins_us, raw.begins_us)
    minute = cut_raw(raw, begins_us, begins_us + MINUTE_US)
    fresh = GatewayTwin(
        gateway=twin.gateway,
        channels=twin.channels,
        tags=twin.tags,
        time=twin.time,
        bound=twin.bound,
        begins_us=begins_us,
    )
    wire = Wire(
        gateway=twin.gateway,
        channels=twin.channels,
        time=twin.time,
        bound=twin.bound,
        begins_us=begins_us,
    )
    ours = batch_of([fresh.take(minute)], twin.channels, twin.tags)
    return difference(ours, wire.carry(minute, rng))


def difference(ours: ReadingBatch, real: ReadingBatch) -> str:
    """Return in what two batches differ, their envelopes aside; empty: in nothing."""
    for name, mine, theirs in (
        ("scalars", _scalars(ours), _scalars(real)),
        ("sightings", _sightings(ours), _sightings(real)),
    ):
        if len(mine[0]) != len(theirs[0]):
            return f"{len(mine[0])} {name}, really {len(theirs[0])}"
        for column, own, other in zip(_NAMES[name], mine, theirs, strict=True):
            if not np.array_equal(own, other):
                row = int(np.flatnonzero((own != other).reshape(len(own), -1).any(axis=1))[0])
                return f"{name}.{column}[{row}] is {own[row]}, really {other[row]}"
    events, truly = _events(ours), _events(real)
    return "" if events == truly else f"{len(events)} events, really {len(truly)}"


_NAMES: Final = {
    "scalars": ("at_us", "channel", "value", "quality"),
    "sightings": ("at_us", "channel", "epc", "antenna", "rssi_cdbm", "count"),
}


def _scalars(batch: ReadingBatch) -> Sequence[NDArray[Any]]:
    s = batch.scalars
    order = np.lexsort((s.quality, s.value, s.channel, s.at_us))
    return [column[order] for column in (s.at_us, s.channel, s.value, s.quality)]


def _sightings(batch: ReadingBatch) -> Sequence[NDArray[Any]]:
    s = batch.sightings
    tag = np.unique(s.epc, axis=0, return_inverse=True)[1].reshape(-1) if len(s) else s.at_us
    order = np.lexsort((s.count, s.rssi_cdbm, tag, s.channel, s.at_us))
    return [
        column[order] for column in (s.at_us, s.channel, s.epc, s.antenna, s.rssi_cdbm, s.count)
    ]


def _events(batch: ReadingBatch) -> list[tuple[int, int, str, str]]:
    """Return events that are readings; the health of sensors is told beside them."""
    return sorted(_plain(event) for event in batch.events if event.type is not EventType.HEALTH)


def _plain(event: EventRow) -> tuple[int, int, str, str]:
    return event.at_us, int(event.channel), event.type.value, repr(sorted(event.body.items()))


def cut_raw(raw: Raw, begins_us: int, ends_us: int) -> Raw:
    """Return what was said within a span of time."""
    return Raw(
        gateway=raw.gateway,
        begins_us=begins_us,
        ends_us=ends_us,
        scalars=tuple(_cut_scalars(block, begins_us, ends_us) for block in raw.scalars),
        reads=tuple(_cut_reads(block, begins_us, ends_us) for block in raw.reads),
        events=tuple(event for event in raw.events if begins_us <= event.at_us < ends_us),
    )


def _cut_scalars(block: ScalarBlock, begins_us: int, ends_us: int) -> ScalarBlock:
    rows = (block.at_us >= begins_us) & (block.at_us < ends_us)
    return ScalarBlock(
        sensor=block.sensor,
        quantity=block.quantity,
        at_us=block.at_us[rows],
        value=block.value[rows],
        quality=block.quality[rows],
    )


def _cut_reads(block: ReadBlock, begins_us: int, ends_us: int) -> ReadBlock:
    first, end = np.searchsorted(block.round_us, (begins_us, ends_us)).tolist()
    rows = (block.round >= first) & (block.round < end)
    return ReadBlock(
        sensor=block.sensor,
        antenna=block.antenna,
        epcs=block.epcs,
        round_us=block.round_us[first:end],
        round=block.round[rows] - np.int32(first),
        tag=block.tag[rows],
        rssi_cdbm=block.rssi_cdbm[rows],
    )
