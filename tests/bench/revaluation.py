"""Revaluing a million lots after a price tick, flags included, against copying as many bytes.

Every lot's price has changed: value, lendable part and flags of all of them are written anew from
masses, flags, rates and haircuts. The yardstick copies a block of memory as long as all that is
read and written, between buffers that exist already. The figures of lots are spread as a book's
are; every result is checked against exact integers before anything is timed.
"""

import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np

from backend.money import BPS
from backend.valuation.rules.arithmetic import (
    LESS,
    Column,
    LotColumns,
    Rate,
    ValueColumns,
    empty_columns,
    value_columns,
)
from tests.bench.results import Measured, Result, summarise

LOTS = 1_000_000
INSTRUMENTS = 40
RUNS = 21
WARM_UP = 3
WHAT = Measured(
    name="revaluation",
    unit="ms of CPU for 1,000,000 lots",
    yardstick="ms of CPU to copy the bytes that it reads and writes",
    goal="<= 4",
)


def measure() -> list[Result]:
    """Run both in turn, tick after tick; return the one result."""
    lots, values = build_book(), empty_columns(LOTS)
    ticks = [build_tick(number) for number in range(2)]
    value_columns(lots, ticks[0], values, range(INSTRUMENTS))
    check(lots, ticks[0], values)
    moved = [lots.mass_g, lots.flags, values.value_minor, values.lendable_minor, values.flags]
    source = np.frombuffer(b"".join(each.tobytes() for each in moved), dtype=np.uint8)
    target = np.zeros_like(source)
    revalued: list[float] = []
    copied: list[float] = []
    for run in range(WARM_UP + RUNS):
        tick = partial(value_columns, lots, ticks[run % 2], values, range(INSTRUMENTS))
        revalued_ms = timed_ms(tick)
        copied_ms = timed_ms(partial(np.copyto, target, source))
        if run >= WARM_UP:
            revalued.append(revalued_ms)
            copied.append(copied_ms)
    return [summarise(WHAT, revalued, copied)]


def build_book() -> LotColumns:
    """Return lots of up to two hundred tonnes, side by side by instrument, one in fifty short."""
    dice = np.random.default_rng(2026)
    mass_g = np.floor(dice.uniform(1e3, 2e8, LOTS))
    bounds = np.linspace(0, LOTS, INSTRUMENTS + 1).astype(int)
    starts = [int(each) for each in bounds]
    return LotColumns(
        mass_g=mass_g,
        flags=np.where(dice.random(LOTS) < 0.02, LESS, 0).astype(np.uint8),
        starts=starts,
        mass_g_max=[int(mass_g[a:b].max()) for a, b in pairwise(starts)],
    )


def build_tick(number: int) -> list[Column]:
    """Return a price with two decimals a tonne and a haircut for each instrument."""
    columns: list[Column] = []
    for at in range(INSTRUMENTS):
        cents_a_gram = Fraction(50_000 + 13_577 * at + 31 * number, 1_000_000)
        rate = Rate(numerator=cents_a_gram.numerator, denominator=cents_a_gram.denominator)
        columns.append(Column(rate=rate, haircut_bps=1_500 + 75 * at))
    return columns


def check(lots: LotColumns, columns: list[Column], values: ValueColumns) -> None:
    """Compare one lot in a thousand with exact integers."""
    for index, column in enumerate(columns):
        assert column.rate is not None
        for at in range(lots.starts[index], lots.starts[index + 1], 1_000):
            exact = int(lots.mass_g[at]) * column.rate.numerator // column.rate.denominator
            assert int(values.value_minor[at]) == exact
            assert int(values.lendable_minor[at]) == exact * (BPS - column.haircut_bps) // BPS


def timed_ms(work: Callable[[], None]) -> float:
    """Return the processor's time that it took, in milliseconds: both are one thread's work."""
    begun = time.thread_time()
    work()
    return (time.thread_time() - begun) * 1_000
