"""By how much a lot may grow lighter, or heavier, by order; for whatever judges weights. Pure."""

from typing import Final

import numpy as np

from backend.collateral.types import ItemSetup, LotSetup
from backend.collateral.types.releases import Release
from backend.telemetry.types import Int64s

# A forklift does not wait for the second hand; and readers need a while to miss what has left.
EARLY_US: Final = 120_000_000
FINISH_US: Final = 180_000_000


def let_go_g(setup: LotSetup, made_us: Int64s) -> Int64s:
    """Return by how many grams, gross, a lot may be lighter by order, at times by our clock."""
    allowed = np.zeros(len(made_us), dtype=np.int64)
    for release in setup.releases:
        during = (made_us >= release.begin_us - EARLY_US) & (made_us < release.end_us + FINISH_US)
        allowed[during] += gross_of_g(setup, release)
    return allowed


def gross_of_g(setup: LotSetup, release: Release) -> int:
    """Return what the goods of an order weigh at most on a scale, their tare with them."""
    if release.items:
        return sum(item.gross_mass_g for item in setup.items if item.id in release.items)
    return release.mass_g + _tare_g(setup.items, release.mass_g)


def _tare_g(items: tuple[ItemSetup, ...], mass_g: int) -> int:
    """Return the most tare that goods of a mass can take with them."""
    left_g, tare_g = mass_g, 0
    for item in sorted(items, key=lambda item: item.net_mass_g):
        if item.net_mass_g > left_g:
            break
        left_g -= item.net_mass_g
        tare_g += item.tare_mass_g
    return tare_g
