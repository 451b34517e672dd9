"""Group readings into the columns of one envelope. Pure: no key, no clock, no file."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from gateway.reading import Channels, ClockSegment, Entry, EventReading, Scalar, Sighting, Sweep
from schemas.envelope import (
    ENVELOPE_BYTES_MAX,
    NUMBER_MAX,
    READINGS_MAX,
    SENSORS_MAX,
    SPAN_US_MAX,
    Clock,
    Envelope,
    Events,
    Scalars,
    Sightings,
    encode_sensor_rows,
)
from schemas.quantities import QUALITY_CODES, Quality, Quantity

FRAME_BYTES_MAX: Final = 1_024  # Headers, signature, hashes and the columns' own tags.
_ROW_BYTES: Final = 1 + 2 + 1  # CBOR heads of a sensor row: pair, name, quantity or null.
_SCALAR_BYTES: Final = 2 + 4 + 8 + 1
_SIGHTING_BYTES: Final = 2 + 4 + 1 + 1 + 2 + 2
_EVENT_BYTES: Final = 2 + 4 + 24 + 3 + 34  # Type name, head of the body, digest.
_COUNT_MAX: Final = 0xFFFF
_GOOD: Final = QUALITY_CODES[Quality.GOOD]

SensorRow = tuple[str, Quantity | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealLimits:
    """How much one envelope may hold; never more than the format allows."""

    readings_max: int = 1_024
    bytes_max: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where an envelope stands in its stream: what it follows."""

    number: int
    previous_sha256: bytes
    readings_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealable:
    """An envelope, and its sensor table as encoded once for each block of registers."""

    envelope: Envelope
    sensor_rows: bytes


def entry_bytes(entry: Entry) -> int:
    """Return about how many bytes ``entry`` takes in an envelope, its sensor rows aside."""
    match entry:
        case Sweep():
            return _SCALAR_BYTES * len(entry)
        case Scalar():
            return _SCALAR_BYTES
        case Sighting():
            return _SIGHTING_BYTES + len(entry.epc)
        case EventReading():
            return _EVENT_BYTES + len(entry.body)
        case _:
            assert_never(entry)


def count_fitting(entries: Sequence[Entry], limits: SealLimits) -> int:
    """Return how many of the first readings of ``entries`` one envelope takes; at least 1 of any.

    They end within a sweep only where it is the first and longer than an envelope: what is left of
    one that was cut must be journalled anew.
    """
    count_max = min(limits.readings_max, READINGS_MAX)
    bytes_left = min(limits.bytes_max, ENVELOPE_BYTES_MAX) - FRAME_BYTES_MAX
    keys: set[str] = set()
    first_us = last_us = entries[0].time_unix_us if entries else 0
    count = 0
    for entry in entries:
        first_us = min(first_us, entry.time_unix_us)
        last_us = max(last_us, entry.time_unix_us)
        if count and last_us - first_us > SPAN_US_MAX:
            return count
        own = _keys_of(entry)
        new, characters = _new_keys(entry, own, keys)
        new_bytes = entry_bytes(entry) + characters + _ROW_BYTES * len(new)
        if (
            count + len(own) > count_max
            or new_bytes > bytes_left
            or len(keys) + len(new) > SENSORS_MAX
        ):
            return count or max(_count_of_one(entry, own, (count_max, bytes_left)), 1)
        keys.update(new)
        bytes_left -= new_bytes
        count += len(own)
    return count


def take_readings(entries: Sequence[Entry], count: int) -> tuple[list[Entry], Sweep | None]:
    """Return the first ``count`` readings of ``entries``, and what is left of a sweep cut up."""
    taken: list[Entry] = []
    for entry in entries:
        if not count:
            break
        size = len(entry) if isinstance(entry, Sweep) else 1
        if isinstance(entry, Sweep) and size > count:
            head, rest = entry.split(count)
            return [*taken, head], rest
        taken.append(entry)
        count -= size
    return taken, None


def build_envelope(
    gateway: str, link: Link, segment: ClockSegment, entries: Sequence[Entry]
) -> Envelope:
    """Return the envelope that holds ``entries``, in their order within each kind.

    ``entries`` must be as many as ``count_fitting`` allows, all of one clock segment.
    """
    return build_sealable(gateway, link, segment, entries).envelope


def build_sealable(
    gateway: str, link: Link, segment: ClockSegment, entries: Sequence[Entry]
) -> Sealable:
    """Return the envelope of ``build_envelope``, with what is known of its encoding."""
    base_unix_us = min([entry.time_unix_us for entry in entries])
    table = _Table()
    for entry in entries:
        table.add(entry)
    envelope = Envelope(
        gateway=gateway,
        number=link.number,
        previous_sha256=link.previous_sha256,
        readings_before=link.readings_before,
        base_unix_us=base_unix_us,
        clock=Clock(
            state=segment.state,
            boot_id=segment.boot_id,
            # A step inside the segment's last moment must not make this negative.
            monotonic_us=min(max(base_unix_us - segment.offset_us, 0), NUMBER_MAX),
        ),
        sensors=tuple(table.rows),
        scalars=_scalars(
            [e for e in entries if isinstance(e, Scalar | Sweep)], table, base_unix_us
        ),
        sightings=_sightings([e for e in entries if isinstance(e, Sighting)], table, base_unix_us),
        events=_events([e for e in entries if isinstance(e, EventReading)], table, base_unix_us),
    )
    return Sealable(envelope=envelope, sensor_rows=b"".join(table.encoded))


