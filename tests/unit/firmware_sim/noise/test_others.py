"""Climate, shock, GNSS, field bus and camera noise against the table of the design."""

from dataclasses import replace

import numpy as np
import pytest

from firmware_sim.noise import (
    PROFILES,
    BusError,
    CameraLife,
    Climate,
    FieldBus,
    Vibration,
    Wander,
    seeded,
)

SITE, DEMO = PROFILES["site"], PROFILES["demo"]
HOUR = 3_600
DAY = 24 * HOUR


def test_climate_transmitters_have_offsets_and_little_noise() -> None:
    """Most offsets lie within 0.2 degC and 2 %RH; noise is 0.04 degC and 0.1 %RH."""
    offsets: list[tuple[float, float]] = []
    for n in range(200):
        climate = Climate(SITE, seeded(n, "t"))
        warm_c = climate.temperatures_c(np.full(500, 20.0))
        damp_pct = climate.humidities_pct(np.full(500, 50.0))
        offsets.append((warm_c.mean() - 20.0, damp_pct.mean() - 50.0))
        assert warm_c.std() == pytest.approx(0.04, rel=0.2)
        assert damp_pct.std() == pytest.approx(0.1, rel=0.2)

    off_c, off_pct = np.abs(np.array(offsets)).T
    assert 0.88 < np.mean(off_c < 0.2) < 1.0
    assert 0.88 < np.mean(off_pct < 2.0) < 1.0


def test_floors_are_quiet_but_for_forklifts_in_working_hours() -> None:
    """0.02 g rms, and twenty times an hour 0.3 to 1 g while somebody works."""
    busy = Vibration(SITE, seeded(1, "s")).peaks_g(100 * HOUR // 2, 2.0)
    idle = Vibration(SITE, seeded(1, "s")).peaks_g(100 * HOUR // 2, 2.0, busy=False)
    bumps = busy[busy > 0.25]

    assert len(bumps) == pytest.approx(2_000, rel=0.1)
    assert 0.3 <= bumps.min() < 0.35
    assert 0.95 < bumps.max() <= 1.0
    assert np.sqrt(np.mean(idle**2)) == pytest.approx(0.02, rel=0.05)


def test_gnss_in_the_open_wanders_by_metres_with_two_memories() -> None:
    """Its spread, and how alike it is a minute and half an hour later."""
    errors = Wander(SITE, seeded(2, "g")).block(20 * DAY, 1.0)
    variance = 2.1**2 + 1.5**2 + 0.3**2
    for axis in (errors.east_m, errors.north_m):
        assert axis.var() == pytest.approx(variance, rel=0.15)
        a, b = axis[:-60] - axis.mean(), axis[60:] - axis.mean()
        expected = 2.1**2 / np.e + 1.5**2 * np.exp(-60 / 1_800)
        assert np.mean(a * b) == pytest.approx(expected, rel=0.25)
    assert errors.fixed.all()
    assert np.abs(errors.east_m).max() < 20.0


def test_gnss_under_a_roof_is_lost_wanders_far_and_lies() -> None:
    """A fix 70 % of the time, 10 to 15 m off; once a day far off with a good HDOP."""
    shares, spreads, far = list[float](), list[float](), list[float]()
    for n in range(8):
        errors = Wander(SITE, seeded(n, "g"), roof=True).block(10 * DAY, 1.0)
        away_m = np.hypot(errors.east_m, errors.north_m)
        lies = np.flatnonzero(errors.fixed & (away_m > 90.0))
        spreads.append(float(np.median(np.abs(errors.east_m)) / 0.6745))
        shares.append(float(errors.fixed.mean()))
        far += away_m[lies].tolist()
        assert (errors.hdop[lies] * 3.4 < 10.5).all()

    assert np.mean(shares) == pytest.approx(0.7, abs=0.03)
    assert 9.0 < min(spreads) < max(spreads) < 16.5
    assert 50 < len(far) < 260  # one to three fixes a day over eighty days
    assert max(far) < 760.0


def test_one_poll_in_a_thousand_fails() -> None:
    """Time-outs ten times as often as damaged and as late replies."""
    errors = FieldBus(SITE, seeded(3, "b")).take(2_000_000)
    counts = np.bincount(errors, minlength=4) / len(errors)

    assert counts[BusError.TIMEOUT] == pytest.approx(1e-3, rel=0.1)
    assert counts[BusError.CRC] == pytest.approx(1e-4, rel=0.3)
    assert counts[BusError.LATE] == pytest.approx(1e-4, rel=0.3)
    assert FieldBus(DEMO, seeded(3, "b")).one() is BusError.NONE


def test_cameras_meet_lorries_light_and_outages() -> None:
    """Ten lorries a day for a minute, three light steps a day, one outage a week."""
    life = CameraLife(SITE, seeded(4, "c"))
    lorries = life.trucks.between(0.0, 100.0 * DAY)
    dim = life.dim.between(0.0, 100.0 * DAY)
    outages = life.outages.between(0.0, 500.0 * DAY)

    assert len(lorries) == pytest.approx(1_000, rel=0.1)
    assert {round(b - a) for a, b in lorries} == {60}
    assert 2 * len(dim) == pytest.approx(300, rel=0.2)
    assert len(outages) == pytest.approx(500 / 7, rel=0.3)
    assert {round(b - a) for a, b in outages} == {600}


def test_the_demo_is_quiet() -> None:
    """Nothing that happens once in a while happens in the demo."""
    calm = replace(DEMO, tag_betas=SITE.tag_betas, gnss_sd_m=SITE.gnss_sd_m, gnss_slow_sd_m=1.5)
    rare = {"spikes_per_h", "platform_bumps_per_h", "bumps_per_h", "blockage_per_s", "ghost"}
    rare |= {"reader_outages_per_day", "cross_read", "trucks_per_day", "light_steps_per_day"}
    rare |= {"camera_outages_per_week", "bus_timeout", "bus_crc_error", "bus_late_reply"}
    rare |= {"gnss_glitches_per_day", "ageing_g_per_month", "cell_swing_k"}

    assert calm.duplicate == SITE.duplicate
    assert {name: getattr(DEMO, name) for name in rare} == dict.fromkeys(rare, 0.0)
