"""The control API, over a plant without devices."""

import httpx
import pytest

from firmware_sim.clock import SystemClock
from firmware_sim.control import Control
from firmware_sim.incidents import IncidentBook, Kind
from firmware_sim.noise import seeded
from firmware_sim.plant import Plant
from firmware_sim.scenario import load_scenario
from firmware_sim.state import Port
from firmware_sim.world import build_world

HARBOUR = load_scenario("harbour")
PORTS = {"scale-a": Port(path="dev/scale-a", listening=True, bytes_lost=7)}


def client() -> httpx.AsyncClient:
    """Return a client of a fresh site's control API."""
    book = IncidentBook(HARBOUR, seeded(1, "incidents"))
    plant = Plant(build_world(HARBOUR), book, SystemClock())
    transport = httpx.ASGITransport(app=Control(HARBOUR, plant, lambda: PORTS).app())
    return httpx.AsyncClient(transport=transport, base_url="http://sim")


async def test_state_draws_a_floor_plan() -> None:
    """The state names zones with corners, items with places, sensors with their truth."""
    async with client() as http:
        state = (await http.get("/state")).json()

    assert {zone["name"] for zone in state["zones"]} == {
        "hall-a",
        "hall-b",
        "cold",
        "dock",
        "yard",
    }
    assert len(state["items"]) == 28
    assert state["items"][0]["present"]
    sensors = {sensor["name"]: sensor for sensor in state["sensors"]}
    assert sensors["scale-a"]["truth"] == {"mass_g": 10_200_000}
    assert sensors["scale-a"]["port"] == {"path": "dev/scale-a", "open": True, "bytes_lost": 7}
    assert sensors["temp-c"]["truth"]["temperature_c"] == -18.0
    assert state["links"] == {"gw-north": True, "gw-south": True}


@pytest.mark.parametrize("kind", Kind)
async def test_incident_lives_and_is_undone(kind: Kind) -> None:
    """Each kind is created, listed, shown in the state, and undone."""
    async with client() as http:
        created = await http.post("/incidents", json={"kind": kind.value})
        incident = created.json()
        assert created.status_code == 201
        assert incident["kind"] == kind.value
        assert (await http.get(f"/incidents/{incident['id']}")).json() == incident
        assert (await http.get("/state")).json()["incidents"] == [incident]
        undone = (await http.post(f"/incidents/{incident['id']}/undo")).json()
        assert undone["undone_unix_us"] >= incident["started_unix_us"]
        assert (await http.get("/state")).json()["incidents"] == []
        assert (await http.get("/incidents")).json() == [undone]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b"\xff", 400, "bad_json"),
        (b"[]", 400, "bad_body"),
        (b'{"lot":"copper"}', 400, "bad_body"),
        (b'{"kind":"drop","lot":7}', 400, "bad_body"),
        (b'{"kind":"drop","lots":"fish"}', 400, "bad_body"),
        (b'{"kind":"flood"}', 400, "unknown_kind"),
        (b'{"kind":"drop","lot":"gold"}', 404, "unknown_lot"),
        (b'{"kind":"drop","lot":"copper"}', 409, "not_possible"),
        (b" " * 5_000, 413, "too_long"),
    ],
)
async def test_bad_requests_are_refused_by_name(body: bytes, status: int, code: str) -> None:
    """A request that cannot be done is answered with its code, and changes nothing."""
    async with client() as http:
        reply = await http.post("/incidents", content=body)
        assert (reply.status_code, reply.json()["code"]) == (status, code)
        assert (await http.get("/incidents")).json() == []
        missing = await http.get("/incidents/none")
        assert (missing.status_code, missing.json()["code"]) == (404, "unknown_incident")


async def test_kinds_and_lots_are_listed() -> None:
    """A panel can ask what may happen and to what."""
    async with client() as http:
        assert (await http.get("/kinds")).json() == {
            "kinds": [kind.value for kind in Kind],
            "lots": ["copper", "aluminium", "fish", "lubricant"],
        }


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://evil.example", False),
        ("http://127.0.0.1.evil.example", False),
    ],
)
async def test_only_local_pages_may_read_it(origin: str, allowed: bool) -> None:
    """A browser lets a local console call the API and no page from elsewhere."""
    async with client() as http:
        reply = await http.get("/kinds", headers={"Origin": origin})
    assert ("access-control-allow-origin" in reply.headers) is allowed
