"""Presence: where each item is, by how surprising it is that its readers do not read its tag.

Evidence is in nats. An item is gone once that is more likely than not, with what is known before;
beyond doubt at one false finding in a hundred million rounds of a tag. All of a lot silent at once
speaks together: what hides one tag by chance hides few others at the same time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Final

from backend.collateral.rules.presence_group import PRIOR_LOG_ODDS, Home, together_of
from backend.collateral.rules.presence_rates import (
    CROSS_LOOKS_PER_S,
    DOUBT_MNAT,
    GRAVE_MNAT,
    MILLI,
    Learnt,
    Rate,
    rate_of,
    weaker_nats,
)
from backend.collateral.rules.sightings import STREAK_GAP_US
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

GONE_LOG_ODDS: Final = 0.0  # More likely gone than there: a finding.
GRAVE_LOG_ODDS: Final = (GRAVE_MNAT - DOUBT_MNAT) / MILLI  # Beyond doubt, without other sensors.
# An item is elsewhere once its own readers miss it somewhat and another zone's reads it as one
# that stands there; both together as surely as it would take to call it gone.
HOME_NATS_MIN: Final = 3.0
# Some hours in all that goods stand beside a second reader's zone, where it reads them across once
# in 50 s and each pair of such reads begins a trial: one false finding in 3,000 of them.
ELSEWHERE_NATS_MIN: Final = 8.0
# To name the dock that an item went through, it must have stood before its reader for certain.
LEFT_NATS_MIN: Final = 3.0
ELSEWHERE_READS_MIN: Final = 2
# What a reader reads across is known after this; before, as little as quality.md's 2 % a round.
_ACROSS_SPAN_US_MIN: Final = 600_000_000
# How often a tag is read in another place, by how often it is at home: half as often, within
# bounds that a tag worth its name keeps.
_STANDING_SHARE: Final = 0.5
_STANDING_PER_S: Final = (0.05, 0.5)
DOCK_KIND: Final = "dock"  # As registered: goods leave a site by such a zone.
_BEST_CDB: Final = 200  # A sighting's level is that of the best of its reads.
# Two antennas do not read a tag alike: to the 4 dB of a level come 4 dB of either, so that a level
# says less of another reader's tag, in proportion to the variance.
_OTHERS_LEVEL_SHARE: Final = 4**2 / (3 * 4**2)
_ODDS_MAX: Final = 500.0  # Beyond, a probability is 1 in any arithmetic.


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where an item is; ``sight`` is what says so, or the last that was seen of it.

    ``log_odds`` (natural) and ``probability``: that it is not where it belongs, by its readers
    alone. ``nats`` is what they add to what is known before. ``expected_s``: how often it was
    read so far, in seconds from one read to the next; None: it is not known. ``since_us``: when
    it was last read without doubt; ``missed_us``: when its silence since was evidence enough to
    miss it, at the earliest; None: it is not known. ``together``: how many items are silent with
    it, when that is what makes it gone; ``all_silent``: those are all that were ever read.
    ``left_by`` names the dock whose reader read a missing item last. Times are by our clock.
    """

    item: ItemSetup
    custody: ItemCustody
    zone_id: ZoneId | None
    sight: Sight | None
    log_odds: float = PRIOR_LOG_ODDS
    expected_s: float | None = None
    since_us: int | None = None
    missed_us: int | None = None
    together: int = 0
    all_silent: bool = False
    left_by: str = ""

    @property
    def probability(self) -> float:
        """How probable it is that the item is not where it belongs."""
        return 1.0 / (1.0 + exp(-max(-_ODDS_MAX, min(_ODDS_MAX, self.log_odds))))

    @property
    def nats(self) -> float:
        """The evidence of its readers."""
        return self.log_odds - PRIOR_LOG_ODDS

    @property
    def beyond_doubt(self) -> bool:
        """Whether its readers need no other sensor to be believed."""
        return self.log_odds >= GRAVE_LOG_ODDS


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
    shelf = str(setup.id)
    at_home = {
        item.id: home
        for item in setup.items
        if (home := _home(item, by_item.get(item.id, ()), shelf, homes, sensors)) is not None
    }
    group = together_of(list(at_home.values()))
    found: list[Whereabouts] = []
    for item in setup.items:
        mine, home = by_item.get(item.id, ()), at_home.get(item.id)
        seen = _elsewhere(mine, setup, homes, sensors, rate_of(()) if home is None else home.rate)
        if home is None:
            found.append(_never_home(item, seen, setup))
            continue
        where = _by_home(setup, home)
        joint = group.get(item.id)
        if joint is not None and joint > where.log_odds:
            where = replace(
                where,
                log_odds=joint,
                together=len(group),
                all_silent=len(group) == len(at_home),
            )
        where = _settled(where, home, mine, setup)
        found.append(_moved(where, home, seen, setup) or where)
    return found


