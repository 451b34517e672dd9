"""Sites, zones, gateways and sensors over HTTP."""

import httpx
import pytest
from psycopg.types.json import Jsonb

from backend.db import Database
from backend.parties.types import Role
from backend.plant.broker_credentials import BROKER_USERS
from deploy.broker import ACL_FILE
from deploy.topic_acl import TopicAcl
from tests.builders import NOW, add_actor, bearer, token_for
from tests.plant import build_plant, insert

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]
SITE = {"name": "harbour", "origin_lat_deg": 51.95, "origin_lon_deg": 4.05}


@pytest.fixture
def logistics(db: Database) -> dict[str, str]:
    """A warehouse's header."""
    return bearer(token_for(db, add_actor(db, Role.LOGISTICS)))


@pytest.fixture
def site_id(client: httpx.Client, logistics: dict[str, str]) -> str:
    """A site of the warehouse."""
    return str(client.post("/api/sites", json=SITE, headers=logistics).json()["id"])


def test_a_warehouse_registers_its_site_and_zones(
    client: httpx.Client, logistics: dict[str, str], site_id: str
) -> None:
    """What was registered is listed as it was given."""
    zone = {"name": "hall", "kind": "storage", "polygon_m": SQUARE}
    made = client.post(f"/api/sites/{site_id}/zones", json=zone, headers=logistics)
    listed = client.get(f"/api/sites/{site_id}/zones", headers=logistics).json()

    assert listed == [made.json()]
    assert listed[0]["polygon_m"] == SQUARE
    assert [site["id"] for site in client.get("/api/sites", headers=logistics).json()] == [site_id]


@pytest.mark.parametrize(
    "polygon",
    [
        pytest.param([], id="no corners"),
        pytest.param(SQUARE[:2], id="two corners"),
        pytest.param([[0, 0], [10, 10], [10, 0], [0, 10]], id="crossing edges"),
        pytest.param([[0, 0], [1, 0], [2, 0]], id="a line"),
        pytest.param([[0, 0], [1e9, 0], [0, 1e9]], id="too far"),
        pytest.param([[0, 0], [1, 0], [0, "x"]], id="no number"),
        pytest.param([[0, 0, 0], [1, 0, 0], [0, 1, 0]], id="three dimensions"),
        pytest.param([[n, n * n] for n in range(300)], id="too many"),
    ],
)
def test_a_polygon_that_is_none_is_refused(
    client: httpx.Client, logistics: dict[str, str], site_id: str, polygon: list[object]
) -> None:
    """Each bound has its refusal."""
    zone = {"name": "hall", "kind": "storage", "polygon_m": polygon}
    response = client.post(f"/api/sites/{site_id}/zones", json=zone, headers=logistics)
    assert response.status_code == 422


@pytest.mark.parametrize("value", ["NaN", "Infinity", "91", "1e999"])
def test_an_origin_outside_the_earth_is_refused(
    client: httpx.Client, logistics: dict[str, str], value: str
) -> None:
    """Neither infinities nor what is no number gets in."""
    body = f'{{"name": "x", "origin_lat_deg": {value}, "origin_lon_deg": 0}}'
    headers = {**logistics, "Content-Type": "application/json"}
    assert client.post("/api/sites", content=body, headers=headers).status_code == 422


def test_no_gateway_has_the_name_of_a_user_with_rights_of_its_own(
    client: httpx.Client, logistics: dict[str, str], site_id: str
) -> None:
    """At the broker a gateway is what it is called: as "backend" it could read and send all."""
    acl = TopicAcl.parse(ACL_FILE.read_text(encoding="utf-8"))
    assert {rule.user for rule in acl.rules} - {None} == BROKER_USERS

    for name in sorted(BROKER_USERS):
        body = {"id": name, "site_id": site_id}
        assert client.post("/api/gateways", json=body, headers=logistics).status_code == 422


def test_a_warehouse_registers_nothing_at_others(
    db: Database, client: httpx.Client, logistics: dict[str, str]
) -> None:
    """Another's site is no site; a site for another party is refused."""
    with db.working() as conn:
        plant = build_plant(conn)
    other = str(plant.site_id)
    zone = {"name": "hall 2", "kind": "storage", "polygon_m": SQUARE}
    site = {**SITE, "logistics_party": str(plant.actors[Role.LOGISTICS].party_id)}
    gateway = {"id": "gw-x", "site_id": other}

    assert (
        client.post(f"/api/sites/{other}/zones", json=zone, headers=logistics).status_code == 404
    )
    assert client.post("/api/gateways", json=gateway, headers=logistics).status_code == 404
    assert client.post("/api/sites", json=site, headers=logistics).status_code == 403
    assert client.get(f"/api/sites/{other}/zones", headers=logistics).json() == []


def test_a_name_twice_is_a_conflict(
    client: httpx.Client, logistics: dict[str, str], site_id: str
) -> None:
    """A site's and a gateway's name are given once."""
    gateway = {"id": "gw-x", "site_id": site_id}
    client.post("/api/gateways", json=gateway, headers=logistics).raise_for_status()

    assert client.post("/api/gateways", json=gateway, headers=logistics).status_code == 409
    assert client.post("/api/sites", json=SITE, headers=logistics).status_code == 409


def test_a_sensor_is_listed_with_value_age_and_health(db: Database, client: httpx.Client) -> None:
    """A row for each quantity, in its unit; a channel without state has neither value nor age."""
    with db.working() as conn:
        plant = build_plant(conn)
        insert(
            conn,
            "sensor_state",
            gateway_id=plant.gateway_id,
            sensor="temp-c",
            last_at=NOW,
            last_arrival_at=NOW,
            health="late",
            values=Jsonb({"temperature": [1_000_000, -18.5, 3]}),
        )
    headers = bearer(token_for(db, plant.actors[Role.LENDER]))
    rows = client.get("/api/sensors", headers=headers).json()
    by_key = {(row["sensor"], row["quantity"]): row for row in rows}
    temperature, mass = by_key["temp-c", "temperature"], by_key["scale-a", "mass"]

    assert (temperature["value"], temperature["unit"], temperature["value_unix_us"]) == (
        -18.5,
        "Cel",
        1_000_000,
    )
    assert (temperature["age_s"], temperature["health"]) == (0.0, "late")
    assert by_key["temp-c", "humidity"]["value"] is None
    assert (mass["value"], mass["age_s"], mass["health"], mass["tampered"]) == (
        None,
        None,
        None,
        False,
    )


def test_refused_envelopes_are_paged(db: Database, client: httpx.Client) -> None:
    """Newest first, by gateway, from a page to the next."""
    operator = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
    with db.working() as conn:
        for number in range(5):
            insert(
                conn,
                "refused_envelope",
                received_at=NOW,
                topic="pw/1/up/0/gw-x",
                gateway_id="gw-x" if number else "gw-y",
                number=number,
                reason="bad_signature",
                detail="x",
                sha256=bytes(32),
                bytes=b"\x01",
            )
    query = {"gateway": "gw-x", "limit": 3}
    first = client.get("/api/refused-envelopes", params=query, headers=operator).json()
    rest = client.get(
        "/api/refused-envelopes",
        params={**query, "before_id": first[-1]["id"]},
        headers=operator,
    ).json()

    assert [row["number"] for row in first + rest] == [4, 3, 2, 1]
    assert first[0]["bytes_hex"] == "01"
