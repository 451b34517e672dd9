"""What keeps sensors from telling the truth: the noise of each kind, from a seed.

Every model takes its own ``random.Random``, so that one device's reads never shift another's.
Source of the figures: design, quality.md, table "Detection" (profile ``site``). The profile
``demo`` is quieter where a page-long demonstration would otherwise meet a once-a-day event.
Deliberately absent: reader outages, light steps and field-bus errors, which belong to faults of a
whole device, not to its noise.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

STEP_G = 20_000.0  # a jump of the load beyond this makes the indicator show motion


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseProfile:
    """How noisy a site is; every figure can be overridden in the scenario's ``[noise]``."""

    tag_betas: tuple[tuple[float, float, float], ...]  # (share of tags, alpha, beta)
    rssi_dbm: float
    rssi_tag_sd_db: float
    rssi_sd_db: float
    cross_read: float  # chance of a neighbouring zone's tag in a round
    cross_loss_db: float
    duplicate: float  # chance that a read is reported twice
    weight_sd_g: float
    creep_share: float  # of the load, reached with creep_tau_s
    creep_tau_s: float
    spikes_per_h: float
    temperature_offset_sd_c: float
    temperature_sd_c: float
    humidity_sd_pct: float
    shock_rms_g: float
    bumps_per_h: float  # forklift, 0.3 to 1 g
    gnss_sd_m: float
    gnss_tau_s: float
    gnss_slow_sd_m: float
    gnss_slow_tau_s: float
    gnss_white_m: float


_SITE: Final = NoiseProfile(
    tag_betas=((0.80, 18.0, 2.0), (0.15, 6.5, 3.5), (0.05, 2.5, 7.5)),
    rssi_dbm=-56.0,
    rssi_tag_sd_db=4.0,
    rssi_sd_db=3.0,
    cross_read=0.02,
    cross_loss_db=12.0,
    duplicate=0.01,
    weight_sd_g=100.0,
    creep_share=0.0002,
    creep_tau_s=600.0,
    spikes_per_h=1.0,
    temperature_offset_sd_c=0.1,
    temperature_sd_c=0.04,
    humidity_sd_pct=0.1,
    shock_rms_g=0.02,
    bumps_per_h=20.0,
    gnss_sd_m=2.1,
    gnss_tau_s=60.0,
    gnss_slow_sd_m=1.5,
    gnss_slow_tau_s=1_800.0,
    gnss_white_m=0.3,
)

_DEMO: Final = NoiseProfile(
    tag_betas=((1.0, 600.0, 3.0),),  # mean 0.995: an antenna a few metres above each zone
    rssi_dbm=-56.0,
    rssi_tag_sd_db=4.0,
    rssi_sd_db=3.0,
    cross_read=0.0,
    cross_loss_db=12.0,
    duplicate=0.01,
    weight_sd_g=100.0,
    creep_share=0.0002,
    creep_tau_s=600.0,
    spikes_per_h=0.0,
    temperature_offset_sd_c=0.1,
    temperature_sd_c=0.04,
    humidity_sd_pct=0.1,
    shock_rms_g=0.02,
    bumps_per_h=0.0,
    gnss_sd_m=1.0,
    gnss_tau_s=60.0,
    gnss_slow_sd_m=0.8,
    gnss_slow_tau_s=1_800.0,
    gnss_white_m=0.3,
)

PROFILES: Final[Mapping[str, NoiseProfile]] = {"demo": _DEMO, "site": _SITE}


def seeded(seed: int, name: str) -> random.Random:
    """Return the random numbers of ``name`` in the run ``seed``, independent of all others."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 - noise of a simulator, never a secret


class TagReads:
    """Which tags an antenna reads in a round, and how strongly."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Start with no tag met yet."""
        self._profile = profile
        self._rng = rng
        self._tags: dict[str, tuple[float, float]] = {}

    def round(self, here: Sequence[str], near: Sequence[str]) -> list[tuple[str, float]]:
        """Return (EPC hex, RSSI in dBm) of one round over tags ``here`` and next door."""
        reads: list[tuple[str, float]] = []
        for epc in here:
            chance, level_dbm = self._tag(epc)
            if self._rng.random() < chance:
                reads.append((epc, self._rssi_dbm(level_dbm)))
        if self._profile.cross_read > 0.0:
            for epc in near:
                _, level_dbm = self._tag(epc)
                if self._rng.random() < self._profile.cross_read:
                    reads.append((epc, self._rssi_dbm(level_dbm - self._profile.cross_loss_db)))
        again = [read for read in reads if self._rng.random() < self._profile.duplicate]
        self._rng.shuffle(reads)
        return reads + again

    def _tag(self, epc: str) -> tuple[float, float]:
        if epc not in self._tags:
            shares = [share for share, _, _ in self._profile.tag_betas]
            ((_, alpha, beta),) = self._rng.choices(self._profile.tag_betas, weights=shares)
            level_dbm = self._rng.gauss(self._profile.rssi_dbm, self._profile.rssi_tag_sd_db)
            self._tags[epc] = (self._rng.betavariate(alpha, beta), level_dbm)
        return self._tags[epc]

    def _rssi_dbm(self, level_dbm: float) -> float:
        # Gen2 readers of this class report about -80 to -25 dBm; the field is a signed byte.
        return min(-25.0, max(-85.0, self._rng.gauss(level_dbm, self._profile.rssi_sd_db)))


