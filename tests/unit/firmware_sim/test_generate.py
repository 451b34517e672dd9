"""Families of sites: what is drawn from ranges stays within them and makes sense."""

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon

from firmware_sim import world as w
from firmware_sim.plan import Scenario
from firmware_sim.scenario import load_scenario, parse_scenario
from firmware_sim.toml_table import Table

TEXT = Path("firmware_sim/scenarios/evaluation.toml").read_bytes()
NUMBERS = st.integers(min_value=1, max_value=1_000)


def site(seed: int, number: int) -> Scenario:
    """Return a site of the family that detection is scored on."""
    return parse_scenario(TEXT, seed=seed, number=number)


@given(seed=NUMBERS, number=NUMBERS)
@settings(max_examples=40, deadline=None)
def test_zones_lie_side_by_side_and_hear_their_neighbours(seed: int, number: int) -> None:
    """No two zones overlap; a reader hears those zones that touch its own, and only those."""
    plan = site(seed, number)
    areas = {zone.name: Polygon(zone.polygon) for zone in plan.zones}
    touching: dict[str, set[str]] = {name: set() for name in areas}
    for (one, first), (other, second) in combinations(areas.items(), 2):
        shared = first.intersection(second)
        assert shared.area == pytest.approx(0.0)
        if shared.length > 0.01:
            touching[one].add(other)
            touching[other].add(one)

    for reader in plan.readers:
        assert set(reader.near) == touching[reader.zone]
    assert "dock" in areas


@given(seed=NUMBERS, number=NUMBERS)
@settings(max_examples=40, deadline=None)
def test_goods_fit_their_zones_and_scales(seed: int, number: int) -> None:
    """Items stand inside their zone, within the ranges; a scale carries them and a forklift."""
    plan = site(seed, number)
    world = w.build_world(plan)
    areas = {zone.name: Polygon(zone.polygon) for zone in plan.zones}

    for item in world.items:
        left_m, low_m, right_m, top_m = areas[item.home].bounds
        assert left_m < item.home_x_m < right_m
        assert low_m < item.home_y_m < top_m
    for platform in (*plan.scales, *plan.weighers):
        assert world.load_g(platform.lot) + 4_500_000 < platform.capacity_g
    for lot in plan.lots:
        assert 4 <= len(lot.epcs) <= 24
        assert all(item.net_g > 0 for item in lot.items)
        assert lot.zone == f"zone-{lot.name}"


@given(seed=NUMBERS, number=NUMBERS)
@settings(max_examples=20, deadline=None)
def test_a_site_follows_from_seed_and_number(seed: int, number: int) -> None:
    """The same seed and number draw the same site, another number another."""
    assert site(seed, number) == site(seed, number)
    assert site(seed, number).zones != site(seed, number + 1).zones or (
        site(seed, number).lots != site(seed, number + 1).lots
    )


def test_sites_of_a_family_have_different_sensors() -> None:
    """Some lots have a scale, a camera or a tracker, others have none."""
    sites = [site(1, number) for number in range(1, 61)]
    lots = sum(len(plan.lots) for plan in sites)
    weighed = sum(len(plan.scales) + len(plan.weighers) for plan in sites)
    watched = sum(len(plan.cameras) for plan in sites)
    tracked = sum(len(plan.trackers) for plan in sites)

    assert 0.4 * lots < weighed < 0.9 * lots
    assert 0.4 * lots < watched < 0.9 * lots
    assert 0 < tracked < 0.5 * lots
    assert any(tracker.roof for plan in sites for tracker in plan.trackers)
    assert {len(plan.gateways()) for plan in sites} == {1, 2, 3}


def test_the_same_goods_keep_their_tags_with_other_noise() -> None:
    """Another profile changes what sensors say, and not the site."""
    quiet = load_scenario("evaluation", profile="demo", seed=4, number=2)
    loud = load_scenario("evaluation", seed=4, number=2)

    assert quiet.lots == loud.lots
    assert quiet.noise != loud.noise


def test_a_range_may_be_one_number() -> None:
    """A span that is a number is that number."""
    table = Table({"a": 3, "b": [1, 2.5]}, "")

    assert table.span("a", low=0, high=9) == (3.0, 3.0)
    assert table.span("b", low=0, high=9) == (1.0, 2.5)
    assert table.whole_span("c", low=0, high=9, default=(4, 5)) == (4, 5)
