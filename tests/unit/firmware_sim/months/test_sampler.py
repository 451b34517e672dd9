"""A simulated month in columns: what happens shows at its instant, however the month is cut."""

from dataclasses import replace
from functools import partial
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import surroundings as s
from firmware_sim import world as w
from firmware_sim.scenario import load_scenario, parse_scenario
from firmware_sim.world import Sight
from schemas.quantities import EventType, Quantity
from tests.unit.firmware_sim.months.columns import BEGINS_US, Changes, Columns, sample, site_run

HARBOUR = resources.files("firmware_sim.scenarios").joinpath("harbour.toml").read_text()
SITE = load_scenario("harbour", profile="site")
DEMO = load_scenario("harbour", profile="demo")
DOCK = next(zone for zone in SITE.zones if zone.name == "dock")
COPPER = SITE.lot("copper").epcs
FISH = SITE.lot("fish").epcs
MINUTE_S = 60.0
HOUR_S = 3_600.0

BUSY: Changes = (
    (100.0, partial(s.set_at_work, at_work=True)),
    (700.0, partial(w.take_away, epc=COPPER[0])),
    (701.0, partial(w.move_to, epc=FISH[1], zone=DOCK)),
    (900.0, partial(w.set_air, zone="cold", target_c=12.0)),
    (1_000.5, partial(w.jolt, zone="cold", peak_g=6.5, hold_s=3.0)),
    (1_200.0, partial(w.set_covered, camera="cam-dock", covered=True)),
    (1_800.0, partial(w.bring_back, epc=COPPER[0])),
    (2_000.0, partial(w.set_cable_cut, device="scale-a", cut=True)),
    (2_400.0, partial(w.set_cable_cut, device="scale-a", cut=False)),
    (2_500.0, partial(s.set_unplugged, gateway="gw-south", unplugged=True)),
    (2_600.0, partial(s.set_unplugged, gateway="gw-south", unplugged=False)),
)


def assert_equal(one: Columns, other: Columns) -> None:
    """Fail unless two samplings say the same."""
    assert one.scalars.keys() == other.scalars.keys()
    for key, columns in one.scalars.items():
        for a, b in zip(columns, other.scalars[key], strict=True):
            assert a == pytest.approx(b, abs=1e-6), key
    for name, (at_us, epcs, rssi) in one.reads.items():
        assert np.array_equal(one.rounds[name], other.rounds[name])
        assert np.array_equal(at_us, other.reads[name][0])
        assert epcs == other.reads[name][1]
        assert np.array_equal(rssi, other.reads[name][2])
    assert one.events == other.events


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(0.0, 3_000.0), max_size=8), st.integers(0, 50))
def test_a_month_does_not_depend_on_its_cuts(cuts_s: list[float], seed: int) -> None:
    """Taken at once or in many pieces, every device says the same and the world is the same."""
    run = site_run(SITE, 3_000.0 / HOUR_S, BUSY, seed=seed)
    at_once, in_pieces = sample(run), sample(run, cuts_s)

    assert_equal(at_once, in_pieces)
    assert at_once.world.items == in_pieces.world.items
    assert at_once.world.revision == in_pieces.world.revision
    for zone, air in at_once.world.air.items():
        assert in_pieces.world.air[zone].sensed_c == pytest.approx(air.sensed_c, abs=1e-9)


def test_the_seed_and_the_name_are_all_the_luck_there_is() -> None:
    """The same run says the same; another seed says something else."""
    assert_equal(sample(site_run(SITE, 0.5, BUSY)), sample(site_run(SITE, 0.5, BUSY)))
    assert sample(site_run(SITE, 0.5, seed=2)).events != sample(site_run(SITE, 0.5)).events


def test_a_taken_pallet_is_read_before_and_never_after() -> None:
    """Its tag falls silent at the instant, its mass leaves the scale with the next reading."""
    taken_s = 1_000.123
    said = sample(site_run(SITE, 0.5, [(taken_s, partial(w.take_away, epc=COPPER[3]))]))
    seen_s = said.seen_s("rfid-a", COPPER[3])

    assert len(seen_s) > 100
    assert taken_s - 200.0 < seen_s.max() < taken_s
    before_g = np.median(said.values("scale-a", Quantity.MASS, (0.0, taken_s)))
    after_g = np.median(said.values("scale-a", Quantity.MASS, (taken_s, 1_800.0)))
    assert before_g - after_g == pytest.approx(1_020_000, abs=10_000)
    first_g = said.values("scale-a", Quantity.MASS, (taken_s, taken_s + 1.0))
    assert first_g == pytest.approx(after_g, abs=10_000)


def test_a_moved_pallet_is_read_where_it_went() -> None:
    """The dock's antenna reads it from the instant on, as its own and no longer as a neighbour."""
    change = partial(w.move_to, epc=COPPER[3], zone=DOCK)
    said = sample(site_run(DEMO, 0.2, [(300.0, change)]))

    assert said.seen_s("rfid-a", COPPER[3]).max() < 300.0
    assert said.seen_s("rfid-d", COPPER[3]).min() >= 300.0
    assert len(said.seen_s("rfid-d", COPPER[3])) > 400


