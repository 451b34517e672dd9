"""Fixes of a receiver by quality.md's table: outdoors, under a steel roof, with glitches."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.quantities import Quantity
from tests.unit.backend.collateral.columns import Channel, channel

Floats = NDArray[np.float64]
ORIGIN = (51.95, 4.05)
HOME_M = (15.0, 10.0)  # In the middle of the zone of ``columns.setup_of``.
_DEGREE_M = 6_371_008.8 * math.pi / 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """How a receiver errs: standard deviation an axis and how long an error lasts."""

    sd_m: float
    tau_s: float
    slow_sd_m: float = 0.0
    slow_tau_s: float = 1_800.0
    white_m: float = 0.3
    fixed: float = 1.0
    glitches_a_day: float = 0.0


OUTDOORS = Sky(sd_m=2.1, tau_s=60.0, slow_sd_m=1.5, glitches_a_day=1.0)
ROOF = Sky(sd_m=15.0, tau_s=300.0, fixed=0.7, glitches_a_day=1.0)


def _wander(
    rng: np.random.Generator, steps: int, step_s: float, sd_m: float, tau_s: float
) -> Floats:
    """Return an Ornstein-Uhlenbeck process of shape (steps, 2)."""
    keep = math.exp(-step_s / tau_s)
    noise = rng.normal(0.0, sd_m * math.sqrt(1.0 - keep * keep), (steps, 2)).tolist()
    at = [float(value) for value in rng.normal(0.0, sd_m, 2)]
    made: list[tuple[float, float]] = []
    for east, north in noise:
        at = [at[0] * keep + east, at[1] * keep + north]
        made.append((at[0], at[1]))
    return np.array(made)


def fixes_of(sky: Sky, at_s: Floats, true_m: Floats, seed: int) -> list[Channel]:
    """Return what a receiver at ``true_m`` of shape (n, 2) says; a glitch claims to be precise."""
    rng = np.random.default_rng(seed)
    steps, step_s = len(at_s), float(at_s[1] - at_s[0])
    said_m = true_m + _wander(rng, steps, step_s, sky.sd_m, sky.tau_s)
    if sky.slow_sd_m:
        said_m = said_m + _wander(rng, steps, step_s, sky.slow_sd_m, sky.slow_tau_s)
    said_m = said_m + rng.normal(0.0, sky.white_m, (steps, 2))
    days = steps * step_s / 86_400.0
    for row in rng.integers(0, steps, rng.poisson(sky.glitches_a_day * days)).tolist():
        angle, far_m = rng.uniform(0.0, 2 * math.pi), rng.uniform(100.0, 700.0)
        length = int(rng.integers(1, 4))
        said_m[row : row + length] += far_m * np.array([math.cos(angle), math.sin(angle)])
    shown = rng.random(steps) < sky.fixed
    at_s, said_m = at_s[shown], said_m[shown]
    lat = ORIGIN[0] + said_m[:, 1] / _DEGREE_M
    lon = ORIGIN[1] + said_m[:, 0] / _DEGREE_M / math.cos(math.radians(ORIGIN[0]))
    return [
        channel("tracker", Quantity.LATITUDE, at_s, lat),
        channel("tracker", Quantity.LONGITUDE, at_s, lon),
        channel("tracker", Quantity.FIX, at_s, 3.0),
        channel("tracker", Quantity.HDOP, at_s, 1.0),
    ]


def at_home(steps: int) -> Floats:
    """Return places in the middle of the zone."""
    return np.tile(np.array(HOME_M), (steps, 1))
