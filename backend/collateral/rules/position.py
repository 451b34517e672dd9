"""Position: on which side of its zone's fence a lot is, by several consistent fixes.

A receiver reports two metres of accuracy while it is two hundred off (lessons.md): so leaving
needs a run of good fixes over some seconds, clearly outside, and so does coming back.
"""

from typing import Final

import numpy as np
import shapely

from backend.collateral.rules.series import Series, SeriesBook
from backend.collateral.types import Fence, LotSetup, SensorKey
from backend.telemetry.types import Floats
from schemas.quantities import Quantity

FIXES_MIN: Final = 5  # A glitch of 100 to 700 m lasts 1 to 3 fixes.
SPAN_US_MIN: Final = 4_000_000
HDOP_MAX: Final = 5.0  # Above it, horizontal error is several times the receiver's own.
FIX_MIN: Final = 2.0  # Two-dimensional.
LEAVING_M: Final = 10.0  # Beyond four standard deviations of a fix outdoors.
RETURNING_M: Final = 5.0
# WGS 84, mean of its axes; over a site the earth is flat to a millimetre in a metre.
_DEGREE_M: Final = 6_371_008.8 * np.pi / 180.0


def distances_m(setup: LotSetup, lat_deg: Floats, lon_deg: Floats) -> Floats:
    """Return how far outside its zone each fix of a lot is; 0 inside."""
    east_m = (
        (lon_deg - setup.origin_lon_deg) * _DEGREE_M * np.cos(np.radians(setup.origin_lat_deg))
    )
    north_m = (lat_deg - setup.origin_lat_deg) * _DEGREE_M
    zone = shapely.Polygon([(float(p[0]), float(p[1])) for p in setup.polygon_m])
    return np.asarray(zone.distance(shapely.points(east_m, north_m)), dtype=np.float64)


def fold_position(fence: Fence, setup: LotSetup, book: SeriesBook, sensor: SensorKey) -> Fence:
    """Return on which side of the fence a lot is after a batch's fixes of its receiver."""
    lat, lon = book.get(sensor, Quantity.LATITUDE), book.get(sensor, Quantity.LONGITUDE)
    fix = book.get(sensor, Quantity.FIX)
    if lat is None or lon is None or fix is None:
        return fence
    lat, lon, fix = lat.good(), lon.good(), fix.good()
    place, of_lat, of_lon = np.intersect1d(lat.place, lon.place, return_indices=True)
    usable = np.isin(place, fix.place[fix.value >= FIX_MIN])
    hdop = book.get(sensor, Quantity.HDOP)
    if hdop is not None:
        usable &= ~np.isin(place, hdop.place[(hdop.value > HDOP_MAX) | (hdop.quality != 0)])
    fixes = lat.where(of_lat[usable])
    if len(fixes) == 0:
        return fence
    away_m = distances_m(setup, fixes.value, lon.value[of_lon[usable]])
    return fold_fence(fence, fixes, away_m)


def fold_fence(fence: Fence, fixes: Series, away_m: Floats) -> Fence:
    """Return the fence after fixes at these distances outside the zone."""
    row = 0
    while row < len(fixes):
        limit_m = LEAVING_M if fence.inside else RETURNING_M
        inside = away_m[row:] <= limit_m
        changes = np.flatnonzero(inside != inside[0])
        end = row + int(changes[0]) if len(changes) else len(fixes)
        if bool(inside[0]) is fence.inside:
            fence, row = Fence(inside=fence.inside), end
        else:
            fence, row = _fold_run(fence, fixes, row, end, inside=bool(inside[0]))
    return fence


def _fold_run(
    fence: Fence, fixes: Series, row: int, end: int, *, inside: bool
) -> tuple[Fence, int]:
    """Count fixes from ``row`` to ``end``, which contradict the fence; return where to go on."""
    goes_on = fence.since is not None and fence.run_inside is inside
    since = fence.since if goes_on and fence.since is not None else fixes.sample(row)
    before = fence.fixes if goes_on else 0
    counts = before + 1 + np.arange(end - row)
    spans_us = fixes.at_us[row:end] - since.at_us
    enough = np.flatnonzero((counts >= FIXES_MIN) & (spans_us >= SPAN_US_MIN))
    if len(enough):
        return Fence(inside=inside), row + int(enough[0]) + 1
    fixes_now = min(before + end - row, FIXES_MIN)
    return Fence(inside=fence.inside, since=since, run_inside=inside, fixes=fixes_now), end
