"""The systemd unit with what a token may need besides."""

import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[3] / "deploy/systemd"
UNIT = "pledgewatch-gateway.service"
EXPOSURE_MAX = 20  # systemd counts in tenths: 2.0.


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_unit_with_all_that_a_token_may_need_is_hardly_exposed(tmp_path: Path) -> None:
    """Every line of the example together leaves the exposure below 2.0."""
    text = (SYSTEMD / UNIT).read_text(encoding="utf-8")
    more = (SYSTEMD / f"{UNIT}.d/token.conf.example").read_text(encoding="utf-8")
    unit = tmp_path / UNIT
    unit.write_text(f"{text}\n{more}", encoding="utf-8")

    done = subprocess.run(
        [
            *("systemd-analyze", "security", "--offline=true"),
            *(f"--threshold={EXPOSURE_MAX}", "--no-pager", str(unit)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "Unknown" not in done.stderr
