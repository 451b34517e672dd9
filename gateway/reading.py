"""Readings: one timestamped measurement or observation each, and the moments they happened at.

``time_unix_us`` is the gateway's wall clock when the last byte of the reading had arrived.

A poll that answers with many numbers at once is a ``Sweep``: columns instead of an object a
reading, from the wire to the envelope.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

from schemas.envelope import RSSI_UNKNOWN, ClockState, encode_sensor_rows
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


class Channels:
    """The (sensor, quantity) pairs that one request reads, in their order; compared by identity.

    Made once for each block of registers and shared by all its sweeps, so that stages can keep
    what they know of it under the object itself.
    """

    __slots__ = ("__weakref__", "_encoded", "characters", "keys", "rows")

    def __init__(self, rows: Iterable[tuple[str, Quantity]]) -> None:
        self.rows = tuple(rows)
        # Joined, because the hash of a text is remembered and that of a pair is not.
        self.keys = tuple(f"{sensor}\0{quantity}" for sensor, quantity in self.rows)
        self.characters = sum(map(len, self.keys))
        self._encoded: bytes | None = None  # Made when first needed: most halves never are.

    @property
    def encoded(self) -> bytes:
        """The rows as they stand in the sensor table of an envelope."""
        if self._encoded is None:
            self._encoded = encode_sensor_rows(self.rows)
        return self._encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Numbers of one time, each in the unit of its quantity; columns of equal length.

    ``index`` says which of ``channels`` each value is of; None: of each, in their order.
    ``quality`` holds the codes of ``schemas.quantities``; empty: all are good.
    """

    channels: Channels
    time_unix_us: int
    values: "array[float]"
    index: "array[int] | None" = None
    quality: bytes = b""

    def __len__(self) -> int:
        return len(self.values)

    def select(self, chosen: Sequence[object]) -> "Sweep":
        """Return the readings for which ``chosen`` is true, one element a reading."""
        index = range(len(self)) if self.index is None else self.index
        return Sweep(
            channels=self.channels,
            time_unix_us=self.time_unix_us,
            values=array("d", compress(self.values, chosen)),
            index=array("H", compress(index, chosen)),
            quality=bytes(compress(self.quality, chosen)),
        )

    def split(self, count: int) -> tuple["Sweep", "Sweep"]:
        """Return the first ``count`` readings, and the rest."""
        index = array("H", range(len(self))) if self.index is None else self.index
        first, rest = (
            Sweep(
                channels=self.channels,
                time_unix_us=self.time_unix_us,
                values=self.values[part],
                index=index[part],
                quality=self.quality[part],
            )
            for part in (slice(count), slice(count, None))
        )
        return first, rest


Entry = Reading | Sweep
"""What a stage passes on: one reading, or many of one time."""

# Readings of one observation: they are reported together or not at all (a latitude means nothing
# without its longitude). The readings of a sweep are reported each by itself.
Arrival = Sequence[Reading]


def count_readings(entries: Iterable[Entry]) -> int:
    """Return how many readings ``entries`` are."""
    return sum([len(e) if isinstance(e, Sweep) else 1 for e in entries])


def step_us(segment: ClockSegment, now: Instant) -> int:
    """Return by how much the wall clock has stepped since ``segment`` began; 0: not at all."""
    moved = now.unix_us - now.boot_us - segment.offset_us
    return moved if abs(moved) >= STEP_US_MIN else 0
