"""Numbers in Modbus registers: every type, in every byte and word order that devices use.

Orders are named by where the bytes of a 32-bit value ABCD stand on the wire; a 64-bit value
follows the same rule: ABCD is ABCDEFGH, CDAB is GHEFCDAB, BADC is BADCFEHG, DCBA is HGFEDCBA.
Within one register only the bytes can be exchanged: AB (ABCD, CDAB) or BA (BADC, DCBA).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from gateway.decode.events import Fault, FaultWhy, fault

REGISTERS_MAX: Final = 125  # Modbus application protocol 1.1b3, 6.3: registers in one answer.
BITS: Final = 16


class WordOrder(StrEnum):
    """Where the bytes of the value ABCD stand on the wire."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


class RegisterType(StrEnum):
    """How the bytes of one or more registers are read."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    INT8H = "int8h"
    INT8L = "int8l"
    UINT8H = "uint8h"
    UINT8L = "uint8l"
    BIT = "bit"
    STRING = "string"


Number: TypeAlias = int | float

_FORMATS: Final = {
    RegisterType.INT16: ">h",
    RegisterType.UINT16: ">H",
    RegisterType.INT32: ">i",
    RegisterType.UINT32: ">I",
    RegisterType.INT64: ">q",
    RegisterType.UINT64: ">Q",
    RegisterType.FLOAT16: ">e",
    RegisterType.FLOAT32: ">f",
    RegisterType.FLOAT64: ">d",
    RegisterType.INT8H: ">bx",
    RegisterType.INT8L: ">xb",
    RegisterType.UINT8H: ">Bx",
    RegisterType.UINT8L: ">xB",
    RegisterType.BIT: ">H",
}
_BCD_BYTES: Final = {RegisterType.BCD16: 2, RegisterType.BCD32: 4}
_PROBED: Final = tuple(t for t in RegisterType if t not in (RegisterType.BIT, RegisterType.STRING))
_ALIASES: Final = {
    "AB": WordOrder.ABCD,
    "BA": WordOrder.BADC,
    "ABCDEFGH": WordOrder.ABCD,
    "GHEFCDAB": WordOrder.CDAB,
    "BADCFEHG": WordOrder.BADC,
    "HGFEDCBA": WordOrder.DCBA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """What one stretch of registers means in one type and order."""

    register: int
    type: RegisterType
    order: WordOrder
    value: Number | Fault


def word_order(name: str) -> WordOrder:
    """Return the order called ``name``, in the form for 16, 32 or 64 bits.

    Raises:
        ValueError: No order has this name.
    """
    if (alias := _ALIASES.get(name)) is not None:
        return alias
    if name in WordOrder.__members__:
        return WordOrder[name]
    msg = f"order: {name!r} is not one of {', '.join([*WordOrder, *_ALIASES])}"
    raise ValueError(msg)


def register_count(kind: RegisterType) -> int:
    """Return how many registers a value of ``kind`` takes; a string takes any number, so 1."""
    if kind is RegisterType.STRING:
        return 1
    size = _BCD_BYTES.get(kind) or struct.calcsize(_FORMATS[kind])
    return size // 2


def reorder(data: bytes, order: WordOrder) -> bytes:
    """Return the wire bytes ``data`` with the most significant byte first.

    Raises:
        ValueError: ``data`` is not a whole number of registers.
    """
    if len(data) % 2:
        msg = f"data: {len(data)} bytes is not a whole number of registers"
        raise ValueError(msg)
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order in (WordOrder.CDAB, WordOrder.DCBA):
        words.reverse()
    if order in (WordOrder.BADC, WordOrder.DCBA):
        words = [word[::-1] for word in words]
    return b"".join(words)


def decode_registers(
    data: bytes,
    kind: RegisterType,
    order: WordOrder,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    bit: int = 0,
) -> Number | Fault:
    """Return ``raw * scale + offset`` of the registers ``data``, or why they hold no number.

    An integer stays exact while scale is 1 and offset 0. ``bit`` (0 is the least) counts for bits
    only.
    """
    if not data or len(data) != 2 * register_count(kind) or kind is RegisterType.STRING:
        return fault(FaultWhy.BAD_LENGTH, data)
    raw = _decode_raw(reorder(data, order), kind, bit)
    if raw is None:
        return fault(FaultWhy.BAD_BCD, data)
    value = raw if scale == 1.0 and offset == 0.0 else raw * scale + offset
    return value if math.isfinite(value) else fault(FaultWhy.NOT_A_NUMBER, data)


def decode_text(data: bytes, order: WordOrder) -> str | Fault:
    """Return the NUL-terminated ASCII text in the registers ``data``, in their sequence."""
    if len(data) % 2:
        return fault(FaultWhy.BAD_LENGTH, data)
    swapped = order in (WordOrder.BADC, WordOrder.DCBA)
    pairs = (data[i : i + 2] for i in range(0, len(data), 2))
    text = b"".join(pair[::-1] if swapped else pair for pair in pairs).split(b"\0")[0]
    return text.decode("ascii") if text.isascii() else fault(FaultWhy.MALFORMED, data)


def probe(data: bytes) -> Iterator[ProbeRow]:
    """Yield what each stretch of the registers ``data`` means in every type and word order.

    Raises:
        ValueError: ``data`` is empty, odd, or longer than ``REGISTERS_MAX`` registers.
    """
    if not data or len(data) % 2 or len(data) > 2 * REGISTERS_MAX:
        msg = f"data: {len(data)} bytes, need 1..{REGISTERS_MAX} registers of 2 bytes"
        raise ValueError(msg)
    for register in range(len(data) // 2):
        for kind in _PROBED:
            stretch = data[2 * register : 2 * (register + register_count(kind))]
            if len(stretch) < 2 * register_count(kind):
                continue
            for order in WordOrder:
                value = decode_registers(stretch, kind, order)
                yield ProbeRow(register=register, type=kind, order=order, value=value)


def probe_bits(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield each register's place and its bits, most significant first."""
    for register in range(len(data) // 2):
        value = int.from_bytes(data[2 * register : 2 * register + 2], "big")
        yield register, f"{value:0{BITS}b}"


def _decode_raw(data: bytes, kind: RegisterType, bit: int) -> Number | None:
    if kind in _BCD_BYTES:
        digits = data.hex()
        return int(digits) if digits.isdecimal() else None
    (raw,) = struct.unpack(_FORMATS[kind], data)
    return raw >> bit & 1 if kind is RegisterType.BIT else raw
