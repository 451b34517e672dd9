"""Runs of simulated sites: who meets what, when, and that it follows from the seed."""

from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from firmware_sim import world as w
from firmware_sim.life import DAY_US, HOUR_US
from firmware_sim.months.incidents import KINDS
from firmware_sim.months.script import SENSOR_KINDS, site_runs
from firmware_sim.months.types import Happening, Harm, Label, SiteRun
from firmware_sim.plan import Scenario
from firmware_sim.scenario import load_scenario
from firmware_sim.world import World

RUNS = site_runs("evaluation", seed=7, sites=4, days=30)
MINUTE_US = 60_000_000


def summary(run: SiteRun) -> tuple[object, ...]:
    """Return what of a run can be compared: all but the functions that change a world."""
    return (
        run.scenario,
        [(each.at_us, each.what) for each in run.happenings],
        run.labels,
        run.orders,
        run.outages,
        run.clock_errors,
    )


_WORLDS: dict[int, list[tuple[int, World]]] = {}


def worlds(run: SiteRun) -> list[tuple[int, World]]:
    """Return the worlds of a run, each with the time from which on it is so; kept for ``RUNS``."""
    if id(run) not in _WORLDS or not any(run is each for each in RUNS):
        _WORLDS[id(run)] = _played(run)
    return _WORLDS[id(run)]


def _played(run: SiteRun) -> list[tuple[int, World]]:
    world, at_us = w.build_world(run.scenario), run.begins_us
    found = [(at_us, world)]
    for each in run.happenings:
        world = each.change(w.step(world, (each.at_us - at_us) / 1e6))
        at_us = each.at_us
        found.append((at_us, world))
    return found


def test_a_run_follows_from_its_seed() -> None:
    """The same seed makes the same runs, another seed others."""
    again = site_runs("evaluation", seed=7, sites=4, days=30)
    other = site_runs("evaluation", seed=8, sites=4, days=30)

    assert [summary(run) for run in again] == [summary(run) for run in RUNS]
    assert all(summary(a) != summary(b) for a, b in zip(RUNS, other, strict=True))


def test_more_sites_leave_the_plants_of_the_others_alone() -> None:
    """A site is the same one among few sites and among many."""
    alone = site_runs("evaluation", seed=7, sites=1, days=30)[0]

    assert alone.scenario == RUNS[0].scenario


def test_sites_differ_and_share_no_tag_and_no_gateway() -> None:
    """Each site has goods, tags and gateways of its own."""
    tags = Counter(epc for run in RUNS for lot in run.scenario.lots for epc in lot.epcs)
    gateways = Counter(name for run in RUNS for name in run.scenario.gateways())
    plants = {tuple((lot.name, len(lot.epcs)) for lot in run.scenario.lots) for run in RUNS}

    assert max(tags.values()) == 1
    assert max(gateways.values()) == 1
    assert len({run.scenario.site for run in RUNS}) == len(RUNS)
    assert len(plants) == len(RUNS)


def test_copies_of_a_plain_scenario_share_no_tag() -> None:
    """A scenario that is no family gives copies with other tags, of the same length."""
    runs = site_runs("harbour", seed=1, sites=3, days=1)
    tags = [epc for run in runs for lot in run.scenario.lots for epc in lot.epcs]

    assert len(tags) == len(set(tags))
    assert {len(epc) for epc in tags} == {24}
    assert [run.scenario.site for run in runs] == ["harbour-01", "harbour-02", "harbour-03"]


def test_labels_never_meet_on_a_lot() -> None:
    """Two incidents that touch the same lot have quiet time between them."""
    for run in RUNS:
        quiet_us = round(run.scenario.life.incidents.quiet_h * HOUR_US)
        for first, second in combinations(run.labels, 2):
            if not set(first.lots) & set(second.lots):
                continue
            gap_us = max(first.begins_us, second.begins_us) - min(first.ends_us, second.ends_us)
            assert gap_us >= quiet_us, (first.id, second.id)


def test_no_movement_by_order_meets_an_incident() -> None:
    """An order's window on a lot is never that of an incident, but where the incident is of it."""
    for run in RUNS:
        for label in run.labels:
            for order in run.orders:
                if order.lot not in label.lots or label.kind in ("take_too_many", "take_too_late"):
                    continue
                assert order.until_us <= label.begins_us or label.ends_us <= order.from_us


