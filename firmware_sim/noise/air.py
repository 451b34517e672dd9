"""Climate and shock transmitters: offsets, white noise, and forklifts that go by."""

import random
from typing import Final

import numpy as np

from firmware_sim.noise.draws import Arrivals, Floats, fork, stream
from firmware_sim.noise.profile import NoiseProfile

_BUMP_G0: Final = (0.3, 1.0)  # a forklift over a joint in the floor


class Climate:
    """A temperature and humidity transmitter: fixed offsets and white noise."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Draw this transmitter's offsets."""
        self._profile = profile
        own = fork(rng)
        self._offset_c = own.gauss(0.0, 1.0) * profile.temperature_offset_sd_c
        self._offset_pct = own.gauss(0.0, 1.0) * profile.humidity_offset_sd_pct
        self._warmth, self._damp = stream(rng), stream(rng)

    def temperature_c(self, true_c: float) -> float:
        """Return what the transmitter reports for ``true_c``."""
        return float(self.temperatures_c(np.array([true_c]))[0])

    def humidity_pct(self, true_pct: float) -> float:
        """Return what the transmitter reports for ``true_pct``, within 0 to 100."""
        return float(self.humidities_pct(np.array([true_pct]))[0])

    def temperatures_c(self, true_c: Floats) -> Floats:
        """Return what it reports one after the other for each of ``true_c``."""
        noise_c = self._warmth.standard_normal(len(true_c)) * self._profile.temperature_sd_c
        return true_c + self._offset_c + noise_c

    def humidities_pct(self, true_pct: Floats) -> Floats:
        """Return what it reports for each of ``true_pct``, within 0 to 100."""
        noise_pct = self._damp.standard_normal(len(true_pct)) * self._profile.humidity_sd_pct
        return np.clip(true_pct + self._offset_pct + noise_pct, 0.0, 100.0)


class Vibration:
    """A shock transmitter's floor: quiet, with a forklift now and then."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Start quiet."""
        self._profile = profile
        self._quiet = stream(rng)
        self._arrivals = Arrivals(profile.bumps_per_h / 3_600.0, fork(rng))
        self._bumps = fork(rng)
        self._now_s = 0.0

    def peak_g(self, dt_s: float, *, busy: bool = True) -> float:
        """Return the highest acceleration of the last ``dt_s`` in standard gravities."""
        return float(self.peaks_g(1, dt_s, busy=busy)[0])

    def peaks_g(self, count: int, dt_s: float, *, busy: bool = True) -> Floats:
        """Return the highest acceleration of each of the next ``count`` stretches of ``dt_s``."""
        found = np.abs(self._quiet.standard_normal(count)) * self._profile.shock_rms_g
        begins_s = self._now_s
        self._now_s += count * dt_s
        for at_s in self._arrivals.until(self._now_s):
            peak_g = self._bumps.uniform(*_BUMP_G0)
            if (busy or self._bumps.random() < self._profile.idle_share) and count:
                place = min(count - 1, int((at_s - begins_s) / dt_s))
                found[place] = max(found[place], peak_g)
        return found
