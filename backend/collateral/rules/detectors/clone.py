"""A tag that is read at two sites sooner one after the other than goods travel: one is a copy.

What a tag says is a number that anybody can write into another one: goods are taken, and a copy of
their tag is left, or a copy is shown elsewhere to pledge the same goods twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Final

from backend.collateral.rules.detector import Detector, Seen
from backend.collateral.rules.sightings import STAY_GAP_US
from backend.collateral.rules.told import is_told
from backend.collateral.types import (
    Evidence,
    Fact,
    FactKind,
    ItemSetup,
    Json,
    LotSetup,
    Place,
    SensorKey,
    Sight,
)
from backend.telemetry.types import datetime_of

# Goods on a pallet: no lorry or goods train does 250 km/h, and nothing is loaded within minutes.
SPEED_M_PER_S_MAX: Final = 70.0
# When a reading was made is known to seconds, by two gateways; half a minute is beyond them.
CLOCKS_US: Final = 30_000_000
SITES_MIN: Final = 2
READS_MIN: Final = 2  # A single read may be a garbled one.
HOLD_US: Final = 3_600_000_000  # A copy is not always in reach of a reader.
LOG_ODDS: Final = 18.5  # Two garbled reads of the same number, 1e-6 a read each, and to spare.
PROBABILITY: Final = 0.9999
_EARTH_M: Final = 6_371_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Twice:
    """Two sightings of one item at two sites that are too far from each other."""

    here: Sight
    there: Sight
    places: tuple[Place, Place]
    away_m: float


def judge(memory: Json, setup: LotSetup, seen: Seen) -> Sequence[Fact]:
    """Return the items of a lot whose tag is at two sites at once."""
    by_item: dict[object, list[tuple[Sight, Place]]] = {}
    places = {
        reader: _place_of(reader, setup) for reader in {sight.reader for sight in seen.sights}
    }
    if len({place.site_id for place in places.values() if place is not None}) < SITES_MIN:
        return ()
    for sight in seen.sights:
        place = places[sight.reader]
        if place is not None and sight.streak_reads >= READS_MIN:
            by_item.setdefault(sight.item_id, []).append((sight, place))
    facts: list[Fact] = []
    for item in setup.items:
        found = _twice(by_item.get(item.id, ()), seen)
        if found is not None:
            flagged = any(
                stream is not None and stream.clock_flagged
                for each in (found.here, found.there)
                for stream in [seen.streams.get(each.reader[0])]
            )
            facts.append(_told(item, found, grave=not flagged))
    return facts


def _place_of(reader: SensorKey, setup: LotSetup) -> Place | None:
    zones = sorted(setup.readers.get(reader, ()), key=str)
    return next((setup.places[zone] for zone in zones if zone in setup.places), None)


def _twice(sights: Sequence[tuple[Sight, Place]], seen: Seen) -> _Twice | None:
    """Return the first two sightings that can not both be of the same tag, and are news."""
    ordered = sorted(sights, key=lambda each: (each[0].made_us, each[0].reader))
    for number, (later, at) in enumerate(ordered):
        for earlier, before in ordered[:number]:
            if before.site_id == at.site_id:
                continue
            came_us = min(earlier.arrived_us, later.arrived_us)
            held = seen.now_us - came_us < HOLD_US
            if not held and not is_told(came_us, seen.since_us, seen.now_us):
                continue
            away_m = distance_m(before, at)
            if is_impossible(earlier, later, away_m):
                return _Twice(here=earlier, there=later, places=(before, at), away_m=away_m)
    return None


def is_impossible(one: Sight, other: Sight, away_m: float) -> bool:
    """Return whether goods can not have been in both places, so far from each other, when read.

    Either one reading follows too soon on the other; or one lies within a stay at the other place
    whose gaps are too short to get there and back.
    """
    travel_us = away_m / SPEED_M_PER_S_MAX * 1_000_000 - CLOCKS_US
    if abs(one.made_us - other.made_us) < travel_us:
        return True
    within = max(one.stay_us, other.stay_us) <= min(one.made_us, other.made_us)
    return within and 2 * travel_us > STAY_GAP_US


def distance_m(one: Place, other: Place) -> float:
    """Return the way between two sites over the ground, at least."""
    lat, lat_other = radians(one.lat_deg), radians(other.lat_deg)
    half_lat = (lat_other - lat) / 2
    half_lon = radians(other.lon_deg - one.lon_deg) / 2
    chord = sin(half_lat) ** 2 + cos(lat) * cos(lat_other) * sin(half_lon) ** 2
    return 2 * _EARTH_M * asin(min(1.0, sqrt(chord)))


def _told(item: ItemSetup, found: _Twice, *, grave: bool) -> Fact:
    here, there = found.places
    return Fact(
        key=f"tamper:clone:{item.id}",
        kind=FactKind.TAMPER,
        grave=grave,
        text=f"the tag of {item.name} is read at two sites, {found.away_m / 1_000:.0f} km from"
        f" each other, sooner than goods travel: one of them is a copy",
        evidence=(
            _read(item, found.here, here, "nowhere else at that time"),
            _read(item, found.there, there, "not before the goods can be there"),
        ),
        probability=PROBABILITY,
        began_us=max(found.here.stay_us, found.there.stay_us),
    )


def _read(item: ItemSetup, sight: Sight, place: Place, expected: str) -> Evidence:
    return Evidence(
        at=datetime_of(sight.seen_us),
        gateway=sight.reader[0],
        envelope_number=sight.envelope_number,
        sensor=sight.reader[1],
        quantity=None,
        value=None,
        text=f"{item.name} (EPC {item.epc.hex()}) read at {place.name}",
        expected=expected,
        log_odds=LOG_ODDS,
    )


DETECTOR: Final = Detector(name="clone", judge=judge)