def test_shielded_dead_and_foreign_tags() -> None:
    """A tag in foil is not read; a tag of another site is, for as long as it is there."""
    alien = "ABCDABCDABCDABCDABCDABCD"
    put = partial(s.set_foreign_tags, zone="hall-a", epcs=frozenset({alien}))
    said = sample(
        site_run(
            DEMO,
            0.2,
            [
                (100.0, partial(w.set_read_factor, epc=COPPER[0], factor=0.0)),
                (200.0, partial(put, there=True)),
                (400.0, partial(put, there=False)),
            ],
        )
    )

    assert said.seen_s("rfid-a", COPPER[0]).max() < 100.0
    seen_s = said.seen_s("rfid-a", alien)
    assert 200.0 <= seen_s.min() < seen_s.max() < 400.0


def test_scales_show_what_is_done_to_them() -> None:
    """Dummies, a shifted zero, a propped platform and a parked forklift."""
    changes: Changes = [
        (100.0, partial(w.fill, epc=COPPER[0], content_g=400_000)),
        (200.0, partial(s.set_zero_shift, lot="copper", shift_g=600_000)),
        (300.0, partial(s.set_propped, lot="copper", propped=True)),
        (310.0, partial(w.take_away, epc=COPPER[1])),
        (400.0, partial(s.set_propped, lot="copper", propped=False)),
        (500.0, partial(s.set_strange_load, lot="copper", mass_g=2_000_000)),
    ]
    said = sample(site_run(DEMO, 0.2, changes))
    means_g = [
        said.values("scale-a", Quantity.MASS, (start + 5.0, start + 99.0)).mean()
        for start in (0.0, 100.0, 200.0, 300.0, 400.0, 500.0)
    ]

    whole_g = 10 * 1_020_000
    expected = [whole_g, whole_g - 600_000, whole_g, whole_g]
    expected += [whole_g - 1_020_000, whole_g + 980_000]
    assert means_g == pytest.approx(expected, abs=1_500)


def test_air_follows_by_closed_form() -> None:
    """The transmitter's curve is that of the world stepped in small steps."""
    said = sample(site_run(DEMO, 0.1, [(60.0, partial(w.set_air, zone="cold", target_c=12.0))]))
    at_us, warm_c, _ = said.scalars["temp-c", Quantity.TEMPERATURE]
    world, now_s = w.set_air(w.build_world(DEMO), "cold", 12.0), 60.0
    for at_s, value_c in zip((at_us - BEGINS_US) / 1e6, warm_c, strict=True):
        while now_s + 0.05 < at_s:
            world, now_s = w.step(world, 0.05), now_s + 0.05
        if at_s > 61.0:
            assert value_c == pytest.approx(world.air["cold"].sensed_c, abs=0.6)


def test_jolts_doors_and_water_show_for_their_time() -> None:
    """A peak is held, a door stays open for as long as it is, and water until it is gone."""
    leak = '[[water]]\nname = "leak-c"\ngateway = "gw-north"\nzone = "cold"\nunit = 9\n'
    changes: Changes = [
        (100.0, partial(w.jolt, zone="cold", peak_g=6.5, hold_s=3.0)),
        (200.0, partial(s.set_door, zone="cold", open_s=30.0)),
        (300.0, partial(s.set_wet, zone="cold", wet=True)),
        (360.0, partial(s.set_wet, zone="cold", wet=False)),
    ]
    said = sample(site_run(parse_scenario((HARBOUR + leak).encode()), 0.2, changes))

    at_us, peak_g, _ = said.scalars["shock-c", Quantity.SHOCK]
    hit_s = (at_us[peak_g > 6.0] - BEGINS_US) / 1e6
    assert 1 <= len(hit_s) <= 2
    assert 100.0 <= hit_s.min() <= hit_s.max() < 103.0
    opened = said.values("door-c", Quantity.CONTACT, (200.0, 230.0))
    assert opened.mean() == 1.0
    assert said.values("door-c", Quantity.CONTACT, (230.0, 720.0)).max() == 0.0
    assert said.values("leak-c", Quantity.WATER, (300.0, 360.0)).mean() == 1.0
    assert said.values("leak-c", Quantity.WATER, (0.0, 300.0)).max() == 0.0


def test_nothing_is_heard_of_what_is_cut_off() -> None:
    """A cut cable silences its device, a gateway without power all of its devices."""
    said = sample(site_run(SITE, 3_000.0 / HOUR_S, BUSY))

    assert len(said.values("scale-a", Quantity.MASS, (2_000.0, 2_400.0))) == 0
    assert len(said.values("scale-a", Quantity.MASS, (2_400.0, 2_410.0))) >= 9
    for sensor, quantity in (("load-b", Quantity.MASS), ("gnss-y", Quantity.FIX)):
        assert len(said.values(sensor, quantity, (2_500.0, 2_600.0))) == 0
    dead = range(BEGINS_US + 2_500_000_000, BEGINS_US + 2_600_000_000)
    assert not any(int(at_us) in dead for at_us in said.rounds["rfid-b"])
    south = {"cam-yard", "cam-yard-image", "load-b"}
    assert not [e for e in said.events if e.at_us in dead and e.sensor in south]