class LoadCell:
    """A platform's load cell: white noise, creep after a change, and motion while it settles."""

    def __init__(self, profile: NoiseProfile, rng: random.Random, settle_s: float) -> None:
        """Start settled and without creep on whatever load the first read finds."""
        self._profile = profile
        self._rng = rng
        self._settle_s = settle_s
        self._load_g: float | None = None
        self._creep_g = 0.0
        self._moving_s = 0.0

    def read(self, load_g: float, dt_s: float) -> tuple[float, bool]:
        """Return the shown mass in grams and whether it stands still, ``dt_s`` after the last."""
        if self._load_g is None:
            self._load_g = load_g
        if abs(load_g - self._load_g) > STEP_G:
            self._moving_s = self._settle_s
        else:
            self._moving_s = max(0.0, self._moving_s - dt_s)
        # The cell has crept for the load before; it now creeps toward the new one.
        self._creep_g += self._profile.creep_share * (load_g - self._load_g)
        self._creep_g *= math.exp(-dt_s / self._profile.creep_tau_s)
        self._load_g = load_g
        shown_g = load_g - self._creep_g + self._rng.gauss(0.0, self._profile.weight_sd_g)
        if self._rng.random() < self._profile.spikes_per_h * dt_s / 3_600.0:
            shown_g += self._rng.choice((-1.0, 1.0)) * 5e6  # five tonnes for one line
        return shown_g, self._moving_s <= 0.0


class Climate:
    """A temperature and humidity transmitter: a fixed offset and white noise."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Draw this transmitter's offset."""
        self._profile = profile
        self._rng = rng
        self._offset_c = rng.gauss(0.0, profile.temperature_offset_sd_c)

    def temperature_c(self, true_c: float) -> float:
        """Return what the transmitter reports for ``true_c``."""
        return true_c + self._offset_c + self._rng.gauss(0.0, self._profile.temperature_sd_c)

    def humidity_pct(self, true_pct: float) -> float:
        """Return what the transmitter reports for ``true_pct``, within 0 to 100."""
        shown = true_pct + self._rng.gauss(0.0, self._profile.humidity_sd_pct)
        return min(100.0, max(0.0, shown))


class Vibration:
    """A shock transmitter's floor: quiet, with a forklift now and then."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Start quiet."""
        self._profile = profile
        self._rng = rng

    def peak_g(self, dt_s: float) -> float:
        """Return the highest acceleration of the last ``dt_s`` in standard gravities."""
        quiet = abs(self._rng.gauss(0.0, self._profile.shock_rms_g))
        if self._rng.random() < self._profile.bumps_per_h * dt_s / 3_600.0:
            return max(quiet, self._rng.uniform(0.3, 1.0))
        return quiet


class Wander:
    """A GNSS receiver's error in the open: two Ornstein-Uhlenbeck processes and white noise."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Start each process in its stationary distribution."""
        self._profile = profile
        self._rng = rng
        self._fast = [rng.gauss(0.0, profile.gnss_sd_m) for _ in range(2)]
        self._slow = [rng.gauss(0.0, profile.gnss_slow_sd_m) for _ in range(2)]

    def step_m(self, dt_s: float) -> tuple[float, float]:
        """Return the error east and north in metres, ``dt_s`` after the last one."""
        p = self._profile
        self._fast = [self._ou(v, p.gnss_sd_m, p.gnss_tau_s, dt_s) for v in self._fast]
        self._slow = [self._ou(v, p.gnss_slow_sd_m, p.gnss_slow_tau_s, dt_s) for v in self._slow]
        east, north = (
            fast + slow + self._rng.gauss(0.0, p.gnss_white_m)
            for fast, slow in zip(self._fast, self._slow, strict=True)
        )
        return east, north

    def _ou(self, value_m: float, sd_m: float, tau_s: float, dt_s: float) -> float:
        # Exact discretisation, so that the spread does not depend on the step.
        keep = math.exp(-dt_s / tau_s)
        return value_m * keep + self._rng.gauss(0.0, sd_m * math.sqrt(1.0 - keep * keep))
