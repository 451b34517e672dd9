"""Condition: limits per commodity. Over one is at risk at once, and damaged after the dwell time.

A dose is counted on the readings themselves: time in which nothing was read adds no more than the
gap after which the sensor counts as lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import Final

import numpy as np

from backend.collateral.rules.series import Series
from backend.collateral.types import Latch, Limits, LotMemory, OverRun, Sample, SensorKey
from schemas.quantities import Quantity

COMMODITIES_MAX: Final = 1_024  # Kept at hand; more are worked out again.
WET: Final = 0.5  # 1 wet, 0 dry.


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a quantity must stay within, and how long it may be outside before harm is done."""

    least: float
    most: float
    dwell_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """The first reading that did harm, and when the last one was made, by our clock."""

    first: Sample
    last_us: int


@lru_cache(maxsize=COMMODITIES_MAX)
def ranges_of(limits: Limits) -> Mapping[Quantity, Range]:
    """Return what a commodity limits; a shock needs no time to do harm."""
    dwell_us = limits.temperature_dwell_s * 1_000_000
    ranges = {Quantity.WATER: Range(least=-inf, most=WET, dwell_us=dwell_us)}
    if limits.temperature_min_c is not None or limits.temperature_max_c is not None:
        ranges[Quantity.TEMPERATURE] = Range(
            least=-inf if limits.temperature_min_c is None else limits.temperature_min_c,
            most=inf if limits.temperature_max_c is None else limits.temperature_max_c,
            dwell_us=dwell_us,
        )
    if limits.humidity_max_pct is not None:
        ranges[Quantity.HUMIDITY] = Range(
            least=-inf, most=limits.humidity_max_pct, dwell_us=dwell_us
        )
    if limits.shock_max_g0 is not None:
        ranges[Quantity.SHOCK] = Range(least=-inf, most=limits.shock_max_g0, dwell_us=0)
    return ranges


def fold_over(
    run: OverRun | None, readings: Series, allowed: Range, gap_us: int
) -> tuple[OverRun | None, Harm | None]:
    """Return the run of readings over a limit after more of them, and the harm that they did.

    Args:
        run: before them.
        readings: of good quality.
        allowed: the limit.
        gap_us: the most that the time between two readings counts for.
    """
    count = len(readings)
    if count == 0:
        return run, None
    over = (readings.value < allowed.least) | (readings.value > allowed.most)
    if run is None and not over.any():
        return None, None
    went_on = np.concatenate(([run is not None], over[:-1])) & over
    first_us = readings.at_us[0] if run is None else run.last_at_us
    steps_us = np.clip(np.diff(readings.at_us, prepend=first_us), 0, gap_us)
    total_us = np.cumsum(np.where(went_on, steps_us, 0))
    rows = np.arange(count)
    begins = np.maximum.accumulate(np.where(over & ~went_on, rows, -1))
    # Before the first run that begins here, an earlier one may go on.
    earlier_us = 0 if run is None else run.dwell_us
    dwell_us = total_us - np.where(begins < 0, 0, total_us[begins])
    dwell_us = np.where(begins < 0, dwell_us + earlier_us, dwell_us)
    harmful = np.flatnonzero(over & (dwell_us >= allowed.dwell_us))
    harm = None
    if len(harmful):
        last_us = int(readings.made_us[harmful[-1]])
        harm = Harm(first=readings.sample(int(harmful[0])), last_us=last_us)
    if not over[-1]:
        return None, harm
    begin = int(begins[-1])
    since = run.since if begin < 0 and run is not None else readings.sample(max(begin, 0))
    after = OverRun(
        since=since,
        last_at_us=int(readings.at_us[-1]),
        dwell_us=min(int(dwell_us[-1]), allowed.dwell_us),
    )
    return after, harm


def fold_condition(
    memory: LotMemory,
    sensor: SensorKey,
    series: Mapping[Quantity, Series],
    ranges: Mapping[Quantity, Range],
    gap_us: int,
) -> LotMemory:
    """Return a lot's memory after readings of one of its condition sensors."""
    overs, latches = dict(memory.overs), dict(memory.latches)
    for quantity, allowed in ranges.items():
        readings = series.get(quantity)
        if readings is None:
            continue
        run, harm = fold_over(overs.get((sensor, quantity)), readings, allowed, gap_us)
        if run is None:
            overs.pop((sensor, quantity), None)
        else:
            overs[sensor, quantity] = run
        if harm is not None:
            latch = latches.get(quantity)
            latches[quantity] = Latch(
                sensor=sensor if latch is None else latch.sensor,
                sample=harm.first if latch is None else latch.sample,
                last_us=harm.last_us if latch is None else max(latch.last_us, harm.last_us),
            )
    return replace(memory, overs=overs, latches=latches)
