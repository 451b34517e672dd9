"""A tiny evaluation from end to end, and time in small steps against time in large ones."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import deploy.evaluate.seed_run as seed_run
from backend.alerts.types import Severity
from deploy.__main__ import app
from deploy.evaluate.alerts import Alert
from deploy.evaluate.seed_run import HOUR_US, Months
from firmware_sim.months.script import site_runs
from firmware_sim.months.types import SiteRun

SCENARIO = Path(__file__).parent / "depot.toml"
SECOND_US = 1_000_000


def _depot(seed: int) -> SiteRun:
    return site_runs(str(SCENARIO), seed=seed, sites=1, days=1)[0]


def _alerts(run: SiteRun, steps_us: int, until_us: int) -> list[Alert]:
    months = Months((run,), steps_us=steps_us)
    months.reach(until_us)
    assert months.drive.tally.raised == {}
    return months.drive.alerts.every


def test_a_stolen_pallet_is_found_and_nothing_is_alarmed_before(tmp_path: Path) -> None:
    """The command finds the theft within minutes, tells so in JSON, and writes its report."""
    arguments = f"evaluate --scenario {SCENARIO} --sites 1 --days 1 --seeds 3 --jobs 1 --json"
    result = CliRunner().invoke(app, [*arguments.split(), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    (kind,) = found["ours"]["kinds"]
    assert (kind["name"], kind["count"], kind["critical"]) == ("take_pallet", 1, 1)
    assert kind["delay_median_s"]["value"] < 120.0
    assert found["ours"]["false_criticals"] == []
    assert found["differences"] == []
    assert found["errors"] == {}
    assert "take_pallet" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_large_steps_find_what_small_ones_find() -> None:
    """Hours at a time with bisection raise the same alerts at the same second as small batches."""
    run = _depot(5)
    until_us = run.labels[0].begins_us + 600 * SECOND_US
    large = _alerts(run, HOUR_US, until_us)
    small = _alerts(run, 20 * SECOND_US, until_us)
    assert [_plain(alert) for alert in large] == [_plain(alert) for alert in small]
    assert any(alert.severity is Severity.CRITICAL for alert in large)


def _plain(alert: Alert) -> tuple[str, str, int]:
    return alert.cause, alert.severity.value, alert.opened_us


def test_minutes_of_a_run_are_equal_to_those_of_the_real_stages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every hour's random minute is the same by the columns and by signed envelopes."""
    monkeypatch.setattr(seed_run, "COMPARED", 1.0)
    months = Months((_depot(7),), steps_us=HOUR_US)
    begins_us = months.samplers[0].now_us
    for hour in range(1, 5):
        months.advance(begins_us + hour * HOUR_US)
    assert months.compared == 4
    assert months.differences == []
