"""Envelope v1: a numbered, chained batch of readings, signed once by a gateway.

A codec only: it holds no key and verifies no signature.

The payload is a fixed-length CBOR array, so that there are no unknown or doubled fields to argue
about; envelope-v1.cddl beside this file is its grammar and says what each field means.

Invariant: ``decode_envelope`` returns only what is wholly valid; one bad column refuses it all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, cast

import cbor2

from schemas.bodies import body_field
from schemas.columns import (
    ElementCode,
    check_finite,
    check_index,
    check_lengths,
    decode_column,
    encode_column,
)
from schemas.cose import Sign1, array_head, check_content_type, decode_cbor
from schemas.errors import Malformation, MalformedError
from schemas.fields import (
    bytes_field,
    enum_field,
    list_field,
    name_field,
    optional_bytes_field,
    uint_field,
)
from schemas.quantities import QUALITY_CODES, EventType, Quantity

CONTENT_TYPE: Final = "application/pledgewatch-envelope+cbor"
VERSION: Final = 1
ENVELOPE_BYTES_MAX: Final = 256 * 1024  # One MQTT message that every broker takes by default.
READINGS_MAX: Final = 8_192  # At 15 bytes a reading this is half of the bytes above.
SENSORS_MAX: Final = 1_024  # More would be a second gateway.
SENSOR_TABLES_MAX: Final = 1_024  # Remembered while decoding: some for each gateway of a worker.
EPC_BYTES_MAX: Final = 62  # Gen2: at most 31 words of EPC.
NUMBER_MAX: Final = 2**53 - 1  # Exact in JSON, and 285 years at a million a second.
SPAN_US_MAX: Final = 2**32 - 1  # Offsets are 32 bits of microseconds: 71 minutes.
HASH_BYTES: Final = 32
GENESIS_HASH: Final = bytes(HASH_BYTES)  # "Previous" of envelope number 1.
RSSI_UNKNOWN: Final = -32_768
_FIELDS: Final = 10

SensorTable = tuple[tuple[str, Quantity | None], ...]


class ClockState(IntEnum):
    """Who disciplines the gateway's clock."""

    FREE_RUNNING = 0
    NTP = 1
    GNSS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The gateway's clock as it was when the envelope was sealed.

    ``monotonic_us`` counts from the machine's boot, at the envelope's base time: within one
    ``boot_id`` it orders readings even when the wall clock steps.
    """

    state: ClockState
    boot_id: bytes
    monotonic_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalars:
    """Columns of measured numbers: sensor u16, offset u32 us, value f64, quality u8.

    In each group of a digest (schemas.digest) the offset is u64.
    """

    sensor: memoryview
    offset_us: memoryview
    value: memoryview
    quality: memoryview

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """Columns of RFID reads; ``epcs`` holds the EPCs end to end, ``epc_length`` bytes each.

    ``rssi_cdbm`` is in hundredths of a dBm, ``RSSI_UNKNOWN`` where the reader gives none.
    """

    sensor: memoryview
    offset_us: memoryview
    epc_length: memoryview
    epcs: bytes
    antenna: memoryview
    rssi_cdbm: memoryview
    count: memoryview

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Columns of events: type, a small CBOR map, and the SHA-256 of an image kept beside."""

    sensor: memoryview
    offset_us: memoryview
    type: Sequence[EventType]
    body: Sequence[bytes]
    image_sha256: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A decoded envelope payload.

    ``sensors`` is the table that the sensor columns index: (sensor name, quantity), the quantity
    being None for sensors that send sightings or events. ``readings_before`` counts the readings
    of all earlier envelopes of this gateway's stream: a reader knows whether it holds them.
    """

    gateway: str
    number: int
    previous_sha256: bytes
    readings_before: int
    base_unix_us: int
    clock: Clock
    sensors: SensorTable
    scalars: Scalars
    sightings: Sightings
    events: Events

    @property
    def readings(self) -> int:
        """How many readings of all kinds the envelope holds."""
        return len(self.scalars) + len(self.sightings) + len(self.events)


def content_type() -> str:
    """Return the protected content type of this version."""
    return f"{CONTENT_TYPE};v={VERSION}"


def encode_payload(envelope: Envelope, sensor_rows: bytes | None = None) -> bytes:
    """Return the CBOR bytes of ``envelope``, the same for the same value (RFC 8949, 4.2.1).

    ``sensor_rows`` is what ``encode_sensor_rows`` gives for its sensors, where that is known: most
    envelopes of a gateway name the same sensors, and the table is half of the work.
    """
    rows = encode_sensor_rows(envelope.sensors) if sensor_rows is None else sensor_rows
    head = cbor2.dumps(
        [
            envelope.gateway,
            envelope.number,
            envelope.previous_sha256,
            envelope.readings_before,
            envelope.base_unix_us,
            _clock_fields(envelope.clock),
        ]
    )
    columns = cbor2.dumps(_columns(envelope.scalars, envelope.sightings, envelope.events))
    # Both are short arrays, whose head is one byte: their elements stand in the payload's own.
    return b"".join(
        (array_head(_FIELDS), head[1:], array_head(len(envelope.sensors)), rows, columns[1:])
    )


def encode_sensor_rows(rows: Sequence[tuple[str, Quantity | None]]) -> bytes:
    """Return rows of a sensor table as they stand in an envelope, end to end."""
    encoded = cbor2.dumps(_sensor_fields(rows))
    return encoded[len(array_head(len(rows))) :]


def encode_content(
    clock: Clock, sensors: SensorTable, s: Scalars, g: Sightings, e: Events
) -> list[object]:
    """Return the fields that an envelope and a digest share: clock, sensor table, columns."""
    return [_clock_fields(clock), _sensor_fields(sensors), *_columns(s, g, e)]


def _clock_fields(clock: Clock) -> list[object]:
    return [int(clock.state), clock.boot_id, clock.monotonic_us]


def _sensor_fields(rows: Sequence[tuple[str, Quantity | None]]) -> list[object]:
    return [[name, quantity and str(quantity)] for name, quantity in rows]


def _columns(s: Scalars, g: Sightings, e: Events) -> list[object]:
    return [
        [
            encode_column(s.sensor),
            encode_column(s.offset_us),
            encode_column(s.value),
            encode_column(s.quality),
        ],
        [
            encode_column(g.sensor),
            encode_column(g.offset_us),
            encode_column(g.epc_length),
            g.epcs,
            encode_column(g.antenna),
            encode_column(g.rssi_cdbm),
            encode_column(g.count),
        ],
        [
            encode_column(e.sensor),
            encode_column(e.offset_us),
            list(e.type),
            list(e.body),
            list(e.image_sha256),
        ],
    ]


def decode_envelope(message: Sign1) -> Envelope:
    """Return the envelope inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, CONTENT_TYPE, VERSION)
    fields = list_field(decode_cbor(message.payload, "payload"), "payload", _FIELDS)
    sensors = decode_sensors(fields[6])
    envelope = Envelope(
        gateway=name_field(fields[0], "gateway"),
        number=uint_field(fields[1], "number", at_least=1, at_most=NUMBER_MAX),
        previous_sha256=bytes_field(fields[2], "previous_sha256", HASH_BYTES),
        readings_before=uint_field(fields[3], "readings_before", at_most=NUMBER_MAX),
        base_unix_us=uint_field(fields[4], "base_unix_us", at_most=NUMBER_MAX),
        clock=decode_clock(fields[5]),
        sensors=sensors,
        scalars=decode_scalars(fields[7], len(sensors), "I"),
        sightings=decode_sightings(fields[8], len(sensors), "I"),
        events=decode_events(fields[9], len(sensors), "I"),
    )
    if not 1 <= envelope.readings <= READINGS_MAX:
        raise MalformedError(
            Malformation.BAD_FIELD, "readings", envelope.readings, f"1 to {READINGS_MAX}"
        )
    check_quantities(sensors, envelope.scalars)
    return envelope


