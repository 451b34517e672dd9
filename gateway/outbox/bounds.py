"""What an envelope can hold: the bounds of each field of a reading. Pure.

As the backend will check them: an envelope that it finds malformed would hold up the whole stream.
The sensors and quantities of a sweep are the configuration's, which was checked when it was read.
"""

import sys
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Final, assert_never

from gateway.reading import Entry, EventReading, Scalar, Sighting, Sweep
from schemas.bodies import body_field
from schemas.envelope import EPC_BYTES_MAX, HASH_BYTES, NUMBER_MAX
from schemas.errors import Malformation, MalformedError, short
from schemas.fields import (
    NAME_CHARACTERS_MAX,
    bytes_field,
    name_field,
    optional_bytes_field,
    uint_field,
)
from schemas.quantities import QUALITY_CODES, Quality

ANTENNA_MAX: Final = 0xFF
RSSI_CDBM_MIN: Final = -0x8000
RSSI_CDBM_MAX: Final = 0x7FFF
SWEEP_READINGS_MAX: Final = 0xFFFF  # Counted in 16 bits by the journal.
BODIES_MAX: Final = 64  # Found sound and remembered: nearly all events say that a sensor is up.
FLOAT_MAX: Final = sys.float_info.max
_BAD: Final = QUALITY_CODES[Quality.BAD]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why no envelope can hold a reading: which field is what, and must be what."""

    sensor: str
    field: str
    value: str
    bound: str

    def __str__(self) -> str:
        return f"{self.sensor}: {self.field} is {self.value}, must be {self.bound}"


def find_fault(entry: Entry) -> Fault | None:
    """Return why no envelope can hold ``entry``; None: one can."""
    try:
        match entry:
            case Sweep():
                _check_sweep(entry)
            case Scalar():
                name_field(entry.sensor, "sensor")
                _check_value(entry.value, bad=entry.quality is Quality.BAD)
            case Sighting():
                _check_sighting(entry)
            case EventReading():
                name_field(entry.sensor, "sensor")
                _check_body(entry.body)
                optional_bytes_field(entry.image_sha256, "image_sha256", HASH_BYTES)
            case _:
                assert_never(entry)
        uint_field(entry.time_unix_us, "time_unix_us", at_most=NUMBER_MAX)
    except MalformedError as error:
        return Fault(
            sensor=_sensor_of(entry),
            field=error.field,
            value=short(error.value),
            bound=error.bound,
        )
    except TypeError as error:  # From a journal that something else wrote.
        return Fault(
            sensor=_sensor_of(entry), field="row", value=str(error), bound="fields of their types"
        )
    return None


def _check_sighting(sighting: Sighting) -> None:
    name_field(sighting.sensor, "sensor")
    size = len(bytes_field(sighting.epc, "epc"))
    uint_field(size, "epc length", at_most=EPC_BYTES_MAX)
    uint_field(sighting.antenna, "antenna", at_most=ANTENNA_MAX)
    uint_field(sighting.count, "count", at_most=NUMBER_MAX)
    if not RSSI_CDBM_MIN <= sighting.rssi_cdbm <= RSSI_CDBM_MAX:
        bound = f"an integer from {RSSI_CDBM_MIN} to {RSSI_CDBM_MAX}"
        raise MalformedError(Malformation.BAD_FIELD, "rssi_cdbm", sighting.rssi_cdbm, bound)


def _check_sweep(sweep: Sweep) -> None:
    uint_field(len(sweep), "readings", at_least=1, at_most=SWEEP_READINGS_MAX)
    uint_field(max(sweep.quality, default=0), "quality", at_most=len(QUALITY_CODES) - 1)
    if isfinite(sum(sweep.values)):
        return
    # Also reached when finite values overflow in the sum.
    for value, quality in zip(sweep.values, sweep.quality or bytes(len(sweep)), strict=True):
        _check_value(value, bad=quality == _BAD)


@lru_cache(maxsize=BODIES_MAX)
def _check_body(body: bytes) -> None:
    body_field(body, "body")


def _check_value(value: float, *, bad: bool) -> None:
    # A reading that is marked bad has no number. The limits are exact for integers, too.
    if not (-FLOAT_MAX <= value <= FLOAT_MAX) and not (bad and isinstance(value, float)):
        raise MalformedError(Malformation.BAD_FIELD, "value", value, "finite, or of bad quality")


def _sensor_of(entry: Entry) -> str:
    if not isinstance(entry, Sweep):
        return str(entry.sensor)[:NAME_CHARACTERS_MAX]
    return entry.channels.rows[0][0] if entry.channels.rows else ""
