"""How far a receiver's fixes scatter while it rests: learnt from itself, slowly and within bounds.

What a receiver says of its own accuracy is not to be believed (design, lessons.md 13), and a steel
roof makes of two metres fifteen. So once in a fixed span the first fix is taken, and the median of
the fixes and of their distance from it move a small step toward it: half of them must lie on
either side. Such a step is the same for a fix 5 m off and one 500 m off, a fix too far off teaches
nothing, and the scatter has bounds: neither a glitch nor a slow thief teaches it much.
"""

from dataclasses import dataclass, replace
from math import hypot
from typing import Final

import numpy as np

from backend.collateral.types import Rest
from backend.telemetry.types import Floats, Int64s

SLOT_US: Final = 60_000_000  # Fixes of one minute say the same: their errors last 60 to 300 s.
SCATTER_M_MIN: Final = 1.5  # The best of receivers outdoors.
SCATTER_M_MAX: Final = 18.0  # Under a steel roof up to 15 m (quality.md), and some to spare.
SCATTER_M_FIRST: Final = 12.0  # Until it is learnt, a receiver may be under a roof.
# A normal error is this many standard deviations off in half of the cases: median of |x|, and of
# the distance in the plane.
_MEDIAN_SD: Final = 1.1774
GAIN_FIRST: Final = 0.1
GAIN: Final = 0.01  # Of the scatter, a fix: a hundred fixes count, which is two hours.
REACH: Final = 5.0  # Scatters beyond which a fix does not teach: one in two hundred thousand.
STRAYED_MAX: Final = 360  # Six hours: then it rests elsewhere, and all is learnt anew.


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was known of a receiver at each of its fixes; all of shape (n,)."""

    east_m: Floats
    north_m: Floats
    scatter_m: Floats


def learn_rest(
    rest: Rest | None, at_us: Int64s, east_m: Floats, north_m: Floats
) -> tuple[Rest | None, Known]:
    """Return what is known of a receiver after fixes, and what was at each of them.

    Args:
        rest: what was known.
        at_us: by the gateway's clock.
        east_m: of the site's origin.
        north_m: likewise.
    """
    slots = at_us // SLOT_US
    before = -1 if rest is None else rest.slot
    rows = np.flatnonzero(np.diff(slots, prepend=before))
    known = [_said(rest)]
    taken = zip(slots[rows].tolist(), east_m[rows].tolist(), north_m[rows].tolist(), strict=True)
    for slot, east, north in taken:
        rest = _learn(rest, slot, east, north)
        known.append(_said(rest))
    counts = np.diff(np.concatenate(([0], rows, [len(slots)])))
    table = np.repeat(np.array(known), counts, axis=0)
    return rest, Known(east_m=table[:, 0], north_m=table[:, 1], scatter_m=table[:, 2])


def _said(rest: Rest | None) -> tuple[float, float, float]:
    if rest is None:
        return 0.0, 0.0, SCATTER_M_FIRST
    return rest.east_m, rest.north_m, rest.scatter_m


def _learn(rest: Rest | None, slot: int, east_m: float, north_m: float) -> Rest:
    if rest is None or rest.strayed >= STRAYED_MAX:
        return Rest(slot=slot, east_m=east_m, north_m=north_m, scatter_m=SCATTER_M_FIRST)
    away_m = hypot(east_m - rest.east_m, north_m - rest.north_m)
    if away_m > REACH * rest.scatter_m:
        return replace(rest, slot=slot, strayed=rest.strayed + 1)
    gain = max(GAIN, GAIN_FIRST / (1.0 + rest.samples / 10.0))
    wider = away_m > _MEDIAN_SD * rest.scatter_m
    scatter_m = rest.scatter_m * (1.0 + gain if wider else 1.0 / (1.0 + gain))
    step_m = gain * rest.scatter_m
    return Rest(
        slot=slot,
        east_m=rest.east_m + _toward(east_m - rest.east_m, step_m),
        north_m=rest.north_m + _toward(north_m - rest.north_m, step_m),
        scatter_m=min(SCATTER_M_MAX, max(SCATTER_M_MIN, scatter_m)),
        samples=rest.samples + 1,
    )


def _toward(gap_m: float, step_m: float) -> float:
    return min(step_m, max(-step_m, gap_m))
