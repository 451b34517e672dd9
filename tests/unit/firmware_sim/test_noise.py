"""The noise models: from a seed, and as large as the profile says."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.noise import PROFILES, Climate, LoadCell, TagReads, Vibration, Wander, seeded

SITE, DEMO = PROFILES["site"], PROFILES["demo"]
TAGS = [f"{n:024X}" for n in range(200)]


@given(st.integers(), st.text(max_size=8))
def test_same_seed_and_name_give_the_same_numbers(seed: int, name: str) -> None:
    """A device's noise follows from the run's seed and its own name alone."""
    assert seeded(seed, name).random() == seeded(seed, name).random()


def test_names_do_not_share_numbers() -> None:
    """Two devices of one run draw different noise."""
    assert seeded(1, "rfid-a").random() != seeded(1, "rfid-b").random()


@pytest.mark.parametrize(("name", "low", "high"), [("site", 0.80, 0.90), ("demo", 0.99, 1.0)])
def test_mean_read_rate(name: str, low: float, high: float) -> None:
    """Tags are read about as often as the profile says, over many tags and rounds."""
    reads = TagReads(PROFILES[name], seeded(1, "reads"))
    rounds = [{epc for epc, _ in reads.round(TAGS, [])} for _ in range(200)]

    assert low < statistics.mean(len(seen) for seen in rounds) / len(TAGS) < high


def test_neighbours_are_heard_weakly_or_not_at_all() -> None:
    """Cross-reads happen at the site profile's rate, 12 dB down, and never in the demo."""
    site = TagReads(SITE, seeded(2, "reads"))
    crossed = [rssi for _ in range(100) for _, rssi in site.round([], TAGS)]

    assert len(crossed) / (100 * len(TAGS)) == pytest.approx(0.02, rel=0.2)
    assert statistics.mean(crossed) == pytest.approx(-68.0, abs=2.0)
    assert TagReads(DEMO, seeded(2, "reads")).round([], TAGS) == []


def test_load_cell_moves_then_stands_still() -> None:
    """A lost pallet shows at once as motion, and as a stable lower mass after settling."""
    cell = LoadCell(DEMO, seeded(3, "cell"), 0.6)
    assert cell.read(10_200_000, 0.2)[1]
    moving = [cell.read(9_180_000, 0.2) for _ in range(5)]

    assert [stable for _, stable in moving] == [False, False, False, True, True]
    assert all(mass_g == pytest.approx(9_180_000, abs=1_000) for mass_g, _ in moving)


def test_creep_is_small_and_fades() -> None:
    """After loading a cell creeps by 0.02 % of the change, gone after some time constants."""
    cell = LoadCell(DEMO, seeded(4, "cell"), 0.0)
    cell.read(0.0, 1.0)
    first = statistics.mean(cell.read(10_000_000, 0.01)[0] for _ in range(200))
    cell.read(10_000_000, 6_000.0)
    last = statistics.mean(cell.read(10_000_000, 0.01)[0] for _ in range(200))

    assert first == pytest.approx(9_998_000, abs=100)
    assert last == pytest.approx(10_000_000, abs=100)


def test_gnss_wanders_by_the_profiles_spread() -> None:
    """Over a day the error's spread is that of its three parts, whatever the step."""
    wander = Wander(SITE, seeded(5, "gnss"))
    east = [wander.step_m(30.0)[0] for _ in range(20_000)]

    assert statistics.pstdev(east) == pytest.approx((2.1**2 + 1.5**2 + 0.3**2) ** 0.5, rel=0.15)


def test_climate_and_vibration_are_quiet() -> None:
    """A transmitter's noise stays within tenths; a quiet floor never reaches a limit."""
    climate, floor = Climate(DEMO, seeded(6, "t")), Vibration(DEMO, seeded(6, "s"))

    assert all(abs(climate.temperature_c(-18.0) + 18.0) < 0.8 for _ in range(1_000))
    assert all(0.0 <= climate.humidity_pct(100.0) <= 100.0 for _ in range(100))
    assert all(floor.peak_g(1.0) < 0.2 for _ in range(1_000))
