"""Programs killed at random moments, by the program itself; then every reading is counted."""

import secrets
from pathlib import Path

import pytest

from tests.simulation.programs import run_deploy

CHAOS_S_MAX = 300
KILLS = 10

pytestmark = [
    pytest.mark.sim,
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.timeout(CHAOS_S_MAX + 60),
]


def test_no_reading_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    """After SIGKILLs of gateways, worker, broker and database every stream is whole."""
    seed = secrets.randbelow(1_000_000)  # A new one each time; a failure names it.

    told = run_deploy(
        "chaos", "--kills", str(KILLS), "--seed", str(seed), state_dir=tmp_path, s_max=CHAOS_S_MAX
    )

    assert told.exit_code == 0, f"seed {seed}\n{told.log}"
    assert told.result["problems"] == []
    assert sum(told.result["kills"].values()) == KILLS
    assert told.result["stored"] == told.result["emitted"] > 0
