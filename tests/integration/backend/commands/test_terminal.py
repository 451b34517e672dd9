"""``python -m backend gateway ...``: what it asks of a gateway, and what it says if it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.db import Database
from tests.plant import build_plant

pytestmark = pytest.mark.integration


def _gateway(db: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PLEDGEWATCH_")}
    return subprocess.run(
        [sys.executable, "-m", "backend", "gateway", *arguments],
        env={**kept, "PLEDGEWATCH_DATABASE_URL": db.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_gateway_is_asked_and_revoked_from_the_terminal(db: Database, tmp_path: Path) -> None:
    """Each command has a number; what was asked is listed; after a revocation a code is given."""
    with db.working() as conn:
        build_plant(conn)
    file = tmp_path / "devices.toml"
    file.write_text("[seal]\nage_s = 0.5\n", encoding="utf-8")

    assert "command 1" in _gateway(db, "challenge", "gw-a").stdout
    assert "command 2" in _gateway(db, "configure", "gw-a", str(file)).stdout
    assert _gateway(db, "configure", "gw-a").returncode == 2
    asked = _gateway(db, "commands", "gw-a").stdout.splitlines()
    assert [line.split()[0] for line in asked] == ["2", "1"]
    assert all("pending" in line and "platform" in line for line in asked)

    refused = _gateway(db, "code", "gw-a")
    assert (refused.returncode, refused.stderr.split(":")[0]) == (1, "already_enrolled")
    assert _gateway(db, "revoke", "gw-a").returncode == 0
    assert "stopped" in _gateway(db, "list").stdout
    code = _gateway(db, "code", "gw-a")
    assert (code.returncode, len(code.stdout.strip())) == (0, 19), code.stderr
    assert _gateway(db, "challenge", "gw-none").stderr.startswith("not_found")
