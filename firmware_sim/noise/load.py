"""A load cell of class C3 under a platform: what it shows of a load that changes in steps.

Source: OIML R 60 for what the terms are (non-linearity, hysteresis, repeatability, creep,
temperature effects on zero and span); the figures are the profile's.
"""

import math
import random
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.noise.draws import Arrivals, Bools, Floats, Gaps, fork, stream
from firmware_sim.noise.profile import REFERENCE_CAPACITY_G, NoiseProfile

STEP_G = 20_000.0  # a jump of the load beyond this makes the indicator show motion
_DAY_S: Final = 86_400.0
_MONTH_S: Final = 30.0 * _DAY_S
_PLAY_SHARE: Final = 0.05  # of the capacity: after a change of twice that hysteresis has turned
_TYPICAL: Final = (0.5, 1.0)  # of a limit: where cells that keep it lie
_SPIKE_SHARE: Final = (0.2, 1.7)  # of the capacity: from believable to absurd, for one line
_BUMP: Final = (0.5, 1.0)  # of the figure for a forklift's bump


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bump:
    """Something leans on the platform for a moment."""

    begins_s: float
    ends_s: float
    mass_g: float


class LoadCell:
    """A platform's load cell, and the indicator's motion flag while it settles."""

    def __init__(
        self,
        profile: NoiseProfile,
        rng: random.Random,
        settle_s: float,
        capacity_g: float = REFERENCE_CAPACITY_G,
        *,
        since_warmest_s: float = 0.0,
    ) -> None:
        """Start settled and without creep on whatever load the first read finds.

        Args:
            profile: the figures.
            rng: the cell's own random numbers.
            settle_s: how long the indicator shows motion after a step.
            capacity_g: of the platform.
            since_warmest_s: seconds from the day's warmest moment to the first read.
        """
        own = fork(rng)
        self._profile = profile
        self._settle_s = settle_s
        self._capacity_g = capacity_g
        self._scale = capacity_g / REFERENCE_CAPACITY_G
        self._since_warmest_s = since_warmest_s
        self._now_s = 0.0
        self._load_g: float | None = None
        self._creep_g = 0.0
        self._moving_s = 0.0
        self._bow_g = profile.nonlinearity_share * capacity_g * own.uniform(-1.0, 1.0)
        self._play_g: float | None = None
        repeat = own.uniform(profile.repeat_low_share, profile.repeat_high_share)
        self._repeat_sd, self._repeat_g = repeat, 0.0
        self._zero_g_per_k = _limited(own, profile.zero_share_per_10k * capacity_g / 10.0)
        self._span_per_k = _limited(own, profile.span_share_per_10k / 10.0)
        monthly_g = profile.ageing_g_per_month * self._scale
        self._ageing_g_per_s = _limited(own, monthly_g / _MONTH_S)
        self._white = stream(rng)
        self._loading, self._spike = fork(rng), fork(rng)
        self._spikes: Gaps | None = None
        self._spikes_of = fork(rng)
        self._spikes_dt_s = 0.0
        per_s = profile.platform_bumps_per_h / 3_600.0
        self._arrivals, self._leans = Arrivals(per_s, fork(rng)), fork(rng)
        self._bumps: list[_Bump] = []

    def read(self, load_g: float, dt_s: float, *, busy: bool = True) -> tuple[float, bool]:
        """Return the shown mass in grams and whether it stands still, ``dt_s`` after the last."""
        shown_g, stable = self.block(load_g, 1, dt_s, busy=busy)
        return float(shown_g[0]), bool(stable[0])

    def block(
        self, load_g: float, count: int, dt_s: float, *, busy: bool = True
    ) -> tuple[Floats, Bools]:
        """Return the next ``count`` shown masses of a load that stays, and where they stand still.

        Args:
            load_g: the true load from the first of them on.
            count: how many.
            dt_s: from one to the next, and from the last before to the first.
            busy: whether forklifts are about.
        """
        if count == 0:
            return np.empty(0), np.empty(0, dtype=np.bool_)
        steps = np.arange(1.0, count + 1.0)
        times_s = self._now_s + dt_s * steps
        moving_s = self._settling(load_g, steps, dt_s)
        fixed_g = self._loaded(load_g) if self._load_g != load_g else self._static_g(load_g)
        change_g = 0.0 if self._load_g is None else load_g - self._load_g
        # The cell has crept for the load before; it now creeps toward the new one.
        crept_g = (self._creep_g + self._profile.creep_share * change_g) * np.exp(
            -dt_s / self._profile.creep_tau_s * steps
        )
        shown_g = self._white.standard_normal(count)
        shown_g *= self._profile.weight_sd_g * self._scale
        shown_g += load_g + fixed_g
        shown_g -= crept_g
        self._drift(shown_g, times_s, load_g)
        self._spoil(shown_g, dt_s)
        self._lean(shown_g, moving_s, times_s, busy=busy)
        self._now_s = float(times_s[-1])
        self._load_g = load_g
        self._creep_g = float(crept_g[-1])
        self._moving_s = max(0.0, float(moving_s[-1]))
        return shown_g, moving_s <= 0.0

    def _settling(self, load_g: float, steps: Floats, dt_s: float) -> Floats:
        """Return for how much longer the indicator shows motion, from each reading on."""
        if self._load_g is not None and abs(load_g - self._load_g) > STEP_G:
            return self._settle_s - dt_s * (steps - 1.0)
        return self._moving_s - dt_s * steps

    def _loaded(self, load_g: float) -> float:
        """Take over a new load: hysteresis follows, and no loading repeats the one before."""
        width_g = _PLAY_SHARE * self._capacity_g
        play_g = load_g if self._play_g is None else self._play_g
        self._play_g = max(load_g - width_g, min(load_g + width_g, play_g))
        self._repeat_g = self._loading.gauss(0.0, 1.0) * self._repeat_sd * abs(load_g)
        return self._static_g(load_g)

    def _static_g(self, load_g: float) -> float:
        full = min(1.0, max(0.0, load_g / self._capacity_g))
        bow_g = self._bow_g * 4.0 * full * (1.0 - full)
        turned = 0.0
        if self._play_g is not None:
            turned = (self._play_g - load_g) / (_PLAY_SHARE * self._capacity_g)
        hysteresis_g = self._profile.hysteresis_share * self._capacity_g / 2.0 * turned
        return bow_g + hysteresis_g + self._repeat_g

    def _drift(self, shown_g: Floats, times_s: Floats, load_g: float) -> None:
        """Add what temperature and age do."""
        per_k_g = self._zero_g_per_k + self._span_per_k * load_g
        swing_g = per_k_g * self._profile.cell_swing_k
        if swing_g:
            turns = (times_s + self._since_warmest_s) / _DAY_S
            shown_g += swing_g * np.cos(2.0 * math.pi * turns)
        if self._ageing_g_per_s:
            shown_g += self._ageing_g_per_s * times_s

    def _spoil(self, shown_g: Floats, dt_s: float) -> None:
        """Let single readings be far off."""
        if self._profile.spikes_per_h <= 0.0:
            return
        if self._spikes is None or not math.isclose(dt_s, self._spikes_dt_s, rel_tol=0.5):
            chance = self._profile.spikes_per_h * dt_s / 3_600.0
            self._spikes, self._spikes_dt_s = Gaps(chance, fork(self._spikes_of)), dt_s
        for place in self._spikes.take(len(shown_g)).tolist():
            sign = self._spike.choice((-1.0, 1.0))
            shown_g[place] += sign * self._spike.uniform(*_SPIKE_SHARE) * self._capacity_g

    def _lean(self, shown_g: Floats, moving_s: Floats, times_s: Floats, *, busy: bool) -> None:
        """Add what leans on the platform; the indicator sees both its edges as motion."""
        for begins_s in self._arrivals.until(float(times_s[-1])):
            mass_g = self._profile.platform_bump_g * self._scale * self._leans.uniform(*_BUMP)
            mass_g *= self._leans.choice((-1.0, 1.0))
            if busy or self._leans.random() < self._profile.idle_share:
                ends_s = begins_s + self._profile.platform_bump_s
                self._bumps.append(_Bump(begins_s=begins_s, ends_s=ends_s, mass_g=mass_g))
        for bump in self._bumps:
            first, last = np.searchsorted(times_s, (bump.begins_s, bump.ends_s)).tolist()
            shown_g[first:last] += bump.mass_g
            if abs(bump.mass_g) > STEP_G:
                for edge_s in (bump.begins_s, bump.ends_s):
                    until_s = edge_s + self._settle_s
                    a, b = np.searchsorted(times_s, (edge_s, until_s)).tolist()
                    np.maximum(moving_s[a:b], until_s - times_s[a:b], out=moving_s[a:b])
        over_s = float(times_s[-1]) - self._settle_s
        self._bumps = [bump for bump in self._bumps if bump.ends_s > over_s]


def _limited(rng: random.Random, limit: float) -> float:
    """Return a coefficient of either sign that keeps ``limit``."""
    return rng.choice((-1.0, 1.0)) * rng.uniform(*_TYPICAL) * limit
