"""Readings: one timestamped measurement or observation each, and the moments they happened at.

``time_unix_us`` is the gateway's wall clock when the last byte of the reading had arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.envelope import RSSI_UNKNOWN, ClockState
from schemas.quantities import EventType, Quality, Quantity

GATEWAY_SENSOR: Final = "gateway"  # The sensor name under which the gateway speaks of itself.
STEP_US_MIN: Final = 250_000  # NTP slews what is smaller (128 ms); a larger jump is a step.


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """One moment on both clocks: wall time, and microseconds since the machine's boot."""

    unix_us: int
    boot_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSegment:
    """A stretch of time in which the wall clock did not step and its discipline did not change.

    ``offset_us`` is wall time minus time since boot: it makes one out of the other.
    """

    boot_id: bytes
    offset_us: int
    state: ClockState


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A measured number, in the one unit of its quantity."""

    sensor: str
    quantity: Quantity
    time_unix_us: int
    value: float
    quality: Quality = Quality.GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Reads of one tag: ``count`` of them since the last sighting, the best RSSI among them."""

    sensor: str
    time_unix_us: int
    epc: bytes
    antenna: int = 1
    rssi_cdbm: int = RSSI_UNKNOWN
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReading:
    """Something that happened; ``body`` is a CBOR map as ``schemas.bodies`` allows."""

    sensor: str
    time_unix_us: int
    type: EventType
    body: bytes
    image_sha256: bytes | None = None


Reading = Scalar | Sighting | EventReading

# Readings of one observation: they are reported together or not at all (a latitude means nothing
# without its longitude).
Arrival = Sequence[Reading]


def step_us(segment: ClockSegment, now: Instant) -> int:
    """Return by how much the wall clock has stepped since ``segment`` began; 0: not at all."""
    moved = now.unix_us - now.boot_us - segment.offset_us
    return moved if abs(moved) >= STEP_US_MIN else 0
