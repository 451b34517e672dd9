"""Items that were gone beyond doubt and are back, when all of that came with one batch.

After an outage one batch holds hours: no decision was made while the item was away.
"""

from collections.abc import Sequence
from typing import Final

from backend.collateral.rules.detector import Detector, Seen
from backend.collateral.rules.presence import absent_us
from backend.collateral.rules.presence_rates import (
    DOUBT_MNAT,
    GRAVE_MNAT,
    MILLI,
    rate_of,
)
from backend.collateral.rules.told import is_told
from backend.collateral.types import (
    Evidence,
    Fact,
    FactKind,
    ItemSetup,
    Json,
    LotSetup,
    Purpose,
    Sight,
)
from backend.telemetry.types import datetime_of

PROBABILITY: Final = 0.998  # GRAVE_MNAT of evidence against what is known before.


def judge(memory: Json, setup: LotSetup, seen: Seen) -> Sequence[Fact]:
    """Return the absences that ended in what has just come.

    A scale would have missed the item, too: where there is one, the tag alone is in doubt.
    """
    homes = {binding.key: binding for binding in setup.bound(Purpose.PRESENCE)}
    items = {item.id: item for item in setup.items}
    grave = not setup.bound(Purpose.LOAD)
    facts: list[Fact] = []
    for sight in seen.sights:
        item, home = items.get(sight.item_id), homes.get(sight.reader)
        if item is None or home is None or not sight.away_until_us:
            continue
        told = is_told(sight.away_arrived_us, seen.since_us, seen.now_us)
        absent = absent_us(sight, seen.sensors)
        there = (
            absent < home.missing_after_s * 1_000_000
            or rate_of(sight.learnt).silence_nats(absent) * MILLI < DOUBT_MNAT
        )
        if told and there and sight.doubt_mnat < DOUBT_MNAT and not _seen_between(sight, seen):
            facts.append(_was_away(item, sight, grave=grave))
    return facts


def _seen_between(sight: Sight, seen: Seen) -> bool:
    """Return whether another reader saw the item the whole time, and would have missed it, too.

    One that reads it across now and then goes on as before when the item is away for a while.
    """
    away_us = sight.away_until_us - sight.away_from_us
    return any(
        other.item_id == sight.item_id
        and other.reader != sight.reader
        and other.stay_us <= sight.away_from_us
        and other.made_us >= sight.away_until_us
        and rate_of(other.learnt).silence_nats(away_us) * MILLI >= DOUBT_MNAT
        for other in seen.sights
    )


def _was_away(item: ItemSetup, sight: Sight, *, grave: bool) -> Fact:
    began, ended = datetime_of(sight.away_from_us), datetime_of(sight.away_until_us)
    seconds = (sight.away_until_us - sight.away_from_us) // 1_000_000
    return Fact(
        key=f"item:{item.id}:shortfall",
        kind=FactKind.ITEM_MISSING,
        grave=grave,
        text=f"{item.name} was not seen for {seconds} s, and is back",
        evidence=(
            Evidence(
                at=datetime_of(sight.seen_us),
                gateway=sight.reader[0],
                envelope_number=sight.envelope_number,
                sensor=sight.reader[1],
                quantity=None,
                value=None,
                text=f"{item.name} (EPC {item.epc.hex()}) not read from"
                f" {began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC",
                expected="read again and again",
                log_odds=GRAVE_MNAT / MILLI,
            ),
        ),
        probability=PROBABILITY,
        began_us=sight.away_from_us,
    )


DETECTOR: Final = Detector(name="away", judge=judge)
