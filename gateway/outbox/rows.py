"""One row of the journal: a reading as a CBOR array, its first element the kind; or a sweep.

A sweep is a byte 0 (no CBOR array begins so), which channels, its time, and its columns end to
end. Its channels are a row of another table, written once.

Written and read by this module only; a changed meaning is a new version of the outbox file.
"""

import struct
from array import array
from collections.abc import Mapping
from typing import Any, Final, assert_never, cast

import cbor2

from gateway.reading import Channels, Entry, EventReading, Reading, Scalar, Sighting, Sweep
from schemas.quantities import QUALITY_CODES, EventType, Quality, Quantity

_SCALAR: Final = 0
_SIGHTING: Final = 1
_EVENT: Final = 2
_SWEEP: Final = b"\0"
_HEAD: Final = struct.Struct("<xB I Q H")  # Which columns, channels, time, count of readings.
_INDEXED: Final = 1  # Bits of "which columns": the index, the qualities; values are always there.
_QUALIFIED: Final = 2


def encode_channels(channels: Channels) -> bytes:
    """Return ``channels`` as the bytes that are kept once for all their sweeps."""
    return cbor2.dumps([[sensor, str(quantity)] for sensor, quantity in channels.rows])


def decode_channels(data: bytes) -> Channels:
    """Return the channels in bytes that this module wrote.

    Raises:
        ValueError: Bytes that it did not write.
    """
    try:
        rows = cast("list[Any]", cbor2.loads(data))
        return Channels((str(sensor), Quantity(quantity)) for sensor, quantity in rows)
    except (cbor2.CBORError, TypeError) as error:
        raise ValueError(f"channels: {error}") from error


def encode_sweep(sweep: Sweep, channels: int) -> bytes:
    """Return ``sweep`` as journal bytes; its channels are kept under the number ``channels``."""
    columns = (_INDEXED if sweep.index is not None else 0) | (_QUALIFIED if sweep.quality else 0)
    head = _HEAD.pack(columns, channels, sweep.time_unix_us, len(sweep))
    index = b"" if sweep.index is None else sweep.index.tobytes()
    return head + index + sweep.quality + sweep.values.tobytes()


def decode_entry(data: bytes, channels: Mapping[int, Channels]) -> Entry:
    """Return the reading or sweep in journal bytes that this module wrote.

    Raises:
        ValueError: Bytes that it did not write, or a sweep of channels that are not kept.
    """
    return _decode_sweep(data, channels) if data[:1] == _SWEEP else decode_row(data)


def _decode_sweep(data: bytes, channels: Mapping[int, Channels]) -> Sweep:
    try:
        columns, key, time_unix_us, count = _HEAD.unpack_from(data)
    except struct.error as error:
        raise ValueError(f"journal row: {error}") from error
    values_at = len(data) - 8 * count
    quality_at = values_at - (count if columns & _QUALIFIED else 0)
    index_at = quality_at - (2 * count if columns & _INDEXED else 0)
    known = channels.get(key)
    if index_at != _HEAD.size or known is None or not count:
        raise ValueError(f"journal row: {len(data)} bytes are no sweep of channels {key}")
    index = array("H", data[index_at:quality_at]) if columns & _INDEXED else None
    quality = data[quality_at:values_at]
    size = len(known.rows)
    if (size != count if index is None else max(index) >= size) or (
        max(quality, default=0) >= len(QUALITY_CODES)
    ):
        raise ValueError(f"journal row: a sweep of {count} does not fit channels {key}")
    return Sweep(
        channels=known,
        time_unix_us=time_unix_us,
        values=array("d", data[values_at:]),
        index=index,
        quality=quality,
    )


def encode_row(reading: Reading) -> bytes:
    """Return ``reading`` as journal bytes."""
    match reading:
        case Scalar(
            sensor=sensor, quantity=quantity, time_unix_us=time, value=value, quality=quality
        ):
            return cbor2.dumps([_SCALAR, sensor, time, str(quantity), value, str(quality)])
        case Sighting() as s:
            return cbor2.dumps(
                [_SIGHTING, s.sensor, s.time_unix_us, s.epc, s.antenna, s.rssi_cdbm, s.count]
            )
        case EventReading() as e:
            return cbor2.dumps(
                [_EVENT, e.sensor, e.time_unix_us, str(e.type), e.body, e.image_sha256]
            )
        case _:
            assert_never(reading)


def decode_row(data: bytes) -> Reading:
    """Return the reading in journal bytes that this module wrote.

    Raises:
        ValueError: Bytes that it did not write.
    """
    try:
        row = cast("list[Any]", cbor2.loads(data))
        match row:
            case [0, sensor, time, quantity, value, quality]:
                return Scalar(
                    sensor=sensor,
                    time_unix_us=time,
                    quantity=Quantity(quantity),
                    value=value,
                    quality=Quality(quality),
                )
            case [1, sensor, time, epc, antenna, rssi_cdbm, count]:
                return Sighting(
                    sensor=sensor,
                    time_unix_us=time,
                    epc=epc,
                    antenna=antenna,
                    rssi_cdbm=rssi_cdbm,
                    count=count,
                )
            case [2, sensor, time, kind, body, image_sha256]:
                return EventReading(
                    sensor=sensor,
                    time_unix_us=time,
                    type=EventType(kind),
                    body=body,
                    image_sha256=image_sha256,
                )
            case _:
                raise ValueError(f"journal row: {row!r} is of no known kind")
    except cbor2.CBORError as error:
        raise ValueError(f"journal row: {error}") from error
