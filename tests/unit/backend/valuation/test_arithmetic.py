"""Grams times a price: exact whatever the size, or refused."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.money import BPS
from backend.valuation.rules.arithmetic import (
    BLOCK_LOTS,
    LESS,
    REFUSED,
    UNPRICED,
    VALUE_MINOR_MAX,
    WORTHLESS,
    Column,
    LotColumns,
    Rate,
    ValueColumns,
    empty_columns,
    value_columns,
)

rates = st.one_of(
    st.tuples(st.integers(0, 10**7), st.integers(1, 10**9)),
    st.tuples(st.integers(0, 10**16), st.integers(1, 10**16)),
    st.tuples(st.integers(0, 10**25), st.integers(1, 10**22)),
).map(lambda pair: Rate(numerator=pair[0], denominator=pair[1]))


def book(masses_g: list[int], starts: list[int] | None = None) -> LotColumns:
    """Return lots, all of one instrument unless told otherwise."""
    bounds = starts or [0, len(masses_g)]
    return LotColumns(
        mass_g=np.array(masses_g, dtype=np.float64),
        flags=np.full(len(masses_g), LESS, dtype=np.uint8),
        starts=bounds,
        mass_g_max=[max(masses_g[a:b], default=0) for a, b in pairwise(bounds)],
    )


def valued(lots: LotColumns, columns: list[Column]) -> ValueColumns:
    """Value all of them."""
    values = empty_columns(len(lots.mass_g))
    value_columns(lots, columns, values, range(len(columns)))
    return values


@given(
    masses_g=st.lists(st.integers(0, 2**53 - 1) | st.integers(0, 10**8), min_size=1, max_size=6),
    rate=rates,
    haircut_bps=st.integers(0, BPS),
)
def test_every_product_is_exact_or_refused(
    masses_g: list[int], rate: Rate, haircut_bps: int
) -> None:
    """Beyond 2**53 and beyond 2**63: what comes out is Python's integers' answer."""
    values = valued(book(masses_g), [Column(rate=rate, haircut_bps=haircut_bps)])

    for at, mass_g in enumerate(masses_g):
        exact = int(mass_g * Fraction(rate.numerator, rate.denominator))
        refused = exact > VALUE_MINOR_MAX
        assert values.value_minor[at] == (0 if refused else exact)
        assert bool(values.flags[at] & REFUSED) == refused
        value = int(values.value_minor[at])
        assert values.lendable_minor[at] == value * (BPS - haircut_bps) // BPS


def test_a_tick_touches_its_own_instruments_lots_and_no_other() -> None:
    """What was not touched keeps its value."""
    lots = book([1_000] * (2 * BLOCK_LOTS + 5), [0, BLOCK_LOTS + 3, 2 * BLOCK_LOTS + 5])
    values = valued(lots, [Column(rate=Rate(numerator=1, denominator=10), haircut_bps=0)] * 2)

    tick = Column(rate=Rate(numerator=2, denominator=10), haircut_bps=1_000)
    value_columns(lots, [tick, tick], values, [1])

    assert set(values.value_minor[: BLOCK_LOTS + 3].tolist()) == {100}
    assert set(values.value_minor[BLOCK_LOTS + 3 :].tolist()) == {200}
    assert set(values.lendable_minor[BLOCK_LOTS + 3 :].tolist()) == {180}


def test_without_a_price_or_with_none_above_zero_the_flag_says_so() -> None:
    """Worth nothing either way, and told apart."""
    lots = book([5, 5], [0, 1, 2])
    values = valued(
        lots,
        [
            Column(rate=None, haircut_bps=BPS),
            Column(rate=Rate(numerator=0, denominator=1), haircut_bps=0),
        ],
    )

    assert values.value_minor.tolist() == [0, 0]
    assert values.flags.tolist() == [LESS | UNPRICED, LESS | WORTHLESS]