class _Table:
    """The sensor table of one envelope as it grows: rows in the order of their first reading."""

    __slots__ = ("_known", "_places", "encoded", "rows")

    def __init__(self) -> None:
        self.rows: list[SensorRow] = []
        self.encoded: list[bytes] = []  # Of the rows, end to end.
        self._places: dict[str, int] = {}
        self._known: dict[int, array[int]] = {}

    def add(self, entry: Entry) -> None:
        """Give the channels of ``entry`` their rows."""
        if isinstance(entry, Sweep):
            if entry.index is None and id(entry.channels) not in self._known:
                self._known[id(entry.channels)] = self._add_all(entry.channels)
            elif entry.index is not None:
                self._indexed(entry, entry.index)
        else:
            self._place(_keys_of(entry)[0], _row(entry))

    def of(self, entry: Scalar | Sighting | EventReading) -> int:
        """Return the row of one reading."""
        return self._places[_keys_of(entry)[0]]

    def of_sweep(self, sweep: Sweep) -> "array[int]":
        """Return the row of each reading of a sweep."""
        if sweep.index is None:
            return self._known[id(sweep.channels)]
        return self._indexed(sweep, sweep.index)

    def _add_all(self, channels: Channels) -> "array[int]":
        first, count = len(self.rows), len(channels.rows)
        if not self._places.keys().isdisjoint(channels.keys):
            return array("H", map(self._place, channels.keys, channels.rows))
        places = range(first, first + count)
        self._places.update(zip(channels.keys, places, strict=True))
        self.rows += channels.rows
        self.encoded.append(channels.encoded)
        return array("H", places)

    def _indexed(self, sweep: Sweep, index: "array[int]") -> "array[int]":
        keys, rows = sweep.channels.keys, sweep.channels.rows
        return array("H", [self._place(keys[i], rows[i]) for i in index])

    def _place(self, key: str, row: SensorRow) -> int:
        place = self._places.setdefault(key, len(self.rows))
        if place == len(self.rows):
            self.rows.append(row)
            self.encoded.append(encode_sensor_rows((row,)))
        return place


def _keys_of(entry: Entry) -> Sequence[str]:
    """Return a text for each reading of ``entry`` that stands for its sensor row."""
    match entry:
        case Sweep():
            keys = entry.channels.keys
            return keys if entry.index is None else [keys[i] for i in entry.index]
        case Scalar():
            return (f"{entry.sensor}\0{entry.quantity}",)
        case Sighting() | EventReading():
            return (entry.sensor,)
        case _:
            assert_never(entry)


def _new_keys(entry: Entry, own: Sequence[str], keys: set[str]) -> tuple[Sequence[str], int]:
    """Return which of an entry's ``own`` keys are not among ``keys``, and their characters."""
    if isinstance(entry, Sweep) and entry.index is None and keys.isdisjoint(own):
        return own, entry.channels.characters
    new = [key for key in own if key not in keys]
    return new, sum(map(len, new))


def _row(entry: Scalar | Sighting | EventReading) -> SensorRow:
    return (entry.sensor, entry.quantity if isinstance(entry, Scalar) else None)


def _count_of_one(entry: Entry, own: Sequence[str], room: tuple[int, int]) -> int:
    """Return how many readings of ``entry``, which does not fit as a whole, do."""
    count_left, bytes_left = room
    if not isinstance(entry, Sweep):
        return 0
    known: set[str] = set()
    for taken, key in enumerate(own):
        bytes_left -= _SCALAR_BYTES
        if key not in known:
            known.add(key)
            bytes_left -= len(key) + _ROW_BYTES
        if taken >= count_left or bytes_left < 0 or len(known) > SENSORS_MAX:
            return taken
    return len(own)


def _offsets(entries: Sequence[Sighting | EventReading], base_unix_us: int) -> memoryview:
    return memoryview(array("I", [e.time_unix_us - base_unix_us for e in entries]))


def _indexes(entries: Sequence[Sighting | EventReading], table: _Table) -> memoryview:
    return memoryview(array("H", map(table.of, entries)))


def _scalars(entries: Sequence[Scalar | Sweep], table: _Table, base_unix_us: int) -> Scalars:
    sensor, offset_us = array("H"), array("I")
    value, quality = array("d"), array("B")
    for entry in entries:
        offset = entry.time_unix_us - base_unix_us
        if isinstance(entry, Sweep):
            sensor.extend(table.of_sweep(entry))
            offset_us.extend(array("I", (offset,)) * len(entry))
            value.extend(entry.values)
            quality.frombytes(entry.quality or bytes((_GOOD,)) * len(entry))
        else:
            sensor.append(table.of(entry))
            offset_us.append(offset)
            value.append(entry.value)
            quality.append(QUALITY_CODES[entry.quality])
    return Scalars(
        sensor=memoryview(sensor),
        offset_us=memoryview(offset_us),
        value=memoryview(value),
        quality=memoryview(quality),
    )


def _sightings(sightings: Sequence[Sighting], table: _Table, base_unix_us: int) -> Sightings:
    return Sightings(
        sensor=_indexes(sightings, table),
        offset_us=_offsets(sightings, base_unix_us),
        epc_length=memoryview(array("B", [len(s.epc) for s in sightings])),
        epcs=b"".join(s.epc for s in sightings),
        antenna=memoryview(array("B", [s.antenna for s in sightings])),
        rssi_cdbm=memoryview(array("h", [s.rssi_cdbm for s in sightings])),
        count=memoryview(array("H", [min(s.count, _COUNT_MAX) for s in sightings])),
    )


def _events(events: Sequence[EventReading], table: _Table, base_unix_us: int) -> Events:
    return Events(
        sensor=_indexes(events, table),
        offset_us=_offsets(events, base_unix_us),
        type=[e.type for e in events],
        body=[e.body for e in events],
        image_sha256=[e.image_sha256 for e in events],
    )
