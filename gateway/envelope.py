"""Group readings into the columns of one envelope. Pure: no key, no clock, no file."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from gateway.reading import ClockSegment, EventReading, Reading, Scalar, Sighting
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
)
from schemas.quantities import QUALITY_CODES, EventType, Quantity

FRAME_BYTES_MAX: Final = 1_024  # Headers, signature, hashes and the columns' own tags.
SENSOR_ROW_BYTES_MAX: Final = 64 + 16 + 4  # Name, quantity, and their CBOR heads.
_SCALAR_BYTES: Final = 2 + 4 + 8 + 1
_SIGHTING_BYTES: Final = 2 + 4 + 1 + 1 + 2 + 2
_EVENT_BYTES: Final = 2 + 4 + 24 + 3 + 34  # Type name, head of the body, digest.
_COUNT_MAX: Final = 0xFFFF

SensorRow = tuple[str, Quantity | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealLimits:
    """How much one envelope may hold; never more than the format allows."""

    readings_max: int = 256
    bytes_max: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where an envelope stands in its stream: what it follows."""

    number: int
    previous_sha256: bytes
    readings_before: int


def reading_bytes(reading: Reading) -> int:
    """Return about how many bytes ``reading`` takes in an envelope, its sensor row aside."""
    match reading:
        case Scalar():
            return _SCALAR_BYTES
        case Sighting():
            return _SIGHTING_BYTES + len(reading.epc)
        case EventReading():
            return _EVENT_BYTES + len(reading.body)
        case _:
            assert_never(reading)


def count_fitting(readings: Sequence[Reading], limits: SealLimits) -> int:
    """Return how many of the first ``readings`` one envelope takes; at least 1 of any."""
    count_max = min(limits.readings_max, READINGS_MAX)
    bytes_left = min(limits.bytes_max, ENVELOPE_BYTES_MAX) - FRAME_BYTES_MAX
    rows: set[SensorRow] = set()
    first_us = last_us = readings[0].time_unix_us if readings else 0
    for index, reading in enumerate(readings):
        row = _row(reading)
        if row not in rows:
            rows.add(row)
            bytes_left -= SENSOR_ROW_BYTES_MAX
        bytes_left -= reading_bytes(reading)
        first_us = min(first_us, reading.time_unix_us)
        last_us = max(last_us, reading.time_unix_us)
        if index and (
            index >= count_max
            or bytes_left < 0
            or len(rows) > SENSORS_MAX
            or last_us - first_us > SPAN_US_MAX
        ):
            return index
    return len(readings)


def build_envelope(
    gateway: str, link: Link, segment: ClockSegment, readings: Sequence[Reading]
) -> Envelope:
    """Return the envelope that holds ``readings``, in their order within each kind.

    ``readings`` must be as many as ``count_fitting`` allows, all of one clock segment.
    """
    base_unix_us = min(reading.time_unix_us for reading in readings)
    table: dict[SensorRow, int] = {}
    for reading in readings:
        table.setdefault(_row(reading), len(table))
    return Envelope(
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
        sensors=tuple(table),
        scalars=_scalars([r for r in readings if isinstance(r, Scalar)], table, base_unix_us),
        sightings=_sightings(
            [r for r in readings if isinstance(r, Sighting)], table, base_unix_us
        ),
        events=_events([r for r in readings if isinstance(r, EventReading)], table, base_unix_us),
    )


def _row(reading: Reading) -> SensorRow:
    return (reading.sensor, reading.quantity if isinstance(reading, Scalar) else None)


def _offsets(readings: Sequence[Reading], base_unix_us: int) -> memoryview:
    return memoryview(array("I", [r.time_unix_us - base_unix_us for r in readings]))


def _indexes(readings: Sequence[Reading], table: dict[SensorRow, int]) -> memoryview:
    return memoryview(array("H", [table[_row(r)] for r in readings]))


def _scalars(scalars: Sequence[Scalar], table: dict[SensorRow, int], base_unix_us: int) -> Scalars:
    return Scalars(
        sensor=_indexes(scalars, table),
        offset_us=_offsets(scalars, base_unix_us),
        value=memoryview(array("d", [s.value for s in scalars])),
        quality=memoryview(array("B", [QUALITY_CODES[s.quality] for s in scalars])),
    )


def _sightings(
    sightings: Sequence[Sighting], table: dict[SensorRow, int], base_unix_us: int
) -> Sightings:
    return Sightings(
        sensor=_indexes(sightings, table),
        offset_us=_offsets(sightings, base_unix_us),
        epc_length=memoryview(array("B", [len(s.epc) for s in sightings])),
        epcs=b"".join(s.epc for s in sightings),
        antenna=memoryview(array("B", [s.antenna for s in sightings])),
        rssi_cdbm=memoryview(array("h", [s.rssi_cdbm for s in sightings])),
        count=memoryview(array("H", [min(s.count, _COUNT_MAX) for s in sightings])),
    )


def _events(
    events: Sequence[EventReading], table: dict[SensorRow, int], base_unix_us: int
) -> Events:
    types: list[EventType] = [e.type for e in events]
    return Events(
        sensor=_indexes(events, table),
        offset_us=_offsets(events, base_unix_us),
        type=types,
        body=[e.body for e in events],
        image_sha256=[e.image_sha256 for e in events],
    )
