"""Sensors that talk and say too little: a large share of their readings is bad.

A field bus times out once in a thousand readings (design, quality.md, table "Detection"), which
nobody needs to hear of. A share of a quarter in a fixed span of time is a cable, a connector or
somebody at work on either. Silence is no concern of this detector: see ``rules.surveillance``.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np

from backend.collateral.rules.detector import Detector, Seen
from backend.collateral.rules.series import UNSTABLE, Series, SeriesBook
from backend.collateral.rules.told import is_told
from backend.collateral.types import Binding, Evidence, Fact, FactKind, Json, LotSetup
from backend.telemetry.types import datetime_of

SLOT_US: Final = 600_000_000  # Ten minutes: a hundred and twenty heartbeats.
READINGS_MIN: Final = 20
SLOTS_KEPT: Final = 2  # After so many without a bad reading a channel is forgotten,
SLOTS_TOLD: Final = 144  # and after a day one of which too many were.
BAD_SHARE_MIN: Final = 0.25
# Time-outs of one in a thousand give five bad ones of twenty once in ten to the eleventh spans.
GARBLED: Final = 0.999


def fold_quality(memory: Json, setup: LotSetup, book: SeriesBook) -> Json:
    """Return how many readings of each troubled channel are bad in its present span.

    A channel is remembered from its first bad reading of a span on, as span, readings, bad ones,
    and of the last span with too many: when it began, when that came, its readings, its bad ones.
    """
    kept = cast("dict[str, list[int]]", dict(memory))
    for binding in setup.bindings:
        for quantity in book.quantities_of(binding.key):
            name = f"{binding.gateway}/{binding.sensor}/{quantity.value}"
            before = kept.get(name)
            if book.worst_quality(binding.key, quantity) <= UNSTABLE and before is None:
                continue
            found = book.get(binding.key, quantity)
            assert found is not None, "the book names it"
            after = _fold(before, binding, found, book)
            if after is None:
                kept.pop(name, None)
            else:
                kept[name] = after
    return kept


def _fold(
    before: list[int] | None, binding: Binding, readings: Series, book: SeriesBook
) -> list[int] | None:
    slots, bad = readings.at_us // SLOT_US, readings.quality > UNSTABLE
    begins = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
    ends = [*begins[1:].tolist(), len(slots)]
    for begin, end in zip(begins.tolist(), ends, strict=True):
        slot = int(slots[begin])
        if before is not None:
            patience = SLOTS_TOLD if before[3] else SLOTS_KEPT
            before = before if 0 <= slot - before[0] < patience else None
        told = [0, 0, 0, 0] if before is None else before[3:]
        count, wrong = (before[1], before[2]) if before and before[0] == slot else (0, 0)
        rows = np.flatnonzero(bad[begin:end])
        first = begin if count else begin + int(rows[0]) if len(rows) else end
        if first == end:
            continue
        wrongs = wrong + np.cumsum(bad[first:end])
        counts = count + 1 + np.arange(end - first)
        much = np.flatnonzero((counts >= READINGS_MIN) & (wrongs >= BAD_SHARE_MIN * counts))
        if len(much):
            row = int(much[-1])
            place = readings.place[first + row : first + row + 1]
            arrived_us = int(book.arrivals_us(place)[0])
            told = [slot * SLOT_US, arrived_us, int(counts[row]), int(wrongs[row])]
        before = [slot, int(counts[-1]), int(wrongs[-1]), *told]
    return before


def judge_quality(memory: Json, setup: LotSetup, seen: Seen) -> Sequence[Fact]:
    """Return channels of which a large share was bad within the last span of time."""
    facts: list[Fact] = []
    names = {f"{binding.gateway}/{binding.sensor}": binding for binding in setup.bindings}
    for name, (_, _, _, at_us, arrived_us, count, wrong) in cast(
        "Mapping[str, list[int]]", memory
    ).items():
        sensor, _, quantity = name.rpartition("/")
        fresh = seen.now_us - arrived_us < SLOT_US
        told = fresh or is_told(arrived_us, seen.since_us, seen.now_us)
        if arrived_us == 0 or not told or sensor not in names:
            continue
        found = names[sensor]
        facts.append(
            Fact(
                key=f"garbled:{name}",
                kind=FactKind.SENSOR_LOST,
                grave=False,
                text=f"{sensor}: too many of its readings of {quantity} are bad",
                evidence=(
                    Evidence(
                        at=datetime_of(at_us),
                        gateway=found.gateway,
                        envelope_number=None,
                        sensor=found.sensor,
                        quantity=quantity,
                        value=None,
                        text=f"{wrong} of {count} readings are bad",
                        expected="one in a thousand",
                    ),
                ),
                probability=GARBLED,
                began_us=None,
            )
        )
    return facts


DETECTOR: Final = Detector(name="garbled", judge=judge_quality, fold=fold_quality)
