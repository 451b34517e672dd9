"""Presence: months without a false alarm, and a taken item within half a minute."""

import itertools
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.collateral.rules.detector import Seen
from backend.collateral.rules.detectors import away
from backend.collateral.rules.presence import Whereabouts
from backend.collateral.types import ItemCustody
from tests.unit.backend.collateral.rfid import (
    BASE_US,
    BLOCKED_FACTOR,
    CROSS_LOSS_CDB,
    DOCK,
    DOCK_ZONE,
    HOME,
    LEVEL_CDBM,
    SECOND_US,
    Site,
    Told,
    draw_blocked,
    draw_chances,
    tell,
)

DAY_S = 86_400
LEARN_S = 1_800
CROSS = 0.02


def _reads(rng: np.random.Generator, chance: float, seconds: int) -> np.ndarray:
    return rng.random(seconds, dtype=np.float32) < chance


def _quiet(rng: np.random.Generator, chances: list[float], seconds: int) -> list[Told]:
    """Return what is told of tags that stay, before an open shelf."""
    return [
        tell(rng, _reads(rng, chance, seconds), item=item) for item, chance in enumerate(chances)
    ]


def _found_s(site: Site, told: list[Told], gone_s: int, items: set[int], *, most_s: int) -> int:
    """Return after how many seconds all of these items are gone beyond doubt."""
    for at_s in range(gone_s, gone_s + most_s):
        site.fold(told, at_s, at_s + 1)
        looked = site.look()
        if all(_is_gone(looked[item]) for item in items):
            assert not any(_is_gone(w) for n, w in enumerate(looked) if n not in items)
            return at_s + 1 - gone_s
    return most_s


def _is_gone(where: Whereabouts) -> bool:
    return where.custody is ItemCustody.MISSING and where.beyond_doubt


def test_a_month_of_present_tags_holds_no_grave_finding() -> None:
    """Thirty days of the site's mix, blocked a fifth of the time: no absence beyond doubt."""
    rng = np.random.default_rng(20)
    chances = [0.95, 0.8, 0.55, 0.2]  # Two of the many, and one each of the others.
    site = Site(items=len(chances), listens=(HOME,))
    seconds = 30 * DAY_S
    blocked = draw_blocked(rng, seconds)
    factor = np.where(blocked, np.float32(BLOCKED_FACTOR), np.float32(1.0))
    told = [
        tell(rng, rng.random(seconds, dtype=np.float32) < factor * np.float32(chance), item=item)
        for item, chance in enumerate(chances)
    ]
    for day in range(30):
        site.fold(told, day * DAY_S, (day + 1) * DAY_S)
        assert not any(where.custody is ItemCustody.MISSING for where in site.look())
    assert len(site.sights) == site.items
    assert not any(sight.away_until_us for sight in site.sights.values())


def test_a_taken_item_is_found_in_half_a_minute() -> None:
    """One of ten, of the mix: by the median in less than a minute, if read well in 30 s."""
    rng = np.random.default_rng(21)
    found: list[tuple[float, int]] = []
    for _ in range(12):
        chances = draw_chances(rng, 10)
        gone_s = LEARN_S + int(rng.integers(0, 10))
        told = _quiet(rng, list(chances), gone_s + 300)
        told[0] = tell(rng, _reads(rng, chances[0], gone_s), item=0)
        site = Site(items=10, listens=(HOME,))
        site.fold(told, 0, gone_s)
        found.append((chances[0], _found_s(site, told, gone_s, {0}, most_s=300)))
    assert np.median([took_s for _, took_s in found]) < 60
    assert np.median([took_s for chance, took_s in found if chance >= 0.7]) < 30


def test_a_whole_lot_that_goes_at_once_is_found_later() -> None:
    """Six tags silent at the same time may be a blocked shelf: that takes longer to rule out."""
    rng = np.random.default_rng(22)
    told = _quiet(rng, [0.9] * 6, LEARN_S)
    site = Site(items=6, listens=(HOME,))
    site.fold(told, 0, LEARN_S)
    took_s = _found_s(site, told, LEARN_S, set(range(6)), most_s=300)
    assert 60 < took_s < 240
    assert all(where.all_silent for where in site.look())


