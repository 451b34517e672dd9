"""Drawdown act v1: what a party signs with its own key when money is asked for or promised.

A borrower signs its request, a lender its decision; both name the same drawdown and amount. It
travels as COSE_Sign1 (``schemas.cose``). Grammar: drawdown-v1.cddl.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from uuid import UUID

import cbor2

from schemas.cose import Sign1, check_content_type, decode_cbor
from schemas.envelope import NUMBER_MAX
from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field, list_field, uint_field

DRAWDOWN_TYPE: Final = "application/pledgewatch-drawdown+cbor"
VERSION: Final = 1
MESSAGE_BYTES_MAX: Final = 4_096  # An act has 350 bytes.
AMOUNT_MINOR_MAX: Final = 10**15
_UUID_BYTES: Final = 16
_FIELDS: Final = 7
_CURRENCY_LETTERS: Final = 3  # ISO 4217


class Act(IntEnum):
    """What is signed: the borrower's request, or the lender's decision to pay."""

    REQUEST = 1
    AUTHORISE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownAct:
    """A party's word on one drawdown."""

    act: Act
    drawdown: UUID
    facility: UUID
    party: UUID
    amount_minor: int
    currency: str
    issued_unix_us: int


def drawdown_content_type() -> str:
    """Return the protected content type of a drawdown act of this version."""
    return f"{DRAWDOWN_TYPE};v={VERSION}"


def encode_drawdown(act: DrawdownAct) -> bytes:
    """Return the CBOR bytes of an act, the same for the same value."""
    return cbor2.dumps(
        [
            int(act.act),
            act.drawdown.bytes,
            act.facility.bytes,
            act.party.bytes,
            act.amount_minor,
            act.currency,
            act.issued_unix_us,
        ]
    )


def decode_drawdown(message: Sign1) -> DrawdownAct:
    """Return the act inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, DRAWDOWN_TYPE, VERSION)
    fields = list_field(decode_cbor(message.payload, "payload"), "payload", _FIELDS)
    act = DrawdownAct(
        act=Act(uint_field(fields[0], "act", at_least=1, at_most=len(Act))),
        drawdown=_uuid(fields[1], "drawdown"),
        facility=_uuid(fields[2], "facility"),
        party=_uuid(fields[3], "party"),
        amount_minor=uint_field(fields[4], "amount_minor", at_least=1, at_most=AMOUNT_MINOR_MAX),
        currency=_currency(fields[5]),
        issued_unix_us=uint_field(fields[6], "issued_unix_us", at_most=NUMBER_MAX),
    )
    if encode_drawdown(act) != message.payload:
        raise MalformedError(
            Malformation.BAD_FIELD,
            "payload",
            message.payload,
            "the shortest encoding (RFC 8949, 4.2.1)",
        )
    return act


def _uuid(item: object, field: str) -> UUID:
    return UUID(bytes=bytes_field(item, field, _UUID_BYTES))


def _currency(item: object) -> str:
    letters = isinstance(item, str) and item.isascii() and item.isalpha() and item.isupper()
    if not isinstance(item, str) or not letters or len(item) != _CURRENCY_LETTERS:
        raise MalformedError(
            Malformation.BAD_FIELD, "currency", item, "three capital letters (ISO 4217)"
        )
    return item
