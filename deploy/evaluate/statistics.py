"""Intervals for shares, rates and quantiles, exact or by a seeded bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from typing import Final

import numpy as np

Z95: Final = 1.959964  # Two-sided 95 % of the normal distribution.
_TAIL: Final = 0.025
_RESAMPLES: Final = 2_000
_STEPS: Final = 200  # Of a bisection: beyond what a float64 can hold.


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def share(hits: int, trials: int) -> Estimate | None:
    """Return a share with Wilson's interval; None: nothing was tried."""
    if trials == 0:
        return None
    p, n, z2 = hits / trials, trials, Z95 * Z95
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Estimate(value=p, low=max(0.0, middle - half), high=min(1.0, middle + half))


def rate(count: int, exposure: float) -> Estimate | None:
    """Return events per unit of exposure with the exact Poisson interval (Garwood 1936)."""
    if exposure <= 0:
        return None
    low = 0.0 if count == 0 else _mean_with(count - 1, 1 - _TAIL)
    return Estimate(
        value=count / exposure, low=low / exposure, high=_mean_with(count, _TAIL) / exposure
    )


def quantile(values: Sequence[float], q: float) -> Estimate | None:
    """Return a quantile with a percentile bootstrap's interval; the same values, the same one."""
    if not values:
        return None
    found = np.sort(np.asarray(values, dtype=np.float64))
    rng = np.random.default_rng(len(found))
    drawn = rng.choice(found, size=(_RESAMPLES, len(found)), replace=True)
    spread = np.quantile(drawn, q, axis=1)
    low, high = np.quantile(spread, (_TAIL, 1 - _TAIL)).tolist()
    return Estimate(value=float(np.quantile(found, q)), low=low, high=high)


def _mean_with(count: int, chance: float) -> float:
    """Return the mean at which a Poisson variable is at most ``count`` with that chance."""
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, middle) > chance else (low, middle)
    return (low + high) / 2


def _at_most(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    return sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count + 1))
