"""Which registers to ask for at once, and what the answer says of each. Pure.

Invariant: a value is decoded from its own absolute address. What an answer does not hold is a
fault, never its neighbour's value and never an old one.
"""

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Final

from gateway.config.modbus import RegisterSection
from gateway.decode.events import Fault, FaultWhy, fault
from gateway.decode.modbus import (
    RegisterType,
    WordOrder,
    decode_registers,
    register_count,
    word_order,
)
from gateway.drivers.convert import fault_of
from gateway.reading import Channels, EventReading, Sweep

# Some transmitters answer no more (Laumas TLU: 32 registers a query); the standard allows 125.
BLOCK_REGISTERS_MAX: Final = 32
GAP_REGISTERS_MAX: Final = 8  # Reading so many for nothing costs less than another request.
BIT_TABLES: Final = frozenset({"coil", "discrete"})
# What one ``struct`` of a whole block reads as it stands on the wire.
_CODES: Final = {
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT16: "e",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
    RegisterType.INT8H: "bx",
    RegisterType.INT8L: "xb",
    RegisterType.UINT8H: "Bx",
    RegisterType.UINT8L: "xB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How a block's bytes become numbers: most by one ``struct``, some each by itself."""

    plain: struct.Struct
    plain_at: Sequence[int]  # Places, among the block's registers, of what ``plain`` yields.
    slow_at: Sequence[int]
    scaled: bool
    scales: Sequence[float]
    offsets: Sequence[float]


class Block:
    """One request: ``count`` registers or bits of ``table`` from ``start`` on."""

    __slots__ = ("_halves", "_layout", "channels", "count", "registers", "start", "table")

    def __init__(self, registers: Sequence[RegisterSection]) -> None:
        """Make the block that spans ``registers``, of one table and in order of address."""
        self.registers = tuple(registers)
        self.table = registers[0].table
        self.start = min(r.address for r in registers)
        self.count = max(r.address + _span(r) for r in registers) - self.start
        self.channels = Channels((r.sensor, r.quantity) for r in registers)
        self._layout: _Layout | None = None  # Made when first needed: most halves never are.
        self._halves: tuple[Block, Block] | None = None

    @property
    def sensors(self) -> list[str]:
        """The sensors that the block is read for."""
        return sorted({register.sensor for register in self.registers})

    def split(self) -> "tuple[Block, Block]":
        """Return two blocks of half the registers each, always the same two.

        There must be more than one: somewhere in this block is an address that is none.
        """
        if self._halves is None:
            middle = len(self.registers) // 2
            self._halves = (Block(self.registers[:middle]), Block(self.registers[middle:]))
        return self._halves

    @property
    def layout(self) -> _Layout:
        """How the block's bytes become numbers."""
        if self._layout is None:
            self._layout = _plan_layout(self)
        return self._layout


def plan_blocks(
    registers: Sequence[RegisterSection], registers_max: int = BLOCK_REGISTERS_MAX
) -> list[Block]:
    """Return the fewest requests of at most ``registers_max`` that read all ``registers``."""
    blocks: list[Block] = []
    for table in sorted({register.table for register in registers}):
        wanted = sorted(
            (r for r in registers if r.table == table), key=lambda r: (r.address, _span(r))
        )
        together = [wanted[0]]
        end = wanted[0].address + _span(wanted[0])
        for register in wanted[1:]:
            last = max(end, register.address + _span(register))
            near = register.address - end <= GAP_REGISTERS_MAX
            if near and last - together[0].address <= registers_max:
                together.append(register)
                end = last
            else:
                blocks.append(Block(together))
                together = [register]
                end = register.address + _span(register)
        blocks.append(Block(together))
    return blocks


def decode_block(
    block: Block, data: bytes, time_unix_us: int
) -> tuple[Sweep | None, list[EventReading]]:
    """Return what ``data``, the registers or bits from the block's start on, says.

    A register of which the answer holds no whole number becomes a fault, and is not in the sweep.
    """
    layout = block.layout
    numbers: Sequence[float | Fault]
    if len(data) < layout.plain.size:
        numbers = [_decode(register, block.start, data) for register in block.registers]
    elif not layout.slow_at:
        numbers = layout.plain.unpack_from(data)
        if layout.scaled:
            scaling = zip(numbers, layout.scales, layout.offsets, strict=True)
            numbers = [value * scale + offset for value, scale, offset in scaling]
        values = array("d", numbers)
        if isfinite(sum(values)):
            return Sweep(channels=block.channels, time_unix_us=time_unix_us, values=values), []
        numbers = [v if isfinite(v) else fault(FaultWhy.NOT_A_NUMBER, b"") for v in values]
    else:
        numbers = _decode_mixed(block, data)
    return _sort_out(block, numbers, time_unix_us)


def _decode_mixed(block: Block, data: bytes) -> list[float | Fault]:
    layout = block.layout
    numbers: list[float | Fault] = [0.0] * len(block.registers)
    for at, value in zip(layout.plain_at, layout.plain.unpack_from(data), strict=True):
        number = float(value * layout.scales[at] + layout.offsets[at])
        numbers[at] = number if isfinite(number) else fault(FaultWhy.NOT_A_NUMBER, b"")
    for at in layout.slow_at:
        numbers[at] = _decode(block.registers[at], block.start, data)
    return numbers


def _sort_out(
    block: Block, numbers: Sequence[float | Fault], time_unix_us: int
) -> tuple[Sweep | None, list[EventReading]]:
    """Return the sweep of what are numbers, and an event for each that is none."""
    faults = [
        fault_of(register.sensor, number.why.value, number.bytes, time_unix_us)
        for register, number in zip(block.registers, numbers, strict=True)
        if isinstance(number, Fault)
    ]
    good = [(at, n) for at, n in enumerate(numbers) if not isinstance(n, Fault)]
    if not good:
        return None, faults
    index = array("H", [at for at, _ in good]) if faults else None
    values = array("d", [number for _, number in good])
    sweep = Sweep(channels=block.channels, time_unix_us=time_unix_us, values=values, index=index)
    return sweep, faults


def _decode(register: RegisterSection, start: int, data: bytes) -> float | Fault:
    """Return the number of one register in an answer that begins at the address ``start``."""
    first = register.address - start
    if register.table in BIT_TABLES:
        if first // 8 >= len(data):
            return fault(FaultWhy.BAD_LENGTH, b"")
        return float(data[first // 8] >> first % 8 & 1) * register.scale + register.offset
    number = decode_registers(
        data[2 * first : 2 * (first + _span(register))],
        RegisterType(register.type),
        word_order(register.order),
        scale=register.scale,
        offset=register.offset,
        bit=register.bit,
    )
    return number if isinstance(number, Fault) else float(number)


def _plan_layout(block: Block) -> _Layout:
    """Return how to read ``block``: what stands on the wire as it is goes by one ``struct``."""
    codes = [">"]
    plain_at: list[int] = []
    slow_at: list[int] = []
    end = block.start
    for at, register in enumerate(block.registers):
        code = None if register.table in BIT_TABLES else _CODES.get(RegisterType(register.type))
        if code is None or not _stands_as_is(register) or register.address < end:
            slow_at.append(at)
            continue
        codes += ["x" * 2 * (register.address - end), code]
        end = register.address + _span(register)
        plain_at.append(at)
    return _Layout(
        plain=struct.Struct("".join(codes)),
        plain_at=plain_at,
        slow_at=slow_at,
        scaled=any((r.scale, r.offset) != (1.0, 0.0) for r in block.registers),
        scales=[r.scale for r in block.registers],
        offsets=[r.offset for r in block.registers],
    )


def _stands_as_is(register: RegisterSection) -> bool:
    """Tell whether the most significant byte comes first on the wire, and the least last."""
    order = word_order(register.order)
    return order is WordOrder.ABCD or (order is WordOrder.CDAB and _span(register) == 1)


def _span(register: RegisterSection) -> int:
    return 1 if register.table in BIT_TABLES else _registers_of(register.type)


@cache
def _registers_of(kind: str) -> int:
    return register_count(RegisterType(kind))