def test_a_cover_is_told_at_once_and_judged_after_half_a_minute() -> None:
    """The firmware notices the dark, the images must last; both say when it is over."""
    said = sample(
        site_run(
            DEMO,
            0.3,
            [
                (100.0, partial(w.set_covered, camera="cam-dock", covered=True)),
                (400.0, partial(w.set_covered, camera="cam-dock", covered=False)),
                (600.0, partial(w.set_sight, camera="cam-dock", sight=Sight.DARK, on=True)),
                (620.0, partial(w.set_sight, camera="cam-dock", sight=Sight.DARK, on=False)),
                (700.0, partial(w.set_sight, camera="cam-dock", sight=Sight.FROZEN, on=True)),
            ],
        )
    )
    turns = [
        (e.sensor, (e.at_us - BEGINS_US) / 1e6, e.body["what"], e.body["active"])
        for e in said.events
        if e.type is EventType.CAMERA_TAMPER and e.at_us > BEGINS_US
    ]
    view = [turn for turn in turns if turn[0] == "cam-dock-view"]
    image = [turn for turn in turns if turn[0] == "cam-dock-image"]

    assert [turn[1:] for turn in view] == [
        (100.0, "dark", True),
        (100.0, "moved", True),
        (400.0, "dark", False),
        (400.0, "moved", False),
    ]
    assert [turn[2:] for turn in image] == [
        ("covered", True),
        ("covered", False),
        ("frozen", True),
    ]
    for (_, at_s, *_), began_s in zip(image, (100.0, 400.0, 700.0), strict=True):
        assert began_s + 30.0 <= at_s < began_s + 40.0


def test_people_and_lorries_are_seen_unless_the_camera_is_blind() -> None:
    """Who carries a pallet is a person in its zone; a lorry stays for a minute."""
    changes: Changes = [
        (100.0, partial(w.take_away, epc=COPPER[0])),
        (200.0, partial(w.set_covered, camera="cam-dock", covered=True)),
        (300.0, partial(w.take_away, epc=COPPER[1])),
    ]
    said = sample(site_run(DEMO, 0.2, changes))
    people = [e for e in said.events if e.type is EventType.CAMERA_OBJECT]

    assert [(e.sensor, e.body["label"], e.body["phase"]) for e in people] == [
        ("cam-dock", "person", "new"),
        ("cam-dock", "person", "end"),
    ]
    assert people[0].body["zones"] == ["hall-a"]
    days = sample(site_run(replace(SITE, readers=(), trackers=()), 24 * 10.0))
    lorries = [e for e in days.events if e.body.get("label") == "truck"]
    assert len(lorries) == pytest.approx(2 * 2 * 10 * 10, rel=0.25)
    lasted = {
        round((end - start) / 1e6)
        for e in lorries
        if e.body["phase"] == "end"
        for start, end in [(e.body["start_unix_us"], e.body["end_unix_us"])]
        if isinstance(start, int) and isinstance(end, int)
    }
    assert lasted == {60}


def test_a_replay_says_again_exactly_what_was_said() -> None:
    """Readings and reads of an hour before come again, and hide what happened meanwhile."""
    changes: Changes = [
        (2 * HOUR_S, partial(s.set_replayed, sensor="scale-a", ago_s=3_600)),
        (2 * HOUR_S, partial(s.set_replayed, sensor="rfid-a", ago_s=3_600)),
        (2 * HOUR_S + 60.0, partial(w.take_away, epc=COPPER[0])),
        (2.5 * HOUR_S, partial(s.set_replayed, sensor="scale-a", ago_s=0)),
        (2.5 * HOUR_S, partial(s.set_replayed, sensor="rfid-a", ago_s=0)),
    ]
    said = sample(site_run(SITE, 3.0, changes), [5_000.0, 8_000.0])
    then, now = (
        said.values("scale-a", Quantity.MASS, (start * HOUR_S, (start + 0.5) * HOUR_S))
        for start in (1.0, 2.0)
    )

    assert len(then) == 1_800
    assert np.array_equal(then, now)
    after_g = said.values("scale-a", Quantity.MASS, (2.5 * HOUR_S, 3.0 * HOUR_S))
    assert np.median(then) - np.median(after_g) == pytest.approx(1_020_000, abs=10_000)
    seen_s = said.seen_s("rfid-a", COPPER[0])
    assert 2.4 * HOUR_S < seen_s.max() < 2.5 * HOUR_S
    again_s = seen_s[seen_s >= 2 * HOUR_S] - HOUR_S
    once_s = seen_s[(seen_s >= HOUR_S) & (seen_s < 1.5 * HOUR_S)]
    assert again_s == pytest.approx(once_s, abs=1e-6)
