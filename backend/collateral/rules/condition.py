"""Condition: limits per commodity. Over one is at risk at once, and damaged by dose.

At risk begins with the first reading over the limit, and ends when a reading is inside it by more
than the sensor may err: so a store kept at its limit is one alert, not a hundred. Damage is told
only of what is over the limit by more than that: then time counts by how far over. A dose fades
as slowly as time passes within the limit, so that a door opened every few minutes adds up.

A dose is counted on the readings themselves: time in which nothing was read adds no more than the
gap after which the sensor counts as lost.

Source: time at a temperature weighed by Arrhenius with 83.144 kJ/mol is the mean kinetic
temperature of USP <1079.2> and ICH Q1A (about a factor of three in ten degrees, as the
time-temperature tolerance of frozen food has it); frost enters in proportion to the degrees below
freezing (Plank 1913). Errors of sensors: design, quality.md, table "Detection".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, inf
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.series import Series, SeriesBook
from backend.collateral.types import (
    Excursion,
    Latch,
    Limits,
    LotMemory,
    OverRun,
    Sample,
    SensorKey,
)
from backend.telemetry.types import Floats, Int64s
from schemas.quantities import Quantity

COMMODITIES_MAX: Final = 1_024  # Kept at hand; more are worked out again.
WET: Final = 0.5  # 1 wet, 0 dry.
# An offset of up to 0.2 C, and two and a half standard deviations of noise (0.04 C).
DOUBT_C: Final = 0.3
DOUBT_PCT: Final = 2.3  # An offset of up to 2 %RH, and three standard deviations (0.1 %RH).
_ACTIVATION_K: Final = 83_144.0 / 8.314462  # Activation energy over the gas constant.
_ZERO_C_K: Final = 273.15
# Degrees over the limit that are told apart: beyond, a reading is no climate but a fault or fire.
_DEGREES_MAX: Final = 40
_PLAIN: Final = (1_000,)
_MILLI: Final = 1_000

_Channel = tuple[SensorKey, Quantity]
_Kept = TypeVar("_Kept", OverRun, Excursion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a quantity must stay within, and the dose outside at which harm is done.

    ``doubt`` is by how much a sensor may err. ``above`` and ``below`` are what time counts for,
    in thousandths, by whole units beyond limit and doubt; the last holds for all further ones.
    """

    least: float
    most: float
    dwell_us: int
    doubt: float = 0.0
    above: tuple[int, ...] = _PLAIN
    below: tuple[int, ...] = _PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """The first reading that did harm; when the last one was made and came, by our clock."""

    first: Sample
    last_us: int
    arrived_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is remembered of one channel: the run over a limit, and the last that ended."""

    run: OverRun | None = None
    passed: Excursion | None = None


@lru_cache(maxsize=COMMODITIES_MAX)
def ranges_of(limits: Limits) -> Mapping[Quantity, Range]:
    """Return what a commodity limits; a shock needs no time to do harm."""
    dwell_us = limits.temperature_dwell_s * 1_000_000
    ranges = {Quantity.WATER: Range(least=-inf, most=WET, dwell_us=dwell_us)}
    least_c, most_c = limits.temperature_min_c, limits.temperature_max_c
    if least_c is not None or most_c is not None:
        ranges[Quantity.TEMPERATURE] = Range(
            least=-inf if least_c is None else least_c,
            most=inf if most_c is None else most_c,
            dwell_us=dwell_us,
            doubt=DOUBT_C,
            above=_PLAIN if most_c is None else _spoiling(most_c),
            below=tuple(_MILLI * (1 + degree) for degree in range(_DEGREES_MAX)),
        )
    if limits.humidity_max_pct is not None:
        ranges[Quantity.HUMIDITY] = Range(
            least=-inf, most=limits.humidity_max_pct, dwell_us=dwell_us, doubt=DOUBT_PCT
        )
    if limits.shock_max_g0 is not None:
        ranges[Quantity.SHOCK] = Range(least=-inf, most=limits.shock_max_g0, dwell_us=0)
    return ranges


def _spoiling(limit_c: float) -> tuple[int, ...]:
    """Return how much faster goods spoil, in thousandths, by whole degrees above a limit."""
    limit_k = limit_c + _ZERO_C_K
    return tuple(
        round(_MILLI * exp(_ACTIVATION_K * (1 / limit_k - 1 / (limit_k + degree))))
        for degree in range(_DEGREES_MAX)
    )


def is_quiet(extremes: tuple[float, float] | None, allowed: Range) -> bool:
    """Return whether all readings of a channel in a batch are within bounds, or there are none."""
    return extremes is None or (allowed.least <= extremes[0] and extremes[1] <= allowed.most)


def fold_outside(
    before: Outside, readings: Series, allowed: Range, gap_us: int, arrived_us: Int64s
) -> tuple[Outside, Harm | None]:
    """Return what is remembered after more readings, and the harm that they did.

    Args:
        before: what was remembered.
        readings: of good quality.
        allowed: the limit.
        gap_us: the most that the time between two readings counts for.
        arrived_us: when each reading came, by our clock.
    """
    if len(readings) == 0:
        return before, None
    value = readings.value
    was_over = before.run is not None
    over = _over(value, allowed, was_over=was_over)
    earlier_us = 0 if before.passed is None else before.passed.dose_us
    if before.run is None and earlier_us == 0 and not over.any():
        return before, None
    weight = _weights(value, allowed)
    went_on = np.concatenate(([was_over], over[:-1])) & over
    first_us, first_weight = int(readings.at_us[0]), 0
    if before.run is not None:
        first_us, earlier_us = before.run.last_at_us, before.run.dose_us
        first_weight = int(_weights(np.array([before.run.last_value]), allowed)[0])
    elif before.passed is not None and earlier_us:
        first_us = before.passed.last_at_us
    steps_us = np.clip(np.diff(readings.at_us, prepend=first_us), 0, gap_us)
    # One reading far off between two others counts as little as its neighbours.
    lesser = np.minimum(weight, np.concatenate(([first_weight], weight[:-1])))
    gained_us = np.where(went_on, steps_us * lesser // _MILLI, np.where(over, 0, -steps_us))
    dose_us = _fading(gained_us, earlier_us)
    harmful = np.flatnonzero(over & (weight > 0) & (dose_us >= allowed.dwell_us))
    harm = None
    if len(harmful):
        last = int(harmful[-1])
        harm = Harm(
            first=readings.sample(int(harmful[0])),
            last_us=int(readings.made_us[last]),
            arrived_us=int(arrived_us[last]),
        )
    dwell_us = np.cumsum(np.where(went_on, steps_us, 0))
    sums = _Sums(over=over, went_on=went_on, dwell_us=dwell_us, dose_us=dose_us)
    return _after(before, readings, allowed, sums, arrived_us), harm


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """What was worked out of each reading; all of shape (n,)."""

    over: NDArray[np.bool_]
    went_on: NDArray[np.bool_]
    dwell_us: Int64s
    dose_us: Int64s


def _over(value: Floats, allowed: Range, *, was_over: bool) -> NDArray[np.bool_]:
    """Return whether each reading is over the limit, or not yet back within it for certain."""
    begins = (value < allowed.least) | (value > allowed.most)
    least, most = allowed.least + allowed.doubt, allowed.most - allowed.doubt
    ends = (value >= least) & (value <= most)
    rows = np.arange(len(value))
    last = np.maximum.accumulate(np.where(begins | ends, rows, -1))
    return np.where(last < 0, was_over, begins[last])


def _weights(value: Floats, allowed: Range) -> Int64s:
    """Return what time counts for at each reading, in thousandths; 0: not for certain over."""
    weights = np.zeros(len(value), dtype=np.int64)
    for excess, table in (
        (value - (allowed.most + allowed.doubt), allowed.above),
        ((allowed.least - allowed.doubt) - value, allowed.below),
    ):
        beyond = excess > 0
        degrees = np.clip(excess, 0, len(table) - 1).astype(np.int64)
        weights = np.where(beyond, np.array(table, dtype=np.int64)[degrees], weights)
    return weights


def _fading(gained_us: Int64s, before_us: int) -> Int64s:
    """Return a dose after each gain or loss; it is never less than nothing."""
    total_us = np.cumsum(gained_us)
    return total_us + np.maximum(before_us, np.maximum.accumulate(-total_us))


def _after(
    before: Outside, readings: Series, allowed: Range, sums: _Sums, arrived_us: Int64s
) -> Outside:
    """Return what is remembered after readings of which this was worked out."""
    over = sums.over
    starts = np.flatnonzero(over & ~sums.went_on)
    begins = [int(row) for row in starts[-2:]]  # Only the last that ended can matter.
    if before.run is not None and over[0]:
        begins = [0, *begins] if begins[:1] != [0] else begins
    run, passed = None, before.passed
    if before.run is not None and not over[0]:
        passed = _excursion(before.run, readings, 0, arrived_us)
    for begin in begins:
        goes_on = before.run if begin == 0 and bool(sums.went_on[0]) else None
        within = np.flatnonzero(~over[begin:])
        end = begin + int(within[0]) if len(within) else len(over)
        run = _run(goes_on, readings, allowed, sums, slice(begin, end))
        if end < len(over):
            passed, run = _excursion(run, readings, end, arrived_us), None
    if passed is not None:
        left_us = 0 if run is not None else int(sums.dose_us[-1])
        last_at_us = int(readings.at_us[-1]) if left_us else 0
        passed = replace(passed, dose_us=left_us, last_at_us=last_at_us)
    return Outside(run=run, passed=passed)


def _run(
    before: OverRun | None, readings: Series, allowed: Range, sums: _Sums, rows: slice
) -> OverRun:
    last = rows.stop - 1
    value = readings.value[rows]
    excess = np.maximum(value - allowed.most, allowed.least - value)
    worst = readings.sample(rows.start + int(np.argmax(excess)))
    since = readings.sample(rows.start)
    dwell_us = int(sums.dwell_us[last] - sums.dwell_us[rows.start])
    if before is not None:
        since = before.since
        dwell_us = before.dwell_us + int(sums.dwell_us[last])
        if _excess(worst.value, allowed) <= _excess(before.worst.value, allowed):
            worst = before.worst
    return OverRun(
        since=since,
        last_at_us=int(readings.at_us[last]),
        last_value=float(readings.value[last]),
        dwell_us=dwell_us,
        dose_us=int(sums.dose_us[last]),
        worst=worst,
    )


def _excess(value: float, allowed: Range) -> float:
    return max(value - allowed.most, allowed.least - value)


def _excursion(run: OverRun, readings: Series, row: int, arrived_us: Int64s) -> Excursion:
    return Excursion(
        since=run.since,
        worst=run.worst,
        ended=readings.sample(row),
        arrived_us=int(arrived_us[row]),
    )


def fold_condition(
    memory: LotMemory,
    sensor: SensorKey,
    book: SeriesBook,
    ranges: Mapping[Quantity, Range],
    gap_us: int,
) -> LotMemory:
    """Return a lot's memory after a batch's readings of one of its condition sensors."""
    overs, latches, passed = dict(memory.overs), dict(memory.latches), dict(memory.passed)
    touched = False
    for quantity, allowed in ranges.items():
        channel = sensor, quantity
        before = Outside(run=overs.get(channel), passed=passed.get(channel))
        faded = before.passed is None or before.passed.dose_us == 0
        if before.run is None and faded and is_quiet(book.extremes(sensor, quantity), allowed):
            continue
        found = book.get(sensor, quantity)
        if found is None:
            continue
        touched, readings = True, found.good()
        arrived_us = book.arrivals_us(readings.place)
        after, harm = fold_outside(before, readings, allowed, gap_us, arrived_us)
        _put(overs, channel, after.run)
        _put(passed, channel, after.passed)
        if harm is not None:
            latches[quantity] = _latched(latches.get(quantity), sensor, harm)
    if not touched:
        return memory
    return replace(memory, overs=overs, latches=latches, passed=passed)


def _latched(latch: Latch | None, sensor: SensorKey, harm: Harm) -> Latch:
    if latch is None:
        return Latch(
            sensor=sensor, sample=harm.first, last_us=harm.last_us, arrived_us=harm.arrived_us
        )
    return replace(
        latch,
        last_us=max(latch.last_us, harm.last_us),
        arrived_us=max(latch.arrived_us, harm.arrived_us),
    )


def _put(table: dict[_Channel, _Kept], key: _Channel, value: _Kept | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
