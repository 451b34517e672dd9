"""A reading as one row of the journal: a CBOR array, its first element the kind.

Written and read by this module only; a changed meaning is a new version of the outbox file.
"""

from typing import Any, Final, assert_never, cast

import cbor2

from gateway.reading import EventReading, Reading, Scalar, Sighting
from schemas.quantities import EventType, Quality, Quantity

_SCALAR: Final = 0
_SIGHTING: Final = 1
_EVENT: Final = 2


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
