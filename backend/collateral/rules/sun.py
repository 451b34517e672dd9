"""Whether it is day at a site: the sun's height, to about a degree.

Source: The Astronomical Almanac, "Low precision formulas for geocentric coordinates of the Sun".
"""

from math import asin, atan2, cos, degrees, radians, sin
from typing import Final

from backend.collateral.types import LotSetup

TWILIGHT_DEG: Final = 0.0  # Halls have lamps, and yards a dusk.
_J2000_UNIX_S: Final = 946_728_000
_DAY_S: Final = 86_400


def is_day(setup: LotSetup, unix_us: int) -> bool:
    """Return whether the sun is up at a lot's site."""
    height_deg = sun_height_deg(setup.origin_lat_deg, setup.origin_lon_deg, unix_us)
    return height_deg > TWILIGHT_DEG


def sun_height_deg(lat_deg: float, lon_deg: float, unix_us: int) -> float:
    """Return the sun's height above the horizon in degrees."""
    days = (unix_us / 1_000_000 - _J2000_UNIX_S) / _DAY_S
    mean = radians(280.460 + 0.9856474 * days)
    anomaly = radians(357.528 + 0.9856003 * days)
    ecliptic = mean + radians(1.915) * sin(anomaly) + radians(0.020) * sin(2.0 * anomaly)
    tilt = radians(23.439 - 0.0000004 * days)
    right_ascension = atan2(cos(tilt) * sin(ecliptic), cos(ecliptic))
    declination = asin(sin(tilt) * sin(ecliptic))
    sidereal = radians(280.46062 + 360.98564737 * days + lon_deg)
    hour = sidereal - right_ascension
    lat = radians(lat_deg)
    return degrees(asin(sin(lat) * sin(declination) + cos(lat) * cos(declination) * cos(hour)))