def decode_clock(item: object) -> Clock:
    """Return the clock field.

    Raises:
        MalformedError: It is none.
    """
    state, boot_id, monotonic_us = list_field(item, "clock", 3)
    return Clock(
        state=ClockState(uint_field(state, "clock.state", at_most=max(ClockState))),
        boot_id=bytes_field(boot_id, "clock.boot_id", 16),
        monotonic_us=uint_field(monotonic_us, "clock.monotonic_us", at_most=NUMBER_MAX),
    )


def decode_sensors(item: object) -> SensorTable:
    """Return the sensor table.

    Raises:
        MalformedError: It is none, too long, or holds a row twice.
    """
    rows = list_field(item, "sensors")
    if len(rows) > SENSORS_MAX:
        raise MalformedError(
            Malformation.BAD_FIELD, "sensors", len(rows), f"at most {SENSORS_MAX} rows"
        )
    if all(type(row) is list for row in rows):  # As cbor2 gives them: one look for all.
        pairs = tuple(map(tuple, cast("Sequence[list[object]]", rows)))
    else:
        pairs = tuple([tuple(list_field(row, "sensor")) for row in rows])
    try:
        return _sensor_table(pairs)
    except TypeError:  # Not hashable, so neither text nor null: let the check say which.
        return _check_sensor_table(pairs)


