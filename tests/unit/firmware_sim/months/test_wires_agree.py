"""The wires and simulated months share the world and its noise: the same statistics on both.

The devices of the wires are asked as their masters ask them, under a clock that a test moves on.
"""

from dataclasses import replace
from functools import partial
from importlib import resources

import numpy as np
import pytest

from firmware_sim.devices.llrp_antennas import SiteAntenna
from firmware_sim.devices.modbus_sensors import climate_unit, shock_unit, weigher_unit
from firmware_sim.devices.modbus_serve import Unit
from firmware_sim.hearing import field_of
from firmware_sim.incidents import IncidentBook
from firmware_sim.noise import (
    PROFILES,
    Climate,
    FieldBus,
    LoadCell,
    TagReads,
    Vibration,
    Wander,
    seeded,
)
from firmware_sim.plan import Scenario
from firmware_sim.plant import Plant
from firmware_sim.scenario import parse_scenario
from firmware_sim.surroundings import set_at_work
from firmware_sim.world import build_world
from schemas.quantities import Quantity
from tests.unit.firmware_sim.months.columns import BEGINS_US, Columns, sample, site_run

HARBOUR = resources.files("firmware_sim.scenarios").joinpath("harbour.toml").read_text()
# Blockage lasts minutes: to compare means of hours, its cause is left out here and tested alone.
CALM = replace(PROFILES["site"], blockage_per_s=0.0, reader_outages_per_day=0.0)
HOURS = 4.0
COUNT = round(HOURS * 3_600)


class TestClock:
    """A clock that a test moves on."""

    __test__ = False

    def __init__(self) -> None:
        """Begin with the run."""
        self.now_s = 0.0

    def unix_us(self) -> int:
        """Return the wall time in microseconds since 1970, UTC."""
        return BEGINS_US + round(self.now_s * 1e6)

    def steady_s(self) -> float:
        """Return the seconds since the begin."""
        return self.now_s


def site() -> Scenario:
    """Return the harbour with the noise of a site, polled once a second."""
    scenario = replace(parse_scenario(HARBOUR.encode(), profile="site"), noise=CALM)
    climates = tuple(replace(plan, period_s=1.0) for plan in scenario.climates)
    return replace(scenario, climates=climates)


SITE = site()


@pytest.fixture(scope="module")
def months() -> Columns:
    """Return some hours of the site in columns, people at work."""
    return sample(site_run(SITE, HOURS, [(0.0, partial(set_at_work, at_work=True))]))


@pytest.fixture
def plant() -> Plant:
    """Return the same site as its wires see it."""
    world = set_at_work(build_world(SITE), at_work=True)
    return Plant(world, IncidentBook(SITE, seeded(1, "incidents")), TestClock())


def ask(plant: Plant, unit: Unit, address: int, count: int) -> list[int]:
    """Return a register of ``unit``, asked once a second."""
    assert isinstance(plant.clock, TestClock)
    found: list[int] = []
    for _ in range(count):
        plant.clock.now_s += 1.0
        bank = unit.sample()
        assert bank is not None
        found.append((bank.inputs or bank.holding)[address])
    return found


def share(seen: list[str], epcs: tuple[str, ...], rounds: int) -> list[float]:
    """Return in which share of the rounds each tag was read, sorted."""
    counts = dict.fromkeys(epcs, 0)
    for epc in seen:
        if epc in counts:
            counts[epc] += 1
    return sorted(count / rounds for count in counts.values())


def test_a_polled_reader_reads_as_often(months: Columns) -> None:
    """Each tag is read in the same share of rounds, and neighbours as seldom."""
    plan = next(plan for plan in SITE.readers if plan.name == "rfid-a")
    reads = TagReads(SITE.noise_of(plan.name), seeded(1, plan.name))
    field = field_of(build_world(SITE), plan)
    seen = [epc for _ in range(5_000) for epc, _ in reads.one(field, 1.0) or ()]
    at_us, epcs, _ = months.reads["rfid-a"]
    own, near = SITE.lot("copper").epcs, SITE.lot("fish").epcs
    texts = [epc.hex().upper() for epc in epcs]

    assert share(seen, own, 5_000) == pytest.approx(share(texts, own, COUNT), abs=0.025)
    assert np.mean(share(seen, near, 5_000)) == pytest.approx(
        float(np.mean(share(texts, near, COUNT))), rel=0.15
    )
    assert len(months.rounds["rfid-a"]) == COUNT
    assert (np.diff(at_us) >= 0).all()


