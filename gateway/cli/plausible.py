"""Which meaning of a register block is likely: the value expected, or one that devices send. Pure.

A transmitter's manual may not say in which type and word order a value travels. Of the many ways
to read its registers most give absurd numbers; what is left is worth comparing with the display.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose
from typing import Final

from gateway.decode.events import Fault
from gateway.decode.modbus import RegisterType, WordOrder, decode_text, probe

EXPECTED_SHARE: Final = 0.02  # A load cell creeps, a display rounds.
DECADES: Final = range(-4, 5)  # Devices send tenths, hundredths, thousandths as integers.
FLOAT_MIN: Final = 1e-3
FLOAT_MAX: Final = 1e7
INTEGER_MAX: Final = 10_000_000
TEXT_CHARS_MIN: Final = 4
_FLOATS: Final = frozenset({RegisterType.FLOAT16, RegisterType.FLOAT32, RegisterType.FLOAT64})
# Of one register nearly every number is possible: only an expected one tells anything.
_NARROW: Final = frozenset(
    {
        RegisterType.INT16,
        RegisterType.UINT16,
        RegisterType.FLOAT16,
        RegisterType.BCD16,
        RegisterType.INT8H,
        RegisterType.INT8L,
        RegisterType.UINT8H,
        RegisterType.UINT8L,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One way to read registers; ``why`` says what speaks for it, empty: nothing."""

    register: int
    type: RegisterType
    order: WordOrder
    value: float | str
    why: str


def meanings(data: bytes, expect: float | None = None) -> Iterator[Meaning]:
    """Yield each different way to read the registers ``data``, with what speaks for it.

    Raises:
        ValueError: ``data`` is no block of registers.
    """
    seen: set[tuple[int, RegisterType, float]] = set()
    for row in probe(data):
        if isinstance(row.value, Fault) or (row.register, row.type, row.value) in seen:
            continue
        seen.add((row.register, row.type, row.value))
        yield Meaning(
            register=row.register,
            type=row.type,
            order=row.order,
            value=row.value,
            why=judge(row.type, row.value, expect),
        )
    for order in (WordOrder.ABCD, WordOrder.BADC):
        text = decode_text(data, order)
        if isinstance(text, str) and len(text) >= TEXT_CHARS_MIN and text.isprintable():
            yield Meaning(
                register=0, type=RegisterType.STRING, order=order, value=text, why="readable"
            )


def judge(kind: RegisterType, value: float, expect: float | None) -> str:
    """Return what speaks for ``value`` as a meaning of type ``kind``; empty where nothing does."""
    if expect is not None:
        return _expected(value, expect)
    if value == 0 or kind in _NARROW:
        return ""
    if kind in _FLOATS:
        return "of a usual size" if FLOAT_MIN <= abs(value) < FLOAT_MAX else ""
    return "of a usual size" if abs(value) < INTEGER_MAX else ""


def _expected(value: float, expect: float) -> str:
    for decade in sorted(DECADES, key=abs):
        scale = 10.0**decade
        if isclose(value * scale, expect, rel_tol=EXPECTED_SHARE, abs_tol=1e-9):
            return "as expected" if decade == 0 else f"as expected with scale = {scale:g}"
    return ""
