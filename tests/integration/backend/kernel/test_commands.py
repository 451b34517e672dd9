"""The command line: what it does, what it says when it can not, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.db import Database
from tests.builders import PASSWORD
from tests.plant import build_plant


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PLEDGEWATCH_")}
    return subprocess.run(
        [sys.executable, "-m", "backend", *arguments],
        env={**kept, **{f"PLEDGEWATCH_{key}": value for key, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


@pytest.mark.parametrize("command", ["migrate", "api", "worker", "timekeeper"])
def test_a_missing_setting_is_named(command: str) -> None:
    """Exit code 2 and the variable's name."""
    done = _run(command)
    assert done.returncode == 2
    assert "PLEDGEWATCH_DATABASE_URL is not set" in done.stderr


def test_every_wrong_setting_is_named_without_its_value() -> None:
    """All at once, and a password in a URL stays out of the log."""
    done = _run("migrate", DATABASE_URL="mysql://u:swordfish@h/d", HTTP_PORT="0")
    assert done.returncode == 2
    assert "PLEDGEWATCH_DATABASE_URL" in done.stderr
    assert "PLEDGEWATCH_HTTP_PORT" in done.stderr
    assert "swordfish" not in done.stderr


def test_a_database_that_is_away_is_told_apart() -> None:
    """Exit code 3: try again."""
    done = _run("migrate", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_migrating_again_changes_nothing(db_url: str) -> None:
    """Every start may migrate."""
    assert _run("migrate", DATABASE_URL=db_url).returncode == 0


def test_an_operator_is_created_and_given_a_new_password(db: Database) -> None:
    """The first account, and the way back in; a short password is refused."""
    arguments = ("create-operator", "root")
    short = _run(*arguments, DATABASE_URL=db.url, PASSWORD="short")
    first = _run(*arguments, DATABASE_URL=db.url, PASSWORD=PASSWORD)
    again = _run(*arguments, DATABASE_URL=db.url, PASSWORD=f"{PASSWORD} again")
    with db.working() as conn:
        accounts = conn.execute("SELECT login, role FROM account").fetchall()

    assert [each.returncode for each in (short, first, again)] == [2, 0, 0]
    assert accounts == [("root", "operator")]


def test_prices_are_imported_from_a_file(db: Database, tmp_path: Path) -> None:
    """A file of daily prices; in another currency it is refused by name."""
    with db.working() as conn:
        build_plant(conn)
    file = tmp_path / "prices.csv"
    file.write_text("Date,Price\n2025-01-02,8000.5\n2025-01-03,8010\n", encoding="utf-8")
    arguments = ("prices", "import", str(file), "--instrument", "COPPER-A", "--source", "lme")
    good = _run(*arguments, "--currency", "EUR", "--unit", "TNE", DATABASE_URL=db.url)
    bad = _run(*arguments, "--currency", "USD", "--unit", "TNE", DATABASE_URL=db.url)
    with db.working() as conn:
        row = conn.execute("SELECT count(*) FROM price WHERE source = 'lme'").fetchone()

    assert (good.returncode, row) == (0, (2,)), good.stderr
    assert bad.returncode == 2
    assert "currency" in bad.stderr
