"""What a gateway told over hours, in columns, and how it becomes the backend's batches.

Columns are in the order of the envelopes, so that any span of arrivals is a slice.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.ids import GatewayId
from backend.telemetry.types import (
    EnvelopeTimes,
    EventRow,
    ReadingBatch,
    ScalarColumns,
    SightingColumns,
)
from deploy.evaluate.tables import Channels, Tags

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Int16s = NDArray[np.int16]
Floats = NDArray[np.float64]

_envelope_of: Final = attrgetter("envelope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelopes:
    """The envelopes of one gateway, of shape (n,); times by the backend's clock but the base.

    ``free``: the gateway's clock is set by nobody.
    """

    number: Int64s
    free: NDArray[np.bool_]
    base_us: Int64s
    made_us: Int64s
    arrival_us: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Scalars, of shape (n,); ``envelope`` indexes the envelopes beside them."""

    at_us: Int64s
    true_us: Int64s
    channel: Int32s
    envelope: Int32s
    value: Floats
    quality: Int16s


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """Sightings, of shape (n,); ``tag`` is a number of ``Tags``."""

    at_us: Int64s
    true_us: Int64s
    channel: Int32s
    envelope: Int32s
    tag: Int32s
    antenna: Int16s
    rssi_cdbm: Int16s
    count: Int32s


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Everything that one gateway told in a span of time, by when it was sealed."""

    gateway: GatewayId
    envelopes: Envelopes
    values: Values
    sightings: Sightings
    events: tuple[EventRow, ...]  # ``envelope`` indexes the envelopes beside them.

    def between(self, after_us: int, until_us: int) -> Self:
        """Return what arrived in a span of time; its envelopes are counted from 0 again."""
        arrivals = self.envelopes.arrival_us
        first, end = np.searchsorted(arrivals, (after_us, until_us), side="right").tolist()
        return self._cut(first, end)

    def joined(self, later: "Reported") -> "Reported":
        """Return this and what the same gateway told later."""
        shift = len(self.envelopes.number)
        return Reported(
            gateway=self.gateway,
            envelopes=_join(self.envelopes, later.envelopes, 0),
            values=_join(self.values, later.values, shift),
            sightings=_join(self.sightings, later.sightings, shift),
            events=(*self.events, *(_shifted(event, shift) for event in later.events)),
        )

    def _cut(self, first: int, end: int) -> Self:
        return type(self)(
            gateway=self.gateway,
            envelopes=_slice(self.envelopes, slice(first, end), 0),
            values=_slice(self.values, _rows(self.values.envelope, first, end), first),
            sightings=_slice(self.sightings, _rows(self.sightings.envelope, first, end), first),
            events=_events_of(self.events, first, end),
        )


Columns = TypeVar("Columns", Envelopes, Values, Sightings)
Number = TypeVar("Number", bound=np.number)


def batch_of(parts: Sequence[Reported], channels: Channels, tags: Tags) -> ReadingBatch:
    """Return what several gateways told as one batch, as ingest would hand it on to be folded."""
    shifts = np.cumsum([0, *(len(part.envelopes.number) for part in parts)]).tolist()
    values = [part.values for part in parts]
    sightings = [part.sightings for part in parts]
    numbers = [part.envelopes.number for part in parts]
    tag = _cat([s.tag for s in sightings], np.int32)
    return ReadingBatch(
        envelopes=(),
        scalars=ScalarColumns(
            at_us=_cat([v.at_us for v in values], np.int64),
            channel=_cat([v.channel for v in values], np.int32),
            envelope=_cat(
                [v.envelope + np.int32(s) for v, s in zip(values, shifts, strict=False)], np.int32
            ),
            envelope_number=_cat(
                [n[v.envelope] for v, n in zip(values, numbers, strict=True)], np.int64
            ),
            value=_cat([v.value for v in values], np.float64),
            quality=_cat([v.quality for v in values], np.int16),
        ),
        sightings=SightingColumns(
            at_us=_cat([s.at_us for s in sightings], np.int64),
            channel=_cat([s.channel for s in sightings], np.int32),
            envelope=_cat(
                [s.envelope + np.int32(b) for s, b in zip(sightings, shifts, strict=False)],
                np.int32,
            ),
            envelope_number=_cat(
                [n[s.envelope] for s, n in zip(sightings, numbers, strict=True)], np.int64
            ),
            epc=tags.keys(tag),
            antenna=_cat([s.antenna for s in sightings], np.int16),
            rssi_cdbm=_cat([s.rssi_cdbm for s in sightings], np.int16),
            count=_cat([s.count for s in sightings], np.int32),
            epcs=tags.index(tag),
        ),
        events=tuple(
            _shifted(event, shift) if shift else event
            for part, shift in zip(parts, shifts, strict=False)
            for event in part.events
        ),
        channels=channels.refs,
        times=_times(parts),
    )


def _times(parts: Sequence[Reported]) -> EnvelopeTimes:
    rows = [part.envelopes for part in parts]
    return EnvelopeTimes(
        base_us=_cat([row.base_us for row in rows], np.int64),
        made_us=_cat([row.made_us for row in rows], np.int64),
        arrived_us=_cat([row.arrival_us for row in rows], np.int64),
    )


def _events_of(events: tuple[EventRow, ...], first: int, end: int) -> tuple[EventRow, ...]:
    """Return the events of a run of envelopes, which are counted from 0 again."""
    begin = bisect_left(events, first, key=_envelope_of)
    chosen = events[begin : bisect_left(events, end, begin, key=_envelope_of)]
    return tuple(_shifted(event, -first) for event in chosen) if first else chosen


def _rows(envelope: Int32s, first: int, end: int) -> slice:
    begin, stop = np.searchsorted(envelope, (first, end)).tolist()
    return slice(begin, stop)


def rows_of(columns: Columns, rows: NDArray[np.intp]) -> Columns:
    """Return some rows of columns."""
    chosen: dict[str, Any] = {f.name: getattr(columns, f.name)[rows] for f in fields(columns)}
    return type(columns)(**chosen)


def _slice(columns: Columns, rows: slice, less: int) -> Columns:
    cut: dict[str, Any] = {f.name: getattr(columns, f.name)[rows] for f in fields(columns)}
    if "envelope" in cut:
        cut["envelope"] = cut["envelope"] - np.int32(less)
    return type(columns)(**cut)


def _join(before: Columns, after: Columns, more: int) -> Columns:
    joined: dict[str, Any] = {}
    for each in fields(before):
        late = getattr(after, each.name)
        if each.name == "envelope":
            late = late + np.int32(more)
        joined[each.name] = np.concatenate((getattr(before, each.name), late))
    return type(before)(**joined)


def _cat(columns: Sequence[NDArray[Any]], kind: type[Number]) -> NDArray[Number]:
    return np.concatenate([np.empty(0, dtype=kind), *columns]).astype(kind, copy=False)


def _shifted(event: EventRow, by: int) -> EventRow:
    return EventRow(
        at_us=event.at_us,
        channel=event.channel,
        envelope=event.envelope + by,
        envelope_number=event.envelope_number,
        type=event.type,
        body=event.body,
        image_sha256=event.image_sha256,
    )
