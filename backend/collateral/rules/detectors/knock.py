"""Knocks on a shock sensor: too hard for a forklift, too soft to harm goods. A hint, no more.

Classes of a shock, in standard gravities: quiet below 0.1, handling by forklift 0.3 to 1, a knock
1 to 2, a drop from 3 on (design, quality.md, table "Detection"). A drop beyond what the goods
stand is damage (``rules.condition``); so is a knock for goods that stand less.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np

from backend.collateral.rules.detector import Detector, Seen
from backend.collateral.rules.samples import sample_json, sample_of
from backend.collateral.rules.series import SeriesBook
from backend.collateral.rules.told import is_told, reading
from backend.collateral.types import Fact, FactKind, Json, LotSetup, Purpose
from schemas.quantities import Quantity

KNOCK_G0_MIN: Final = 1.15  # Above a forklift's 1 g by seven standard deviations of noise.
LIKELY: Final = 0.5


def fold_knocks(memory: Json, setup: LotSetup, book: SeriesBook) -> Json:
    """Return the last knock on each of a lot's shock sensors."""
    kept = dict(memory)
    for binding in setup.bound(Purpose.CONDITION):
        extremes = book.extremes(binding.key, Quantity.SHOCK)
        if extremes is None or extremes[1] < KNOCK_G0_MIN:
            continue
        found = book.get(binding.key, Quantity.SHOCK)
        assert found is not None, "it has extremes"
        shocks = found.good()
        most_g0 = setup.limits.shock_max_g0
        harmless = shocks.value <= (np.inf if most_g0 is None else most_g0)
        rows = np.flatnonzero((shocks.value >= KNOCK_G0_MIN) & harmless)[-1:]
        if len(rows):
            arrived_us = book.arrivals_us(shocks.place[rows])
            name = f"{binding.gateway}/{binding.sensor}"
            kept[name] = [sample_json(shocks.sample(int(rows[0]))), int(arrived_us[0])]
    return kept


def judge_knocks(memory: Json, setup: LotSetup, seen: Seen) -> Sequence[Fact]:
    """Return knocks of a moment ago."""
    facts: list[Fact] = []
    for binding in setup.bound(Purpose.CONDITION):
        name = f"{binding.gateway}/{binding.sensor}"
        said = cast("Mapping[str, list[Any]]", memory).get(name)
        if said is None or not is_told(int(said[1]), seen.since_us, seen.now_us):
            continue
        sample = sample_of(said[0])
        expected = f"below {KNOCK_G0_MIN:g}, as a forklift gives"
        facts.append(
            Fact(
                key=f"knock:{name}",
                kind=FactKind.KNOCKED,
                grave=False,
                text=f"{name} was knocked against",
                evidence=(reading(binding.key, Quantity.SHOCK, sample, "shock", expected, 0.0),),
                probability=LIKELY,
                began_us=sample.made_us,
            )
        )
    return facts


DETECTOR: Final = Detector(name="knock", judge=judge_knocks, fold=fold_knocks)