def _check_sensor_table(
    pairs: tuple[tuple[object, ...], ...],
) -> SensorTable:
    table: list[tuple[str, Quantity | None]] = []
    for row in pairs:
        name, quantity = list_field(row, "sensor", 2)
        known = None if quantity is None else enum_field(quantity, "quantity", Quantity)
        table.append((name_field(name, "sensor"), known))
    if len(set(table)) != len(table):
        raise MalformedError(Malformation.BAD_FIELD, "sensors", "a row twice", "distinct rows")
    return tuple(table)


# A gateway sends the same table again and again; what was refused is never kept.
_sensor_table = lru_cache(maxsize=SENSOR_TABLES_MAX)(_check_sensor_table)


def decode_scalars(item: object, sensors: int, offset: ElementCode) -> Scalars:
    """Return the numbers, of ``sensors`` rows of the table; ``offset`` is the type of offsets.

    Raises:
        MalformedError: A column is not as it must be.
    """
    parts = list_field(item, "scalars", 4)
    columns = Scalars(
        sensor=decode_column("H", parts[0], "scalars.sensor"),
        offset_us=decode_column(offset, parts[1], "scalars.offset_us"),
        value=decode_column("d", parts[2], "scalars.value"),
        quality=decode_column("B", parts[3], "scalars.quality"),
    )
    check_lengths("scalars", len(columns), columns.offset_us, columns.value, columns.quality)
    check_index("scalars.sensor", columns.sensor, sensors)
    check_index("scalars.quality", columns.quality, len(QUALITY_CODES))
    check_finite("scalars.value", columns.value, columns.quality)
    return columns


def decode_sightings(item: object, sensors: int, offset: ElementCode) -> Sightings:
    """Return the tags seen, of ``sensors`` rows of the table; ``offset`` is the type of offsets.

    Raises:
        MalformedError: A column is not as it must be.
    """
    parts = list_field(item, "sightings", 7)
    columns = Sightings(
        sensor=decode_column("H", parts[0], "sightings.sensor"),
        offset_us=decode_column(offset, parts[1], "sightings.offset_us"),
        epc_length=decode_column("B", parts[2], "sightings.epc_length"),
        epcs=bytes_field(parts[3], "sightings.epcs"),
        antenna=decode_column("B", parts[4], "sightings.antenna"),
        rssi_cdbm=decode_column("h", parts[5], "sightings.rssi_cdbm"),
        count=decode_column("H", parts[6], "sightings.count"),
    )
    check_lengths(
        "sightings",
        len(columns),
        columns.offset_us,
        columns.epc_length,
        columns.antenna,
        columns.rssi_cdbm,
        columns.count,
    )
    check_index("sightings.sensor", columns.sensor, sensors)
    check_index("sightings.epc_length", columns.epc_length, EPC_BYTES_MAX + 1)
    if sum(columns.epc_length) != len(columns.epcs):
        raise MalformedError(
            Malformation.BAD_COLUMN, "sightings.epcs", len(columns.epcs), "the sum of epc_length"
        )
    return columns


def decode_events(item: object, sensors: int, offset: ElementCode) -> Events:
    """Return the events, of ``sensors`` rows of the table; ``offset`` is the type of offsets.

    Raises:
        MalformedError: A column is not as it must be.
    """
    parts = list_field(item, "events", 5)
    types = [enum_field(t, "events.type", EventType) for t in list_field(parts[2], "events.type")]
    bodies = [body_field(body, "events.body") for body in list_field(parts[3], "events.body")]
    images = [
        optional_bytes_field(digest, "events.image_sha256", HASH_BYTES)
        for digest in list_field(parts[4], "events.image_sha256")
    ]
    columns = Events(
        sensor=decode_column("H", parts[0], "events.sensor"),
        offset_us=decode_column(offset, parts[1], "events.offset_us"),
        type=types,
        body=bodies,
        image_sha256=images,
    )
    check_lengths("events", len(columns), columns.offset_us, types, bodies, images)
    check_index("events.sensor", columns.sensor, sensors)
    return columns


def check_quantities(sensors: SensorTable, scalars: Scalars) -> None:
    """Refuse a scalar of a row that declares no quantity: it would be a number of nothing.

    Raises:
        MalformedError: There is one.
    """
    for index in set(scalars.sensor):
        if sensors[index][1] is None:
            raise MalformedError(
                Malformation.BAD_FIELD, "scalars.sensor", index, "a row that declares a quantity"
            )
