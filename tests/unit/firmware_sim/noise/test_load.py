"""A load cell of class C3 against the table of the design."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.noise import PROFILES, LoadCell, NoiseProfile, seeded

SITE = PROFILES["site"]
CAPACITY_G = 3_000_000
HOUR = 3_600
DAY = 24 * HOUR
QUIET = replace(SITE, spikes_per_h=0.0, platform_bumps_per_h=0.0)
STILL = replace(QUIET, weight_sd_g=0.0, cell_swing_k=0.0, ageing_g_per_month=0.0)


def cells(profile: NoiseProfile, count: int = 40) -> list[LoadCell]:
    """Return so many cells of one kind."""
    return [LoadCell(profile, seeded(n, "cell"), 0.6, CAPACITY_G) for n in range(count)]


def test_white_noise_is_a_tenth_of_a_kilogram_for_three_tonnes() -> None:
    """It grows with the capacity."""
    noisy = replace(STILL, weight_sd_g=SITE.weight_sd_g)
    small, large = (LoadCell(noisy, seeded(1, "c"), 0.6, c) for c in (3_000_000, 15_000_000))

    assert small.block(1e6, 20_000, 1.0)[0].std() == pytest.approx(100.0, rel=0.05)
    assert large.block(1e6, 20_000, 1.0)[0].std() == pytest.approx(500.0, rel=0.05)


def test_errors_at_rest_are_those_of_class_c3() -> None:
    """Non-linearity, hysteresis and repeatability stay within 0.02 and 0.03 % and are not nil."""
    half_g = CAPACITY_G / 2
    errors_g: list[float] = []
    for cell in cells(STILL):
        cell.block(0.0, 1, 1.0)
        cell.block(half_g, 1, 1.0)
        errors_g.append(float(cell.block(half_g, 2, 20_000.0)[0][1]) - half_g)

    assert 150.0 < np.std(errors_g) < 600.0
    assert np.abs(errors_g).max() < 3 * (0.0002 + 0.0001 + 0.0003) * CAPACITY_G


def test_a_load_reached_from_above_shows_more_than_from_below() -> None:
    """Hysteresis: 0.02 % of the capacity between the two."""
    plain = replace(STILL, repeat_low_share=0.0, repeat_high_share=0.0, creep_share=0.0)
    cell = cells(plain, 1)[0]
    up_g = [cell.block(load_g, 1, 1.0)[0][0] for load_g in (0.0, 1e6)][-1]
    down_g = [cell.block(load_g, 1, 1.0)[0][0] for load_g in (2e6, 1e6)][-1]

    assert abs(down_g - up_g) == pytest.approx(0.0002 * CAPACITY_G, rel=0.01)


def test_one_loading_does_not_repeat_the_one_before() -> None:
    """The same load put down again and again spreads by 0.01 to 0.03 %."""
    spreads: list[float] = []
    for cell in cells(STILL, 20):
        shown_g: list[float] = []
        for _ in range(60):
            cell.block(0.0, 1, 100_000.0)
            shown_g.append(float(cell.block(2e6, 2, 100_000.0)[0][1]))
        spreads.append(float(np.std(shown_g)) / 2e6)

    assert 0.00008 < min(spreads) < max(spreads) < 0.00040


def test_creep_is_two_hundredths_of_a_percent_and_gone_within_the_hour() -> None:
    """It has a time constant of ten minutes."""
    cell = cells(replace(STILL, repeat_low_share=0.0, repeat_high_share=0.0), 1)[0]
    cell.block(0.0, 1, 1.0)
    shown_g = cell.block(2e6, HOUR, 1.0)[0]
    crept_g = shown_g[-1] - shown_g

    assert crept_g[0] == pytest.approx(0.0002 * 2e6, rel=0.02)
    assert crept_g[600] == pytest.approx(crept_g[0] / np.e, rel=0.02)


def test_temperature_moves_zero_and_span_through_the_day() -> None:
    """Over 16 K the zero moves by at most 0.0224 %, the span by at most 0.02 %, not by nothing."""
    daily = replace(STILL, cell_swing_k=8.0)
    for cell in cells(daily, 10):
        empty_g = cell.block(0.0, DAY, 1.0)[0]
        assert 0.4 * 0.00014 * 1.6 < np.ptp(empty_g) / CAPACITY_G < 0.00014 * 1.601
    swings = [np.ptp(cell.block(2e6, DAY, 1.0)[0]) for cell in cells(daily, 10)]
    assert max(swings) < 1.6 * (0.00014 * CAPACITY_G + 0.000125 * 2e6) * 1.01


def test_a_cell_ages_by_up_to_half_a_kilogram_a_month() -> None:
    """Steadily, in either direction."""
    drifts_g = [
        np.diff(cell.block(1e6, 31, float(DAY))[0][[1, 30]])[0] / 29 * 30
        for cell in cells(replace(STILL, ageing_g_per_month=500.0, creep_share=0.0))
    ]

    assert min(drifts_g) < -250.0
    assert max(drifts_g) > 250.0
    assert np.abs(drifts_g).max() < 501.0


def test_one_reading_an_hour_is_impossible() -> None:
    """Alone, far off, in either direction."""
    cell = cells(replace(STILL, spikes_per_h=1.0), 1)[0]
    shown_g, stable = cell.block(1e6, 300 * HOUR, 1.0)
    far = np.flatnonzero(np.abs(shown_g - 1e6) > 100_000.0)

    assert len(far) == pytest.approx(300, rel=0.25)
    assert np.diff(far).min() > 1
    assert 0.3 < np.mean(shown_g[far] > 1e6) < 0.7
    assert stable.all()


def test_forklifts_lean_on_the_platform_for_five_seconds() -> None:
    """By up to 50 kg for 3 t, and only while somebody works."""
    cell = cells(replace(STILL, platform_bumps_per_h=2.0), 1)[0]
    shown_g, stable = cell.block(1e6, 200 * HOUR, 1.0)
    off_g = shown_g - 1e6
    leaning = np.abs(off_g) > 10_000.0

    assert leaning.sum() == pytest.approx(200 * 2 * 5, rel=0.3)
    assert 40_000.0 < np.abs(off_g).max() <= 101_000.0  # two may lean at once
    assert not stable.all()
    idle = cells(replace(STILL, platform_bumps_per_h=2.0), 1)[0]
    assert np.ptp(idle.block(1e6, 200 * HOUR, 1.0, busy=False)[0]) < 1.0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1e6, 2e6]), st.integers(0, 400)), min_size=1, max_size=6
    ),
    st.integers(1, 7),
)
def test_weighings_do_not_depend_on_the_cuts(loads: list[tuple[float, int]], size: int) -> None:
    """A cell asked in pieces shows what it shows when asked for all of a load at once."""
    busy = replace(SITE, spikes_per_h=60.0, platform_bumps_per_h=60.0)
    at_once, in_pieces = (cells(busy, 1)[0] for _ in range(2))
    for load_g, count in loads:
        whole_g, whole_still = at_once.block(load_g, count, 1.0)
        parts = [
            in_pieces.block(load_g, min(size, count - start), 1.0)
            for start in range(0, count, size)
        ]
        if count:
            assert np.concatenate([g for g, _ in parts]) == pytest.approx(whole_g, abs=1e-3)
            assert np.array_equal(np.concatenate([still for _, still in parts]), whole_still)