def absent_us(sight: Sight, sensors: Mapping[SensorKey, SensorState]) -> int:
    """Return for how long a reader has listened since it last read a tag."""
    state = sensors.get(sight.reader)
    return 0 if state is None else max(0, state.listened_us - sight.listened_us)


def effective_us(state: SensorState, lot: str) -> int:
    """Return the clock of a lot's shelf at a reader."""
    shelf = state.shelves.get(lot) or state.shelves.get("")
    return state.listened_us if shelf is None else shelf.clock_us


def _home(
    item: ItemSetup,
    sights: Sequence[Sight],
    lot: str,
    homes: Mapping[SensorKey, Binding],
    sensors: Mapping[SensorKey, SensorState],
) -> Home | None:
    """Return what an item's own readers say; None: they never read it."""
    mine = [sight for sight in sights if sight.reader in homes]
    if not mine:
        return None
    last = max(mine, key=lambda sight: (sight.made_us, sight.reader))
    nats, silent_us, usual = last.doubt_mnat / MILLI, 0, rate_of(last.learnt)
    for sight in mine:
        state = sensors.get(sight.reader)
        if state is None:
            continue
        unread_us = effective_us(state, lot) - sight.effective_us
        if sight is last:
            silent_us = unread_us
        elif state.fresh_us is not None:
            # While another reader of its zone still read it, it was there.
            unread_us = min(unread_us, max(0, state.fresh_us - last.made_us))
        rate = usual if sight is last else rate_of(sight.learnt)
        nats += rate.silence_nats(unread_us)
    due = all(
        absent_us(sight, sensors) >= homes[sight.reader].missing_after_s * 1_000_000
        or last.doubt_mnat >= DOUBT_MNAT
        for sight in mine
    )
    return Home(
        item=item,
        nats=nats,
        due=due,
        silent_us=silent_us,
        last=last,
        rate=usual,
    )


def _by_home(setup: LotSetup, home: Home) -> Whereabouts:
    last = home.last
    return Whereabouts(
        item=home.item,
        custody=ItemCustody.IN_ZONE,
        zone_id=setup.zone_id,
        sight=last,
        log_odds=PRIOR_LOG_ODDS + home.nats,
        expected_s=1.0 / home.rate.per_s,
        since_us=last.settled_us or last.made_us,
        missed_us=last.made_us + home.rate.silence_us(DOUBT_MNAT / MILLI),
    )


def _settled(
    where: Whereabouts, home: Home, sights: Sequence[Sight], setup: LotSetup
) -> Whereabouts:
    """Decide whether an item is missing; never before its time."""
    if where.log_odds < GONE_LOG_ODDS or not home.due:
        return where
    docks = [
        (sight.made_us, place.name)
        for sight in sights
        if sight.made_us > home.last.made_us
        and standing_nats(sight, home.rate, CROSS_LOOKS_PER_S) >= LEFT_NATS_MIN
        for zone_id in setup.readers.get(sight.reader, ())
        if (place := setup.places.get(zone_id)) is not None and place.kind == DOCK_KIND
    ]
    left_by = max(docks, default=(0, ""))[1]
    return replace(where, custody=ItemCustody.MISSING, zone_id=None, left_by=left_by)


