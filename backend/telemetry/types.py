"""Readings of a batch of envelopes, in columns: numpy from the envelope to COPY and the detectors.

Times are microseconds since 1970. Row order is the order of the envelopes and, within one, as it
travelled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from backend.ids import ChannelId, GatewayId
from schemas.envelope import EPC_BYTES_MAX
from schemas.quantities import EventType, Quantity

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_AGO: Final = -(2**62)
EPC_KEY_BYTES: Final = EPC_BYTES_MAX + 1  # One byte of length before it, zeros after it.

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Int16s = NDArray[np.int16]
Floats = NDArray[np.float64]
Bytes8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRef:
    """What a channel's id stands for; quantity None: sightings and events."""

    gateway: GatewayId
    sensor: str
    quantity: Quantity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinning:
    """What a digest stands for: a run of envelopes up to its own number, and their readings.

    The times are those of the oldest and newest reading kept, by the gateway's clock.
    """

    first_number: int
    readings: int
    last_sha256: bytes
    oldest_unix_us: int
    newest_unix_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinnedRun:
    """A run of envelopes of which only a digest came, as it is stored."""

    gateway_id: str
    first_number: int
    last_number: int
    readings: int
    kept: int
    begins_at: datetime
    ends_at: datetime
    sha256: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeRow:
    """An accepted envelope, or the digest of a run of them; ``readings`` are those held.

    ``made_unix_us`` is when its newest reading was made, by the backend's clock: the arrival
    less the time that the envelope lay in the outbox.
    """

    gateway: GatewayId
    number: int
    sha256: bytes
    key_id: bytes
    base_unix_us: int
    received_unix_us: int
    made_unix_us: int
    readings: int
    bytes: bytes
    thinning: Thinning | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarColumns:
    """Measured numbers; ``envelope`` indexes the batch's envelopes. All of shape (n,)."""

    at_us: Int64s
    channel: Int32s
    envelope: Int32s
    envelope_number: Int64s
    value: Floats
    quality: Int16s

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Epcs:
    """The distinct EPCs of some reads, and which of them each read is of."""

    distinct: Sequence[bytes]
    index: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingColumns:
    """RFID reads, of shape (n,); ``epc`` is (n, EPC_KEY_BYTES): length, EPC, zeros.

    ``epcs`` says the same, where whoever made the columns knew it; None: it must be sought.
    """

    at_us: Int64s
    channel: Int32s
    envelope: Int32s
    envelope_number: Int64s
    epc: Bytes8
    antenna: Int16s
    rssi_cdbm: Int16s
    count: Int32s
    epcs: Epcs | None = None

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event; rare, so an object each. ``envelope`` indexes the batch's envelopes."""

    at_us: int
    channel: ChannelId
    envelope: int
    envelope_number: int
    type: EventType
    body: Mapping[str, object]
    image_sha256: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeTimes:
    """The times of a batch's envelopes in columns, of shape (n,); ``base_us`` by the gateway.

    ``newest_us`` is that of the newest reading kept, by the gateway, of a digest, and long ago of
    what is none; None: there is no digest among them.
    """

    base_us: Int64s
    made_us: Int64s
    arrived_us: Int64s
    newest_us: Int64s | None = None

    @classmethod
    def of(cls, rows: Sequence[EnvelopeRow]) -> Self:
        """Return those of envelopes."""
        newest_us = None
        if any(row.thinning is not None for row in rows):
            newest_us = np.array(
                [
                    _LONG_AGO if row.thinning is None else row.thinning.newest_unix_us
                    for row in rows
                ],
                dtype=np.int64,
            )
        return cls(
            base_us=np.array([row.base_unix_us for row in rows], dtype=np.int64),
            made_us=np.array([row.made_unix_us for row in rows], dtype=np.int64),
            arrived_us=np.array([row.received_unix_us for row in rows], dtype=np.int64),
            newest_us=newest_us,
        )


_OF_NOTHING: Final = EnvelopeTimes.of(())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBatch:
    """Everything that a batch of accepted envelopes holds; ``times`` follow from ``envelopes``.

    Detectors need the times only: who stores nothing may leave the envelopes out and give those.
    """

    envelopes: tuple[EnvelopeRow, ...]
    scalars: ScalarColumns
    sightings: SightingColumns
    events: tuple[EventRow, ...]
    channels: Mapping[ChannelId, ChannelRef]
    times: EnvelopeTimes = field(default=_OF_NOTHING, repr=False)

    def __post_init__(self) -> None:
        """Work out the times once, unless whoever made the batch had them."""
        if self.times is _OF_NOTHING:
            object.__setattr__(self, "times", EnvelopeTimes.of(self.envelopes))

    @property
    def readings(self) -> int:
        """How many readings of all kinds there are."""
        return len(self.scalars) + len(self.sightings) + len(self.events)

    def made_us(self, envelope: Int32s, at_us: Int64s) -> Int64s:
        """Return when readings were made, by the backend's clock.

        An envelope spans seconds: its readings count as made with its newest. A digest may span
        hours, in which its sensors may have fallen silent.

        Args:
            envelope: of each reading, as in the columns.
            at_us: of each reading, by the gateway's clock.
        """
        made_us = self.times.made_us[envelope]
        if self.times.newest_us is None:
            return made_us
        return made_us - np.maximum(self.times.newest_us[envelope] - at_us, 0)

    def made_us_of(self, event: EventRow) -> int:
        """Return when an event was made, by the backend's clock."""
        made_us = int(self.times.made_us[event.envelope])
        if self.times.newest_us is None:
            return made_us
        return made_us - max(int(self.times.newest_us[event.envelope]) - event.at_us, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One span of a channel's readings: how many, least, greatest and last good value."""

    at: datetime
    count: int
    value_min: float | None
    value_max: float | None
    value_last: float | None
    quality_worst: int


def epc_of(key: bytes) -> bytes:
    """Return the EPC inside an EPC key; numpy may have cut the zeros at its end."""
    return key[1:].ljust(key[0], b"\0")[: key[0]]


def key_of(epc: bytes) -> bytes:
    """Return the fixed-width key of an EPC: length, EPC, zeros."""
    return (bytes([len(epc)]) + epc).ljust(EPC_KEY_BYTES, b"\0")


def datetime_of(unix_us: int) -> datetime:
    """Return a time in microseconds since 1970 as a datetime in UTC, exactly."""
    return EPOCH + timedelta(microseconds=unix_us)


def unix_us_of(at: datetime) -> int:
    """Return an aware datetime in microseconds since 1970, exactly."""
    return (at - EPOCH) // timedelta(microseconds=1)
