"""What a scenario file gives one by one: incidents and movements at their time and place."""

from pathlib import Path

import pytest

from firmware_sim import world as w
from firmware_sim.errors import ScenarioError
from firmware_sim.life import DAY_US, HOUR_US
from firmware_sim.months.script import site_runs
from firmware_sim.months.types import SiteRun
from firmware_sim.world import World

MINUTE_US = 60_000_000
GIVEN = """
[[incident]]
kind = "take_pallet"
day = 2
time = "03:15"
lot = "copper"
count = 2
lasts_min = 30

[[movement]]
day = 2
time = "10:00"
lot = "fish"
count = 3
to = "dock"
stay_min = 20

[[movement]]
day = 2
time = "10:00"
lot = "aluminium"
items = ["3074257BF461A88000000002"]
"""


def harbour_with(text: str, path: Path) -> str:
    """Write the harbour with more lines, and return the file's name."""
    harbour = Path("firmware_sim/scenarios/harbour.toml").read_text(encoding="utf-8")
    (path / "mine.toml").write_text(harbour + text, encoding="utf-8")
    return str(path / "mine.toml")


def at(run: SiteRun, us: int) -> World:
    """Return the world of a run at a moment."""
    world = w.build_world(run.scenario)
    for each in run.happenings:
        if each.at_us <= us:
            world = each.change(world)
    return world


def test_what_is_given_happens_then_and_there(tmp_path: Path) -> None:
    """Incidents and movements that a file gives are where and when it says."""
    (run,) = site_runs(harbour_with(GIVEN, tmp_path), seed=1, sites=1, days=3)
    (label,) = run.labels
    day_us = run.begins_us + DAY_US
    begins_us = day_us + 3 * HOUR_US + 15 * MINUTE_US

    assert (label.kind, label.lot, label.begins_us) == ("take_pallet", "copper", begins_us)
    assert label.ends_us == begins_us + 30 * MINUTE_US
    assert len(label.items) == 2
    away = at(run, begins_us + 20 * MINUTE_US)
    assert {item.epc for item in away.items if item.zone is None} == set(label.items)
    home, leave = sorted(run.orders, key=lambda order: order.destination is None)
    assert (home.lot, home.destination, len(home.items)) == ("fish", "dock", 3)
    assert (leave.lot, leave.destination) == ("aluminium", None)
    assert leave.items == ("3074257BF461A88000000002",)
    assert home.from_us < day_us + 10 * HOUR_US < home.until_us
    end = at(run, run.ends_us)
    assert [item.epc for item in end.items if item.zone is None] == list(leave.items)
    assert len(at(run, day_us + 10 * HOUR_US + 15 * MINUTE_US).tags_in("dock")) >= 3


def test_what_lies_beyond_a_short_run_is_left_out(tmp_path: Path) -> None:
    """A file for a month can be tried for a day."""
    (run,) = site_runs(harbour_with(GIVEN, tmp_path), seed=1, sites=1, days=1)

    assert not run.labels
    assert not run.orders


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            'lot = "copper"',
            'lot = "gold"',
            "incident.0..lot = 'gold': site harbour has",
        ),
        ('kind = "take_pallet"', 'kind = "water"', "kind = 'water': nothing at copper could show"),
        ("count = 3", "count = 7", "movement.0. = 'fish': the lot has no such items, or not so"),
        ("count = 2", "count = 99", "incident.0. = 'take_pallet': the lot has no such items"),
        ("461A88000000002", "461A88000000099", "movement.1. = 'aluminium': the lot has no such"),
        ('lot = "fish"', 'lot = "aluminium"', "meets another on lot aluminium"),
        ('lot = "fish"', 'lot = "silver"', r"movement\[0\]\.lot = 'silver': site harbour has"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    """An incident or movement that has no place is an error, never left out in silence."""
    text = GIVEN.replace(old, new)
    with pytest.raises(ScenarioError, match=complaint):
        site_runs(harbour_with(text, tmp_path), seed=1, sites=1, days=3)


@pytest.mark.parametrize(
    ("sites", "days", "without", "complaint"),
    [
        (0, 1, (), "sites = 0: must be within 1 to 1000"),
        (1, 0, (), "days = 0: must be within 1 to 400"),
        (1, 1, ("radar",), "without = 'radar': must be one of: rfid, scale, gps"),
    ],
)
def test_wrong_arguments_are_named(
    sites: int, days: int, without: tuple[str, ...], complaint: str
) -> None:
    """Bounds of what is asked for are said."""
    with pytest.raises(ScenarioError, match=complaint):
        site_runs("harbour", seed=1, sites=sites, days=days, without=without)