def _never_home(item: ItemSetup, seen: Sight | None, setup: LotSetup) -> Whereabouts:
    if seen is None:
        return Whereabouts(item=item, custody=ItemCustody.UNSEEN, zone_id=None, sight=None)
    return Whereabouts(
        item=item,
        custody=ItemCustody.RELOCATED,
        zone_id=_zone_of(seen, setup),
        sight=seen,
        log_odds=GRAVE_LOG_ODDS,
        since_us=seen.stay_us or seen.made_us,
    )


def _moved(
    where: Whereabouts, home: Home, seen: Sight | None, setup: LotSetup
) -> Whereabouts | None:
    """Return where another zone's reader sees an item; None: it only reads it across."""
    if seen is None:
        return None
    there = standing_nats(seen, home.rate, _across_per_s(seen))
    # Of an item that is missing anyway, what that reader learnt was learnt while it stood there.
    surely = where.custody is ItemCustody.MISSING
    log_odds = where.log_odds + max(0.0, there)
    likely = (
        home.nats >= HOME_NATS_MIN and there >= ELSEWHERE_NATS_MIN and log_odds >= GONE_LOG_ODDS
    )
    if not surely and not likely:
        return None
    return replace(
        where,
        custody=ItemCustody.RELOCATED,
        zone_id=_zone_of(seen, setup),
        sight=seen,
        log_odds=log_odds,
        together=0,
        all_silent=False,
    )


def _across_per_s(sight: Sight) -> float:
    """Return how often a reader reads an item that stands at home."""
    learnt = sight.learnt
    if not learnt or learnt[Learnt.OLD_SPAN_US] < _ACROSS_SPAN_US_MIN:
        return CROSS_LOOKS_PER_S
    looks_per_s = learnt[Learnt.OLD_LOOKS] * 1_000 / learnt[Learnt.OLD_SPAN_US]
    return max(CROSS_LOOKS_PER_S, looks_per_s)


def standing_nats(sight: Sight, home: Rate, across: float) -> float:
    """Return the evidence that an item stands before a reader and is not read across by it.

    Args:
        sight: of the item by that reader.
        home: how it is read by its own readers when it is there.
        across: how often that reader reads it while it is at home, a second.
    """
    least, most = _STANDING_PER_S
    standing = max(least, min(most, home.per_s * _STANDING_SHARE))
    if standing <= across:
        return 0.0
    run_s = (sight.listened_us - sight.streak_us) / 1_000_000
    looks = min(float(sight.streak_reads), 1.0 + run_s)
    nats = looks * log(standing / across) - (standing - across) * run_s
    if home.level_cdbm is not None and sight.rssi_cdbm != RSSI_UNKNOWN:
        nats -= weaker_nats(sight.rssi_cdbm - _BEST_CDB, home.level_cdbm) * _OTHERS_LEVEL_SHARE
    return nats


def _elsewhere(
    sights: Sequence[Sight],
    setup: LotSetup,
    homes: Mapping[SensorKey, Binding],
    sensors: Mapping[SensorKey, SensorState],
    home: Rate,
) -> Sight | None:
    """Return the sighting by another zone's reader before which an item stands now, if any.

    Of several the one that speaks for it most: others read it across.
    """
    seen = [
        (nats, sight.made_us, sight)
        for sight in sights
        if sight.reader not in homes
        and setup.readers.get(sight.reader)
        and sight.streak_reads >= ELSEWHERE_READS_MIN
        and absent_us(sight, sensors) < STREAK_GAP_US
        and (nats := standing_nats(sight, home, CROSS_LOOKS_PER_S)) >= ELSEWHERE_NATS_MIN
    ]
    if not seen:
        return None
    return max(seen, key=lambda each: (each[0], each[1], each[2].reader))[2]


def _zone_of(sight: Sight, setup: LotSetup) -> ZoneId:
    return min(setup.readers[sight.reader], key=str)