def test_each_label_is_well_formed() -> None:
    """A label lies in the run, names its lots and items, and has an id of its own."""
    for run in RUNS:
        lots = {lot.name: lot for lot in run.scenario.lots}
        assert len({label.id for label in run.labels}) == len(run.labels)
        for label in run.labels:
            assert run.begins_us <= label.begins_us < label.ends_us <= run.ends_us
            assert label.kind in KINDS
            assert label.lot in label.lots
            assert set(label.lots) <= set(lots)
            assert label.lot is not None
            assert set(label.items) <= set(lots[label.lot].epcs)
            assert label.site == run.scenario.site


def test_happenings_are_in_order_and_within_the_run() -> None:
    """Happenings come by time; none is before the run or after it."""
    for run in RUNS:
        times = [each.at_us for each in run.happenings]
        assert times == sorted(times)
        assert run.begins_us <= times[0]
        assert times[-1] <= run.ends_us


def test_after_all_only_what_left_by_order_is_gone() -> None:
    """Played to the end, a run leaves the site as it was, less what orders let go."""
    for run in RUNS:
        first, last = w.build_world(run.scenario), worlds(run)[-1][1]
        gone = {item.epc for item in last.items if item.zone is None}
        ordered = {e for order in run.orders if order.destination is None for e in order.items}

        assert gone <= ordered
        for before, after in zip(first.items, last.items, strict=True):
            assert after == before or after.epc in gone
        for name in ("covered", "sights", "cut_cables", "foreign_tags", "strange_loads_g"):
            assert getattr(last, name) == getattr(first, name)
        for name in ("zero_shifts_g", "propped_g", "replayed_s", "places_m", "wet", "unplugged"):
            assert getattr(last, name) == getattr(first, name)


def test_goods_move_only_in_incidents_and_by_orders() -> None:
    """Whenever an item is not at home, a label or an order of its lot says so."""
    for run in RUNS:
        excuses: dict[str, list[tuple[int, int]]] = {}
        for label in run.labels:
            for epc in label.items:
                excuses.setdefault(epc, []).append((label.begins_us, label.ends_us))
        for order in run.orders:
            until_us = run.ends_us if order.destination is None else order.until_us
            for epc in order.items:
                excuses.setdefault(epc, []).append((order.from_us, until_us))
        for at_us, world in worlds(run):
            for item in world.items:
                if item.zone != item.home or item.content_g != item.net_g:
                    spans = excuses.get(item.epc, [])
                    assert any(a <= at_us <= b for a, b in spans), (item.epc, at_us)


def test_movements_are_in_working_hours_and_back_in_time() -> None:
    """Goods move by order in a shift only; what stays is back before its window ends."""
    for run in RUNS:
        assert len(run.orders) > 50
        shift = run.scenario.life.shift
        for each in run.happenings:
            if each.what.startswith("by order"):
                assert shift.at_work(each.at_us)
        for order in run.orders:
            assert run.begins_us <= order.issued_us <= order.from_us < order.until_us


def test_some_goods_leave_but_never_too_many() -> None:
    """Orders let goods leave down to the share that is kept."""
    gone = 0
    for run in RUNS:
        last = worlds(run)[-1][1]
        keep = run.scenario.life.movements.keep_share
        for lot in run.scenario.lots:
            left = sum(item.zone is None for item in last.items if item.lot == lot.name)
            assert len(lot.epcs) - left >= keep * len(lot.epcs)
            gone += left
    assert gone > 0


def test_shifts_begin_and_end() -> None:
    """People are about in working hours, and only then."""
    run = RUNS[0]
    shift = run.scenario.life.shift
    for at_us, world in worlds(run):
        if at_us % HOUR_US:
            assert world.at_work is shift.at_work(at_us)


def test_a_month_holds_the_incidents_that_were_asked_for() -> None:
    """The number of incidents is about the sum of the rates."""
    rates = RUNS[0].scenario.life.incidents.per_month
    found = sum(len(run.labels) for run in RUNS) / len(RUNS)

    assert 0.6 * sum(rates.values()) < found < 1.1 * sum(rates.values())


