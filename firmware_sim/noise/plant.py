"""What goes wrong around a sensor: field-bus errors, a camera's surroundings and its outages."""

import random
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.noise.draws import Spells, Words, fork
from firmware_sim.noise.profile import NoiseProfile

_DAY_S: Final = 86_400.0
_WEEK_S: Final = 7.0 * _DAY_S
_LEVELS: Final = 65_536 * 65_536


class BusError(IntEnum):
    """How a Modbus transaction goes wrong; 0: it does not."""

    NONE = 0
    TIMEOUT = 1
    CRC = 2
    LATE = 3  # the reply comes after its master has given up


class FieldBus:
    """One unit's transactions."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Begin with the first."""
        chances = (profile.bus_timeout, profile.bus_crc_error, profile.bus_late_reply)
        self._bounds = np.cumsum(chances)
        self._words = Words(fork(rng))

    def one(self) -> BusError:
        """Return how the next transaction goes."""
        return BusError(int(self.take(1)[0]))

    def take(self, count: int) -> NDArray[np.uint8]:
        """Return how each of the next ``count`` transactions goes."""
        if self._bounds[-1] <= 0.0:
            return np.zeros(count, dtype=np.uint8)
        drawn = self._words.take(2 * count).view(np.uint32) / _LEVELS
        found = np.searchsorted(self._bounds, drawn, side="right") + 1
        found[drawn >= self._bounds[-1]] = 0
        return found.astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a camera meets at a moment without anybody meaning harm."""

    offline: bool
    truck: bool
    dimmed: bool


class CameraLife:
    """A camera's lorries, light switches and outages, by seconds since its run began."""

    def __init__(self, profile: NoiseProfile, rng: random.Random) -> None:
        """Begin with nobody about."""
        trucks, steps = profile.trucks_per_day, profile.light_steps_per_day
        weekly = profile.camera_outages_per_week
        self.trucks = Spells(
            _DAY_S / trucks if trucks else 0.0, profile.truck_s, fork(rng), fixed=True
        )
        # Two steps each time the light is low, for a third of the time.
        between_s = _DAY_S / steps if steps else 0.0
        self.dim = Spells(between_s * 4.0 / 3.0, between_s * 2.0 / 3.0, fork(rng))
        self.outages = Spells(
            _WEEK_S / weekly if weekly else 0.0, profile.camera_outage_s, fork(rng), fixed=True
        )

    def at(self, now_s: float) -> Surroundings:
        """Return what it meets at ``now_s``; ask in order."""
        return Surroundings(
            offline=self.outages.at(now_s),
            truck=self.trucks.at(now_s),
            dimmed=self.dim.at(now_s),
        )
