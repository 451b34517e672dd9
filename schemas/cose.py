"""COSE_Sign1 (RFC 9052, 4.2) in the one form used here: EdDSA, three protected headers, no others.

Holds no key and does no cryptography: it says which bytes are signed and where the signature goes.
What is verified is always the bytes that travelled, never a re-encoding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, NoReturn, cast

import cbor2

from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field, list_field

SIGN1_TAG: Final = 18  # RFC 9052, table 1
ALGORITHM_LABEL: Final = 1
CONTENT_TYPE_LABEL: Final = 3
KEY_ID_LABEL: Final = 4
EDDSA: Final = -8  # RFC 9053, 2.2
KEY_ID_BYTES: Final = 16
SIGNATURE_BYTES: Final = 64
CBOR_DEPTH_MAX: Final = 16  # An envelope needs 5; event bodies get room.
_HEADER_LABELS: Final = {ALGORITHM_LABEL, CONTENT_TYPE_LABEL, KEY_ID_LABEL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign1:
    """A COSE_Sign1 message taken apart; nothing in it is verified yet."""

    protected: bytes
    payload: bytes
    signature: bytes
    content_type: str
    key_id: bytes

    @property
    def signed_bytes(self) -> bytes:
        """The bytes that the signature covers."""
        return bytes_to_sign(self.protected, self.payload)


def encode_protected(content_type: str, key_id: bytes) -> bytes:
    """Return the serialized protected header for ``content_type`` under ``key_id``."""
    header = {ALGORITHM_LABEL: EDDSA, CONTENT_TYPE_LABEL: content_type, KEY_ID_LABEL: key_id}
    return cbor2.dumps(header, canonical=True)


def bytes_to_sign(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of RFC 9052, 4.4, with empty external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def encode_sign1(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Return the tagged COSE_Sign1 message."""
    return cbor2.dumps(cbor2.CBORTag(SIGN1_TAG, [protected, {}, payload, signature]))


def decode_sign1(data: bytes, *, bytes_max: int) -> Sign1:
    """Take a COSE_Sign1 message apart.

    Args:
        data: The message as it travelled.
        bytes_max: The greatest length accepted.

    Raises:
        MalformedError: The bytes are too many, not CBOR, or not the one form used here.
    """
    if len(data) > bytes_max:
        raise MalformedError(
            Malformation.OVERSIZED, "message", f"{len(data)} bytes", f"at most {bytes_max} bytes"
        )
    message = decode_cbor(data, "message")
    if not isinstance(message, cbor2.CBORTag) or message.tag != SIGN1_TAG:
        raise _not_sign1("message", "a CBOR tag 18")
    parts = list_field(message.value, "message", 4)
    if parts[1] != {}:
        raise _not_sign1("unprotected header", "an empty map")
    protected = bytes_field(parts[0], "protected header")
    payload = bytes_field(parts[2], "payload")
    signature = bytes_field(parts[3], "signature", SIGNATURE_BYTES)
    content_type, key_id = _decode_protected(protected)
    # The framing is not signed. Were a longer form of a length accepted, a broker could turn an
    # envelope into other bytes under a good signature, which would look like a gateway's fork.
    if encode_sign1(protected, payload, signature) != data:
        raise _not_sign1("message", "the shortest encoding (RFC 8949, 4.2.1)")
    return Sign1(
        protected=protected,
        payload=payload,
        signature=signature,
        content_type=content_type,
        key_id=key_id,
    )


def check_content_type(content_type: str, expected: str, version: int) -> None:
    """Check ``type;v=N``.

    Raises:
        MalformedError: Another type, or a version that this software does not know.
    """
    name, _, parameter = content_type.partition(";v=")
    if name != expected:
        raise MalformedError(
            Malformation.WRONG_CONTENT_TYPE,
            "content type",
            content_type,
            f"{expected};v={version}",
        )
    if parameter != str(version):
        raise MalformedError(
            Malformation.UNSUPPORTED_VERSION, "content type", content_type, f"version {version}"
        )


def decode_cbor(data: bytes, field: str) -> object:
    """Return the one CBOR item in ``data``.

    Tags that cbor2 would turn into objects are refused: big numbers, regular expressions and
    shared references cost far more than their bytes. Other tags come out as ``CBORTag``.

    Raises:
        MalformedError: It is no CBOR, holds such a tag, or bytes follow the item.
    """
    stream = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=_REFUSED_TAGS,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        max_depth=CBOR_DEPTH_MAX,
    )
    try:
        item = cast("object", decoder.decode())
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise MalformedError(
            Malformation.NOT_CBOR, field, str(error), "one CBOR item, without tagged objects"
        ) from None
    if stream.tell() != len(data):
        raise MalformedError(
            Malformation.NOT_CBOR,
            field,
            f"{len(data)} bytes",
            f"{stream.tell()}, as its item says",
        )
    return item


def _refuse_tag(value: object, immutable: bool) -> NoReturn:
    raise ValueError("a tag that has no place here")


_ARRAY: Final = 0x80  # RFC 8949, 3.1: major type 4, and how a length that does not fit follows.
_ONE_BYTE_LENGTH: Final = 24
_TWO_BYTE_LENGTH: Final = 25

# Every tag that cbor2 6.2 decodes by itself (tests/unit/schemas finds a new one).
_REFUSED_TAGS: Final[dict[int, Callable[[Any, bool], Any]]] = dict.fromkeys(
    (
        *(0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261),
        *(1004, 43000, 55799),
    ),
    _refuse_tag,
)


def _decode_protected(protected: bytes) -> tuple[str, bytes]:
    header = decode_cbor(protected, "protected header")
    if not isinstance(header, dict):
        raise _not_sign1("protected header", "a map")
    fields = cast("dict[Any, object]", header)
    if set(fields) != _HEADER_LABELS:
        raise _not_sign1("protected header", f"labels {sorted(_HEADER_LABELS)}")
    if fields[ALGORITHM_LABEL] != EDDSA:
        raise MalformedError(
            Malformation.WRONG_ALGORITHM, "algorithm", fields[ALGORITHM_LABEL], f"{EDDSA} (EdDSA)"
        )
    match fields[CONTENT_TYPE_LABEL], fields[KEY_ID_LABEL]:
        case str() as content_type, bytes() as key_id if len(key_id) == KEY_ID_BYTES:
            # Also refuses what equals a label or -8 and is not it: true, 1.0, -8.0.
            if encode_protected(content_type, key_id) != protected:
                raise _not_sign1("protected header", "the shortest encoding (RFC 8949, 4.2.1)")
            return content_type, key_id
        case _:
            raise _not_sign1(
                "protected header", f"a text content type, {KEY_ID_BYTES}-byte key id"
            )


def _not_sign1(field: str, bound: str) -> MalformedError:
    return MalformedError(Malformation.NOT_COSE_SIGN1, field, "something else", bound)


def array_head(length: int) -> bytes:
    """Return how an array of ``length`` elements begins (RFC 8949, 3.1); of at most 65,535."""
    if length < _ONE_BYTE_LENGTH:
        return bytes((_ARRAY | length,))
    if length <= 0xFF:
        return bytes((_ARRAY | _ONE_BYTE_LENGTH, length))
    return bytes((_ARRAY | _TWO_BYTE_LENGTH,)) + length.to_bytes(2, "big")
