"""Position: on which side of its zone's fence a lot is, by several consistent fixes.

A receiver reports two metres of accuracy while it is two hundred off (design, lessons.md 13). So
leaving needs a run of good fixes that are outside by more than the receiver errs where it rests
(``rules.rest``), none of them farther from the last than a lorry could drive, and their mean
outside as well: then the way from the place of rest to that mean cuts the fence. Coming back needs
a run inside.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, Point, Polygon
from shapely.ops import nearest_points

from backend.collateral.rules.rest import Known, learn_rest
from backend.collateral.rules.series import Series, SeriesBook
from backend.collateral.types import Crossing, Fence, FixRun, LotSetup, SensorKey
from backend.telemetry.types import Floats, Int64s
from schemas.quantities import Quantity

FIXES_MIN: Final = 5  # A glitch of 100 to 700 m lasts 1 to 3 fixes.
SPAN_US_MIN: Final = 4_000_000
HDOP_MAX: Final = 5.0  # Above it, horizontal error is several times the receiver's own.
FIX_MIN: Final = 2.0  # Two-dimensional.
LEAVING_M: Final = 10.0  # However steady a receiver is: its zone's corners are no better known.
RETURNING_M: Final = 5.0
# Errors last 300 s under a roof, so a month holds 8,640 of them: six standard deviations are
# exceeded once in 300 years, and the scatter itself is known to about a quarter.
LEAVING_SCATTERS: Final = 7.5
RETURNING_SCATTERS: Final = 1.0
SPEED_M_S_MAX: Final = 40.0  # No lorry drives faster.
# WGS 84, mean of its axes; over a site the earth is flat to a millimetre in a metre.
_DEGREE_M: Final = 6_371_008.8 * np.pi / 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Usable fixes in their order, all of shape (n,); ``jumped``: farther than a lorry drives."""

    fixes: Series
    east_m: Floats
    north_m: Floats
    away_m: Floats
    known: Known
    arrived_us: Int64s
    jumped: NDArray[np.bool_]


def zone_of(setup: LotSetup) -> Polygon:
    """Return a lot's zone."""
    return Polygon([(float(p[0]), float(p[1])) for p in setup.polygon_m])


def places_m(setup: LotSetup, lat_deg: Floats, lon_deg: Floats) -> tuple[Floats, Floats]:
    """Return fixes east and north of the site's origin."""
    east_m = (
        (lon_deg - setup.origin_lon_deg) * _DEGREE_M * np.cos(np.radians(setup.origin_lat_deg))
    )
    return east_m, (lat_deg - setup.origin_lat_deg) * _DEGREE_M


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
    east_m, north_m = places_m(setup, fixes.value, lon.value[of_lon[usable]])
    rest, known = learn_rest(fence.rest, fixes.at_us, east_m, north_m)
    zone = zone_of(setup)
    track = Track(
        fixes=fixes,
        east_m=east_m,
        north_m=north_m,
        away_m=np.asarray(zone.distance(shapely.points(east_m, north_m)), dtype=np.float64),
        known=known,
        arrived_us=book.arrivals_us(fixes.place),
        jumped=_jumped(fence.run, fixes.at_us, east_m, north_m),
    )
    inside, run, left = fold_fence(fence, track, zone)
    return Fence(inside=inside, run=run, rest=rest, left=left)


def _jumped(
    run: FixRun | None, at_us: Int64s, east_m: Floats, north_m: Floats
) -> NDArray[np.bool_]:
    first = (
        (at_us[0], east_m[0], north_m[0])
        if run is None
        else (run.last_at_us, run.last_east_m, run.last_north_m)
    )
    step_s = np.maximum(np.diff(at_us, prepend=first[0]) / 1e6, 1.0)
    step_m = np.hypot(np.diff(east_m, prepend=first[1]), np.diff(north_m, prepend=first[2]))
    return step_m > SPEED_M_S_MAX * step_s


