"""Release order v1 and party key v1: what a party signs with its own key, outside this software.

A release order is a lender's permission that goods leave a lot; a party key says which key signs
for a party, and is signed by that very key. Both travel as COSE_Sign1 (``schemas.cose``).
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import cbor2

from schemas.cose import Sign1, check_content_type, decode_cbor
from schemas.envelope import NUMBER_MAX
from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field, list_field, uint_field
from schemas.keys import PUBLIC_KEY_BYTES

ORDER_TYPE: Final = "application/pledgewatch-release-order+cbor"
KEY_TYPE: Final = "application/pledgewatch-party-key+cbor"
VERSION: Final = 1
ITEMS_MAX: Final = 1_000  # As many as may be registered at once; 17 bytes each.
MESSAGE_BYTES_MAX: Final = 32_768
MASS_G_MAX: Final = 10**15
_UUID_BYTES: Final = 16
_ORDER_FIELDS: Final = 11
_KEY_FIELDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOrder:
    """A lender's permission that goods leave a lot.

    ``items``: which, in ascending order; none named: whichever go first. ``mass_g``: how much,
    net; of the items, if some are named. ``zone_id``: the zone of the site where they must
    arrive; None: they leave the site. ``into_lot``: the lot of that zone that they join, pledged
    as before; None: they are pledged no more.
    """

    id: UUID
    lender: UUID
    lot: UUID
    items: tuple[UUID, ...]
    mass_g: int
    begins_unix_us: int
    ends_unix_us: int
    zone: UUID | None
    into_lot: UUID | None
    executor: UUID
    issued_unix_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyKey:
    """A key that signs for a party until a time."""

    party: UUID
    public_key: bytes
    ends_unix_us: int


def order_content_type() -> str:
    """Return the protected content type of a release order of this version."""
    return f"{ORDER_TYPE};v={VERSION}"


def key_content_type() -> str:
    """Return the protected content type of a party key of this version."""
    return f"{KEY_TYPE};v={VERSION}"


def encode_order(order: ReleaseOrder) -> bytes:
    """Return the CBOR bytes of an order, the same for the same value."""
    return cbor2.dumps(
        [
            order.id.bytes,
            order.lender.bytes,
            order.lot.bytes,
            [item.bytes for item in order.items],
            order.mass_g,
            order.begins_unix_us,
            order.ends_unix_us,
            None if order.zone is None else order.zone.bytes,
            None if order.into_lot is None else order.into_lot.bytes,
            order.executor.bytes,
            order.issued_unix_us,
        ]
    )


def decode_order(message: Sign1) -> ReleaseOrder:
    """Return the order inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, ORDER_TYPE, VERSION)
    fields = list_field(decode_cbor(message.payload, "payload"), "payload", _ORDER_FIELDS)
    begins_unix_us = uint_field(fields[5], "begins_unix_us", at_most=NUMBER_MAX)
    order = ReleaseOrder(
        id=_uuid(fields[0], "id"),
        lender=_uuid(fields[1], "lender"),
        lot=_uuid(fields[2], "lot"),
        items=_items(fields[3]),
        mass_g=uint_field(fields[4], "mass_g", at_least=1, at_most=MASS_G_MAX),
        begins_unix_us=begins_unix_us,
        ends_unix_us=uint_field(
            fields[6], "ends_unix_us", at_least=begins_unix_us + 1, at_most=NUMBER_MAX
        ),
        zone=None if fields[7] is None else _uuid(fields[7], "zone"),
        into_lot=None if fields[8] is None else _uuid(fields[8], "into_lot"),
        executor=_uuid(fields[9], "executor"),
        issued_unix_us=uint_field(fields[10], "issued_unix_us", at_most=NUMBER_MAX),
    )
    if order.into_lot is not None and order.zone is None:
        raise MalformedError(
            Malformation.BAD_FIELD, "into_lot", order.into_lot, "null without a zone"
        )
    _check_shortest(encode_order(order), message.payload)
    return order


def encode_party_key(key: PartyKey) -> bytes:
    """Return the CBOR bytes of a party's key, the same for the same value."""
    return cbor2.dumps([key.party.bytes, key.public_key, key.ends_unix_us])


def decode_party_key(message: Sign1) -> PartyKey:
    """Return the key inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, KEY_TYPE, VERSION)
    fields = list_field(decode_cbor(message.payload, "payload"), "payload", _KEY_FIELDS)
    key = PartyKey(
        party=_uuid(fields[0], "party"),
        public_key=bytes_field(fields[1], "public_key", PUBLIC_KEY_BYTES),
        ends_unix_us=uint_field(fields[2], "ends_unix_us", at_most=NUMBER_MAX),
    )
    _check_shortest(encode_party_key(key), message.payload)
    return key


def _items(item: object) -> tuple[UUID, ...]:
    """Return items, each named once and in order."""
    items = tuple(_uuid(each, "items") for each in list_field(item, "items"))
    if len(items) > ITEMS_MAX:
        raise MalformedError(
            Malformation.BAD_FIELD, "items", f"{len(items)} items", f"at most {ITEMS_MAX}"
        )
    if list(items) != sorted(set(items)):
        raise MalformedError(Malformation.BAD_FIELD, "items", item, "ascending, each once")
    return items


def _uuid(item: object, field: str) -> UUID:
    return UUID(bytes=bytes_field(item, field, _UUID_BYTES))


def _check_shortest(encoded: bytes, travelled: bytes) -> None:
    """Refuse another encoding of the same: what is signed must be one text."""
    if encoded != travelled:
        raise MalformedError(
            Malformation.BAD_FIELD, "payload", travelled, "the shortest encoding (RFC 8949, 4.2.1)"
        )
