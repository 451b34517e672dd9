"""Presence: where each item is, by how long its readers listened without reading its tag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.collateral.types import (
    Binding,
    ItemCustody,
    ItemSetup,
    LotSetup,
    Purpose,
    SensorKey,
    SensorState,
    Sight,
)
from backend.ids import ZoneId
from schemas.envelope import RSSI_UNKNOWN

# A reader of another zone now and then reads across: its word counts after several reads, and
# after the item's own readers listened in vain for longer than a gateway's heartbeat.
ELSEWHERE_READS_MIN: Final = 2
ABSENT_US_MIN: Final = 6_000_000
# Reads across zones are 12 dB weaker (quality.md); such a tag must be missing at home altogether.
WEAKER_CDBM: Final = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where an item is; ``sight`` is what says so, or the last that was seen of it."""

    item: ItemSetup
    custody: ItemCustody
    zone_id: ZoneId | None
    sight: Sight | None


def decide_items(
    setup: LotSetup,
    sensors: Mapping[SensorKey, SensorState],
    sights: Sequence[Sight],
) -> list[Whereabouts]:
    """Return where each item of a lot is.

    Args:
        setup: the lot.
        sensors: the readers of its zone and of others that saw its items.
        sights: the last sighting of each item by each reader.
    """
    by_item: dict[object, list[Sight]] = {}
    for sight in sights:
        by_item.setdefault(sight.item_id, []).append(sight)
    homes = {binding.key: binding for binding in setup.bound(Purpose.PRESENCE)}
    return [
        _decide_item(item, by_item.get(item.id, []), setup, homes, sensors) for item in setup.items
    ]


def absent_us(sight: Sight, sensors: Mapping[SensorKey, SensorState]) -> int:
    """Return for how long a reader has listened since it last read a tag."""
    state = sensors.get(sight.reader)
    return 0 if state is None else max(0, state.listened_us - sight.listened_us)


def _decide_item(
    item: ItemSetup,
    sights: Sequence[Sight],
    setup: LotSetup,
    homes: Mapping[SensorKey, Binding],
    sensors: Mapping[SensorKey, SensorState],
) -> Whereabouts:
    at_home = [sight for sight in sights if sight.reader in homes]
    elsewhere = _elsewhere(item, sights, setup, homes, sensors)
    if not at_home:
        if elsewhere is not None:
            return elsewhere
        return Whereabouts(item=item, custody=ItemCustody.UNSEEN, zone_id=None, sight=None)
    latest = min(at_home, key=lambda sight: (absent_us(sight, sensors), -sight.made_us))
    patience = [
        (absent_us(s, sensors), homes[s.reader].missing_after_s * 1_000_000) for s in at_home
    ]
    if elsewhere is not None and elsewhere.sight is not None:
        weaker = _is_weaker(elsewhere.sight, latest)
        if all(
            us >= (most_us if weaker else min(ABSENT_US_MIN, most_us)) for us, most_us in patience
        ):
            return elsewhere
    missing = all(us >= most_us for us, most_us in patience)
    return Whereabouts(
        item=item,
        custody=ItemCustody.MISSING if missing else ItemCustody.IN_ZONE,
        zone_id=None if missing else setup.zone_id,
        sight=latest,
    )


def _elsewhere(
    item: ItemSetup,
    sights: Sequence[Sight],
    setup: LotSetup,
    homes: Mapping[SensorKey, Binding],
    sensors: Mapping[SensorKey, SensorState],
) -> Whereabouts | None:
    """Return where another zone's reader sees an item now, and has so more than once."""
    seen = [
        sight
        for sight in sights
        if sight.reader not in homes
        and setup.readers.get(sight.reader)
        and sight.streak_reads >= ELSEWHERE_READS_MIN
        and absent_us(sight, sensors) < _patience_us(homes)
    ]
    if not seen:
        return None
    sight = max(seen, key=lambda each: (each.made_us, each.reader))
    zone_id = min(setup.readers[sight.reader], key=str)
    return Whereabouts(item=item, custody=ItemCustody.RELOCATED, zone_id=zone_id, sight=sight)


def _patience_us(homes: Mapping[SensorKey, Binding]) -> int:
    return max((binding.missing_after_s for binding in homes.values()), default=10) * 1_000_000


def _is_weaker(elsewhere: Sight, home: Sight) -> bool:
    known = RSSI_UNKNOWN not in (elsewhere.rssi_cdbm, home.rssi_cdbm)
    return known and elsewhere.rssi_cdbm < home.rssi_cdbm - WEAKER_CDBM
