"""The borrowing base's page and the notifications' page, as a bank's officer uses them."""

import re
from collections.abc import Iterator

import httpx
import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.integration.backend.facility.lending import build_loan, draw, request, steal
from tests.integration.backend.web.sessions import console_client, csrf_token, give_password
from tests.plant import Plant

pytestmark = pytest.mark.integration


@pytest.fixture
def plant(db: Database) -> Plant:
    """A loan under which money is out, and whose lender can log in."""
    plant = build_loan(db)
    draw(db, plant, 123_400)
    give_password(db, plant.actors[Role.LENDER])
    return plant


@pytest.fixture
def console(api_url: str, plant: Plant) -> Iterator[httpx.Client]:
    """The lender's browser."""
    with console_client(api_url, plant.actors[Role.LENDER].login) as client:
        yield client


def test_a_theft_is_a_deduction_with_its_evidence_and_yesterday_stays(
    db: Database, plant: Plant, console: httpx.Client
) -> None:
    """The page names the lot that is short; as of before, it says what it said then."""
    path = f"/facilities/{plant.facility_id}/base"
    before = console.get(path).raise_for_status().text
    assert "QUANTITY" not in before
    found = re.search(r"certificate\.pdf\?at=([^\"]+)", before)
    assert found is not None
    with db.working() as conn:
        steal(conn, plant)
    request(db, plant, 50_000)

    after = console.get(path).raise_for_status().text
    assert "<code>QUANTITY</code>" in after
    assert f'<a href="/lots/{plant.lots["copper"]}">copper</a>' in after
    assert "QUANTITY_SHORT" in after
    assert "What was refused" in after
    again = console.get(f"{path}?at={found[1]}").raise_for_status().text
    assert "QUANTITY_SHORT" not in again.partition("What was refused")[0]
    assert _digest(again) == _digest(before) != _digest(after)
    assert console.get(f"{path}?at=").status_code == 200
    assert console.get(f"{path}?at=soon").status_code == 422
    file = console.get(f"/api{path.removesuffix('/base')}/certificate.pdf?at={found[1]}")
    assert file.content.startswith(b"%PDF-")


def _digest(page: str) -> str:
    found = re.search(r"SHA-256 of the content <span class=\"mono\">([0-9a-f]+)", page)
    assert found is not None
    return found[1]


def test_a_subscription_is_made_tested_turned_and_ended(
    plant: Plant, console: httpx.Client
) -> None:
    """The secret is shown once; a test is listed with its state; an ended one is gone."""
    token = {"csrf_token": csrf_token(console)}

    def post(path: str, **fields: object) -> httpx.Response:
        return console.post(path, data=token | fields, headers={"HX-Request": "true"})

    fields = {"name": "desk", "channel": "webhook", "target": "https://bank.example/hook"}
    made = post("/notifications", **fields, topics=["alert", "lock"])
    assert made.status_code == 200, made.text
    assert "whsec_" in made.text
    page = console.get("/notifications").text
    assert "whsec_" not in page
    assert "whpk_" in page
    key = re.search(r'id="s-([0-9a-f-]{36})"', page)
    assert key is not None
    path = f"/notifications/{key[1]}"
    assert post(f"{path}/test").status_code == 200
    assert "test" in console.get("/notifications").text
    assert "whsec_" in post(f"{path}/rotate").text
    assert post(f"{path}/state", state="disabled").status_code == 200
    assert post(f"{path}/test").status_code == 409
    assert post(f"{path}/state", state="ended").status_code == 200
    assert "bank.example" not in console.get("/notifications").text
    bad = post("/notifications", **fields | {"target": "http://10.0.0.1/"}, topics=["alert"])
    assert bad.status_code == 422
    assert "https://" in bad.text
