"""A gateway in columns: what its devices said becomes what it tells, sealed by the second.

The stages are those of gateway.drivers.intake: report by exception, a count of tags each round,
the health of sensors as it changes (its heartbeats say nothing new and are left out). A gateway
seals after 0.2 s; here an envelope holds a second, which only makes detection look slower.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import cbor2
import numpy as np
from numpy.typing import NDArray

from backend.ids import ChannelId, GatewayId
from backend.telemetry.types import EventRow
from deploy.evaluate.clocks import GatewayTime
from deploy.evaluate.reported import Envelopes, Reported, Sightings, Values
from deploy.evaluate.rules import heartbeat_s, report_rule
from deploy.evaluate.silence import Pulse, is_alive, spoken_us
from deploy.evaluate.tables import Channels, Tags
from deploy.evaluate.thin import Told, ToldTag, thin_arrivals, thin_reads
from firmware_sim.months.types import EventBlock, Raw, RawEvent, ReadBlock, ScalarBlock
from gateway.drivers.convert import event_of
from gateway.drivers.report import Reporter, ReportRule
from gateway.reading import EventReading
from schemas.quantities import EventType, Quantity

SEAL_US: Final = 1_000_000
# A position's readings are one arrival: told together or not at all.
_POSITION: Final = (Quantity.FIX, Quantity.LATITUDE, Quantity.LONGITUDE, Quantity.HDOP)

_NEVER: Final = 2**62

Int64s = NDArray[np.int64]
Number = TypeVar("Number", bound=np.number)


@dataclass(slots=True)
class GatewayTwin:
    """Remembers what was told last of every channel; ``without`` are sensors left out."""

    gateway: GatewayId
    channels: Channels
    tags: Tags
    time: GatewayTime
    bound: frozenset[str]
    begins_us: int
    _told: dict[tuple[str, str], Told] = field(default_factory=dict[tuple[str, str], Told])
    _tags: dict[tuple[str, int, bytes], ToldTag] = field(
        default_factory=dict[tuple[str, int, bytes], ToldTag]
    )
    _reporters: dict[str, Reporter] = field(default_factory=dict[str, Reporter])
    _pulses: dict[str, Pulse] = field(default_factory=dict[str, Pulse])
    _down_us: dict[str, int] = field(default_factory=dict[str, int])
    _number: int = 0

    def take(self, raw: Raw) -> Reported:
        """Return what the gateway tells of ``raw``; spans come in order and without a gap."""
        values = [*self._scalars(raw), *self._inventories(raw.reads)]
        sightings = [each for block in raw.reads for each in self._reads(block)]
        events = self._events(raw.events) + self._repeated(raw.repeated) + self._health(raw)
        return self._seal(values, sightings, events)

    def _scalars(self, raw: Raw) -> list["_Column"]:
        by_sensor: dict[str, dict[Quantity, ScalarBlock]] = {}
        for block in raw.scalars:
            if block.sensor in self.bound and len(block.at_us):
                by_sensor.setdefault(block.sensor, {})[block.quantity] = block
        columns: list[_Column] = []
        for sensor, blocks in by_sensor.items():
            if Quantity.FIX in blocks:
                columns += self._position(sensor, blocks)
            else:
                columns += [self._scalar(block) for block in blocks.values()]
        return columns

    def _scalar(self, block: ScalarBlock) -> "_Column":
        rule = report_rule(block.quantity)
        key = block.sensor, block.quantity.value
        chosen, told = thin_arrivals(
            self._seconds(block.at_us),
            (block.value,),
            (block.quality,),
            (rule.deadband,),
            rule.heartbeat_s,
            self._told.get(key),
        )
        if told is not None:
            self._told[key] = told
        return _Column(
            channel=self.channels.id_of(self.gateway, block.sensor, block.quantity),
            at_us=block.at_us[chosen],
            value=block.value[chosen],
            quality=block.quality[chosen].astype(np.int16),
        )

    def _position(self, sensor: str, blocks: Mapping[Quantity, ScalarBlock]) -> list["_Column"]:
        """Thin the arrivals of a receiver; without a fix there is no place, and the last holds."""
        time_us = blocks[Quantity.FIX].at_us
        own = [quantity for quantity in _POSITION if quantity in blocks]
        key = sensor, "position"
        told = self._told.get(key)
        before = (0.0,) * len(_POSITION) if told is None else told.values
        values: list[NDArray[np.float64]] = []
        present: list[NDArray[np.bool_]] = []
        for place, quantity in enumerate(_POSITION):
            block = blocks.get(quantity)
            there = np.zeros(len(time_us), dtype=np.bool_)
            column = np.zeros(len(time_us))
            if block is not None:
                rows = np.searchsorted(time_us, block.at_us)
                there[rows] = True
                column[rows] = block.value
            present.append(there)
            values.append(_held(column, there, before[place]))
        quality = np.zeros(len(time_us), dtype=np.uint8)
        rule = report_rule(Quantity.LATITUDE)
        chosen, told = thin_arrivals(
            self._seconds(time_us),
            tuple(values),
            (quality,) * len(_POSITION),
            (0.0, rule.deadband, rule.deadband, None),
            rule.heartbeat_s,
            told,
        )
        if told is not None:
            self._told[key] = told
        return [
            _Column(
                channel=self.channels.id_of(self.gateway, sensor, quantity),
                at_us=time_us[rows],
                value=values[_POSITION.index(quantity)][rows],
                quality=np.zeros(len(rows), dtype=np.int16),
            )
            for quantity in own
            for rows in [chosen[present[_POSITION.index(quantity)][chosen]]]
        ]

    def _inventories(self, blocks: Sequence[ReadBlock]) -> list["_Column"]:
        """Return the count of distinct tags of every round: each is told."""
        columns: list[_Column] = []
        for block in blocks:
            if block.sensor not in self.bound or not len(block.round_us):
                continue
            seen = np.zeros((len(block.round_us), max(1, len(block.epcs))), dtype=np.bool_)
            seen[block.round, block.tag] = True
            columns.append(
                _Column(
                    channel=self.channels.id_of(self.gateway, block.sensor, Quantity.INVENTORY),
                    at_us=block.round_us,
                    value=seen.sum(axis=1).astype(np.float64),
                    quality=np.zeros(len(block.round_us), dtype=np.int16),
                )
            )
        return columns

    def _reads(self, block: ReadBlock) -> list["_Seen"]:
        if block.sensor not in self.bound or not len(block.tag):
            return []
        channel = self.channels.id_of(self.gateway, block.sensor, None)
        places = self.tags.places(block.epcs)
        # Numpy sorts 16 bits by radix, and a site has fewer tags than that.
        small = block.tag.astype(np.uint16) if len(block.epcs) <= 1 << 16 else block.tag
        order = np.argsort(small, kind="stable")
        edges = np.cumsum([0, *np.bincount(block.tag, minlength=len(block.epcs))]).tolist()
        seen: list[_Seen] = []
        for index, epc in enumerate(block.epcs):
            rows = order[edges[index] : edges[index + 1]]
            if not len(rows):
                continue
            key = block.sensor, block.antenna, epc
            at_us = block.round_us[block.round[rows]]
            chosen, counts, best, self._tags[key] = thin_reads(
                self._seconds(at_us),
                block.rssi_cdbm[rows],
                heartbeat_s(),
                self._tags.get(key),
            )
            seen.append(
                _Seen(
                    channel=channel,
                    tag=int(places[index]),
                    antenna=block.antenna,
                    at_us=at_us[chosen],
                    rssi_cdbm=best.astype(np.int16),
                    count=np.minimum(counts, 0xFFFF).astype(np.int32),
                )
            )
        return seen

    def _seconds(self, at_us: Int64s) -> NDArray[np.float64]:
        """Return the gateway's monotonic time."""
        return (at_us - self.begins_us) / 1e6

    def _events(self, events: Sequence[RawEvent]) -> list["_Event"]:
        told: list[_Event] = []
        for event in events:
            if event.sensor not in self.bound:
                continue
            if event.type is EventType.CAMERA_STATUS:
                self._note_status(event)
            reporter = self._reporters.get(event.sensor)
            if reporter is None:
                rule = ReportRule(heartbeat_s=heartbeat_s(event.type))
                reporter = self._reporters[event.sensor] = Reporter({(event.sensor, None): rule})
            reading = event_of(event.sensor, event.type, event.body, event.at_us)
            now_s = (event.at_us - self.begins_us) / 1e6
            told += [
                _Event(event.sensor, event.at_us, each.type, cbor2.loads(each.body))
                for each in reporter.decide([reading], now_s=now_s).readings
                if isinstance(each, EventReading)
            ]
        return told

    def _repeated(self, blocks: Sequence[EventBlock]) -> list["_Event"]:
        """Tell signs of life: they come more seldom than a heartbeat, so that each is told."""
        return [
            _Event(block.sensor, at_us, block.type, block.body)
            for block in blocks
            if block.sensor in self.bound
            for at_us in block.at_us.tolist()
        ]

    def silences(self) -> dict[str, list[tuple[int, int]]]:
        """Return in which spans of time each sensor truly said nothing of use."""
        spans = {sensor: pulse.silences for sensor, pulse in self._pulses.items()}
        for sensor, since_us in self._down_us.items():
            spans.setdefault(sensor, []).append((since_us, _NEVER))
        return {sensor: list(found) for sensor, found in spans.items() if found}

    def _note_status(self, event: RawEvent) -> None:
        """Note that a camera went down or came back."""
        if event.body.get("status") != "online":
            self._down_us.setdefault(event.sensor, event.at_us)
        elif (since_us := self._down_us.pop(event.sensor, None)) is not None:
            pulse = self._pulses.setdefault(event.sensor, Pulse())
            pulse.silences.append((since_us, event.at_us))

    def _health(self, raw: Raw) -> list["_Event"]:
        """Return how the health of sensors changes; a gateway without power says nothing of it."""
        spoken = spoken_us(raw, self.bound)
        alive = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *spoken.values()]))
        known = sorted({*self._pulses, *spoken})
        found: list[_Event] = []
        nothing = np.empty(0, dtype=np.int64)
        for sensor in known:
            pulse = self._pulses.setdefault(sensor, Pulse())
            changes = pulse.take(spoken.get(sensor, nothing), raw.begins_us, raw.ends_us)
            found += [
                _Event(sensor, at_us, EventType.HEALTH, {"state": state, "why": ""})
                for at_us, state in changes
                if is_alive(alive, at_us)
            ]
        return found

    def _seal(
        self,
        columns: Sequence["_Column"],
        seen: Sequence["_Seen"],
        events: Sequence["_Event"],
    ) -> Reported:
        """Put what is told into envelopes, one a second, numbered on."""
        value_us = _cat([c.at_us for c in columns], np.int64)
        seen_us = _cat([s.at_us for s in seen], np.int64)
        event_us = np.array([e.at_us for e in events], dtype=np.int64)
        by_time, by_sight = np.argsort(value_us, kind="stable"), np.argsort(seen_us, kind="stable")
        value_us, seen_us = value_us[by_time], seen_us[by_sight]
        window = (np.concatenate((value_us, seen_us, event_us)) - self.begins_us) // SEAL_US
        seconds, envelope = _numbered(window)
        sealed_us = self.begins_us + (seconds + 1) * SEAL_US
        at_us = self.time.wall_us(np.concatenate((value_us, seen_us, event_us)))
        base_us = np.full(len(seconds), np.iinfo(np.int64).max)
        np.minimum.at(base_us, envelope, at_us)
        number = self._number + 1 + np.arange(len(seconds), dtype=np.int64)
        self._number += len(seconds)
        values, sights = len(value_us), len(value_us) + len(seen_us)
        order: list[int] = np.argsort(envelope[sights:], kind="stable").tolist()
        channel_of = {
            name: self.channels.id_of(self.gateway, name, None)
            for name in dict.fromkeys(event.sensor for event in events)
        }
        channels = _of_each([c.channel for c in columns], [len(c.at_us) for c in columns])
        event_at_us, event_envelope = at_us[sights:].tolist(), envelope[sights:].tolist()
        numbers = number[envelope[sights:]].tolist()
        return Reported(
            gateway=self.gateway,
            envelopes=Envelopes(
                number=number,
                free=self.time.is_free(sealed_us),
                base_us=base_us,
                made_us=sealed_us,
                arrival_us=self.time.arrival_us(sealed_us),
            ),
            values=Values(
                at_us=at_us[:values],
                true_us=value_us,
                channel=channels[by_time],
                envelope=envelope[:values],
                value=_cat([c.value for c in columns], np.float64)[by_time],
                quality=_cat([c.quality for c in columns], np.int16)[by_time],
            ),
            sightings=_sightings(seen, by_sight, (at_us, seen_us, envelope), values),
            events=tuple(
                EventRow(
                    at_us=event_at_us[index],
                    channel=channel_of[events[index].sensor],
                    envelope=event_envelope[index],
                    envelope_number=numbers[index],
                    type=events[index].type,
                    body=events[index].body,
                    image_sha256=None,
                )
                for index in order
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """What is told of one channel."""

    channel: ChannelId
    at_us: Int64s
    value: NDArray[np.float64]
    quality: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is told of one tag by one antenna."""

    channel: ChannelId
    tag: int
    antenna: int
    at_us: Int64s
    rssi_cdbm: NDArray[np.int16]
    count: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Event:
    """What is told by name."""

    sensor: str
    at_us: int
    type: EventType
    body: Mapping[str, object]


def _sightings(
    seen: Sequence[_Seen],
    order: NDArray[np.intp],
    columns: tuple[Int64s, Int64s, NDArray[np.int32]],
    first: int,
) -> Sightings:
    at_us, seen_us, envelope = columns
    own = slice(first, first + len(seen_us))
    sizes = [len(s.at_us) for s in seen]
    return Sightings(
        at_us=at_us[own],
        true_us=seen_us,
        channel=_of_each([s.channel for s in seen], sizes)[order],
        envelope=envelope[own],
        tag=_of_each([s.tag for s in seen], sizes)[order],
        antenna=_of_each([s.antenna for s in seen], sizes)[order].astype(np.int16),
        rssi_cdbm=_cat([s.rssi_cdbm for s in seen], np.int16)[order],
        count=_cat([s.count for s in seen], np.int32)[order],
    )


def _held(
    column: NDArray[np.float64], there: NDArray[np.bool_], before: float
) -> NDArray[np.float64]:
    """Return a column in which what is not there is as it was last."""
    if there.all():
        return column
    last = np.maximum.accumulate(np.where(there, np.arange(len(column)), -1))
    return np.where(last < 0, before, column[last])


def _of_each(numbers: Sequence[int], sizes: Sequence[int]) -> NDArray[np.int32]:
    return np.repeat(np.array(numbers, dtype=np.int32), np.array(sizes, dtype=np.int64))


def _cat(columns: Sequence[NDArray[Any]], kind: type[Number]) -> NDArray[Number]:
    return np.concatenate([np.empty(0, dtype=kind), *columns]).astype(kind, copy=False)


def _numbered(window: Int64s) -> tuple[Int64s, NDArray[np.int32]]:
    """Return the distinct numbers of a column, in order, and which of them each is.

    They lie close together: hours of seconds.
    """
    first = int(window.min()) if len(window) else 0
    there = np.bincount(window - first) > 0
    return np.flatnonzero(there) + first, (np.cumsum(there) - 1).astype(np.int32)[window - first]
