"""Which registers to ask for at once, and what the answer says of each. Pure.

Invariant: a value is decoded from its own absolute address. What an answer does not hold is a
fault, never its neighbour's value and never an old one.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.config.modbus import RegisterSection
from gateway.decode.events import Fault
from gateway.decode.modbus import RegisterType, decode_registers, register_count, word_order
from gateway.drivers.convert import fault_of
from gateway.reading import EventReading, Scalar

# Some transmitters answer no more (Laumas TLU: 32 registers a query); the standard allows 125.
BLOCK_REGISTERS_MAX: Final = 32
GAP_REGISTERS_MAX: Final = 8  # Reading so many for nothing costs less than another request.
BIT_TABLES: Final = frozenset({"coil", "discrete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One request: ``count`` registers or bits of ``table`` from ``start`` on."""

    table: str
    start: int
    count: int
    registers: Sequence[RegisterSection]

    def split(self) -> list["Block"]:
        """Return one block a register: somewhere in this one is an address that is none."""
        return [_block([register]) for register in self.registers]


def plan_blocks(registers: Sequence[RegisterSection]) -> list[Block]:
    """Return the fewest requests that read all ``registers``."""
    blocks: list[Block] = []
    for table in sorted({register.table for register in registers}):
        wanted = sorted(
            (r for r in registers if r.table == table), key=lambda r: (r.address, _span(r))
        )
        together = [wanted[0]]
        for register in wanted[1:]:
            end = max(r.address + _span(r) for r in together)
            last = register.address + _span(register)
            near = register.address - end <= GAP_REGISTERS_MAX
            if near and max(last, end) - together[0].address <= BLOCK_REGISTERS_MAX:
                together.append(register)
            else:
                blocks.append(_block(together))
                together = [register]
        blocks.append(_block(together))
    return blocks


def decode_block(
    block: Block, answer: Sequence[int | bool], time_unix_us: int
) -> list[Scalar | EventReading]:
    """Return what ``answer``, one element an address from the block's start on, says.

    A register of which the answer holds no whole value becomes a fault.
    """
    return [_decode(register, block.start, answer, time_unix_us) for register in block.registers]


def _decode(
    register: RegisterSection, start: int, answer: Sequence[int | bool], time_unix_us: int
) -> Scalar | EventReading:
    first = register.address - start
    part = answer[first : first + _span(register)]
    if len(part) != _span(register):
        return fault_of(register.sensor, "short_answer", b"", time_unix_us)
    if register.table in BIT_TABLES:
        value: float | Fault = float(part[0]) * register.scale + register.offset
    else:
        value = decode_registers(
            struct.pack(f">{len(part)}H", *part),
            RegisterType(register.type),
            word_order(register.order),
            scale=register.scale,
            offset=register.offset,
            bit=register.bit,
        )
    if isinstance(value, Fault):
        return fault_of(register.sensor, value.why.value, value.bytes, time_unix_us)
    return Scalar(
        sensor=register.sensor,
        quantity=register.quantity,
        time_unix_us=time_unix_us,
        value=float(value),
    )


def _span(register: RegisterSection) -> int:
    return 1 if register.table in BIT_TABLES else register_count(RegisterType(register.type))


def _block(registers: Sequence[RegisterSection]) -> Block:
    start = min(r.address for r in registers)
    end = max(r.address + _span(r) for r in registers)
    return Block(
        table=registers[0].table, start=start, count=end - start, registers=tuple(registers)
    )
