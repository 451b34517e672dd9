"""The library of incidents: what each does to a site, and that it can be put right."""

from dataclasses import replace

import pytest

from firmware_sim import world as w
from firmware_sim.life import DAY_US
from firmware_sim.months.acts import SECOND_US, Act, Stage
from firmware_sim.months.calendar import fits
from firmware_sim.months.incidents import KINDS
from firmware_sim.months.script import SENSOR_KINDS, leave_out
from firmware_sim.months.types import Harm
from firmware_sim.noise import seeded
from firmware_sim.plan import LotPlan, Scenario
from firmware_sim.scenario import load_scenario
from firmware_sim.world import World

SITES = tuple(load_scenario("evaluation", seed=3, number=number) for number in range(1, 9))
GOODS_GO = ("take_pallet", "take_several", "move_pallet", "move_inside", "leave_by_dock")


def places(kind: str) -> list[tuple[Scenario, LotPlan]]:
    """Return the lots of all sites that ``kind`` can befall."""
    return [(site, lot) for site in SITES for lot in site.lots if fits(site, kind, lot)]


def act_of(kind: str, site: Scenario, lot: LotPlan, *, seed: int = 1) -> Act:
    """Return an act of ``kind`` on that lot in the night of the ninth day."""
    act = KINDS[kind].act(
        Stage(
            scenario=site,
            lot=lot,
            items={item.epc: item.net_g for item in lot.items},
            rng=seeded(seed, kind),
            lasts_us=round(KINDS[kind].lasts_s[1] * SECOND_US),
            at_us=site.life.begins_us + 9 * DAY_US,
            since_begin_us=9 * DAY_US,
            neighbour=SITES[0],
        )
    )
    assert act is not None, f"{kind} was said to fit {lot.name}"
    return act


def played(world: World, act: Act) -> World:
    """Return the world after all steps of an act."""
    for step in sorted((*act.steps, *act.elsewhere), key=lambda step: step.after_us):
        world = step.change(world)
    return world


def undone(world: World, act: Act) -> World:
    """Return the world after an act was put right."""
    for change in (*act.undo, *act.undo_elsewhere):
        world = change(world)
    return world


def at_rest(world: World) -> World:
    """Return the world without what time alone takes back: the count, and doors that shut."""
    doors = dict.fromkeys(world.doors_open_s, 0.0)
    return replace(world, revision=0, doors_open_s=doors)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_place_changes_the_world_and_is_undone(kind: str) -> None:
    """Applied, a kind changes the world of one site; undone, all is as before."""
    found = places(kind)

    assert found
    for site, lot in found[:4]:
        before = w.build_world(site)
        act = act_of(kind, site, lot)
        steps = (*act.steps, *act.elsewhere)

        assert any(at_rest(step.change(before)) != before for step in steps) or kind in (
            "replay_readings",
            "door_left_open",
        )
        assert played(before, act) != before
        assert at_rest(undone(played(before, act), act)) == at_rest(before)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_is_true(kind: str) -> None:
    """An act names its items, what would show it, and what should come of it, within its time."""
    for site, lot in places(kind):
        act = act_of(kind, site, lot)

        assert set(act.items) <= set(lot.epcs)
        assert act.shown_by
        assert act.truth
        assert act.harms
        assert (Harm.NONE in act.harms) == (act.harms == (Harm.NONE,))
        assert 0 <= act.shows_after_us < KINDS[kind].lasts_s[0] * SECOND_US
        assert all(step.after_us >= 0 for step in act.steps)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_end_before_the_shortest_incident_does(kind: str) -> None:
    """What somebody does is done before it is put right."""
    for site, lot in places(kind):
        stage_us = round(KINDS[kind].lasts_s[1] * SECOND_US)
        act = act_of(kind, site, lot)
        last_us = max((step.after_us for step in act.steps), default=0)

        assert last_us < stage_us
        if kind not in ("pilfer", "forklift_on_scale"):  # scaled to how long they last
            assert last_us < KINDS[kind].lasts_s[0] * SECOND_US


@pytest.mark.parametrize("kind", KINDS)
def test_an_act_follows_from_its_seed(kind: str) -> None:
    """The same seed makes the same act."""
    site, lot = places(kind)[0]
    first, second = (act_of(kind, site, lot) for _ in range(2))

    assert (first.items, first.truth) == (second.items, second.truth)
    assert [step.after_us for step in first.steps] == [step.after_us for step in second.steps]


@pytest.mark.parametrize("kind", GOODS_GO)
def test_stolen_goods_leave_tag_and_mass_with_them(kind: str) -> None:
    """Whatever leaves its zone is read there no more, and its mass is off the scale."""
    site, lot = next((s, lot) for s, lot in places(kind) if fits(s, "swap_lighter", lot))
    before = w.build_world(site)
    act = act_of(kind, site, lot)
    after = played(before, act)
    gross_g = sum(item.net_g + item.tare_g for item in lot.items if item.epc in act.items)

    assert not set(act.items) & set(after.tags_in(lot.zone))
    assert before.load_g(lot.name) - after.load_g(lot.name) == gross_g


