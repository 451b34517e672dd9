"""What the library says of its incidents holds for what devices say: who shows it, since when."""

from collections.abc import Collection

import numpy as np
import pytest

from firmware_sim.life import DAY_US
from firmware_sim.months.acts import SECOND_US, Act, Stage
from firmware_sim.months.calendar import fits
from firmware_sim.months.incidents import KINDS
from firmware_sim.months.sampler import SiteSampler
from firmware_sim.months.types import Happening, SiteRun
from firmware_sim.noise import seeded
from firmware_sim.plan import LotPlan, Scenario
from firmware_sim.scenario import load_scenario

SITES = tuple(
    load_scenario("evaluation", profile="demo", seed=3, number=number) for number in range(1, 9)
)
BEFORE_US = 60 * SECOND_US
SLOW = frozenset(("replay_readings", "light_step"))  # needs a week; a picture that stays good
GRADUAL = frozenset(("overheat", "freeze", "damp"))  # shows before it passes the limit
PATIENCE_US = 60 * SECOND_US  # of a gateway that measures images
Said = dict[tuple[str, str], list[tuple[int, float]]]


def act_of(kind: str, site: Scenario, lot: LotPlan, at_us: int) -> Act:
    """Return an act of ``kind`` on that lot."""
    stage = Stage(
        scenario=site,
        lot=lot,
        items={item.epc: item.net_g for item in lot.items},
        rng=seeded(1, kind),
        lasts_us=round(KINDS[kind].lasts_s[1] * SECOND_US),
        at_us=at_us,
        since_begin_us=9 * DAY_US,
        neighbour=site,
    )
    act = KINDS[kind].act(stage)
    assert act is not None
    return act


def said(run: SiteRun, sensors: Collection[str]) -> Said:
    """Return what these sensors say, by sensor and quantity."""
    found: Said = {}
    for raw in SiteSampler(run).take(run.ends_us):
        for block in raw.scalars:
            if block.sensor in sensors:
                rows = zip(block.at_us.tolist(), block.value.tolist(), strict=True)
                found[block.sensor, block.quantity.value] = list(rows)
        for reads in raw.reads:
            if reads.sensor in sensors:
                times = reads.round_us[reads.round].tolist()
                tags = np.array([hash(epc) for epc in reads.epcs])[reads.tag].tolist()
                found[reads.sensor, "tags"] = list(zip(times, tags, strict=True))
        for event in raw.events:
            if any(event.sensor.startswith(name) for name in sensors):
                row = (event.at_us, float(hash(repr(event.body))))
                found.setdefault((event.sensor, "events"), []).append(row)
    return found


def first_difference_us(one: Said, other: Said) -> int | None:
    """Return the first time at which two records differ."""
    times: list[int] = []
    for key in one.keys() | other.keys():
        first, second = one.get(key, []), other.get(key, [])
        same = 0
        while same < min(len(first), len(second)) and first[same] == second[same]:
            same += 1
        times += [rows[same][0] for rows in (first, second) if same < len(rows)]
    return min(times, default=None)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - SLOW))
def test_a_kind_is_shown_by_whom_and_when_it_says(kind: str) -> None:
    """What the named sensors say differs from a quiet hour since the moment that is labelled."""
    site, lot = next((site, lot) for site in SITES for lot in site.lots if fits(site, kind, lot))
    begins_us = site.life.begins_us
    at_us = begins_us + BEFORE_US
    act = act_of(kind, site, lot, at_us)
    shows_us = at_us + act.shows_after_us
    happenings = tuple(
        Happening(at_us=at_us + step.after_us, what=step.what, change=step.change)
        for step in sorted((*act.steps, *act.elsewhere), key=lambda step: step.after_us)
    )

    def run(happenings: tuple[Happening, ...]) -> SiteRun:
        return SiteRun(
            scenario=site,
            seed=1,
            begins_us=begins_us,
            ends_us=shows_us + 2 * PATIENCE_US,
            happenings=happenings,
            labels=(),
            orders=(),
            outages=(),
            clock_errors=(),
        )

    sensors = act.shown_by
    found_us = first_difference_us(said(run(happenings), sensors), said(run(()), sensors))

    assert found_us is not None
    assert found_us <= shows_us + PATIENCE_US
    if kind not in GRADUAL and act.shows_after_us == 0:
        assert found_us >= shows_us
