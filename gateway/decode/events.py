"""What decoders yield: one frozen value for each thing that a device said, and one for a fault."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

FAULT_BYTES_MAX: Final = (
    64  # Enough to recognise a foreign format; a fault must stay small evidence.
)


class Fix(StrEnum):
    """How well a position is known."""

    NONE = "none"
    TWO_D = "2d"
    THREE_D = "3d"


class Basis(StrEnum):
    """Whether a weight includes the tare (gross), does not (net), or the device is silent."""

    GROSS = "gross"
    NET = "net"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """Where an object or a review stands in its life."""

    NEW = "new"
    UPDATE = "update"
    END = "end"


class SceneFault(StrEnum):
    """What a camera reports about its own view."""

    COVERED = "covered"
    MOVED = "moved"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRY = "blurry"
    SIGNAL_LOST = "signal_lost"


class Jamming(StrEnum):
    """What a GNSS receiver makes of interference."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Spoofing(StrEnum):
    """How many signs of forged satellite signals a GNSS receiver sees."""

    NONE = "none"
    INDICATED = "indicated"
    MULTIPLE = "multiple"
    UNKNOWN = "unknown"


class ReaderWhat(StrEnum):
    """What an RFID reader on a network says of itself."""

    CONNECTED = "connected"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_CLOSED = "connection_closed"
    OTHER_CLIENT = "other_client"
    ANTENNA_CONNECTED = "antenna_connected"
    ANTENNA_DISCONNECTED = "antenna_disconnected"
    READER_EXCEPTION = "reader_exception"
    BUFFER_WARNING = "buffer_warning"
    BUFFER_OVERFLOW = "buffer_overflow"
    ROSPEC_STARTED = "rospec_started"
    ROSPEC_ENDED = "rospec_ended"
    ROSPEC_PREEMPTED = "rospec_preempted"
    AISPEC_ENDED = "aispec_ended"
    GPI = "gpi"
    OTHER = "other"


class FaultWhy(StrEnum):
    """Why bytes did not become a reading."""

    NOISE = "noise"
    TOO_LONG = "too_long"
    TRUNCATED = "truncated"
    PARTIAL = "partial"
    MALFORMED = "malformed"
    NO_CHECKSUM = "no_checksum"
    BAD_CHECKSUM = "bad_checksum"
    BAD_CRC = "bad_crc"
    BAD_PARITY = "bad_parity"
    BAD_LENGTH = "bad_length"
    OVERLOAD = "overload"
    UNDERLOAD = "underload"
    TARE = "tare"
    NO_UNIT = "no_unit"
    UNKNOWN_UNIT = "unknown_unit"
    NOT_EXECUTABLE = "not_executable"
    SYNTAX_ERROR = "syntax_error"
    TRANSMISSION_ERROR = "transmission_error"
    LOGICAL_ERROR = "logical_error"
    READER_ERROR = "reader_error"
    UNKNOWN_TOPIC = "unknown_topic"
    BAD_BCD = "bad_bcd"
    NOT_A_NUMBER = "not_a_number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One epoch of a GNSS receiver; without a fix there are no coordinates."""

    time_us: int | None
    lat_deg: float | None
    lon_deg: float | None
    fix: Fix
    hdop: float | None = None
    satellites: int | None = None
    speed_mps: float | None = None
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GnssIntegrity:
    """Whether a GNSS receiver trusts its own signals; unknown where it does not look.

    ``cw_indicator`` is the receiver's raw measure of narrow-band jamming, 0 none to 255 strong,
    for which its maker gives no limit.
    """

    jamming: Jamming
    spoofing: Spoofing
    cw_indicator: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A weight in grams; ``shown`` and ``unit`` are what the indicator displayed."""

    mass_g: int
    stable: bool
    basis: Basis
    shown: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRead:
    """One read of one tag, its air CRC verified."""

    epc: bytes
    rssi_dbm: float | None
    antenna: int
    pc: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderReply:
    """A reader's valid answer that is no tag; it shows that the reader lives."""

    command: int
    parameters: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TagReport:
    """A reader's summary of ``count`` reads of one tag; its times are the reader's own.

    ``uptime`` times count from the reader's start, where it has no clock of its own.
    """

    epc: bytes
    rssi_dbm: float | None
    antenna: int | None
    pc: int | None = None
    count: int = 1
    first_seen_us: int | None = None
    last_seen_us: int | None = None
    first_seen_uptime_us: int | None = None
    last_seen_uptime_us: int | None = None
    rospec: int | None = None
    channel: int | None = None
    access_spec: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderEvent:
    """Something that a reader tells of itself, at a time of its own clock."""

    what: ReaderWhat
    antenna: int | None
    text: str
    time_us: int | None
    uptime_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderMessage:
    """A reader's valid message that is neither tag nor event; ``status`` where it has one."""

    type: int
    name: str
    number: int
    status: int | None
    text: str
    parameters: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderCapabilities:
    """What a reader is: its maker by enterprise number, its model by the maker's number.

    ``warns`` before its buffer of reports overflows; ``holds`` reports while nobody is connected.
    """

    antennas: int
    utc_clock: bool
    manufacturer: int
    model: int
    firmware: str
    warns: bool
    holds: bool


ReaderSaid: TypeAlias = TagReport | ReaderEvent | ReaderMessage | ReaderCapabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraObject:
    """The latest state of one object that a camera tracks; upsert by ``object_id``."""

    camera: str
    object_id: str
    phase: Phase
    label: str
    score: float | None
    zones: tuple[str, ...]
    entered_zones: tuple[str, ...]
    start_us: int | None
    end_us: int | None
    has_snapshot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraReview:
    """A span of a camera's activity that a person should look at; upsert by ``review_id``."""

    camera: str
    review_id: str
    phase: Phase
    severity: str
    labels: tuple[str, ...]
    zones: tuple[str, ...]
    start_us: int | None
    end_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraNote:
    """Something learned about a tracked object afterwards (a face, a plate, a description)."""

    camera: str
    object_id: str
    what: str
    text: str
    time_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """Whether a camera's stream, or the whole service (``camera`` empty), is alive."""

    camera: str
    role: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneChange:
    """A camera's own view became, or ceased to be, covered, moved, dark, bright or blurry."""

    camera: str
    source: str
    what: SceneFault
    active: bool
    time_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Bytes that became no reading, and why; at most ``FAULT_BYTES_MAX`` of them are kept."""

    why: FaultWhy
    bytes: bytes


Event: TypeAlias = (
    Position
    | GnssIntegrity
    | Weight
    | TagRead
    | ReaderReply
    | ReaderSaid
    | CameraObject
    | CameraReview
    | CameraNote
    | CameraStatus
    | SceneChange
    | Fault
)


class Decoder(Protocol):
    """Bytes in, events out; no I/O and no clock. One instance for each open port."""

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first; never raises, however bad the bytes."""
        ...

    def flush(self) -> list[Event]:
        """Return what was pending when the bytes ended, and begin anew as on a fresh port."""
        ...


DecoderFactory: TypeAlias = Callable[[], Decoder]


def fault(why: FaultWhy, data: bytes | bytearray) -> Fault:
    """Return the fault ``why`` with the first bytes of ``data`` as evidence."""
    return Fault(why=why, bytes=bytes(data[:FAULT_BYTES_MAX]))