@pytest.mark.parametrize(
    ("kind", "lighter"),
    [("swap_lighter", True), ("take_goods_leave_tags", True), ("swap_heavier", False)],
)
def test_dummies_keep_their_tags_and_change_the_mass(kind: str, *, lighter: bool) -> None:
    """Tags stay where they were; the scale shows less, or more."""
    site, lot = places(kind)[0]
    before = w.build_world(site)
    after = played(before, act_of(kind, site, lot))

    assert after.tags_in(lot.zone) == before.tags_in(lot.zone)
    assert (after.load_g(lot.name) < before.load_g(lot.name)) is lighter
    assert after.load_g(lot.name) != before.load_g(lot.name)


@pytest.mark.parametrize("kind", ["rezero_scale", "prop_scale"])
def test_a_scale_that_was_meddled_with_shows_what_it_showed(kind: str) -> None:
    """Goods are gone, and the scale says that they are not."""
    site, lot = places(kind)[0]
    before = w.build_world(site)
    after = played(before, act_of(kind, site, lot))

    assert after.mass_g(lot.name) < before.mass_g(lot.name)
    assert after.load_g(lot.name) == before.load_g(lot.name)


def test_a_shielded_tag_is_not_read_and_its_goods_stay() -> None:
    """Foil takes the tag from the readers and nothing from the scale."""
    site, lot = places("shield_tags")[0]
    before = w.build_world(site)
    act = act_of("shield_tags", site, lot)
    after = played(before, act)

    assert len(act.items) >= 2
    assert not set(act.items) & set(after.tags_in(lot.zone))
    assert after.load_g(lot.name) == before.load_g(lot.name)


def test_a_cloned_tag_is_read_elsewhere_too() -> None:
    """The copy answers at the other site, the item where it stands."""
    site, lot = next((s, lot) for s, lot in places("clone_tag") if s is not SITES[0])
    act = act_of("clone_tag", site, lot)
    there = w.build_world(SITES[0])
    for step in act.elsewhere:
        there = step.change(there)

    assert not act.steps
    assert any(act.items[0] in there.tags_in(zone.name) for zone in SITES[0].zones)


def test_pilferage_takes_more_and_more_of_some_items() -> None:
    """Portion by portion the mass falls, and the tags stay."""
    site, lot = places("pilfer")[0]
    before = w.build_world(site)
    act = act_of("pilfer", site, lot)
    world, loads_g = before, [before.load_g(lot.name)]
    for step in act.steps:
        world = step.change(world)
        loads_g.append(world.load_g(lot.name))

    assert loads_g == sorted(loads_g, reverse=True)
    assert len(set(loads_g)) >= 5
    assert world.tags_in(lot.zone) == before.tags_in(lot.zone)


@pytest.mark.parametrize("kind", ["overheat", "freeze"])
def test_air_passes_the_limit_when_the_label_says(kind: str) -> None:
    """Just before the label begins the sensor is within limits, a minute after it is not."""
    site, lot = places(kind)[0]
    act = act_of(kind, site, lot)
    climate = next(plan for plan in site.climates if plan.zone == lot.zone)
    at_us = site.life.begins_us + 9 * DAY_US
    found: list[float] = []
    for after_us in (act.shows_after_us - 20 * SECOND_US, act.shows_after_us + 60 * SECOND_US):
        world = w.step(played(w.build_world(site), act), after_us / SECOND_US)
        wave_c = climate.weather_share * site.life.weather.offset_c(at_us + after_us)
        found.append(world.air[lot.zone].sensed_c + wave_c)
    least, most = lot.limits.temperature_min_c, lot.limits.temperature_max_c

    assert most is not None
    within = [(least is None or least <= c) and c <= most for c in found]
    assert within == [True, False]


def test_an_incident_takes_the_items_that_are_asked_for() -> None:
    """A scenario may name the items."""
    site, lot = places("take_pallet")[0]
    stage = Stage(
        scenario=site,
        lot=lot,
        items={item.epc: item.net_g for item in lot.items},
        rng=seeded(1, "asked"),
        lasts_us=SECOND_US,
        at_us=site.life.begins_us,
        since_begin_us=0,
        asked_items=lot.epcs[:2],
    )
    act = KINDS["take_pallet"].act(stage)

    assert act is not None
    assert act.items == lot.epcs[:2]


def test_a_site_without_sensors_has_nothing_to_show() -> None:
    """Where nothing watches, no kind has a place."""
    bare = leave_out(SITES[0], SENSOR_KINDS)

    assert not [kind for kind in KINDS for lot in bare.lots if fits(bare, kind, lot)]
