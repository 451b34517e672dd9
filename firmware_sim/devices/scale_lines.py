"""What the indicators' line formats share: a mass in grams as a decimal number of kilograms."""

from dataclasses import dataclass
from decimal import Decimal

GRAMS_A_KG = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an indicator's display shows; ``mass_g`` is None when it shows overload."""

    mass_g: int | None
    stable: bool
    division_g: int


def kilograms(mass_g: int, division_g: int) -> str:
    """Return ``mass_g`` in kilograms with as many decimals as its division needs."""
    exponent = Decimal(division_g).scaleb(-3).normalize().as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return f"{Decimal(mass_g) / GRAMS_A_KG:.{decimals}f}"


def shown(mass_g: float, *, stable: bool, division_g: int, capacity_g: int) -> Shown:
    """Return what an indicator displays for a measured mass: rounded, or overload.

    Source: OIML R 76-1, 3.4 and 4.2: indications are multiples of the division, and none is given
    above Max + 9 e.
    """
    rounded_g = round(mass_g / division_g) * division_g
    if rounded_g > capacity_g + 9 * division_g:
        return Shown(mass_g=None, stable=stable, division_g=division_g)
    return Shown(mass_g=rounded_g, stable=stable, division_g=division_g)