def test_every_kind_comes_up_somewhere() -> None:
    """Over some seeds every kind of the evaluation happens."""
    seen: Counter[str] = Counter()
    for seed in range(1, 6):
        for run in site_runs("evaluation", seed=seed, sites=8, days=30):
            seen.update(label.kind for label in run.labels)

    assert set(seen) == set(KINDS)


def test_left_out_sensors_change_nothing_that_happens() -> None:
    """Without a kind of sensor the same things happen to the same goods, unseen by it."""
    bare = site_runs("evaluation", seed=7, sites=4, days=30, without=SENSOR_KINDS)

    assert [run.labels for run in bare] == [run.labels for run in RUNS]
    assert [run.orders for run in bare] == [run.orders for run in RUNS]
    assert not any(run.scenario.gateways() for run in bare)
    assert worlds(bare[0])[-1][1].items == worlds(RUNS[0])[-1][1].items


@pytest.mark.parametrize("kind", SENSOR_KINDS)
def test_one_kind_of_sensor_can_be_left_out(kind: str) -> None:
    """Only sensors of that kind are gone."""
    (bare,) = site_runs("evaluation", seed=7, sites=1, days=1, without=[kind])
    whole = RUNS[0].scenario
    gone = set(whole.gateways()) - set(bare.scenario.gateways())

    assert len(sensors(bare.scenario)) < len(sensors(whole)) or kind == "gps"
    assert sensors(bare.scenario) < sensors(whole) or kind == "gps"
    assert not gone or kind in ("rfid", "scale")


def sensors(scenario: Scenario) -> set[str]:
    """Return the names of all sensors."""
    groups = (scenario.readers, scenario.scales, scenario.weighers, scenario.climates)
    more = (scenario.shocks, scenario.doors, scenario.waters, scenario.trackers, scenario.cameras)
    found = {plan.name for group in groups for plan in group}
    return found | {plan.name for group in more for plan in group}


def test_link_outages_and_clock_errors_are_apart() -> None:
    """Outages of a gateway never overlap, nor do its clock's errors; one lasts half a day."""
    for run in RUNS:
        for name in run.scenario.gateways():
            for spans in (
                sorted((o.begins_us, o.ends_us) for o in run.outages if o.gateway == name),
                sorted((c.begins_us, c.ends_us) for c in run.clock_errors if c.gateway == name),
            ):
                assert all(a[1] <= b[0] for a, b in pairwise(spans))
        longest_us = max(outage.ends_us - outage.begins_us for outage in run.outages)
        assert longest_us == 13 * HOUR_US
        assert all(abs(c.drift_ppm) <= 20.0 for c in run.clock_errors)
    offsets = {c.offset_us for run in RUNS for c in run.clock_errors}
    assert offsets == {0, -14 * DAY_US}


def at(run: SiteRun, us: int) -> World:
    """Return the world of a run at a moment."""
    return [world for since_us, world in worlds(run) if since_us <= us][-1]


def test_a_clone_is_told_of_at_the_site_that_owns_the_tag() -> None:
    """The label is the owner's; the tag is read at the site that it names."""
    seen = 0
    for seed in range(1, 5):
        runs = {r.scenario.site: r for r in site_runs("evaluation", seed=seed, sites=3, days=30)}
        for run in runs.values():
            for label in run.labels:
                if label.other_site is None:
                    continue
                seen += 1
                middle_us = (label.begins_us + label.ends_us) // 2
                tags = at(runs[label.other_site], middle_us).foreign_tags.values()
                assert set(label.items) <= {epc for epcs in tags for epc in epcs}
    assert seen > 0


def test_harmless_labels_are_harmless() -> None:
    """What has no harm says so."""
    label = next(label for label in RUNS[0].labels if label.kind == "lights_out")

    assert label.harmless
    assert replace(label, harms=(Harm.TAMPER,)).harmless is False


def test_a_family_loads_as_one_site_too() -> None:
    """The program on real wires runs the first site of a family."""
    assert load_scenario("evaluation").site == "eval-01"
    assert isinstance(RUNS[0].happenings[0], Happening)
    assert isinstance(RUNS[0].labels[0], Label)
