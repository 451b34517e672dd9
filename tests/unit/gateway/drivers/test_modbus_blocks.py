"""Registers are read in few requests and decoded each from its own address."""

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.modbus import RegisterSection
from gateway.drivers.modbus_blocks import BLOCK_REGISTERS_MAX, decode_block, plan_blocks
from gateway.reading import EventReading, Scalar
from schemas.quantities import Quantity


def register(address: int, kind: str = "uint16", **overrides: Any) -> RegisterSection:  # noqa: ANN401
    """Return a register named by its address."""
    values: dict[str, Any] = {"sensor": f"r{address}", "quantity": Quantity.MASS}
    return RegisterSection(address=address, type=kind, **(values | overrides))


def test_neighbours_are_read_together_and_strangers_apart() -> None:
    """A small gap costs less than a request; a large one does not."""
    blocks = plan_blocks([register(a) for a in (40, 1, 2, 8, 100)])

    assert [(b.start, b.count) for b in blocks] == [(1, 8), (40, 1), (100, 1)]


def test_tables_are_never_mixed() -> None:
    """A coil and a register of one address are two requests."""
    blocks = plan_blocks([register(1), register(1, "bit", table="coil", sensor="c")])

    assert [(b.table, b.start) for b in blocks] == [("coil", 1), ("holding", 1)]


@given(st.sets(st.integers(0, 65_000), min_size=1, max_size=60), st.data())
def test_every_register_gets_its_own_word(addresses: set[int], data: st.DataObject) -> None:
    """Whatever the plan, each register's value is the word at its own address."""
    registers = [register(address) for address in addresses]
    data.draw(st.randoms()).shuffle(registers)
    values: dict[str, float] = {}
    for block in plan_blocks(registers):
        assert block.count <= BLOCK_REGISTERS_MAX
        answer = [
            (address * 7) % 65_536 for address in range(block.start, block.start + block.count)
        ]
        for reading in decode_block(block, answer, 0):
            assert isinstance(reading, Scalar)
            values[reading.sensor] = reading.value

    assert values == {f"r{a}": float((a * 7) % 65_536) for a in addresses}


@given(st.integers(0, 11))
def test_short_answer_is_a_fault_of_what_is_missing(length: int) -> None:
    """What the answer does not hold whole is a fault; the rest keeps its own value."""
    registers = [register(0), register(1, "int32"), register(4, "float64"), register(11)]
    (block,) = plan_blocks(registers)
    words = [1, *struct.unpack(">2H", struct.pack(">i", -5)), 0]
    words += [*struct.unpack(">4H", struct.pack(">d", 2.5)), 0, 0, 0, 9]
    read = decode_block(block, words[:length], 0)

    expected = {"r0": (1, 1.0), "r1": (3, -5.0), "r4": (8, 2.5), "r11": (12, 9.0)}
    for reading in read:
        end, value = expected[reading.sensor]
        if length >= end:
            assert isinstance(reading, Scalar)
            assert reading.value == value
        else:
            assert isinstance(reading, EventReading)


def test_split_reads_every_register_alone() -> None:
    """A block that the device refuses is asked for one register at a time."""
    (block,) = plan_blocks([register(1), register(3, "int32"), register(5)])

    assert [(b.start, b.count) for b in block.split()] == [(1, 1), (3, 2), (5, 1)]
