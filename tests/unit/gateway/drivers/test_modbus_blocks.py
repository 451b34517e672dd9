"""Registers are read in few requests and decoded each from its own address."""

import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.modbus import RegisterSection
from gateway.decode.events import Fault
from gateway.decode.modbus import RegisterType, decode_registers, register_count, word_order
from gateway.drivers.modbus_blocks import BLOCK_REGISTERS_MAX, Block, decode_block, plan_blocks
from gateway.reading import EventReading, Reading, Scalar
from schemas.quantities import Quantity
from tests.unit.gateway.builders import unfold


def register(address: int, kind: str = "uint16", **overrides: Any) -> RegisterSection:  # noqa: ANN401
    """Return a register named by its address."""
    values: dict[str, Any] = {"sensor": f"r{address}", "quantity": Quantity.MASS}
    return RegisterSection(address=address, type=kind, **(values | overrides))


def words_to_bytes(words: Sequence[int]) -> bytes:
    """Return registers as they stand in an answer."""
    return struct.pack(f">{len(words)}H", *words)


def read(block: Block, data: bytes) -> list[Reading]:
    """Return the readings and faults that an answer amounts to."""
    sweep, faults = decode_block(block, data, 0)
    return [*unfold([] if sweep is None else [sweep]), *faults]


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
        for reading in read(block, words_to_bytes(answer)):
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
    told = read(block, words_to_bytes(words[:length]))

    expected = {"r0": (1, 1.0), "r1": (3, -5.0), "r4": (8, 2.5), "r11": (12, 9.0)}
    assert [r.sensor for r in sorted(told, key=lambda r: expected[r.sensor])] == list(expected)
    for reading in told:
        end, value = expected[reading.sensor]
        if length >= end:
            assert isinstance(reading, Scalar)
            assert reading.value == value
        else:
            assert isinstance(reading, EventReading)


def test_block_is_cut_into_halves_until_every_register_is_alone() -> None:
    """A block that the device refuses is asked for in halves, always the same ones."""
    (block,) = plan_blocks([register(1), register(3, "int32"), register(5), register(7)])
    first, second = block.split()

    assert [(b.start, b.count) for b in (first, second)] == [(1, 4), (5, 3)]
    assert [(b.start, b.count) for b in (*first.split(), *second.split())] == [
        (1, 1),
        (3, 2),
        (5, 1),
        (7, 1),
    ]
    assert block.split() == (first, second)


def test_unit_says_how_many_registers_it_answers() -> None:
    """A hundred neighbours are one request where the unit allows it."""
    registers = [register(a) for a in range(100)]

    assert [b.count for b in plan_blocks(registers, 125)] == [100]
    assert [b.count for b in plan_blocks(registers)] == [32, 32, 32, 4]


_KINDS = [t.value for t in RegisterType if t is not RegisterType.STRING]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from(_KINDS),
            st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
            st.sampled_from([1.0, 0.1, -2.0]),
            st.sampled_from([0.0, 5.5]),
        ),
        min_size=1,
        max_size=20,
    ),
    st.binary(min_size=100, max_size=100),
)
def test_block_is_decoded_as_each_register_alone(
    wanted: list[tuple[int, str, str, float, float]], memory: bytes
) -> None:
    """Whatever lies together in a block, also overlapping, has the value that it has alone."""
    registers = [
        register(a, kind, order=order, scale=scale, offset=offset, sensor=f"s{n}", bit=3)
        for n, (a, kind, order, scale, offset) in enumerate(wanted)
    ]
    told: dict[str, object] = {}
    for block in plan_blocks(registers):
        for reading in read(block, memory[2 * block.start : 2 * (block.start + block.count)]):
            told[reading.sensor] = reading.value if isinstance(reading, Scalar) else None
    alone: dict[str, object] = {}
    for r in registers:
        kind = RegisterType(r.type)
        data = memory[2 * r.address : 2 * (r.address + register_count(kind))]
        value = decode_registers(
            data, kind, word_order(r.order), scale=r.scale, offset=r.offset, bit=r.bit
        )
        alone[r.sensor] = None if isinstance(value, Fault) else float(value)

    assert told == alone
