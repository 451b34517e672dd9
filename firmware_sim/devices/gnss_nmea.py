"""Sentences of a GNSS receiver at 1 Hz: RMC, GGA and GSA, talker GN.

Source: NMEA 0183 v4.11 (RMC with navigational status, GSA with system id); u-blox M8 protocol
specification, 31.2, for the number of decimals.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_METRES_A_DEGREE: Final = 111_320.0  # of latitude, near enough for a site of some kilometres
_SATELLITES: Final = (2, 5, 7, 13, 15, 18, 23, 29, 30)
_VDOP = 1.3
_ALTITUDE_M, _GEOID_M = 4.0, 44.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What the receiver has computed; None where it has no fix."""

    unix_us: int
    lat_deg: float | None
    lon_deg: float | None
    hdop: float = 0.9


def to_degrees(
    *, origin_lat_deg: float, origin_lon_deg: float, x_m: float, y_m: float
) -> tuple[float, float]:
    """Return latitude and longitude of a point ``x_m`` east and ``y_m`` north of the origin."""
    lat_deg = origin_lat_deg + y_m / _METRES_A_DEGREE
    lon_deg = origin_lon_deg + x_m / (_METRES_A_DEGREE * math.cos(math.radians(origin_lat_deg)))
    return lat_deg, lon_deg


def sentence(body: str) -> bytes:
    """Return ``body`` with its dollar, checksum (XOR of all its characters) and CR LF."""
    checksum = 0
    for byte in body.encode("ascii"):
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode("ascii")


def encode_second(fix: Fix) -> bytes:
    """Return the sentences of one second."""
    at = datetime.fromtimestamp(fix.unix_us / 1e6, tz=UTC)
    clock = f"{at:%H%M%S}.{at.microsecond // 10_000:02d}"
    if fix.lat_deg is None or fix.lon_deg is None:
        return (
            sentence(f"GNRMC,{clock},V,,,,,,,{at:%d%m%y},,,N,V")
            + sentence(f"GNGGA,{clock},,,,,0,00,99.99,,,,,,")
            + sentence("GNGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99,1")
        )
    place = f"{_angle(fix.lat_deg, 2, 'N', 'S')},{_angle(fix.lon_deg, 3, 'E', 'W')}"
    used = "".join(f"{number:02d}," for number in _SATELLITES) + "," * (12 - len(_SATELLITES))
    pdop = math.hypot(fix.hdop, _VDOP)
    return (
        sentence(f"GNRMC,{clock},A,{place},0.02,,{at:%d%m%y},,,A,V")
        + sentence(
            f"GNGGA,{clock},{place},1,{len(_SATELLITES):02d},{fix.hdop:.2f},"
            f"{_ALTITUDE_M:.1f},M,{_GEOID_M:.1f},M,,"
        )
        + sentence(f"GNGSA,A,3,{used}{pdop:.2f},{fix.hdop:.2f},{_VDOP:.2f},1")
    )


def _angle(degrees: float, width: int, positive: str, negative: str) -> str:
    # ddmm.mmmmm; whole units of the last place first, so that 59.999999 does not print as 60.
    units = round(abs(degrees) * 60 * 100_000)
    whole, rest = divmod(units, 60 * 100_000)
    minutes, fraction = divmod(rest, 100_000)
    side = negative if degrees < 0 else positive
    return f"{whole:0{width}d}{minutes:02d}.{fraction:05d},{side}"
