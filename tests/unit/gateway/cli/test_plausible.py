"""Of all ways to read registers, those that can be meant stand out."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.plausible import Meaning, meanings
from gateway.decode.modbus import RegisterType, WordOrder, reorder


def likely(data: bytes, expect: float | None = None) -> set[tuple[int, str, str]]:
    """Return place, type and order of all meanings for which something speaks."""
    return {(m.register, m.type.value, m.order.value) for m in meanings(data, expect) if m.why}


@pytest.mark.parametrize("order", list(WordOrder))
def test_expected_float_is_found_in_its_order(order: WordOrder) -> None:
    """Whatever the word order, the one that gives the displayed value is named."""
    data = reorder(struct.pack(">f", 1_234.5), order)
    assert (0, "float32", order.value) in likely(data, 1_234.5)


def test_expected_value_is_found_in_tenths() -> None:
    """A display of -18.0 behind an integer -180 tells the scale to configure."""
    found = [m for m in meanings(struct.pack(">hH", -180, 800), -18.0) if m.why]
    assert [(m.register, m.type, m.why) for m in found] == [
        (0, RegisterType.INT16, "as expected with scale = 0.1")
    ]


def test_without_expectation_absurd_numbers_are_left_out() -> None:
    """A float of a usual size stands out; its other orders are absurd and do not."""
    assert {m for m in likely(struct.pack(">f", 72.25)) if m[1] == "float32"} == {
        (0, "float32", "ABCD")
    }


def test_text_is_shown() -> None:
    """A type plate in the registers is readable as such."""
    found = [m for m in meanings(b"TLU-8 v1") if m.type is RegisterType.STRING]
    assert [(m.value, m.why) for m in found] == [
        ("TLU-8 v1", "readable"),
        ("LT-U 81v", "readable"),
    ]


@given(st.binary(min_size=1, max_size=20).map(lambda data: data * 2), st.floats(-1e6, 1e6))
def test_every_block_can_be_judged(data: bytes, expect: float) -> None:
    """No bytes and no expectation raise; the same reading is never shown twice."""
    found = list(meanings(data, expect))
    shown = [(m.register, m.type, m.value) for m in found if m.type is not RegisterType.STRING]
    assert len(shown) == len(set(shown))
    assert all(isinstance(m, Meaning) for m in found)
