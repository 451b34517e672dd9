"""What a detector is: one way of finding something wrong with a lot, in two pure functions.

``fold`` takes readings in the order of their envelopes and leaves a small memory behind, the same
however the readings are cut into batches. ``judge`` looks at that memory and the time, and
remembers nothing. Memory is JSON, because it is stored with the lot; an empty one is not stored.
To add a detector: write it as a module of ``rules/detectors``, list it there, and see what it
changes with ``make evaluate``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.collateral.rules.series import SeriesBook
from backend.collateral.types import (
    Fact,
    Json,
    LotSetup,
    SensorKey,
    SensorState,
    Sight,
    StreamView,
)
from backend.ids import GatewayId

Fold = Callable[[Json, LotSetup, SeriesBook], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a detector judges by, beside its own memory; times are ours, in microseconds.

    ``since_us`` is when the first of the readings came that this judgement follows: what came
    since then and is over already is told now or never (``rules.told``).
    """

    sensors: Mapping[SensorKey, SensorState]
    streams: Mapping[GatewayId, StreamView]
    sights: Sequence[Sight]
    now_us: int
    since_us: int


Judge = Callable[[Json, LotSetup, Seen], Sequence[Fact]]


def keep_nothing(memory: Json, setup: LotSetup, book: SeriesBook) -> Json:
    """Return the memory of a detector that judges by the last readings alone."""
    return memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A detector; ``name`` is that of its memory, and never changes."""

    name: str
    judge: Judge
    fold: Fold = keep_nothing
