"""Receipt v1: the backend's signed word on how far it has committed a gateway's stream.

A gateway deletes an envelope only on a receipt under the key that it pinned at enrolment.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cbor2

from schemas.cose import Sign1, check_content_type, decode_cbor
from schemas.envelope import HASH_BYTES, NUMBER_MAX
from schemas.fields import bytes_field, enum_field, list_field, name_field, uint_field

CONTENT_TYPE: Final = "application/pledgewatch-receipt+cbor"
VERSION: Final = 1
RECEIPT_BYTES_MAX: Final = 1_024
_FIELDS: Final = 6


class StreamState(StrEnum):
    """Whether the backend goes on accepting this stream."""

    OPEN = "open"
    STOPPED = "stopped"  # A fork was seen; only an operator's re-enrolment opens it again.


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The last envelope committed: number (0: none yet), SHA-256; and all readings held."""

    gateway: str
    number: int
    sha256: bytes
    readings: int
    state: StreamState
    issued_unix_us: int


def content_type() -> str:
    """Return the protected content type of this version."""
    return f"{CONTENT_TYPE};v={VERSION}"


def encode_payload(receipt: Receipt) -> bytes:
    """Return the CBOR bytes of ``receipt``, the same for the same value."""
    return cbor2.dumps(
        [
            receipt.gateway,
            receipt.number,
            receipt.sha256,
            receipt.readings,
            receipt.state.value,
            receipt.issued_unix_us,
        ]
    )


def decode_receipt(message: Sign1) -> Receipt:
    """Return the receipt inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, CONTENT_TYPE, VERSION)
    fields = list_field(decode_cbor(message.payload, "payload"), "payload", _FIELDS)
    return Receipt(
        gateway=name_field(fields[0], "gateway"),
        number=uint_field(fields[1], "number", at_most=NUMBER_MAX),
        sha256=bytes_field(fields[2], "sha256", HASH_BYTES),
        readings=uint_field(fields[3], "readings", at_most=NUMBER_MAX),
        state=enum_field(fields[4], "state", StreamState),
        issued_unix_us=uint_field(fields[5], "issued_unix_us", at_most=NUMBER_MAX),
    )
