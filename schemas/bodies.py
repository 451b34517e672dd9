"""Event bodies: a small CBOR map that survives the way into JSON and PostgreSQL unchanged.

Only null, booleans, 64-bit integers, finite floats, text, bytes, arrays and maps with text keys:
NaN, NUL and tags have no place in ``jsonb``, and one event must not stop a batch of envelopes.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final, cast

import cbor2

from schemas.cose import decode_cbor
from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field

EVENT_BODY_BYTES_MAX: Final = 4_096  # Facts, not files: an image travels beside, by its digest.
_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**63 - 1


def encode_body(body: Mapping[str, object]) -> bytes:
    """Return the CBOR bytes of ``body``, checked as a reader of the envelope will check them.

    Raises:
        MalformedError: It holds what a body may not hold, or is longer than a body may be.
    """
    try:
        data = cbor2.dumps(dict(body), canonical=True)
    except (cbor2.CBORError, ValueError, RecursionError) as error:
        raise MalformedError(Malformation.BAD_FIELD, "body", str(error), "plain values") from error
    return body_field(data, "body")


def body_field(item: object, field: str) -> bytes:
    """Return ``item`` as the bytes of an event body.

    Raises:
        MalformedError: Not bytes, too many, or not a map of plain values.
    """
    body = bytes_field(item, field)
    if len(body) > EVENT_BODY_BYTES_MAX:
        raise MalformedError(
            Malformation.OVERSIZED, field, len(body), f"at most {EVENT_BODY_BYTES_MAX} bytes"
        )
    decoded = decode_cbor(body, field)
    if not isinstance(decoded, dict):
        raise MalformedError(Malformation.BAD_FIELD, field, body, "a map with text keys")
    _check_value(cast("object", decoded), field)
    return body


def _check_value(value: object, field: str) -> None:
    """Refuse what is not plain; as deep as the decoder let it be."""
    match value:
        case list():
            for element in cast("Sequence[object]", value):
                _check_value(element, field)
        case dict():
            for key, element in cast("Mapping[object, object]", value).items():
                if not isinstance(key, str):
                    raise MalformedError(Malformation.BAD_FIELD, field, key, "a text key")
                _check_value(key, field)
                _check_value(element, field)
        case _ if not _is_plain(value):
            raise MalformedError(
                Malformation.BAD_FIELD,
                field,
                value,
                "null, boolean, 64-bit integer, finite float, text without NUL, bytes, array, map",
            )
        case _:
            pass


def _is_plain(value: object) -> bool:
    match value:
        case None | bool() | bytes():
            return True
        case int():
            return _INTEGER_MIN <= value <= _INTEGER_MAX
        case float():
            return isfinite(value)
        case str():
            return "\0" not in value
        case _:
            return False
