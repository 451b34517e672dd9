"""Typed-array columns (RFC 8746): little-endian numbers in one byte string, never one object each.

A column decodes to a ``memoryview`` over the bytes that travelled: nothing is copied, and numpy
can take it as it is.
"""

import sys
from collections.abc import Sequence
from math import isfinite
from typing import Final, Literal, cast

import cbor2

from schemas.errors import Malformation, MalformedError
from schemas.quantities import QUALITY_CODES, Quality

ElementCode = Literal["B", "H", "I", "Q", "h", "d"]
Column = memoryview  # typeshed types a view by its element; ours are numbers either way.

# RFC 8746, 2.1: tag for each of the element types used here, by its struct/array code.
TAGS: Final[dict[str, int]] = {
    "B": 64,  # uint8
    "H": 69,  # uint16, little endian
    "I": 70,  # uint32, little endian
    "Q": 71,  # uint64, little endian
    "h": 77,  # sint16, little endian
    "d": 86,  # IEEE 754 binary64, little endian
}
ITEM_BYTES: Final[dict[str, int]] = {"B": 1, "H": 2, "I": 4, "Q": 8, "h": 2, "d": 8}

# Gateways and backends run on little-endian machines; a big-endian one must not guess.
assert sys.byteorder == "little"


def encode_column(column: Column) -> cbor2.CBORTag:
    """Return ``column``, a view of an element type in ``TAGS``, as a tagged byte string."""
    return cbor2.CBORTag(TAGS[column.format], column.tobytes())


def decode_column(code: ElementCode, item: object, field: str) -> Column:
    """Return the column as a typed view; its length is the number of elements.

    Raises:
        MalformedError: Not a typed array of this element type, or bytes left over.
    """
    if not isinstance(item, cbor2.CBORTag) or item.tag != TAGS[code]:
        raise MalformedError(
            Malformation.BAD_COLUMN, field, type(item).__name__, f"a typed array, tag {TAGS[code]}"
        )
    data = cast("object", item.value)
    if not isinstance(data, bytes) or len(data) % ITEM_BYTES[code]:
        raise MalformedError(
            Malformation.BAD_COLUMN, field, data, f"bytes in multiples of {ITEM_BYTES[code]}"
        )
    return cast("Column", memoryview(data).cast(code))


def check_lengths(group: str, rows: int, *columns: Sequence[object] | memoryview) -> None:
    """Refuse columns of a group that are not all of ``rows`` elements.

    Raises:
        MalformedError: One is longer or shorter.
    """
    lengths = [len(column) for column in columns]
    if any(length != rows for length in lengths):
        raise MalformedError(
            Malformation.BAD_COLUMN, group, str([rows, *lengths]), "columns of equal length"
        )


def check_index(field: str, column: memoryview, below: int) -> None:
    """Refuse a column with an element that points beyond what there is.

    Raises:
        MalformedError: An element is ``below`` or more.
    """
    highest = max(column, default=-1)
    if highest >= below:
        raise MalformedError(Malformation.BAD_COLUMN, field, highest, f"below {below}")


def check_finite(field: str, values: memoryview, qualities: memoryview) -> None:
    """Refuse NaN and infinity, except from a reading that is marked bad: it has no number.

    Raises:
        MalformedError: A good or uncertain reading has no number.
    """
    if isfinite(sum(values)):
        return
    # Also reached when finite values overflow in the sum.
    for value, quality in zip(values, qualities, strict=True):
        if not isfinite(value) and quality != QUALITY_CODES[Quality.BAD]:
            raise MalformedError(
                Malformation.BAD_COLUMN, field, value, "finite, or of bad quality"
            )
