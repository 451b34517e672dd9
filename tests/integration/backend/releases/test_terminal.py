"""Keys and orders from the terminal: what it prints, the api takes."""

import json
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from backend.clock import SystemClock
from backend.db import Database
from backend.release_cli import release_cli
from tests.builders import FixedClock
from tests.integration.backend.ingest.rig import Rig
from tests.integration.backend.releases.orders import Pledged, pledge_warehouse
from tests.warehouse import NET_G, build_warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def clock() -> FixedClock:
    """The terminal has the machine's time; so has the api here."""
    return FixedClock(SystemClock().now())


@pytest.fixture
def pledged(db: Database, db_url: str, client: httpx.Client) -> Pledged:
    """A pledged warehouse."""
    return pledge_warehouse(db, Rig(db=db, made=build_warehouse(db_url)), client)


def run(*arguments: str) -> str:
    """Return what a command prints for programs."""
    done = CliRunner().invoke(release_cli, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()[-1]


def order_file(pledged: Pledged, folder: Path, **overrides: object) -> Path:
    """Return a file that asks for one pallet to go."""
    now = SystemClock().now()
    fields: dict[str, object] = {
        "lender": str(pledged.bank),
        "lot": str(pledged.made.lot),
        "items": [str(pledged.item(0))],
        "mass_g": NET_G,
        "begins": now.isoformat(),
        "ends": now.replace(year=now.year + 1).isoformat(),
        "zone": None,
        "into_lot": None,
        "executor": str(pledged.made.logistics),
        **overrides,
    }
    path = folder / "order.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    return path


def test_a_key_made_here_signs_for_its_party(pledged: Pledged, tmp_path: Path) -> None:
    """Registered by the operator with what new-key prints; sign's message passes the signature."""
    key = tmp_path / "desk.key"
    registration = run("new-key", "--key", str(key), "--party", str(pledged.bank))
    body = {"name": "desk", "message": registration}
    answer = pledged.client.post("/api/party-keys", json=body, headers=pledged.operator)
    assert (answer.status_code, UUID(answer.json()["party_id"])) == (201, pledged.bank)
    assert key.stat().st_mode & 0o077 == 0
    message = run("sign", "--key", str(key), str(order_file(pledged, tmp_path)))
    assert str(NET_G) in CliRunner().invoke(release_cli, ["show", message]).output
    refused = pledged.client.post(
        "/api/release-orders", json={"message": message}, headers=pledged.lender
    )
    # A year is too long a window: what was wrong is not the signature.
    assert refused.json()["error"]["code"] == "window_unsuited"


@pytest.mark.parametrize(
    "changes", [{"lot": "x"}, {"begins": "noon"}, {"mass_g": "much"}, {"more": 1}]
)
def test_what_makes_no_order_is_not_signed(
    pledged: Pledged, tmp_path: Path, changes: dict[str, object]
) -> None:
    """Named with its field; exit code 2."""
    key = tmp_path / "desk.key"
    run("new-key", "--key", str(key), "--party", str(pledged.bank))
    path = order_file(pledged, tmp_path, **changes)
    done = CliRunner().invoke(release_cli, ["sign", "--key", str(key), str(path)])
    assert done.exit_code == 2
    assert "invalid" in done.output


def test_a_key_is_not_made_twice(tmp_path: Path) -> None:
    """Nor is one used that is not there."""
    key = tmp_path / "desk.key"
    party = str(UUID(int=1))
    run("new-key", "--key", str(key), "--party", party)
    again = CliRunner().invoke(release_cli, ["new-key", "--key", str(key), "--party", party])
    assert again.exit_code == 1
    (tmp_path / "order.json").write_text("{}", encoding="utf-8")
    other = str(tmp_path / "other.key")
    order = str(tmp_path / "order.json")
    none = CliRunner().invoke(release_cli, ["sign", "--key", other, order])
    assert none.exit_code == 1
