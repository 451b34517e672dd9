"""Command v1: what the backend asks of one gateway, signed, numbered and with an end.

A gateway executes a command only under the key that it pinned at enrolment, only once, only in
order of number, and only while it lasts.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import cbor2

from schemas.cose import Sign1, check_content_type, decode_cbor
from schemas.envelope import HASH_BYTES, NUMBER_MAX
from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field, enum_field, list_field, name_field, uint_field
from schemas.image import CHUNKS_MAX

CONTENT_TYPE: Final = "application/pledgewatch-command+cbor"
VERSION: Final = 1
TOML_BYTES_MAX: Final = 65_536  # A thousand sensors in about 60 bytes each.
COMMAND_BYTES_MAX: Final = TOML_BYTES_MAX + 1_024  # The frame needs about 250.
NONCE_BYTES: Final = 32
_FIELDS: Final = 6


class CommandType(StrEnum):
    """What is asked."""

    CHALLENGE = "challenge"
    CONFIGURE = "configure"
    ROTATE = "rotate"
    FETCH_IMAGE = "fetch_image"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Prove that the readings are made now: answer with the nonce, and read every sensor anew."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Configure:
    """Read other devices, or read them otherwise; None: as the machine's own file says."""

    toml: str | None


@dataclass(frozen=True, slots=True)
class Rotate:
    """Make a new key, and let it take the place of the old one."""


@dataclass(frozen=True, slots=True)
class FetchImage:
    """Send the image of that digest, or only those ``chunks`` of it; none named: all."""

    sha256: bytes
    chunks: tuple[int, ...] = ()


Order = Challenge | Configure | Rotate | FetchImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command; numbers of a gateway's commands only grow, over all its keys."""

    gateway: str
    number: int
    issued_unix_us: int
    expires_unix_us: int
    order: Order

    @property
    def type(self) -> CommandType:
        """The type that travels."""
        return type_of(self.order)


def content_type() -> str:
    """Return the protected content type of this version."""
    return f"{CONTENT_TYPE};v={VERSION}"


def type_of(order: Order) -> CommandType:
    """Return the type of an order."""
    match order:
        case Challenge():
            return CommandType.CHALLENGE
        case Configure():
            return CommandType.CONFIGURE
        case Rotate():
            return CommandType.ROTATE
        case FetchImage():
            return CommandType.FETCH_IMAGE
        case _:
            assert_never(order)


def encode_payload(command: Command) -> bytes:
    """Return the CBOR bytes of ``command``, the same for the same value."""
    return cbor2.dumps(
        [
            command.gateway,
            command.number,
            command.issued_unix_us,
            command.expires_unix_us,
            command.type.value,
            body_of(command.order),
        ]
    )


def body_of(order: Order) -> list[object]:
    """Return the body of an order, as it travels."""
    match order:
        case Challenge(nonce):
            return [nonce]
        case Configure(toml):
            return [toml]
        case Rotate():
            return []
        case FetchImage(sha256, chunks):
            return [sha256, list(chunks)]
        case _:
            assert_never(order)


def decode_command(message: Sign1) -> Command:
    """Return the command inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, CONTENT_TYPE, VERSION)
    fields = list_field(decode_cbor(message.payload, "payload"), "payload", _FIELDS)
    issued_unix_us = uint_field(fields[2], "issued_unix_us", at_most=NUMBER_MAX)
    return Command(
        gateway=name_field(fields[0], "gateway"),
        number=uint_field(fields[1], "number", at_least=1, at_most=NUMBER_MAX),
        issued_unix_us=issued_unix_us,
        expires_unix_us=uint_field(
            fields[3], "expires_unix_us", at_least=issued_unix_us, at_most=NUMBER_MAX
        ),
        order=decode_order(enum_field(fields[4], "type", CommandType), fields[5]),
    )


def decode_order(kind: CommandType, body: object) -> Order:
    """Return the order of a type in its travelled body.

    Raises:
        MalformedError: It is not what an order of that type says.
    """
    match kind:
        case CommandType.CHALLENGE:
            (nonce,) = list_field(body, "body", 1)
            return Challenge(bytes_field(nonce, "body.nonce", NONCE_BYTES))
        case CommandType.CONFIGURE:
            (toml,) = list_field(body, "body", 1)
            return Configure(_toml(toml))
        case CommandType.ROTATE:
            list_field(body, "body", 0)
            return Rotate()
        case CommandType.FETCH_IMAGE:
            sha256, chunks = list_field(body, "body", 2)
            return FetchImage(bytes_field(sha256, "body.sha256", HASH_BYTES), _chunks(chunks))
        case _:
            assert_never(kind)


def _chunks(item: object) -> tuple[int, ...]:
    """Return numbers of chunks, each named once and in order."""
    chunks = tuple(
        uint_field(each, "body.chunks", at_most=CHUNKS_MAX - 1)
        for each in list_field(item, "body.chunks")
    )
    if list(chunks) != sorted(set(chunks)):
        raise MalformedError(Malformation.BAD_FIELD, "body.chunks", item, "ascending numbers")
    return chunks


def _toml(item: object) -> str | None:
    if item is None:
        return None
    if not isinstance(item, str) or len(item.encode()) > TOML_BYTES_MAX:
        raise MalformedError(
            Malformation.BAD_FIELD, "body.toml", item, f"null or text of {TOML_BYTES_MAX} bytes"
        )
    return item