def test_a_blind_reader_makes_nothing_missing() -> None:
    """No rounds, no time: after hours without any, all are where they were."""
    rng = np.random.default_rng(23)
    site = Site(items=4, listens=(HOME,))
    site.fold(_quiet(rng, [0.9] * 4, LEARN_S), 0, LEARN_S)
    told = [tell(rng, _reads(rng, 0.9, 3), item=n, begin_s=9_000) for n in range(4)]
    site.fold(told, 9_000, 9_003)
    assert all(where.custody is ItemCustody.IN_ZONE for where in site.look())


def test_a_weak_tag_needs_minutes() -> None:
    """Read once in twenty rounds: not gone after two minutes, gone after ten."""
    rng = np.random.default_rng(24)
    learn_s = 4 * LEARN_S
    told = _quiet(rng, [0.05, 0.9, 0.9, 0.9], learn_s + 600)
    told[0] = tell(rng, _reads(rng, 0.05, learn_s), item=0)
    site = Site(items=4, listens=(HOME,))
    site.fold(told, 0, learn_s + 120)
    assert site.look()[0].custody is ItemCustody.IN_ZONE
    site.fold(told, learn_s + 120, learn_s + 600)
    assert _is_gone(site.look()[0])


def test_nothing_is_missing_before_its_time() -> None:
    """However surprising its silence, an item is awaited for as long as its binding says."""
    rng = np.random.default_rng(25)
    site = Site(items=4, listens=(HOME,), missing_after_s=120)
    told = _quiet(rng, [0.95] * 4, LEARN_S + 200)
    told[0] = tell(rng, _reads(rng, 0.95, LEARN_S), item=0)
    site.fold(told, 0, LEARN_S + 100)
    where = site.look()[0]
    assert where.beyond_doubt
    assert where.custody is ItemCustody.IN_ZONE
    site.fold(told, LEARN_S + 100, LEARN_S + 130)
    assert site.look()[0].custody is ItemCustody.MISSING


def _across(rng: np.random.Generator, item: int, seconds: int, begin_s: int = 0) -> Told:
    """Return what the dock's reader reads across of a tag in the hall."""
    return tell(
        rng,
        _reads(rng, CROSS, seconds),
        item=item,
        reader=DOCK,
        begin_s=begin_s,
        level_cdbm=LEVEL_CDBM - CROSS_LOSS_CDB,
    )


def test_an_item_at_the_dock_is_relocated_and_back_home_it_is_not() -> None:
    """Read there as it was at home, and at home only across; soon back is soon told."""
    rng = np.random.default_rng(26)
    site = Site(items=5)
    away_s, back_s, end_s = LEARN_S, LEARN_S + 300, LEARN_S + 360
    told = _quiet(rng, [0.8] * 5, end_s)
    home = _reads(rng, 0.8, end_s)
    home[away_s:back_s] = _reads(rng, CROSS, 300)
    levels = {0: LEVEL_CDBM, away_s: LEVEL_CDBM - CROSS_LOSS_CDB, back_s: LEVEL_CDBM}
    bounds = [*levels, end_s]
    parts = [
        tell(rng, home[a:b], item=0, begin_s=a, level_cdbm=levels[a])
        for a, b in itertools.pairwise(bounds)
    ]
    there = [_across(rng, n, end_s) for n in range(1, 5)]
    moved = tell(rng, _reads(rng, 0.8, 300), item=0, reader=DOCK, begin_s=away_s)
    told = [*told[1:], *parts, *there, moved]
    site.fold(told, 0, away_s)
    seen: list[ItemCustody] = []
    for at_s in range(away_s, end_s):
        site.fold(told, at_s, at_s + 1)
        where = site.look()[0]
        seen.append(where.custody)
        if where.custody is ItemCustody.RELOCATED:
            assert where.zone_id == DOCK_ZONE
    first = seen.index(ItemCustody.RELOCATED)
    assert first < 20
    assert set(seen[first:300]) == {ItemCustody.RELOCATED}
    assert set(seen[320:]) == {ItemCustody.IN_ZONE}


