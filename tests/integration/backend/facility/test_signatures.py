"""Drawdowns signed by both parties' own keys, from the terminal to the money."""

from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from typer.testing import CliRunner

from backend.clock import SystemClock
from backend.db import Database
from backend.drawdown_cli import drawdown_cli
from backend.parties.types import Role
from backend.release_cli import release_cli
from tests.builders import FixedClock, add_actor, bearer, token_for
from tests.integration.backend.facility.lending import build_loan
from tests.plant import Plant, insert

pytestmark = pytest.mark.integration


def run(*arguments: str) -> str:
    """Return what ``drawdown sign`` prints for programs."""
    done = CliRunner().invoke(drawdown_cli, ["sign", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def register(client: httpx.Client, db: Database, plant: Plant, role: Role, folder: Path) -> Path:
    """Make a key of a party, let an operator register it, and return its file."""
    key, party = folder / f"{role.value}.key", str(plant.actors[role].party_id)
    made = CliRunner().invoke(release_cli, ["new-key", "--key", str(key), "--party", party])
    assert made.exit_code == 0, made.output
    operator = add_actor(db, Role.OPERATOR, f"platform {role.value}", f"operator-{role.value}")
    body = {"name": role.value, "message": made.stdout.splitlines()[-1]}
    token = token_for(db, operator, SystemClock().now())
    assert client.post("/api/party-keys", json=body, headers=bearer(token)).is_success
    return key


def test_a_drawdown_is_signed_by_both_or_refused_by_name(
    client: httpx.Client, db: Database, clock: FixedClock, tmp_path: Path
) -> None:
    """Missing, of another amount, of nobody's key: each has its reason; signed it is paid."""
    plant = build_loan(db)
    clock.advance(SystemClock().now() - clock.now())
    with db.working() as conn:
        conn.execute("UPDATE facility SET signatures_required = true")
        for lot, price in (("copper", "8000"), ("fish", "3000")):
            insert(
                conn,
                "price",
                instrument_id=plant.instruments[lot],
                source="test",
                at=clock.now(),
                value=price,
                quality="accepted",
                received_at=clock.now(),
            )
    keys = {
        role: register(client, db, plant, role, tmp_path) for role in (Role.BORROWER, Role.LENDER)
    }
    headers = {role: bearer(token_for(db, plant.actors[role], clock.now())) for role in keys}
    path = f"/api/facilities/{plant.facility_id}"

    def sign(role: Role, act: str, drawdown: UUID, amount: int) -> str:
        return run(
            *("--key", str(keys[role]), "--act", act, "--drawdown", str(drawdown)),
            *("--facility", str(plant.facility_id), "--amount", f"{amount}:EUR"),
            *("--party", str(plant.actors[role].party_id)),
        )

    def request(drawdown: UUID, message: str | None) -> httpx.Response:
        body = {"id": str(drawdown), "amount_minor": 1_000, "message": message}
        return client.post(f"{path}/drawdowns", json=body, headers=headers[Role.BORROWER])

    unsigned, other, good = uuid4(), uuid4(), uuid4()
    wrong = [
        request(unsigned, None),
        request(other, sign(Role.BORROWER, "request", other, 999)),
        request(uuid4(), sign(Role.LENDER, "request", good, 1_000)),
        request(uuid4(), "00"),
    ]
    codes = [answer.json()["error"]["detail"]["reasons"][0]["code"] for answer in wrong]
    assert codes == ["SIGNATURE_MISSING", *["SIGNATURE_INVALID"] * 3]

    assert request(good, sign(Role.BORROWER, "request", good, 1_000)).status_code == 201
    decision = {"message": sign(Role.LENDER, "authorise", good, 1_000)}
    lender = headers[Role.LENDER]
    promised = client.post(f"/api/drawdowns/{good}/authorise", json=decision, headers=lender)
    assert promised.json()["state"] == "pending"
    assert promised.json()["signed_by_borrower"]
    assert promised.json()["signed_by_lender"]
    paid = client.post(f"/api/drawdowns/{good}/disburse", headers=lender)
    assert paid.json()["state"] == "disbursed"
    kept = client.get(f"{path}/refusals", headers=lender).json()
    assert [each["action"] for each in kept] == ["request_drawdown"] * 4
    assert kept[2]["reasons"][0]["detail"] == "the signed amount_minor is 999, must be 1000"
