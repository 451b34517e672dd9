"""The story, played by the program itself: real database, broker, backend and devices."""

from pathlib import Path

import pytest

from tests.simulation.programs import run_deploy

STORY_S_MAX = 420
INCIDENTS = 8  # Each case of the story once.

pytestmark = [
    pytest.mark.sim,
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.timeout(STORY_S_MAX + 60),
]


def test_story_locks_each_incident_and_stores_each_reading(tmp_path: Path) -> None:
    """Every incident locks and refuses a drawdown with reasons; what is sent is stored, once."""
    told = run_deploy(
        "story", "--incidents", str(INCIDENTS), state_dir=tmp_path, s_max=STORY_S_MAX
    )

    assert told.exit_code == 0, told.log
    assert told.result["ok"] is True
    assert told.result["incidents"] == INCIDENTS
    assert told.result["readings_stored"] == told.result["readings_sent"] > 0
    assert len(told.result["by_kind"]) >= 5
    assert sum(kind["n"] for kind in told.result["by_kind"].values()) == INCIDENTS
    assert told.result["sensor_to_lock_ms"]["n"] == INCIDENTS
    refused = told.result["refused_drawdowns"]
    assert len(refused) >= INCIDENTS
    assert all(reason["code"] for reason in refused)
