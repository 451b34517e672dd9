"""Digest v1: what a gateway kept of a run of its envelopes, signed once in their stead.

A gateway whose outbox is nearly full thins the oldest envelopes that it never sent. A sealed
envelope never changes, so one digest takes the place of those numbered a to b: it follows on a's
predecessor, and b + 1 follows on it as it did on the original b. Every event and sighting of the
run is in it; of its scalars, for each channel, the first, last, least and greatest good one, and
the first and last of each other quality. How many readings there were is said too.

``last_sha256`` stands for all the originals: each of them names the hash of the one before.

A codec only, as schemas.envelope, whose columns it shares; digest-v1.cddl is the grammar.
"""

from dataclasses import dataclass
from typing import Final

import cbor2

from schemas.cose import Sign1, check_content_type, decode_cbor
from schemas.envelope import (
    ENVELOPE_BYTES_MAX,
    HASH_BYTES,
    NUMBER_MAX,
    READINGS_MAX,
    Clock,
    Events,
    Scalars,
    SensorTable,
    Sightings,
    check_quantities,
    decode_clock,
    decode_events,
    decode_scalars,
    decode_sensors,
    decode_sightings,
    encode_content,
)
from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field, list_field, name_field, uint_field

CONTENT_TYPE: Final = "application/pledgewatch-digest+cbor"
VERSION: Final = 1
DIGEST_BYTES_MAX: Final = ENVELOPE_BYTES_MAX  # It travels as an envelope does.
KEPT_MAX: Final = READINGS_MAX
SPAN_US_MAX: Final = 31 * 86_400 * 1_000_000  # A month of outage: offsets exceed 32 bits by far.
_FIELDS: Final = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A decoded digest payload, for the run of envelopes ``first_number`` to ``number``.

    ``readings`` are those of the originals, ``kept`` those that are still here. ``clock`` is that
    of all originals: a run never goes beyond a step of the clock or a boot.
    """

    gateway: str
    first_number: int
    number: int
    previous_sha256: bytes
    last_sha256: bytes
    readings_before: int
    readings: int
    base_unix_us: int
    clock: Clock
    sensors: SensorTable
    scalars: Scalars
    sightings: Sightings
    events: Events

    @property
    def kept(self) -> int:
        """How many readings of all kinds the digest holds."""
        return len(self.scalars) + len(self.sightings) + len(self.events)

    @property
    def span_us(self) -> int:
        """The greatest offset of a reading."""
        return max(
            max(self.scalars.offset_us, default=0),
            max(self.sightings.offset_us, default=0),
            max(self.events.offset_us, default=0),
        )


def content_type() -> str:
    """Return the protected content type of this version."""
    return f"{CONTENT_TYPE};v={VERSION}"


def is_digest(message: Sign1) -> bool:
    """Return whether a message says that it is a digest, of whatever version."""
    return message.content_type.partition(";")[0] == CONTENT_TYPE


def encode_payload(digest: Digest) -> bytes:
    """Return the CBOR bytes of ``digest``, the same for the same value (RFC 8949, 4.2.1)."""
    return cbor2.dumps(
        [
            digest.gateway,
            digest.first_number,
            digest.number,
            digest.previous_sha256,
            digest.last_sha256,
            digest.readings_before,
            digest.readings,
            digest.base_unix_us,
            *encode_content(
                digest.clock, digest.sensors, digest.scalars, digest.sightings, digest.events
            ),
        ]
    )


def decode_digest(message: Sign1) -> Digest:
    """Return the digest inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, CONTENT_TYPE, VERSION)
    fields = list_field(decode_cbor(message.payload, "payload"), "payload", _FIELDS)
    sensors = decode_sensors(fields[9])
    first = uint_field(fields[1], "first_number", at_least=1, at_most=NUMBER_MAX)
    before = uint_field(fields[5], "readings_before", at_most=NUMBER_MAX)
    digest = Digest(
        gateway=name_field(fields[0], "gateway"),
        first_number=first,
        number=uint_field(fields[2], "last_number", at_least=first, at_most=NUMBER_MAX),
        previous_sha256=bytes_field(fields[3], "previous_sha256", HASH_BYTES),
        last_sha256=bytes_field(fields[4], "last_sha256", HASH_BYTES),
        readings_before=before,
        readings=uint_field(fields[6], "readings", at_least=1, at_most=NUMBER_MAX - before),
        base_unix_us=uint_field(fields[7], "base_unix_us", at_most=NUMBER_MAX),
        clock=decode_clock(fields[8]),
        sensors=sensors,
        scalars=decode_scalars(fields[10], len(sensors), "Q"),
        sightings=decode_sightings(fields[11], len(sensors), "Q"),
        events=decode_events(fields[12], len(sensors), "Q"),
    )
    _check(digest)
    return digest


def _check(digest: Digest) -> None:
    kept_max = min(KEPT_MAX, digest.readings)
    if not 1 <= digest.kept <= kept_max:
        raise MalformedError(Malformation.BAD_FIELD, "kept", digest.kept, f"1 to {kept_max}")
    envelopes = digest.number - digest.first_number + 1
    if not envelopes <= digest.readings <= envelopes * READINGS_MAX:
        raise MalformedError(
            Malformation.BAD_FIELD,
            "readings",
            digest.readings,
            f"{envelopes} to {envelopes * READINGS_MAX}, in {envelopes} envelopes",
        )
    if digest.span_us > SPAN_US_MAX:
        raise MalformedError(
            Malformation.BAD_COLUMN, "offset_us", digest.span_us, f"at most {SPAN_US_MAX}"
        )
    check_quantities(digest.sensors, digest.scalars)
