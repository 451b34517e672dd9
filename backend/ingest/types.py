"""Messages off the broker and what becomes of each, as values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from backend.ids import GatewayId
from backend.telemetry.types import ReadingBatch
from schemas.cose import Sign1
from schemas.digest import Digest
from schemas.envelope import Envelope
from schemas.receipt import StreamState


class Reason(StrEnum):
    """Why an envelope was refused; the name is kept with the evidence. In order of precedence."""

    OVERSIZED = "oversized"
    NOT_CBOR = "not_cbor"
    NOT_COSE_SIGN1 = "not_cose_sign1"
    WRONG_ALGORITHM = "wrong_algorithm"
    TOPIC_MISMATCH = "topic_mismatch"
    UNKNOWN_GATEWAY = "unknown_gateway"
    WRONG_KEY = "wrong_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    UNSUPPORTED_VERSION = "unsupported_version"
    BAD_FIELD = "bad_field"
    BAD_COLUMN = "bad_column"
    GATEWAY_MISMATCH = "gateway_mismatch"
    REVOKED = "revoked"
    STREAM_STOPPED = "stream_stopped"
    KEY_CLOSED = "key_closed"
    BAD_ROTATION = "bad_rotation"
    FORK = "fork"
    READINGS_BEFORE_MISMATCH = "readings_before_mismatch"
    TOO_MANY_SENSORS = "too_many_sensors"
    NOT_STORED = "not_stored"  # The database would not take it; the worker's last resort.


class ClockFlag(StrEnum):
    """What speaks against a gateway's clock."""

    STEPPED_BACK = "stepped_back"
    IMPLAUSIBLE = "implausible"
    FAR_OFF = "far_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Bytes that arrived on a topic; ``received_unix_us`` by the backend's clock.

    ``inbox_id``: they came over HTTPS and wait in that row until they are judged.
    """

    topic: str
    data: bytes
    received_unix_us: int
    inbox_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedStream:
    """A stream that ended with the envelope that names the next key, and where it ended."""

    public_key: bytes
    key_id: bytes
    number: int
    sha256: bytes
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """A next key; whoever holds it has signed ``text`` with ``proof``."""

    public_key: bytes
    proof: bytes
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """How far a gateway's stream is committed, and the key it is signed with.

    ``closed`` is the stream before this one, while nothing of this one is committed: its gateway
    may not yet know that it is closed.
    """

    gateway: GatewayId
    public_key: bytes
    key_id: bytes
    number: int
    sha256: bytes
    readings: int
    state: StreamState
    base_unix_us_max: int
    boot_id: bytes | None
    boot_lag_min_us: int | None
    arrival_unix_us: int | None
    clock_state: int
    clock_skew_us: int
    clock_flag: ClockFlag | None
    closed: ClosedStream | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A refused message as it is kept: what it claims, and why it was refused."""

    message: Message
    sha256: bytes
    gateway: str | None
    number: int | None
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A message whose form, topic, key and signature are good; ``key_id`` verified it.

    A digest stands where the run of envelopes would that it names; its number is the last's.
    ``next_key`` is the key that it hands the stream over to, proven.
    """

    message: Message
    gateway: GatewayId
    key_id: bytes
    sha256: bytes
    envelope: Envelope | Digest
    next_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The next of its stream; ``made_unix_us`` as in EnvelopeRow."""

    examined: Examined
    made_unix_us: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Same number, same bytes: held already; the receipt is said again."""

    examined: Examined


@dataclass(frozen=True, slots=True)
class Gap:
    """Beyond the next number: nothing is accepted; the receipt names the last number held."""

    examined: Examined


@dataclass(frozen=True, slots=True)
class Fork:
    """A second history under the gateway's own signature: the stream stops."""

    examined: Examined
    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted, and kept as evidence."""

    evidence: Evidence


Verdict = Accepted | Duplicate | Gap | Fork | Refused


# Why a message's signature does not hold for the gateway, or None: who knows the keys can tell.
Verifier = Callable[[GatewayId, Sign1], Reason | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """What is wrong with a gateway's stream and clock now; None: that is as it should be.

    ``not_stored``: the next envelope is good and can not be stored, which is a fault of ours.
    """

    gateway: GatewayId
    fork: str | None
    clock_flag: ClockFlag | None
    not_stored: str | None
    at_unix_us: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a batch of messages came to.

    ``heads`` are the streams that it spoke of, as they stand at its end: their receipts are due.
    ``faults`` are changes of a stream's or clock's standing, to be followed by alerts.
    """

    verdicts: tuple[Verdict, ...]
    batch: ReadingBatch
    heads: Mapping[GatewayId, StreamHead]
    faults: tuple[StreamFault, ...]
    evidence_dropped: int
