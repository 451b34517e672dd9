"""A GNSS receiver's errors: in the open, and under a steel roof where it lies about them."""

import random
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.noise.draws import (
    Arrivals,
    Bools,
    Floats,
    OrnsteinUhlenbeck,
    Spells,
    fork,
    stream,
)
from firmware_sim.noise.profile import NoiseProfile

_DAY_S: Final = 86_400.0
HDOP_OPEN: Final = 0.9
_HDOP_ROOF: Final = (1.8, 4.5)
_M_PER_HDOP: Final = 3.4  # what receivers take an HDOP of 1 to be worth
_GLITCH_M: Final = (100.0, 700.0)
_GLITCH_SAYS_M: Final = (2.0, 10.0)  # the accuracy that it reports meanwhile
_GLITCH_FIXES: Final = (1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """The errors east and north of each second, whether there is a fix, and the HDOP it tells."""

    east_m: Floats
    north_m: Floats
    fixed: Bools
    hdop: Floats


class Wander:
    """The errors of one receiver."""

    def __init__(self, profile: NoiseProfile, rng: random.Random, *, roof: bool = False) -> None:
        """Start each process in its stationary distribution."""
        p, own = profile, fork(rng)
        self._profile = profile
        self._roof = roof
        if roof:
            sd_m = own.uniform(p.gnss_roof_low_m, p.gnss_roof_high_m)
            shares = [(sd_m, p.gnss_roof_tau_s)]
        else:
            shares = [(p.gnss_sd_m, p.gnss_tau_s), (p.gnss_slow_sd_m, p.gnss_slow_tau_s)]
        self._axes = [
            [OrnsteinUhlenbeck(sd_m, tau_s, rng) for sd_m, tau_s in shares] for _ in range(2)
        ]
        self._white = [stream(rng) for _ in range(2)]
        found = p.gnss_roof_fix_share
        away_s = p.gnss_roof_lost_s * found / (1.0 - found) if roof and found < 1.0 else 0.0
        self._lost = Spells(away_s, p.gnss_roof_lost_s, fork(rng))
        self._glitches = Arrivals(p.gnss_glitches_per_day / _DAY_S if roof else 0.0, fork(rng))
        self._lies, self._dilution = fork(rng), stream(rng)
        self._pending = 0  # fixes of a glitch that are still to come
        self._glitch: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._now_s = 0.0

    def step_m(self, dt_s: float) -> tuple[float, float]:
        """Return the error east and north in metres, ``dt_s`` after the last one."""
        errors = self.block(1, dt_s)
        return float(errors.east_m[0]), float(errors.north_m[0])

    def block(self, count: int, dt_s: float) -> Errors:
        """Return the next ``count`` errors, each ``dt_s`` after the one before."""
        times_s = self._now_s + dt_s * np.arange(1.0, count + 1.0)
        east_m, north_m = (
            sum((part.take(count, dt_s) for part in parts), np.zeros(count))
            + white.standard_normal(count) * self._profile.gnss_white_m
            for parts, white in zip(self._axes, self._white, strict=True)
        )
        hdop = np.full(count, HDOP_OPEN)
        if self._roof:
            hdop = np.round(self._dilution.uniform(*_HDOP_ROOF, count), 1)
        errors = Errors(east_m=east_m, north_m=north_m, fixed=~self._lost.mask(times_s), hdop=hdop)
        if count:
            self._lie(errors, times_s)
            self._now_s = float(times_s[-1])
        return errors

    def _lie(self, errors: Errors, times_s: Floats) -> None:
        """Put single fixes far off, and have them claim to be good."""
        fixes = np.flatnonzero(errors.fixed)
        if self._pending:
            self._put(errors, fixes)
        for at_s in self._glitches.until(float(times_s[-1])):
            turn = self._lies.uniform(0.0, 2.0 * np.pi)
            far_m = self._lies.uniform(*_GLITCH_M)
            says_m = self._lies.uniform(*_GLITCH_SAYS_M)
            self._glitch = far_m * np.cos(turn), far_m * np.sin(turn), says_m / _M_PER_HDOP
            self._pending = self._lies.randint(*_GLITCH_FIXES)
            self._put(errors, fixes[np.searchsorted(times_s[fixes], at_s) :])

    def _put(self, errors: Errors, fixes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        hit = fixes[: self._pending]
        self._pending -= len(hit)
        errors.east_m[hit] += self._glitch[0]
        errors.north_m[hit] += self._glitch[1]
        errors.hdop[hit] = round(self._glitch[2], 1)
