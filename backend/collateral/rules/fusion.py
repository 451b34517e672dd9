"""What tags and weight say together: log odds add up, each piece of evidence by what it is worth.

Log odds of a piece of evidence are the natural logarithm of how much likelier it is when the goods
are gone than when all is well. Independent pieces add to the odds that anything is wrong at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Final

import numpy as np

from backend.collateral.rules.load_physics import BUMP_US, REGISTERED_SHARE
from backend.collateral.rules.presence import Whereabouts
from backend.collateral.rules.weigh import Load
from backend.collateral.types import ItemCustody

# One theft a lot and year, looked at in stretches of ten minutes.
PRIOR_NATS: Final = -log(365 * 144)
# A stable weight that is wrong: an impossible spike an hour, at a weight a second.
READING_NATS: Final = log(3_600)
# Longer than any bump: what is left is a scale that is broken.
LASTING_NATS: Final = 20.0
# Goods lifted without an order are a theft once in twenty times; who only moves them puts them
# down again, in half a minute on average.
LIFT_NATS: Final = -log(20)
LIFT_S: Final = 30.0
# While goods may only hang on a fork, a tag's silence must tell the theft of this one item from
# the handling of any: with this much to spare, which is one in a hundred.
SURE_NATS: Final = -log(0.01)
# With goods known to be gone, this much silence is enough to ask whether a tag went with them.
WEAK_NATS: Final = 3.0
# How much likelier than goods without any tag it must be that this tag went with them.
PICKED_NATS: Final = 2.2  # Nine to one.
LEFT_NATS: Final = -2.3  # Goods leave without their tags once in ten thefts.
# A tag that fell silent this long before a drop did not leave with it.
BEFORE_US: Final = 600_000_000
GONE: Final = (ItemCustody.MISSING, ItemCustody.RELOCATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """Where each item is by tags and weight, and which of them a drop is due to.

    ``taken`` are those whose mass is missing, with the log odds that each is gone by its tag.
    ``rest_g`` is what is missing beyond them, gross.
    """

    items: tuple[Whereabouts, ...]
    taken: tuple[tuple[Whereabouts, float], ...] = ()
    rest_g: int = 0

    def is_taken(self, where: Whereabouts) -> bool:
        """Return whether the mass of an item is missing."""
        return any(each.item.id == where.item.id for each, _ in self.taken)


def probability_of(log_odds: float) -> float:
    """Return a probability from log odds, however large."""
    return 1.0 / (1.0 + exp(-max(-700.0, min(700.0, log_odds))))


def weight_nats(load: Load) -> float:
    """Return what a weight that is too light is worth, by how often and for how long it was."""
    if load.level is None:
        return 0.0
    if load.run.lasted_us >= BUMP_US:
        return LASTING_NATS
    return READING_NATS * max(1, load.run.readings)


def fuse(items: Sequence[Whereabouts], load: Load | None) -> Fused:
    """Return where items are when what is missing by weight is laid to silent tags."""
    if load is None or load.level is None or not load.confirmed or load.run.since is None:
        return Fused(items=tuple(items))
    near_g = load.off_g + REGISTERED_SHARE * load.missing_g
    begin_us = load.run.since.made_us - BEFORE_US
    odds = {where.item.id: where.nats for where in items}
    least_nats = WEAK_NATS
    if load.is_patient:
        least_nats = SURE_NATS - LIFT_NATS + log(len(items))
    suspects = [
        where
        for where in items
        if (where.custody in GONE or odds[where.item.id] >= least_nats)
        and (where.custody is not ItemCustody.MISSING or _last_us(where) >= begin_us)
    ]
    suspects.sort(key=lambda where: (where.custody not in GONE, -odds[where.item.id]))
    rest_g = load.missing_g
    chosen: list[Whereabouts] = []
    for where in suspects:
        if where.item.gross_mass_g <= rest_g + near_g:
            chosen.append(where)
            rest_g -= where.item.gross_mass_g
    known = {where.item.id for where in chosen}
    others = [odds[w.item.id] for w in items if w.item.id not in known and w.custody not in GONE]
    against = float(np.logaddexp.reduce([LEFT_NATS, *others]))
    taken: list[tuple[Whereabouts, float]] = []
    placed = {where.item.id: where for where in items}
    for where in chosen:
        nats = odds[where.item.id]
        if where.custody not in GONE and nats - against < PICKED_NATS:
            rest_g += where.item.gross_mass_g
            continue
        gone = where
        if where.custody not in GONE:
            gone = replace(where, custody=ItemCustody.MISSING, zone_id=None)
        placed[where.item.id] = gone
        taken.append((gone, nats))
    rest_g = 0 if rest_g <= near_g else rest_g
    return Fused(items=tuple(placed.values()), taken=tuple(taken), rest_g=rest_g)


def _last_us(where: Whereabouts) -> int:
    return 0 if where.sight is None else where.sight.made_us