def fold_fence(
    fence: Fence, track: Track, zone: Polygon
) -> tuple[bool | None, FixRun | None, Crossing | None]:
    """Return the side, the run against it and the last crossing, after a track of fixes.

    Args:
        fence: before them.
        track: the fixes.
        zone: whose fence it is.
    """
    inside, run, left = fence.inside, fence.run, fence.left
    out = track.away_m > np.maximum(LEAVING_M, LEAVING_SCATTERS * track.known.scatter_m)
    back = track.away_m <= np.maximum(RETURNING_M, RETURNING_SCATTERS * track.known.scatter_m)
    row, count = 0, len(track.away_m)
    while row < count:
        against = _against(inside, out[row:], back[row:])
        first = np.flatnonzero(against)
        if len(first) == 0:
            return inside, None, left
        if first[0] > 0:
            run, row = None, row + int(first[0])
        side = bool(back[row])
        end = _end(against[int(first[0]) :], track.jumped[row:], back[row:] == side) + row
        if run is not None and (run.inside is not side or track.jumped[row]):
            run = None
        run, sure = _longer(run, track, slice(row, end), inside=side)
        row = end
        if sure is None:
            continue
        mean = Point(run.east_sum_m / run.fixes, run.north_sum_m / run.fixes)
        row = sure + 1
        if not side and zone.distance(mean) <= LEAVING_M:
            run = None  # Fixes on all sides of the zone are no way out of it.
            continue
        if not side and inside is not False:
            left = _crossing(run, track, sure, zone)
        elif left is not None:
            left = replace(left, arrived_us=int(track.arrived_us[sure]))
        inside, run = side, None
    return inside, run, left


def _against(
    inside: bool | None, out: NDArray[np.bool_], back: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    match inside:
        case None:
            return out | back
        case True:
            return out
        case False:
            return back


def _end(against: NDArray[np.bool_], jumped: NDArray[np.bool_], same: NDArray[np.bool_]) -> int:
    """Return for how many fixes a run goes on that begins with the first of these."""
    breaks = ~against | jumped | ~same
    breaks[0] = False
    found = np.flatnonzero(breaks)
    return int(found[0]) if len(found) else len(breaks)


def _longer(
    run: FixRun | None, track: Track, rows: slice, *, inside: bool
) -> tuple[FixRun, int | None]:
    """Return a run after more fixes up to the one that makes it certain, and that one's row."""
    fixes, since, east_m, north_m = 0, track.fixes.sample(rows.start), 0.0, 0.0
    if run is not None:
        fixes, since, east_m, north_m = run.fixes, run.since, run.east_sum_m, run.north_sum_m
    spans_us = track.fixes.at_us[rows] - since.at_us
    counts = fixes + 1 + np.arange(len(spans_us))
    enough = np.flatnonzero((counts >= FIXES_MIN) & (spans_us >= SPAN_US_MIN))
    sure = rows.start + int(enough[0]) if len(enough) else None
    last = rows.stop - 1 if sure is None else sure
    taken = slice(rows.start, last + 1)
    # In the order of the fixes, so that the sum is the same however they are cut.
    east = np.cumsum(np.concatenate(([east_m], track.east_m[taken])))
    north = np.cumsum(np.concatenate(([north_m], track.north_m[taken])))
    longer = FixRun(
        since=since,
        inside=inside,
        fixes=fixes + last + 1 - rows.start,
        east_sum_m=float(east[-1]),
        north_sum_m=float(north[-1]),
        last_at_us=int(track.fixes.at_us[last]),
        last_east_m=float(track.east_m[last]),
        last_north_m=float(track.north_m[last]),
    )
    return longer, sure


def _crossing(run: FixRun, track: Track, row: int, zone: Polygon) -> Crossing:
    home = Point(track.known.east_m[row], track.known.north_m[row])
    there = Point(run.east_sum_m / run.fixes, run.north_sum_m / run.fixes)
    cut = LineString([home, there]).intersection(zone.exterior)
    # The last cut on the way is where it left; a home outside leaves none.
    at = there if cut.is_empty else nearest_points(cut, there)[0]
    return Crossing(
        since=run.since,
        east_m=round(at.x, 1),
        north_m=round(at.y, 1),
        away_m=round(float(track.away_m[row]), 1),
        scatter_m=round(float(track.known.scatter_m[row]), 1),
        arrived_us=int(track.arrived_us[row]),
    )