def test_a_network_reader_reads_as_often_in_a_round(plant: Plant, months: Columns) -> None:
    """Ten passes a second miss what one round misses."""
    plan = next(plan for plan in SITE.readers if plan.name == "rfid-a")
    antenna = SiteAntenna(plan, plant, TagReads(CALM, seeded(1, plan.name)))
    assert isinstance(plant.clock, TestClock)
    own, seen = SITE.lot("copper").epcs, list[str]()
    for _ in range(2_000):
        inside = set[str]()
        for _ in range(4):
            plant.clock.now_s += 0.25
            inside |= {tag.epc.hex().upper() for tag in antenna.look()}
        seen += inside
    texts = [epc.hex().upper() for epc in months.reads["rfid-a"][1]]

    # A round of the client may straddle two of the reader's: it misses no more than they do.
    wire, month = (np.array(share(*of)) for of in ((seen, own, 2_000), (texts, own, COUNT)))
    assert wire == pytest.approx(month, abs=0.04)


def test_a_platform_weighs_the_same(plant: Plant, months: Columns) -> None:
    """Mean, spread and the share of odd readings are those of the months."""
    plan = SITE.weighers[0]
    cell = LoadCell(CALM, seeded(1, plan.name), plan.settle_s, plan.capacity_g)
    unit = weigher_unit(plan, plant, cell, FieldBus(CALM, seeded(1, "bus")))
    wire_g = np.array(ask(plant, unit, 8, 8_000)) * 1_000.0  # the low word holds 65 t
    month_g = months.values(plan.name, Quantity.MASS, (0.0, 8_000.0))

    for value_g in (wire_g, month_g):
        calm = value_g[np.abs(value_g - np.median(value_g)) < 20_000.0]
        assert calm.mean() == pytest.approx(6_160_000, abs=6_000)
        assert calm.std() < 1_500.0
        assert 0.0 < 1.0 - len(calm) / len(value_g) < 0.02
    assert np.median(wire_g) == pytest.approx(np.median(month_g), abs=2_000.0)


def test_climate_and_shock_say_the_same(plant: Plant, months: Columns) -> None:
    """A transmitter has its own offset on both paths, and a floor as many forklifts."""
    climate, shock = SITE.climates[0], SITE.shocks[0]
    bus = FieldBus(CALM, seeded(1, "bus"))
    warm = climate_unit(
        climate, plant, Climate(CALM, seeded(1, climate.name)), bus, SITE.life.weather
    )
    raw = np.array(ask(plant, warm, 1, 3_000), dtype=np.uint16).view(np.int16) / 10.0
    month_c = months.values(climate.name, Quantity.TEMPERATURE, (0.0, 3_000.0))
    assert raw.mean() == pytest.approx(month_c.mean(), abs=0.02)
    assert raw.std() == pytest.approx(month_c.std(), rel=0.2)

    floor = shock_unit(shock, plant, Vibration(CALM, seeded(1, shock.name)), bus)
    wire_g = np.array(ask(plant, floor, 0, COUNT)) / 1_000.0
    month_g = months.values(shock.name, Quantity.SHOCK, (0.0, HOURS * 3_600))
    assert np.sum(wire_g > 0.25) == pytest.approx(80, rel=0.35)
    assert np.sum(month_g > 0.25) == pytest.approx(80, rel=0.35)
    assert np.median(wire_g) == pytest.approx(0.02 * 0.6745, rel=0.1)


def test_a_receiver_wanders_the_same(months: Columns) -> None:
    """Both paths draw the same errors from the same receiver."""
    plan = SITE.trackers[0]
    wander = Wander(CALM, seeded(1, plan.name))
    north_m = np.array([wander.step_m(1.0)[1] for _ in range(2_000)]) + plan.y_m
    lat_deg = months.values(plan.name, Quantity.LATITUDE, (0.0, 2_000.0))

    assert (lat_deg - SITE.origin_lat_deg) * 111_320.0 == pytest.approx(north_m, abs=1e-3)


def test_the_worlds_are_one() -> None:
    """What a month ends with is what the same changes make of the wires' world."""
    world = sample(site_run(SITE, 0.1, [(60.0, partial(set_at_work, at_work=True))])).world

    assert world == set_at_work(build_world(SITE), at_work=True)


def test_an_antenna_that_is_out_comes_back(plant: Plant) -> None:
    """A reader's outage is told of as a lost antenna, and ends after its time."""
    plan = next(plan for plan in SITE.readers if plan.name == "rfid-a")
    failing = replace(CALM, reader_outages_per_day=200.0)
    antenna = SiteAntenna(plan, plant, TagReads(failing, seeded(1, plan.name)))
    assert isinstance(plant.clock, TestClock)
    lost: list[bool] = []
    for _ in range(20_000):
        plant.clock.now_s += 1.0
        if not lost or not lost[-1]:
            antenna.look()
        lost.append(antenna.lost())
    turns = np.flatnonzero(np.diff(np.array(lost, dtype=np.int8)))

    assert len(turns) >= 20
    began, ended = (turns[1::2], turns[2::2]) if lost[0] else (turns[::2], turns[1::2])
    lengths = [end - start for start, end in zip(began, ended, strict=False)]
    assert lengths == pytest.approx([300] * len(lengths), abs=2)
