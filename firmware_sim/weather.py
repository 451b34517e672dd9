"""The daily wave outdoors at many moments at once; ``life.WeatherPlan`` knows a single one."""

import math

import numpy as np

from firmware_sim.life import DAY_US, HOUR_US, WeatherPlan
from firmware_sim.noise.draws import Floats
from firmware_sim.noise.rfid import Int64s


def offsets_c(weather: WeatherPlan, at_us: Int64s) -> Floats:
    """Return by how much it is warmer outdoors than the mean at each moment."""
    turns = (at_us % DAY_US / HOUR_US - weather.warmest_h) / 24.0
    return weather.swing_c * np.cos(2.0 * math.pi * turns)


def since_warmest_s(weather: WeatherPlan, at_us: int) -> float:
    """Return the seconds from the warmest moment of the day to ``at_us``; negative before it."""
    return (at_us % DAY_US - weather.warmest_h * HOUR_US) / 1e6
