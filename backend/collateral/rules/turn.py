"""What becomes of sensors and lots at one turn: the decisions of the ingest path, without its SQL.

The service loads, calls these and stores; the evaluation in deploy keeps everything in memory and
calls the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from shapely.errors import ShapelyError

from backend.collateral.rules.sensors import fold_sensors
from backend.collateral.rules.series import SeriesBook
from backend.collateral.rules.sightings import SightKey, fold_sightings
from backend.collateral.types import Decision, LotChange, LotState, SensorKey, SensorState, Sight
from backend.ids import ItemId, LotId
from backend.telemetry.types import ReadingBatch

# What pure rules raise on data that makes no sense. A database error is none of these: then the
# whole batch is rolled back and comes again.
RULE_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    ShapelyError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What a batch leaves behind of the sensors in it, and of the registered items seen in it."""

    sensors: Mapping[SensorKey, SensorState]
    sights: Mapping[SightKey, Sight]


def fold_batch(
    batch: ReadingBatch,
    book: SeriesBook,
    owners: Mapping[bytes, ItemId],
    states: Mapping[SensorKey, SensorState],
    sights: Mapping[SightKey, Sight],
    lots: Mapping[ItemId, LotId] | None = None,
) -> Folded:
    """Return the states of all sensors of a batch, and the sightings of items, after it.

    Args:
        batch: the readings.
        book: its scalars by channel.
        owners: registered items by EPC.
        states: of the sensors in the batch and of the readers of ``sights``, where known.
        sights: earlier sightings of those items.
        lots: the lot of each of those items: together they tell a blocked shelf from a theft.
    """
    after, listening = fold_sensors(states, batch, book)
    seen = fold_sightings(batch, owners, sights, {**states, **after}, listening, lots)
    for reader, shelves in seen.shelves.items():
        if reader in after:
            after[reader] = replace(after[reader], shelves=shelves)
    return Folded(sensors=after, sights=seen.sights)


def change_of(before: LotState, facts: Mapping[str, bool], decision: Decision) -> LotChange | None:
    """Return what a decision changes of a lot with these ``facts`` before it; None: nothing."""
    if decision.state == before:
        return None
    return LotChange(
        lot_id=before.lot_id,
        before=before,
        after=decision.state,
        before_facts=facts,
        facts=decision.facts,
    )


def unevaluated(before: LotState, facts: Mapping[str, bool], error: Exception) -> LotChange | None:
    """Keep what was known of a lot whose rules raised, and say that it can not be relied on."""
    detail: dict[str, object] = {
        "facts": dict(facts),
        "error": f"{type(error).__name__}: {error}",
    }
    after = replace(before, evaluated=False, detail=detail)
    if after == before:
        return None
    return LotChange(
        lot_id=before.lot_id,
        before=before,
        after=after,
        before_facts=facts,
        facts=(),
        raised=True,
    )
