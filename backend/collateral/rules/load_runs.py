"""Runs of weights beyond a line, in which one reading alone counts for nothing; no loop over them.

An impossible spike an hour is what a load cell gives (design, quality.md): so two readings in a
row begin a run, and two end it. The order of the readings is all that matters, not how they were
cut into batches.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.series import Series
from backend.collateral.types import LoadRun, PastRun, Sample
from backend.telemetry.types import Floats, Int64s

CONFIRMING_READINGS: Final = 2
# A weight within this of motion is what the scale settled at.
SETTLED_US: Final = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line and how long weights must stay beyond it to be told.

    ``name`` is that of the line. ``sign`` is -1 when what is less is worse, else 1. ``span_us``:
    how long. ``band_g``: how near two weights bear each other out. ``gap_us`` is the most that
    the time between two readings counts for.
    """

    name: str
    sign: int
    span_us: int
    band_g: float
    gap_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Stable weights of a batch, when they arrived, and whether motion came just before each."""

    good: Series
    arrived_us: Int64s
    moved: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.good)


def fold_run(
    run: LoadRun, weights: Weights, beyond: NDArray[np.bool_], line: Line
) -> tuple[LoadRun, list[PastRun]]:
    """Return the run after more weights, and those told of that ended on the way.

    Args:
        run: before them.
        weights: the readings.
        beyond: whether each is beyond the line.
        line: which.
    """
    if len(beyond) == 0 or (run.since is None and not beyond.any()):
        return run, []
    confirmed = run.readings >= CONFIRMING_READINGS
    before = run.since is not None and not run.against
    previous = np.concatenate(([before], beyond[:-1]))
    rows = np.arange(len(beyond))
    last_pair = np.maximum.accumulate(np.where(beyond == previous, rows, -1))
    inside = np.where(last_pair < 0, confirmed, beyond[last_pair])
    steps = np.diff(inside.astype(np.int8), prepend=np.int8(confirmed))
    ended: list[PastRun] = []
    begin = 0
    for turn in [*np.flatnonzero(steps).tolist(), len(beyond)]:
        if not confirmed:
            # What comes next begins with the reading before the turn, or is one reading alone.
            if turn < len(beyond):
                run = run if turn == 0 else _begun(weights, turn - 1)
                begin, confirmed = turn, True
            else:
                run = _begun(weights, turn - 1) if beyond[-1] else LoadRun()
            continue
        mine = begin + np.flatnonzero(beyond[begin:turn])
        run = _grown(run, weights, mine, line)
        if turn < len(beyond):
            ended += _past(run, line)
            run, confirmed = LoadRun(), False
        else:
            run = replace(run, against=not bool(beyond[-1]))
    return run, ended


def _begun(weights: Weights, row: int) -> LoadRun:
    """Return a run of one reading, which may be nothing."""
    sample = weights.good.sample(row)
    moved = bool(weights.moved[row])
    return LoadRun(
        since=sample, readings=1, tail_g=sample.value, last_at_us=sample.at_us, moved=moved
    )


def _grown(run: LoadRun, weights: Weights, rows: NDArray[np.intp], line: Line) -> LoadRun:
    """Return a run that is one for certain after the readings at ``rows``, all beyond the line."""
    assert run.since is not None, "a run that grows has begun"
    if len(rows) == 0:
        return replace(run, readings=CONFIRMING_READINGS)
    good = weights.good
    value: Floats = good.value[rows]
    before_g = np.concatenate(([run.tail_g], value[:-1]))
    borne_out = np.flatnonzero(np.abs(value - before_g) <= line.band_g)
    level: Sample | None = run.level
    worst_g = run.worst_g
    if len(borne_out):
        level = good.sample(int(rows[borne_out[-1]]))
        lesser = np.minimum(line.sign * value, line.sign * before_g)[borne_out].max()
        worst_g = float(line.sign * lesser)
        if run.level is not None:
            worst_g = max(worst_g, run.worst_g) if line.sign > 0 else min(worst_g, run.worst_g)
    at_us = good.at_us[rows]
    steps_us = np.clip(np.diff(at_us, prepend=run.last_at_us), 0, line.gap_us)
    lasted_us = run.lasted_us + np.cumsum(steps_us)
    found_us = run.found_us
    if found_us is None:
        told = np.flatnonzero(lasted_us >= line.span_us)
        found_us = int(weights.arrived_us[rows[told[0]]]) if len(told) else None
    return replace(
        run,
        readings=CONFIRMING_READINGS,
        level=level,
        worst_g=worst_g,
        tail_g=float(value[-1]),
        last_at_us=int(at_us[-1]),
        lasted_us=int(lasted_us[-1]),
        found_us=found_us,
    )


def _past(run: LoadRun, line: Line) -> list[PastRun]:
    if run.since is None or run.found_us is None:
        return []
    return [
        PastRun(
            line=line.name,
            since=run.since,
            level=run.level or run.since,
            worst_g=run.worst_g if run.level is not None else run.since.value,
            lasted_us=run.lasted_us,
            found_us=run.found_us,
        )
    ]
