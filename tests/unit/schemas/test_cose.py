"""The CBOR that is let in."""

import cbor2
import pytest

from schemas.cose import decode_cbor
from schemas.errors import Malformation, MalformedError

_SAMPLES = [
    b"\x00",  # An integer,
    b"\x42ab",  # bytes,
    b"\x43\x01\x02\x03",
    b"\x50" + bytes(16),
    b"\x61x",  # text,
    b"\x6a2026-01-31",
    b"\x742026-01-31T00:00:00Z",
    b"\x82\x01\x02",  # an array,
    b"\xa0",  # a map,
    b"\xf9\x3e\x00",  # a float,
    b"\xf6",  # and null.
]
_BILLION = b"\xd8\x1c\x8a" + b"\x00" * 10  # A shared array of ten, to be referred to below.


def _tagged(tag: int, item: bytes) -> bytes:
    head = b"\xd8" + bytes([tag]) if tag < 256 else b"\xd9" + tag.to_bytes(2, "big")
    return head + item


@pytest.mark.slow
def test_no_tag_becomes_an_object_unasked() -> None:
    """Every tag up to 65,535 is refused or comes out as a tag; cbor2 builds nothing from it."""
    built: list[tuple[int, str]] = []
    for tag in range(24, 65_536):
        for sample in _SAMPLES:
            try:
                item = decode_cbor(_tagged(tag, sample), "sample")
            except MalformedError:
                continue
            if not isinstance(item, cbor2.CBORTag):
                built.append((tag, type(item).__name__))

    assert built == []


@pytest.mark.parametrize("tag", [0, 1, 2, 3, 4, 5])
def test_time_and_number_tags_are_refused(tag: int) -> None:
    """Date, epoch, bignum, decimal and bigfloat have no place in any format here."""
    for sample in _SAMPLES:
        with pytest.raises(MalformedError, match="not_cbor"):
            decode_cbor(bytes([0xC0 | tag]) + sample, "sample")


def test_references_cannot_multiply_what_was_sent() -> None:
    """Shared values, by which 100 bytes become 10 to the power of 9 elements, are refused."""
    laughs = b"\x82" + _BILLION + b"\x8a" + b"\xd8\x1d\x00" * 10

    with pytest.raises(MalformedError, match="not_cbor"):
        decode_cbor(laughs, "sample")


def test_error_names_a_long_value_in_one_line() -> None:
    """What a stranger sent is cut before it is spelled out."""
    with pytest.raises(MalformedError) as refusal:
        raise MalformedError(Malformation.BAD_FIELD, "field", "x" * 300_000, "short")

    assert len(str(refusal.value)) < 150
