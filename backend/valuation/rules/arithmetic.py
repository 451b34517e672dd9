"""Grams times a price, in whole minor units, for a million lots at once. Pure.

Every result is the exact product rounded down, or refused: float64 is used only where all that it
is given and all that comes out of it are integers under 2**53, which it holds exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.market.types import GRAMS_PER_UNIT, Unit
from backend.money import BPS, minor_digits

EXACT_MAX: Final = 2**53 - 1  # float64 holds every integer up to here, and not every one beyond.
# A lot worth more is a mistake in its mass or price: nobody owns goods for 90 trillion dollars.
VALUE_MINOR_MAX: Final = EXACT_MAX
# Under it an estimate in float64 is off by less than one, so that one correction makes it exact.
_ESTIMATE_MINOR_MAX: Final = 2**49
_RATE_MAX: Final = 2**60  # Of numerator and denominator: a remainder then fits an int64.
BLOCK_LOTS: Final = 16_384  # So many at once stay in a core's own cache.

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# Flags of a lot, as bits.
UNPRICED: Final = 1  # No price may be used.
WORTHLESS: Final = 2  # The price is zero or below.
REFUSED: Final = 4  # Worth more than anything can be.
LESS: Final = 8  # Less is accepted than pledged.
DAMAGED: Final = 16
INELIGIBLE: Final = 32
UNKNOWN: Final = 64  # Its quantity is not known.


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Minor units for a gram, as a fraction in lowest terms; zero for a price of zero or below."""

    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What a run of lots of one instrument is valued at: all that a price tick changes."""

    rate: Rate | None
    haircut_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LotColumns:
    """One row a lot, those of an instrument side by side; all of shape (n,).

    ``mass_g`` is accepted, in whole grams. ``starts`` has where each instrument's lots begin, and
    n at the end; ``mass_g_max`` the greatest mass of each.
    """

    mass_g: Floats
    flags: Bytes
    starts: Sequence[int]
    mass_g_max: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueColumns:
    """One row a lot, in the same order; shape (n,). Written over by the next tick."""

    value_minor: Ints
    lendable_minor: Ints
    flags: Bytes


def rate_of(price: Decimal | Fraction, unit: Unit, currency: str) -> Rate:
    """Return what one gram is worth in minor units, exactly."""
    per_gram = Fraction(price) * 10 ** minor_digits(currency) / Fraction(GRAMS_PER_UNIT[unit])
    per_gram = max(per_gram, Fraction(0))
    return Rate(numerator=per_gram.numerator, denominator=per_gram.denominator)


def worth_minor(mass_g: int, rate: Rate) -> int | None:
    """Return one mass's worth rounded down, in Python's integers; None when it is refused."""
    worth = mass_g * rate.numerator // rate.denominator
    return worth if worth <= VALUE_MINOR_MAX else None


def empty_columns(count: int) -> ValueColumns:
    """Return room for the values of so many lots."""
    return ValueColumns(
        value_minor=np.zeros(count, dtype=np.int64),
        lendable_minor=np.zeros(count, dtype=np.int64),
        flags=np.zeros(count, dtype=np.uint8),
    )


def value_columns(
    lots: LotColumns, columns: Sequence[Column], values: ValueColumns, touched: Sequence[int]
) -> None:
    """Write value, lendable part and flags of the lots of the touched instruments.

    Args:
        lots: Of all instruments.
        columns: One for each instrument, in the order of ``lots.starts``.
        values: Where the results go.
        touched: Which instruments have a new price.
    """
    scratch = np.empty(BLOCK_LOTS, dtype=np.float64)
    for index in touched:
        start, end = lots.starts[index], lots.starts[index + 1]
        column, heaviest_g = columns[index], lots.mass_g_max[index]
        for at in range(start, end, BLOCK_LOTS):
            until = min(end, at + BLOCK_LOTS)
            _value_block(lots, values, slice(at, until), column, heaviest_g, scratch[: until - at])


def _value_block(
    lots: LotColumns,
    values: ValueColumns,
    rows: slice,
    column: Column,
    heaviest_g: int,
    scratch: Floats,
) -> None:
    value, lendable = values.value_minor[rows], values.lendable_minor[rows]
    flags, rate = values.flags[rows], column.rate
    if rate is None or rate.numerator == 0:
        value[:] = 0
        lendable[:] = 0
        np.bitwise_or(lots.flags[rows], UNPRICED if rate is None else WORTHLESS, out=flags)
        return
    flags[:] = lots.flags[rows]
    most = heaviest_g * rate.numerator
    exact = max(most, rate.denominator, most // rate.denominator * BPS) <= EXACT_MAX
    if exact:
        # Products are exact, and a quotient of such integers never rounds up to the next integer:
        # it is at least 1 / denominator under it, more than half a unit in its last place.
        np.multiply(lots.mass_g[rows], rate.numerator, out=scratch)
        np.divide(scratch, rate.denominator, out=scratch)
        np.floor(scratch, out=scratch)
        value[:] = scratch
        np.multiply(scratch, BPS - column.haircut_bps, out=scratch)
        np.divide(scratch, BPS, out=lendable, casting="unsafe")
        return
    refused = worth_columns(lots.mass_g[rows].astype(np.int64), rate, heaviest_g, value)
    if refused is not None:
        np.bitwise_or(flags, np.where(refused, REFUSED, 0).astype(np.uint8), out=flags)
    lendable[:] = share_down(value, BPS - column.haircut_bps)


def worth_columns(
    mass_g: Ints, rate: Rate, heaviest_g: int, out: Ints
) -> NDArray[np.bool_] | None:
    """Write each mass's worth rounded down; return which are refused and worth nothing, or None.

    The estimate in float64 is off by less than one; its remainder, taken in integers that wrap
    around, is small and so exact, and says which way. What is too large for that goes one by one.
    """
    if (
        heaviest_g * rate.numerator // rate.denominator < _ESTIMATE_MINOR_MAX
        and max(rate.numerator, rate.denominator) < _RATE_MAX
    ):
        out[:] = mass_g * (rate.numerator / rate.denominator)
        remainder = mass_g * np.int64(rate.numerator) - out * np.int64(rate.denominator)
        out += remainder // np.int64(rate.denominator)
        return None
    worth = [worth_minor(int(mass), rate) for mass in mass_g]
    out[:] = [0 if each is None else each for each in worth]
    refused = np.array([each is None for each in worth], dtype=np.bool_)
    return refused if refused.any() else None


def share_down(amounts: Ints, bps: Ints | int) -> Ints:
    """Return so many basis points of each amount, rounded down, without leaving int64."""
    return amounts // BPS * bps + amounts % BPS * bps // BPS
