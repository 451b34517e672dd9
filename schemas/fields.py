"""Checks of single CBOR fields; each names the field, the value and the bound when it refuses."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeVar, cast

from schemas.errors import Malformation, MalformedError

NAME_CHARACTERS_MAX: Final = 64
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

E = TypeVar("E", bound=StrEnum)


def list_field(item: object, field: str, length: int | None = None) -> Sequence[object]:
    """Return the CBOR array ``item``, of ``length`` elements where given.

    Raises:
        MalformedError: It is no list, or not of that length.
    """
    if not isinstance(item, list | tuple):  # cbor2 gives a tuple inside a tag
        raise MalformedError(Malformation.BAD_FIELD, field, item, "an array")
    elements = cast("Sequence[object]", item)
    if length is not None and len(elements) != length:
        raise MalformedError(
            Malformation.BAD_FIELD, field, f"{len(elements)} elements", f"{length} elements"
        )
    return elements


def uint_field(item: object, field: str, *, at_least: int = 0, at_most: int) -> int:
    """Return ``item`` as an integer within bounds.

    Raises:
        MalformedError: Not an integer, or outside the bounds.
    """
    if not isinstance(item, int) or isinstance(item, bool) or not at_least <= item <= at_most:
        raise MalformedError(
            Malformation.BAD_FIELD, field, item, f"an integer from {at_least} to {at_most}"
        )
    return item


def bytes_field(item: object, field: str, length: int | None = None) -> bytes:
    """Return ``item`` as bytes, of ``length`` where given.

    Raises:
        MalformedError: Not bytes, or not of that length.
    """
    if not isinstance(item, bytes) or (length is not None and len(item) != length):
        bound = "bytes" if length is None else f"{length} bytes"
        raise MalformedError(Malformation.BAD_FIELD, field, item, bound)
    return item


def optional_bytes_field(item: object, field: str, length: int) -> bytes | None:
    """Return ``item`` as bytes of ``length``, or None.

    Raises:
        MalformedError: Neither.
    """
    return None if item is None else bytes_field(item, field, length)


def name_field(item: object, field: str) -> str:
    """Return ``item`` as the name of a gateway or sensor.

    Raises:
        MalformedError: Not 1 to 64 of ``a-z 0-9 . _ -`` beginning with a letter or digit.
    """
    if not isinstance(item, str) or _NAME.fullmatch(item) is None:
        raise MalformedError(Malformation.BAD_FIELD, field, item, f"text like {_NAME.pattern}")
    return item


def enum_field(item: object, field: str, kind: type[E]) -> E:
    """Return ``item`` as a member of ``kind``.

    Raises:
        MalformedError: Not one of its values.
    """
    try:
        if isinstance(item, str):
            return kind(item)
    except ValueError:
        pass
    allowed = ", ".join(member.value for member in kind)
    raise MalformedError(Malformation.BAD_FIELD, field, item, f"one of {allowed}")
