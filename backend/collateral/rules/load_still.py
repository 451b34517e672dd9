"""Stillness: a load cell that shows the very same weight again and again does not weigh.

How often two weights in a row are the same depends on a scale's division and on what its gateway
holds back; so it is learned, as that hour of the first day in which it was most so. A scale that
shows no noise at all, ever, can not be told from a frozen one by this.
"""

from dataclasses import replace
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.rules.load_runs import Weights
from backend.collateral.rules.series import Series
from backend.collateral.types import PastRun, Stillness

FROZEN: Final = "frozen"
HOUR_US: Final = 3_600_000_000
HOURS_LEARNED: Final = 24  # A day and a night: with and without forklifts, warm and cold.
PAIRS_MIN: Final = 100  # Fewer in an hour say nothing of it.
SURPRISE_NATS: Final = 30.0  # Of chances, once in 1e13 pairs: a scale makes 2e7 in a year.
SHARE_MAX: Final = 0.99  # Beyond it a frozen scale would be found after an hour or never.


def share_of(still: Stillness) -> float | None:
    """Return how often two weights in a row are the same at worst; None: that says nothing."""
    if still.hours < HOURS_LEARNED:
        return None
    share = (still.same + 1) / (still.pairs + 2)
    return None if share > SHARE_MAX else share


def run_max(still: Stillness) -> int | None:
    """Return how many times in a row a weight may be the same; None: any number."""
    share = share_of(still)
    return None if share is None else int(SURPRISE_NATS / -log(share)) + 1


def is_frozen(still: Stillness) -> bool:
    """Return whether a scale shows the same weight for longer than chance allows."""
    most = run_max(still)
    return most is not None and still.run >= most


def fold_still(
    still: Stillness, weights: Weights, before: float | None
) -> tuple[Stillness, list[PastRun]]:
    """Return what is known of a scale's stillness after more weights.

    Args:
        still: before them.
        weights: the readings.
        before: the weight before them; None: there was none.

    Returns:
        It, and what was too still and is so no more.
    """
    good = weights.good
    if len(good) == 0:
        return still, []
    first_g = np.nan if before is None else before
    same = good.value == np.concatenate(([first_g], good.value[:-1]))
    still, learned_row = _learned(still, good, same)
    most = run_max(still)
    turns = np.flatnonzero(~same)
    bounds = np.concatenate(([0], turns, [len(good)]))
    # Of each run, how often its last weight was the one before; the first may have begun earlier.
    counts = np.diff(bounds) - 1
    counts[0] += still.run + 1
    chosen = [len(counts) - 1]
    if most is not None:
        chosen = sorted({*np.flatnonzero(counts >= most).tolist(), *chosen})
    past: list[PastRun] = []
    for number in chosen:
        row = int(bounds[number])
        run = replace(still, run=int(counts[number]))
        if number > 0:
            run = replace(run, since=good.sample(row), found_us=None)
        if most is not None and run.found_us is None:
            reached = row + most if number > 0 else most - still.run - 1
            found = max(reached, learned_row)
            if found < bounds[number + 1]:
                run = replace(run, found_us=int(weights.arrived_us[found]))
        if number < len(counts) - 1:
            past += _past(run)
        else:
            still = run
    return still, past


def _learned(still: Stillness, good: Series, same: NDArray[np.bool_]) -> tuple[Stillness, int]:
    """Return what is known after whole hours, and the row from which on it is known."""
    if still.hours >= HOURS_LEARNED:
        return still, 0
    hours = good.at_us // HOUR_US
    begins = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
    sames = np.add.reduceat(same.astype(np.int64), begins).tolist()
    pairs = np.diff(np.append(begins, len(good))).tolist()
    for begin, hour, more, count in zip(
        begins.tolist(), hours[begins].tolist(), sames, pairs, strict=True
    ):
        if hour != still.hour:
            if still.hour_pairs >= PAIRS_MIN:
                worse = still.hour_same * still.pairs >= still.same * still.hour_pairs
                still = replace(
                    still,
                    hours=still.hours + 1,
                    same=still.hour_same if worse else still.same,
                    pairs=still.hour_pairs if worse else still.pairs,
                )
            still = replace(still, hour=hour, hour_same=0, hour_pairs=0)
            if still.hours >= HOURS_LEARNED:
                return still, begin
        still = replace(
            still, hour_same=still.hour_same + more, hour_pairs=still.hour_pairs + count
        )
    return still, len(good)


def _past(still: Stillness) -> list[PastRun]:
    if still.since is None or still.found_us is None:
        return []
    return [
        PastRun(
            line=FROZEN,
            since=still.since,
            level=still.since,
            worst_g=still.since.value,
            lasted_us=0,
            found_us=still.found_us,
        )
    ]
