"""The simulated world: goods, climate and shocks."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import world as w
from firmware_sim.incidents import IncidentBook, Kind
from firmware_sim.noise import seeded
from firmware_sim.scenario import load_scenario

HARBOUR = load_scenario("harbour")
WORLD = w.build_world(HARBOUR)
PALLET = HARBOUR.lot("copper").epcs[0]
DOCK = next(zone for zone in HARBOUR.zones if zone.name == "dock")


def to_dock(world: w.World, epc: str) -> w.World:
    """Return the world with the pallet at the dock."""
    return w.move_to(world, epc, DOCK)


def test_everything_begins_in_place() -> None:
    """Each lot stands in its zone with its full mass."""
    assert WORLD.load_g("copper") == 10 * 1_020_000
    assert WORLD.load_g("aluminium") == 8 * 770_000
    assert len(WORLD.tags_in("hall-a")) == 10
    assert all(item.untouched for item in WORLD.items)


def test_no_two_pallets_stand_in_one_place() -> None:
    """Pallets have a place each, inside the bounds of their zone."""
    places = {(item.x_m, item.y_m) for item in WORLD.items}
    zones = {zone.name: zone.polygon for zone in HARBOUR.zones}

    assert len(places) == len(WORLD.items)
    for item in WORLD.items:
        xs, ys = zip(*zones[item.home], strict=True)
        assert min(xs) < item.x_m < max(xs)
        assert min(ys) < item.y_m < max(ys)


def test_a_taken_pallet_is_gone_with_tag_and_mass() -> None:
    """Taking a pallet away lowers the load by gross and removes its tag."""
    after = w.take_away(WORLD, PALLET)

    assert after.load_g("copper") == WORLD.load_g("copper") - 1_020_000
    assert PALLET not in after.tags_in("hall-a")


def test_a_moved_pallet_is_read_at_the_dock() -> None:
    """Moving a pallet takes its mass off the platform and its tag to the dock."""
    after = w.move_to(WORLD, PALLET, DOCK)

    assert after.load_g("copper") == WORLD.load_g("copper") - 1_020_000
    assert after.tags_in("dock") == [PALLET]
    assert PALLET not in after.tags_in("hall-a")


def test_taken_goods_leave_pallet_and_tag() -> None:
    """Taking only the goods lowers the load by net and leaves every tag."""
    after = w.empty(WORLD, PALLET)

    assert after.load_g("copper") == WORLD.load_g("copper") - 1_000_000
    assert after.tags_in("hall-a") == WORLD.tags_in("hall-a")


@pytest.mark.parametrize("change", [w.take_away, w.empty, to_dock])
def test_bringing_back_restores_the_items(change: Callable[[w.World, str], w.World]) -> None:
    """Whatever befell a pallet, bringing it back puts it where it was."""
    assert w.bring_back(change(WORLD, PALLET), PALLET).items == WORLD.items


def test_overheating_crosses_the_limit_soon_and_cools_again() -> None:
    """The cold store's sensor passes its limit within seconds, and returns."""
    hot = w.set_air(WORLD, "cold", 12.0)
    for _ in range(30):
        hot = w.step(hot, 0.1)
    assert hot.air["cold"].sensed_c > -15.0
    cooled = w.set_air(hot, "cold", -18.0)
    for _ in range(300):
        cooled = w.step(cooled, 0.1)
    assert cooled.air["cold"].sensed_c == pytest.approx(-18.0, abs=0.1)


@given(st.floats(0.01, 100.0), st.integers(1, 50))
def test_air_does_not_depend_on_the_step(total_s: float, parts: int) -> None:
    """The air's temperature after a time is the same in one step or in many."""
    hot = w.set_air(WORLD, "cold", 12.0)
    once = w.step(hot, total_s)
    many = hot
    for _ in range(parts):
        many = w.step(many, total_s / parts)

    assert many.air["cold"].air_c == pytest.approx(once.air["cold"].air_c, abs=1e-6)


def test_a_jolt_is_held_for_its_time() -> None:
    """A peak stays in the register for the hold time and no longer."""
    hit = w.jolt(WORLD, "cold", 6.5, 3.0)

    assert w.step(hit, 2.9).jolts["cold"].peak_g == 6.5
    assert "cold" not in w.step(hit, 3.0).jolts
    assert w.calm(hit, "cold").jolts == {}


def test_a_pallet_leaves_the_cold_store_through_its_door() -> None:
    """Moving goods of a zone with a door opens it for a moment; other zones' doors stay shut."""
    fish = HARBOUR.lot("fish").epcs[0]

    assert w.take_away(WORLD, fish).doors_open_s["cold"] > 0.0
    assert w.step(w.take_away(WORLD, fish), 60.0).doors_open_s["cold"] == 0.0
    assert w.take_away(WORLD, PALLET).doors_open_s["cold"] == 0.0


@given(st.lists(st.sampled_from(Kind), max_size=8), st.integers())
def test_same_seed_same_world(kinds: list[Kind], seed: int) -> None:
    """The same incidents under the same seed give the same world."""

    def play() -> w.World:
        book, world = IncidentBook(HARBOUR, seeded(seed, "incidents")), WORLD
        for number, kind in enumerate(dict.fromkeys(kinds)):
            world, _ = book.start(world, kind, None, number)
            world = w.step(world, 0.1)
        return world

    assert play() == play()
