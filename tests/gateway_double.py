"""A gateway that signs: the envelopes of a real one, and those of a hostile one."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Literal, cast

import cbor2
from nacl.signing import SigningKey

from backend.ids import GatewayId
from backend.ingest.types import Message
from schemas.cose import bytes_to_sign, encode_protected, encode_sign1
from schemas.envelope import (
    GENESIS_HASH,
    RSSI_UNKNOWN,
    Clock,
    ClockState,
    Envelope,
    Events,
    Scalars,
    Sightings,
    content_type,
    encode_payload,
)
from schemas.keys import key_id_of
from schemas.quantities import EventType, Quantity
from schemas.topics import up_topic

BASE_US = 1_795_348_800_000_000  # 2026-11-22 12:00 UTC, as tests.builders.NOW
BOOT_ID = bytes(range(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A scalar reading to be sealed; ``quality`` is its code."""

    sensor: str
    quantity: Quantity
    value: float
    offset_us: int = 0
    quality: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A sighting to be sealed."""

    sensor: str
    epc: bytes
    offset_us: int = 0
    rssi_cdbm: int = RSSI_UNKNOWN
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event to be sealed."""

    sensor: str
    type: EventType
    body: dict[str, Any]
    offset_us: int = 0
    image_sha256: bytes | None = None


Sealed = Value | Tag | Happening


@dataclass(slots=True, kw_only=True)
class GatewayDouble:
    """Seals, numbers, chains and signs; ``delay_us`` is what its messages take to arrive."""

    name: str = "gw-1"
    key: SigningKey = field(default_factory=SigningKey.generate)
    number: int = 0
    sha256: bytes = GENESIS_HASH
    readings: int = 0
    clock: ClockState = ClockState.NTP
    boot_id: bytes = BOOT_ID
    booted_us: int = BASE_US - 3_600_000_000
    delay_us: int = 0

    @property
    def public_key(self) -> bytes:
        """The raw public key."""
        return bytes(self.key.verify_key)

    @property
    def key_id(self) -> bytes:
        """The name of the key."""
        return key_id_of(self.public_key)

    def seal(
        self,
        readings: list[Sealed],
        base_us: int = BASE_US,
        **changes: Any,  # noqa: ANN401 - any of the envelope's fields
    ) -> Message:
        """Return the next envelope as it arrives; ``changes`` replace fields before signing."""
        envelope = replace(self.envelope(readings, base_us), **changes)
        message = self.sign(encode_payload(envelope), base_us)
        self.number = envelope.number
        self.sha256 = sha256(message.data).digest()
        self.readings += envelope.readings
        return message

    def sign(self, payload: bytes, base_us: int = BASE_US, kind: str | None = None) -> Message:
        """Return a signed message with any payload and content type."""
        protected = encode_protected(kind or content_type(), self.key_id)
        signature = self.key.sign(bytes_to_sign(protected, payload)).signature
        return self.message(encode_sign1(protected, payload, signature), base_us)

    def message(self, data: bytes, base_us: int = BASE_US) -> Message:
        """Return bytes as they arrive on the gateway's topic."""
        return Message(
            topic=up_topic(self.name), data=data, received_unix_us=base_us + self.delay_us
        )

    def envelope(self, readings: list[Sealed], base_us: int = BASE_US) -> Envelope:
        """Return the next envelope, not sealed."""
        table: dict[tuple[str, Quantity | None], int] = {}
        for each in readings:
            quantity = each.quantity if isinstance(each, Value) else None
            table.setdefault((each.sensor, quantity), len(table))
        return Envelope(
            gateway=GatewayId(self.name),
            number=self.number + 1,
            previous_sha256=self.sha256,
            readings_before=self.readings,
            base_unix_us=base_us,
            clock=Clock(
                state=self.clock,
                boot_id=self.boot_id,
                monotonic_us=max(0, base_us - self.booted_us),
            ),
            sensors=tuple(table),
            scalars=_scalars([r for r in readings if isinstance(r, Value)], table),
            sightings=_sightings([r for r in readings if isinstance(r, Tag)], table),
            events=_events([r for r in readings if isinstance(r, Happening)], table),
        )


Table = dict[tuple[str, Quantity | None], int]


def _scalars(values: list[Value], table: Table) -> Scalars:
    return Scalars(
        sensor=_column([table[v.sensor, v.quantity] for v in values], "H"),
        offset_us=_column([v.offset_us for v in values], "I"),
        value=_column([v.value for v in values], "d"),
        quality=_column([v.quality for v in values], "B"),
    )


def _sightings(tags: list[Tag], table: Table) -> Sightings:
    return Sightings(
        sensor=_column([table[t.sensor, None] for t in tags], "H"),
        offset_us=_column([t.offset_us for t in tags], "I"),
        epc_length=_column([len(t.epc) for t in tags], "B"),
        epcs=b"".join(t.epc for t in tags),
        antenna=_column([1 for _ in tags], "B"),
        rssi_cdbm=_column([t.rssi_cdbm for t in tags], "h"),
        count=_column([t.count for t in tags], "H"),
    )


def _events(happenings: list[Happening], table: Table) -> Events:
    return Events(
        sensor=_column([table[h.sensor, None] for h in happenings], "H"),
        offset_us=_column([h.offset_us for h in happenings], "I"),
        type=[h.type for h in happenings],
        body=[cbor2.dumps(h.body, canonical=True) for h in happenings],
        image_sha256=[each.image_sha256 for each in happenings],
    )


def _column(numbers: Sequence[float], code: Literal["B", "H", "I", "h", "d"]) -> memoryview:
    return cast(
        "memoryview", memoryview(array(code, cast("Sequence[int]", numbers))).cast("B").cast(code)
    )
