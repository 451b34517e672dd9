"""What a scale shows when all that is registered stands on it: learned once, moved by nobody.

A constant offset between registered masses and a scale is normal, within the tolerance that the
installer gave. It is taken from the first quiet minute in which the scale shows all of it. After
that only the registry moves the baseline: goods that come or go by an order.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backend.collateral.rules.load_physics import NOISE, REGISTERED_SHARE, full_scale_g
from backend.collateral.rules.series import Series
from backend.collateral.types import Baseline, LoadMemory, Minute
from backend.telemetry.types import Floats

MINUTE_US: Final = 60_000_000
READINGS_MIN: Final = 3  # A gateway tells of a weight that stays each 5 to 15 s.
# A minute is quiet when its weights lie as near each other as ten standard deviations of noise.
QUIET_SHARE: Final = 2 * NOISE


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What should stand on a scale, gross, and by how much it may be off as it was installed."""

    gross_g: int
    tolerance_g: int


def moved_base(base: Baseline, expected: Expected) -> Baseline | None:
    """Return a baseline after goods came or went by the registry's word; None: nothing stays."""
    change_g = expected.gross_g - base.expected_g
    if change_g == 0:
        return base
    gross_g = base.gross_g + change_g
    if gross_g <= 0:
        return None
    slack_g = base.slack_g + int(abs(change_g) * REGISTERED_SHARE)
    return replace(base, gross_g=gross_g, expected_g=expected.gross_g, slack_g=slack_g)


def learn_base(
    memory: LoadMemory, good: Series, warmth_c: Floats, expected: Expected
) -> tuple[Baseline | None, Minute | None, int]:
    """Return the baseline, the minute that is not over, and the row from which it is known.

    Args:
        memory: before these readings; it knows no baseline.
        good: stable weights.
        warmth_c: the temperature at each; NaN: unknown.
        expected: what should be there.
    """
    minutes = good.at_us // MINUTE_US
    begins = np.flatnonzero(np.diff(minutes, prepend=minutes[0] - 1))
    ends = np.append(begins[1:], len(good))
    rounded = np.rint(good.value).astype(np.int64)
    sums = np.add.reduceat(rounded, begins).tolist()
    least = np.minimum.reduceat(good.value, begins).tolist()
    most = np.maximum.reduceat(good.value, begins).tolist()
    counts = (ends - begins).tolist()
    minute = memory.minute
    for number, begin in enumerate(begins.tolist()):
        new = Minute(
            minute=int(minutes[begin]),
            readings=counts[number],
            sum_g=sums[number],
            least_g=least[number],
            most_g=most[number],
        )
        if minute is not None and minute.minute == new.minute:
            new = Minute(
                minute=new.minute,
                readings=minute.readings + new.readings,
                sum_g=minute.sum_g + new.sum_g,
                least_g=min(minute.least_g, new.least_g),
                most_g=max(minute.most_g, new.most_g),
            )
        elif minute is not None and _is_whole(minute, expected):
            warmth = float(warmth_c[begin])
            base = Baseline(
                gross_g=minute.sum_g // minute.readings,
                expected_g=expected.gross_g,
                slack_g=0,
                at_us=minute.minute * MINUTE_US,
                warmth_c=None if np.isnan(warmth) else warmth,
            )
            return base, None, begin
        minute = new
    return None, minute, len(good)


def _is_whole(minute: Minute, expected: Expected) -> bool:
    quiet_g = QUIET_SHARE * full_scale_g(expected.gross_g)
    apart_g = minute.sum_g / minute.readings - expected.gross_g
    return (
        minute.readings >= READINGS_MIN
        and minute.most_g - minute.least_g <= quiet_g
        and abs(apart_g) <= expected.tolerance_g
    )
