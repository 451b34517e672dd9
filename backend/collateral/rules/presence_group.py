"""Items that went together: the silence of one bears out that of the others. Pure.

What hides one tag by chance hides few others at the same time. But a tag that is surely silent
speaks for no other: each must be silent by more than choosing it among the rest is worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, log
from typing import Final

from backend.collateral.rules.presence_rates import DOUBT_MNAT, MILLI, Rate
from backend.collateral.types import ItemSetup, Sight
from backend.ids import ItemId

# Before anything is read: between two of its reads one tag in 160,000 is taken away.
PRIOR_LOG_ODDS: Final = -DOUBT_MNAT / MILLI
# Several went together only with items that are silent themselves, by more than the usual.
TOGETHER_NATS_MIN: Final = 1.0
SEVERAL_MIN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What an item's own readers say: evidence that it is gone, and for how long it was awaited.

    ``due``: each of them has listened for as long as it takes to be missing at all. ``silent_us``
    is how long the one that read it last has listened effectively since.
    """

    item: ItemSetup
    nats: float
    due: bool
    silent_us: int
    last: Sight
    rate: Rate

    def since_nats(self, since_us: int) -> float:
        """Return the evidence of the newest ``since_us`` of its silence."""
        # What its gateway held back after its last report was read before the others'.
        early_us = min(self.silent_us - since_us, self.rate.dead_us)
        return self.rate.silence_nats(since_us + early_us)


def together_of(homes: Sequence[Home]) -> Mapping[ItemId, float]:
    """Return which items went at the same time, if any did, and of each the log odds of it.

    They went after the last of them was read, so that only the silence of all counts. Before
    anything is read any number of items is as likely to go as any other, and any choice of them.
    What had gone before the others were read last is none of them, and none of what is left.
    """
    silent = [home for home in homes if home.due and home.nats >= TOGETHER_NATS_MIN]
    silent.sort(key=lambda home: (-home.silent_us, str(home.item.id)))
    best: dict[ItemId, float] = {}
    best_nats = 0.0
    for count in range(SEVERAL_MIN, len(silent) + 1):
        since_us = silent[count - 1].silent_us
        worth = {home.item.id: home.since_nats(since_us) for home in silent[:count]}
        before = {
            home.item.id
            for home in silent[:count]
            if (home.nats - worth[home.item.id]) * MILLI >= DOUBT_MNAT
        }
        group = [home for home in silent[:count] if home.item.id not in before]
        if len(group) < SEVERAL_MIN:
            continue
        rest = len(homes) - len(before)
        total = sum(worth[home.item.id] for home in group)
        nats = total - log(comb(rest, len(group))) - log(rest + 1)
        if best and nats <= best_nats:
            continue
        found = _each(group, worth, rest, nats)
        if found:
            best, best_nats = found, nats
    return best


def _each(
    group: Sequence[Home], worth: Mapping[ItemId, float], rest: int, nats: float
) -> dict[ItemId, float]:
    """Return the log odds of each of a group; nothing if it is likelier without one of them.

    All of a lot at once are held against none: there is nobody to tell one of them from.

    Args:
        group: who may have gone together.
        worth: the evidence of each since the last of them was read.
        rest: how many there were to choose from.
        nats: the evidence for all of them.
    """
    fewer = log(comb(rest, len(group))) - log(comb(rest, len(group) - 1))
    odds: dict[ItemId, float] = {}
    for home in group:
        others = nats - worth[home.item.id] + fewer
        alone = max(each.nats for each in group if each is not home)
        without = max(others, alone - log(rest) - log(rest + 1))
        if nats < without:
            return {}
        joint = PRIOR_LOG_ODDS + nats
        if len(group) < rest:
            joint -= max(0.0, PRIOR_LOG_ODDS + without)
        odds[home.item.id] = joint
    return odds
