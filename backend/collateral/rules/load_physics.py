"""What a load cell may show though nothing has changed: the bound of every compensation.

Source: OIML R 60 for class C3, and design, quality.md, table "Detection", whose figures are of a
platform of 3 t: they grow with its capacity. That is not registered; a platform is taken to carry
twice its load, or its load and a forklift, whichever is more.
"""

from typing import Final

import numpy as np

from backend.telemetry.types import Floats, Int64s

FULL_SCALE_LOADS: Final = 2.0
FORKLIFT_G: Final = 5_000_000.0
HYSTERESIS: Final = 0.000_2  # Of full scale. Non-linearity is the same at the same load.
# Of the load: one loading differs from the next by up to 0.03 %, as a standard deviation; and both
# the baseline and what is shown now are one of them. Four of those.
REPEATABILITY: Final = 4 * 1.414 * 0.000_3
CREEP: Final = 0.000_2  # Of the load, 10 minutes after it was put there.
ZERO_PER_K: Final = 0.000_014  # Of full scale.
SPAN_PER_K: Final = 0.000_012_5  # Of the load.
AGEING_PER_MONTH: Final = 0.5 / 3_000  # Of full scale: half a kilogram for three tonnes.
NOISE: Final = 5 * 0.1 / 3_000  # Of full scale: five standard deviations of a reading.
MONTH_US: Final = 30 * 86_400_000_000
# Between the coldest night and the warmest day of a hall that nobody measures: 16 K of the day,
# and half as much of the month.
UNKNOWN_K: Final = 24.0
STEP_K: Final = 4.0  # Warmth counts in steps, so that a bound does not change with every reading.
# Registered masses are rounded: of goods that left by an order, this share may be off.
REGISTERED_SHARE: Final = 0.005

# A forklift beside a platform moves it by 50 kg for 5 s; half as much again is none.
BUMP: Final = 1.5 * 50 / 3_000  # Of full scale.
BUMP_US: Final = 20_000_000  # Longer than three of them in a row.
# More of what should be there than any bump is, on a platform ten times too large.
UNDOUBTED_SHARE: Final = 0.2


def full_scale_g(gross_g: float) -> float:
    """Return the capacity that a platform under such a load is taken to have."""
    return max(FULL_SCALE_LOADS * gross_g, gross_g + FORKLIFT_G)


def bump_g(gross_g: float) -> float:
    """Return the most that something which leans on a platform for a moment weighs."""
    return BUMP * full_scale_g(gross_g)


def drift_g(gross_g: float, apart_k: Floats, age_us: Int64s) -> Floats:
    """Return by how much a scale may have drifted since it was last known to be right.

    Args:
        gross_g: what stands on it.
        apart_k: how much warmer or colder it is than then, of each reading; NaN: unknown.
        age_us: how long ago that was, of each reading.
    """
    full_g = full_scale_g(gross_g)
    apart_k = np.where(np.isnan(apart_k), UNKNOWN_K, np.abs(apart_k))
    steps_k = np.maximum(STEP_K, np.ceil(apart_k / STEP_K) * STEP_K)
    months = 1 + np.maximum(age_us, 0) // MONTH_US
    steady_g = full_g * (HYSTERESIS + NOISE) + gross_g * (REPEATABILITY + CREEP)
    warmth_g = steps_k * (full_g * ZERO_PER_K + gross_g * SPAN_PER_K)
    return np.ceil(steady_g + warmth_g + months * full_g * AGEING_PER_MONTH)
