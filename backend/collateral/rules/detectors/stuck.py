"""Sensors that say the same for ever: a measured value has noise, a frozen register has none.

What is normal for a channel is learnt from itself, because a coarse display may stand still for
hours: how long its first value of each minute stayed the same at most. Much longer than that,
after days of learning, is a stuck sensor, a converter that repeats its last answer, or somebody
who holds the value. A channel that hardly ever changed is not judged.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np

from backend.collateral.rules.detector import Detector, Seen
from backend.collateral.rules.series import Series, SeriesBook
from backend.collateral.types import Evidence, Fact, FactKind, Json, LotSetup
from backend.telemetry.types import datetime_of
from schemas.quantities import UNITS, Quantity

SLOT_US: Final = 60_000_000
JUDGED: Final = frozenset(
    {Quantity.MASS, Quantity.TEMPERATURE, Quantity.HUMIDITY, Quantity.SHOCK, Quantity.LATITUDE}
)
SLOTS_MIN: Final = 4_320  # Three days, so that nights and a weekend's beginning are among them.
CHANGES_MIN: Final = 500
STILL_SLOTS_MIN: Final = 120  # Two hours.
STILL_TIMES: Final = 4  # Of the longest time that it ever stayed the same.
STUCK: Final = 0.95


def fold_still(memory: Json, setup: LotSetup, book: SeriesBook) -> Json:
    """Return for how long each channel has said the same.

    A channel is remembered as its last span of time and value, since when it said that, in how
    many spans, the most spans that it ever did, how often it changed and the spans in all.
    """
    kept = cast("dict[str, list[float]]", dict(memory))
    for binding in setup.bindings:
        for quantity in book.quantities_of(binding.key):
            found = book.get(binding.key, quantity) if quantity in JUDGED else None
            if found is None or len(readings := found.good()) == 0:
                continue
            name = f"{binding.gateway}/{binding.sensor}/{quantity.value}"
            before = kept.get(name)
            after = _fold(before, readings)
            if after is not before:
                kept[name] = after
    return kept


def _fold(kept: list[float] | None, readings: Series) -> list[float]:
    slots = readings.at_us // SLOT_US
    last = -1 if kept is None else int(kept[0])
    if slots[0] == last and slots[-1] == last and kept is not None:
        return kept
    rows = np.flatnonzero(np.diff(slots, prepend=last))
    taken = zip(
        slots[rows].tolist(),
        readings.value[rows].tolist(),
        readings.at_us[rows].tolist(),
        strict=True,
    )
    for slot, value, at_us in taken:
        if kept is None:
            kept = [slot, value, at_us, 1, 1, 0, 1]
            continue
        _, before, since_us, still, most, changes, spans = kept
        if value == before:
            kept = [slot, value, since_us, still + 1, most, changes, spans + 1]
            continue
        most = most if _is_stuck(kept) else max(most, still)
        kept = [slot, value, at_us, 1, most, changes + 1, spans + 1]
    assert kept is not None, "there are readings"
    return kept


def _is_stuck(kept: Sequence[float]) -> bool:
    _, _, _, still, most, changes, spans = kept
    learnt = spans - still >= SLOTS_MIN and changes >= CHANGES_MIN
    return learnt and still > max(STILL_SLOTS_MIN, STILL_TIMES * most)


def judge_still(memory: Json, setup: LotSetup, seen: Seen) -> Sequence[Fact]:
    """Return channels that have said the same for much longer than they ever did."""
    facts: list[Fact] = []
    names = {f"{binding.gateway}/{binding.sensor}": binding for binding in setup.bindings}
    for name, kept in cast("Mapping[str, list[float]]", memory).items():
        sensor, _, quantity = name.rpartition("/")
        if sensor not in names or not _is_stuck(kept):
            continue
        binding, unit = names[sensor], UNITS[Quantity(quantity)]
        facts.append(
            Fact(
                key=f"stuck:{name}",
                kind=FactKind.SENSOR_LOST,
                grave=False,
                text=f"{sensor}: its {quantity} does not move any more",
                evidence=(
                    Evidence(
                        at=datetime_of(int(kept[2])),
                        gateway=binding.gateway,
                        envelope_number=None,
                        sensor=binding.sensor,
                        quantity=quantity,
                        value=kept[1],
                        text=f"the same since: {kept[1]:g} {unit}",
                        expected=f"a change within {int(kept[4])} minutes, as ever before",
                    ),
                ),
                probability=STUCK,
            )
        )
    return facts


DETECTOR: Final = Detector(name="stuck", judge=judge_still, fold=fold_still)