def test_an_item_that_stays_at_the_dock_stays_relocated() -> None:
    """For hours: what the dock's reader learns of it meanwhile does not make it a cross-read."""
    rng = np.random.default_rng(29)
    end_s = LEARN_S + 3 * 3_600
    told = _quiet(rng, [0.8] * 4, end_s)
    told[0] = tell(rng, _reads(rng, 0.8, LEARN_S), item=0)
    away_s = end_s - LEARN_S
    across = _reads(rng, CROSS, away_s)
    level_cdbm = LEVEL_CDBM - CROSS_LOSS_CDB
    told.append(tell(rng, across, item=0, begin_s=LEARN_S, level_cdbm=level_cdbm))
    told.append(tell(rng, _reads(rng, 0.8, away_s), item=0, reader=DOCK, begin_s=LEARN_S))
    site = Site(items=4)
    site.fold(told, 0, LEARN_S + 60)
    for begin_s in range(LEARN_S + 60, end_s, 60):
        where = site.look()[0]
        assert (where.custody, where.zone_id) == (ItemCustody.RELOCATED, DOCK_ZONE)
        site.fold(told, begin_s, begin_s + 60)


def test_a_tag_on_the_border_does_not_flap() -> None:
    """Two readers read it alike, and each is blocked at times: it stays where it belongs."""
    rng = np.random.default_rng(27)
    seconds = 4 * 3_600
    site = Site(items=4)
    blocked = draw_blocked(rng, seconds)
    factor = np.where(blocked, BLOCKED_FACTOR, 1.0)
    told = [tell(rng, rng.random(seconds) < 0.6 * factor, item=n) for n in range(4)]
    told.append(tell(rng, _reads(rng, 0.6, seconds), item=0, reader=DOCK))
    for begin_s in range(0, seconds, 60):
        site.fold(told, begin_s, begin_s + 60)
        assert site.look()[0].custody is ItemCustody.IN_ZONE


def test_an_absence_within_one_batch_is_told() -> None:
    """Out and back in an outage: no decision fell in between, and its times are known."""
    rng = np.random.default_rng(28)
    end_s = LEARN_S + 900
    told = _quiet(rng, [0.9] * 5, end_s)
    reads = _reads(rng, 0.9, end_s)
    reads[LEARN_S : LEARN_S + 600] = False
    told[0] = tell(rng, reads, item=0)
    site = Site(items=5, listens=(HOME,))
    site.fold(told, 0, end_s)
    assert site.look()[0].custody is ItemCustody.IN_ZONE
    now_us = BASE_US + end_s * SECOND_US
    seen = Seen(
        sensors=site.sensors,
        streams={},
        sights=list(site.sights.values()),
        now_us=now_us + 60 * SECOND_US,
        since_us=now_us,
    )
    (fact,) = away.judge({}, site.setup, seen)
    assert fact.grave
    assert "is back" in fact.text
    assert away.judge({}, site.setup, replace(seen, since_us=seen.now_us)) == []


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cuts=st.sets(st.integers(1, 1_499), max_size=12),
    gone=st.tuples(st.integers(0, 1_200), st.integers(0, 400)),
)
def test_batches_do_not_matter(seed: int, cuts: set[int], gone: tuple[int, int]) -> None:
    """The same reports and rounds, however they are cut, leave exactly the same behind."""
    rng = np.random.default_rng(seed)
    seconds, (begin_s, lasts_s) = 1_500, gone
    chances = rng.random(4)
    factor = np.where(draw_blocked(rng, seconds), BLOCKED_FACTOR, 1.0)
    told = [
        tell(rng, rng.random(seconds) < chance * factor, item=item)
        for item, chance in enumerate(chances)
    ]
    reads = rng.random(seconds) < chances[0]
    reads[begin_s : begin_s + lasts_s] = False
    told[0] = tell(rng, reads, item=0)
    told.append(_across(rng, 1, seconds))
    one, other = Site(items=4), Site(items=4)
    one.fold(told, 0, seconds)
    for first, last in itertools.pairwise([0, *sorted(cuts), seconds]):
        other.fold(told, first, last)

    def known(site: Site) -> dict[object, object]:
        # Which envelope held a report, and when that came, follows from the cuts themselves.
        cut = {"made_us": 0, "arrived_us": 0, "envelope_number": 0, "settled_us": 0, "stay_us": 0}
        gone_us = {"away_from_us": 0, "away_until_us": 0, "away_arrived_us": 0}
        return {key: replace(sight, **cut, **gone_us) for key, sight in site.sights.items()}

    assert known(one) == known(other)
    shelves = [{key: state.shelves for key, state in s.sensors.items()} for s in (one, other)]
    assert shelves[0] == shelves[1]
    assert bool(one.sights[one.ids[0], HOME].away_until_us) == bool(
        other.sights[other.ids[0], HOME].away_until_us
    )
