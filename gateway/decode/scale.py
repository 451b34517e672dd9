"""From an indicator's number and unit to whole grams: what all scale families share."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from gateway.decode.events import Basis, Event, Fault, FaultWhy, Weight, fault

NUMBER: Final = (
    rb"\d{1,9}(?:[.,]\d{1,6})?"  # A display has at most 8 digits; decimal comma occurs.
)
UNIT: Final = rb"(?:[A-Za-z]{1,5}|%)"

# International avoirdupois pound and ounce: exact since the agreement of 1959.
_GRAMS: Final = {
    "g": Decimal(1),
    "kg": Decimal(1_000),
    "t": Decimal(1_000_000),
    "lb": Decimal("453.59237"),
    "oz": Decimal("28.349523125"),
}
_BASIS: Final = {b"G": Basis.GROSS, b"GS": Basis.GROSS, b"N": Basis.NET, b"NT": Basis.NET}


def basis_of(mark: bytes | None) -> Basis:
    """Return what the indicator's gross or net ``mark`` says."""
    return _BASIS.get(mark or b"", Basis.UNKNOWN)


def weigh(
    line: bytes, number: bytes, unit: bytes, *, minus: bool, stable: bool, basis: Basis
) -> Weight | Fault:
    """Return the weight of ``number`` in ``unit``, or a fault if the unit is none or unknown.

    ``number`` has the form of ``NUMBER``. Parts of a gram are rounded to the nearest, ties to
    even.
    """
    if not unit:
        return fault(FaultWhy.NO_UNIT, line)
    name = unit.decode("ascii").lower()
    if (grams := _GRAMS.get(name)) is None:
        return fault(FaultWhy.UNKNOWN_UNIT, line)
    shown = ("-" if minus else "") + number.decode("ascii").replace(",", ".")
    mass = (Decimal(shown) * grams).to_integral_value(rounding=ROUND_HALF_EVEN)
    return Weight(mass_g=int(mass), stable=stable, basis=basis, shown=shown, unit=name)


def weigh_marked(line: bytes, match: re.Match[bytes] | None) -> Event:
    """Return the weight that ``match`` found in a line of A&D's form, or why it is none.

    Groups: ``state`` ST or US, ``mark`` GS, NT, TR or nothing, ``sign``, ``number``, ``unit``.
    """
    if match is None:
        return fault(FaultWhy.MALFORMED, line)
    if match["mark"] == b"TR":
        return fault(FaultWhy.TARE, line)  # The container's weight, not a load.
    return weigh(
        line,
        match["number"],
        match["unit"] or b"",
        minus=match["sign"] == b"-",
        stable=match["state"] == b"ST",
        basis=basis_of(match["mark"]),
    )
