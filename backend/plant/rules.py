"""What a zone's polygon and an enrolment code may be. Pure."""

from collections.abc import Sequence
from hashlib import sha256
from math import isfinite
from typing import Final

from shapely import Polygon

from backend.errors import InvalidError
from backend.plant.types import Point

CORNERS_MIN: Final = 3
CORNERS_MAX: Final = 256  # A surveyed yard has tens.
REACH_M_MAX: Final = 10_000.0  # A site is walked across; farther is a typing error.
AREA_M2_MIN: Final = 1.0  # Less holds no pallet.

# Crockford's base 32: no I, L, O, U, so that a code is read aloud without doubt.
CODE_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARACTERS: Final = 16  # 80 bits: nobody guesses one in the days that it lives.
CODE_GROUP: Final = 4
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


def check_polygon(corners: Sequence[Point]) -> tuple[Point, ...]:
    """Return the corners of a zone, when they make one.

    Raises:
        InvalidError: Too few or too many, too far away, or edges that cross.
    """
    if not CORNERS_MIN <= len(corners) <= CORNERS_MAX:
        raise InvalidError(
            "polygon_m", f"{len(corners)} corners", f"{CORNERS_MIN} to {CORNERS_MAX} corners"
        )
    for corner in corners:
        if not all(isfinite(part) and abs(part) <= REACH_M_MAX for part in corner):
            raise InvalidError("polygon_m", corner, f"within {REACH_M_MAX:.0f} m of the origin")
    polygon = Polygon(corners)
    if not polygon.is_valid or polygon.area < AREA_M2_MIN:
        raise InvalidError(
            "polygon_m", list(corners), f"edges that do not cross, around {AREA_M2_MIN} m2 or more"
        )
    return tuple(corners)


def format_code(characters: str) -> str:
    """Return a code as it is shown: in groups."""
    starts = range(0, len(characters), CODE_GROUP)
    return "-".join(characters[start : start + CODE_GROUP] for start in starts)


def digest_code(code: str) -> bytes:
    """Return what the database keeps of a code, however it was typed."""
    return sha256(code.upper().translate(_READ_AS).encode("utf-8", "surrogatepass")).digest()
