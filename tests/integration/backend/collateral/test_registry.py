"""Registering goods, what watches them, and pledging them, over HTTP."""

from typing import Any

import httpx
import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.builders import bearer, token_for
from tests.plant import Plant, build_plant

pytestmark = pytest.mark.integration


@pytest.fixture
def plant(db: Database) -> Plant:
    """A plant with two pledged lots."""
    with db.working() as conn:
        return build_plant(conn)


@pytest.fixture
def tokens(db: Database, plant: Plant) -> dict[Role, dict[str, str]]:
    """Headers by role."""
    return {role: bearer(token_for(db, actor)) for role, actor in plant.actors.items()}


def _lot(plant: Plant, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "name": "steel",
        "site_id": str(plant.site_id),
        "zone_id": str(plant.zones["yard"]),
        "owner_party": str(plant.actors[Role.BORROWER].party_id),
        "commodity_id": plant.commodities["copper"],
        "instrument_id": plant.instruments["copper"],
        "pledged_mass_g": 2_000_000,
        **changes,
    }


def test_lot_is_registered_watched_pledged_accepted_and_released(
    client: httpx.Client, plant: Plant, tokens: dict[Role, dict[str, str]]
) -> None:
    """A lot goes from registration to an active pledge and out of it again."""
    keeper, borrower, lender = (
        tokens[role] for role in (Role.LOGISTICS, Role.BORROWER, Role.LENDER)
    )
    made = client.post("/api/lots", json=_lot(plant), headers=keeper)
    assert made.status_code == 201, made.text
    lot_id = made.json()["id"]
    assert made.json()["state"]["evaluated"] is False
    items = {
        "items": [
            {"name": f"coil {n}", "epc": f"AA{n:022x}", "net_mass_g": 1_000_000} for n in range(2)
        ]
    }
    assert client.post(f"/api/lots/{lot_id}/items", json=items, headers=keeper).status_code == 201
    again = client.post(f"/api/lots/{lot_id}/items", json=items, headers=keeper)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "taken")
    binding = {
        "gateway_id": plant.gateway_id,
        "sensor": "rfid-y",
        "purpose": "presence",
        "zone_id": str(plant.zones["yard"]),
    }
    assert client.post("/api/bindings", json=binding, headers=keeper).status_code == 201
    assert client.post("/api/bindings", json=binding, headers=keeper).status_code == 409
    proposal = {
        "lender_party": str(plant.actors[Role.LENDER].party_id),
        "lot_ids": [lot_id],
    }
    pledge = client.post("/api/pledges", json=proposal, headers=borrower).json()
    accept = {"facility_id": str(plant.facility_id)}
    answer = client.post(f"/api/pledges/{pledge['id']}/accept", json=accept, headers=lender)
    assert (answer.status_code, answer.json()["state"]) == (200, "active"), answer.text
    released = client.post(f"/api/pledges/{pledge['id']}/release", headers=lender)
    assert released.json()["state"] == "released"
    assert client.post(f"/api/pledges/{pledge['id']}/release", headers=lender).status_code == 409


def test_lot_is_pledged_once(
    client: httpx.Client, plant: Plant, tokens: dict[Role, dict[str, str]]
) -> None:
    """The database refuses a second active pledge of a lot."""
    proposal = {
        "lender_party": str(plant.actors[Role.LENDER].party_id),
        "lot_ids": [str(plant.lots["copper"])],
    }
    pledge = client.post("/api/pledges", json=proposal, headers=tokens[Role.BORROWER]).json()
    answer = client.post(
        f"/api/pledges/{pledge['id']}/accept",
        json={"facility_id": str(plant.facility_id)},
        headers=tokens[Role.LENDER],
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "pledged")


def test_lists_show_the_plant(
    client: httpx.Client, plant: Plant, tokens: dict[Role, dict[str, str]]
) -> None:
    """Lots, bindings, commodities, pledges and a lot's items are listed to whom they concern."""
    lender = tokens[Role.LENDER]
    lots = client.get("/api/lots", headers=lender).json()
    assert {lot["name"] for lot in lots} == {"copper", "fish"}
    detail = client.get(f"/api/lots/{plant.lots['copper']}", headers=lender).json()
    assert [item["custody"] for item in detail["items"]] == ["unseen"] * 3
    assert client.get("/api/commodities", headers=lender).json()
    assert len(client.get("/api/pledges", headers=lender).json()) == 1
    assert client.get("/api/bindings", headers=tokens[Role.LOGISTICS]).json()
    assert client.get("/api/alerts", headers=lender).json() == []
    channel = plant.channels["scale-a", "mass"]
    readings = client.get(f"/api/sensors/{channel}/readings", headers=lender)
    assert (readings.status_code, readings.json()["points"]) == (200, [])
