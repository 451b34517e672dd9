"""Counts by hand and by handheld reader: kept with their digest, reconciled, believed."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest

from backend.collateral import service as collateral
from backend.db import Database
from backend.telemetry.types import datetime_of
from tests.builders import NOW, FixedClock
from tests.gateway_double import BASE_US
from tests.integration.backend.ingest.rig import Rig
from tests.integration.backend.releases.orders import Pledged, pledge_warehouse
from tests.warehouse import NET_G, build_warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def pledged(db: Database, db_url: str, client: httpx.Client, clock: FixedClock) -> Pledged:
    """A quiet pledged warehouse of three pallets; readings and the api share their time."""
    rig = Rig(db=db, made=build_warehouse(db_url))
    clock.advance(datetime_of(BASE_US) - NOW)
    made = pledge_warehouse(db, rig, client)
    rig.quiet(3)
    clock.advance(timedelta(seconds=4))
    return made


def path(pledged: Pledged, kind: str = "") -> str:
    """Return where stock-takes of the lot are recorded."""
    return f"/api/lots/{pledged.made.lot}/stock-takes{kind}"


def body(pledged: Pledged, **overrides: Any) -> dict[str, Any]:  # noqa: ANN401 - of a body
    """Return a count by hand of all but the first pallet."""
    return {
        "id": str(uuid4()),
        "at": datetime_of(pledged.rig.now_us + 1_000_000).isoformat(),
        "counted_by": "shift lead",
        "found": [str(pledged.item(n)) for n in (1, 2)],
        **overrides,
    }


def test_what_is_not_found_is_a_shortfall_until_a_reader_sees_it(
    pledged: Pledged, db: Database
) -> None:
    """Recorded by the warehouse, seen by the lender, decided with the next look at the lot."""
    answer = pledged.client.post(path(pledged), json=body(pledged), headers=pledged.keeper)
    assert answer.status_code == 201
    assert (answer.json()["found"], answer.json()["not_found"]) == (2, 1)
    assert answer.json()["items"][0]["result"] == "not_found"
    with db.working() as conn:
        changes = collateral.sweep(conn, datetime_of(pledged.rig.now_us + 2_000_000))
    assert [change.after.custody.value for change in changes] in (["missing"], ["in_zone"])
    assert changes[0].facts
    pledged.rig.now_us += 3_000_000
    pledged.rig.quiet(1)
    assert pledged.made.state()["custody"] == "in_zone"
    seen = pledged.client.get(f"/api/stock-takes/{answer.json()['id']}", headers=pledged.lender)
    assert seen.json()["items"] == answer.json()["items"]


def test_the_same_again_is_the_same(pledged: Pledged) -> None:
    """Sent twice it is one; with its id another is refused."""
    said = body(pledged)
    first = pledged.client.post(path(pledged), json=said, headers=pledged.keeper)
    again = pledged.client.post(path(pledged), json=said, headers=pledged.keeper)
    assert first.json() == again.json()
    other = {**said, "counted_by": "somebody else"}
    refused = pledged.client.post(path(pledged), json=other, headers=pledged.keeper)
    assert refused.json()["error"]["code"] == "id_taken"
    listed = pledged.client.get(path(pledged), headers=pledged.owner).json()
    assert [each["id"] for each in listed] == [said["id"]]


def test_mass_by_hand_reaches_the_value(pledged: Pledged, db: Database) -> None:
    """Two tonnes weighed where three are pledged: no more than two back the loan, and it locks."""
    said = body(pledged, mass_g=2 * NET_G)
    del said["found"]
    assert pledged.client.post(path(pledged), json=said, headers=pledged.keeper).status_code == 201
    pledged.rig.now_us += 2_000_000
    pledged.rig.quiet(1)
    rows = pledged.made.execute(
        "SELECT v.accepted_mass_g FROM lot_valuation v JOIN facility f"
        " ON f.valuation_id = v.valuation_id"
    )
    assert rows[0][0] == 2 * NET_G
    reasons = pledged.made.execute("SELECT reason FROM facility_lock WHERE lifted_at IS NULL")
    assert ("QUANTITY_SHORT",) in reasons
    assert "count:mass" in pledged.made.alerts()


def test_a_handheld_readers_files(pledged: Pledged) -> None:
    """CSV and EPCIS say the same; a foreign tag is told; the file's digest is kept."""
    epcs = [epc.hex() for epc in pledged.made.items]
    at = datetime_of(pledged.rig.now_us).isoformat()
    lines = "\n".join(f"{epc},{at}" for epc in [*epcs, "e2" * 12])
    content = f"epc,read_at\n{lines}\n".encode()
    terms = {"id": str(uuid4()), "counted_by": "reader 7"}
    csv = pledged.client.post(
        path(pledged, ".csv"),
        params=terms,
        content=content,
        headers={**pledged.keeper, "Content-Type": "text/csv"},
    )
    assert csv.status_code == 201
    assert (csv.json()["found"], csv.json()["not_found"], csv.json()["foreign"]) == (3, 0, 1)
    assert csv.json()["file_sha256"] == sha256(content).hexdigest()

    event = {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "bizStep": "stock_taking",
        "eventTime": at,
        "eventTimeZoneOffset": "+00:00",
        "epcList": [f"urn:epc:raw:96.x{epc.upper()}" for epc in epcs],
    }
    document = {
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "epcisBody": {"eventList": [event]},
    }
    epcis = pledged.client.post(
        path(pledged, ".epcis"),
        params={**terms, "id": str(uuid4())},
        content=json.dumps(document).encode(),
        headers={**pledged.keeper, "Content-Type": "application/octet-stream"},
    )
    assert (epcis.status_code, epcis.json()["found"]) == (201, 3)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"at": "2026-01-01T00:00:00Z"}, 422),
        ({"found": [str(uuid4())]}, 422),
        ({"found": None}, 422),
        ({"mass_g": 5}, 422),
        ({"counted_by": ""}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(
    pledged: Pledged, changes: dict[str, Any], status: int
) -> None:
    """A time too long ago, an item of nobody, neither items nor mass, or both; nothing is kept."""
    said = body(pledged, **changes)
    answer = pledged.client.post(path(pledged), json=said, headers=pledged.keeper)
    assert answer.status_code == status
    assert pledged.made.execute("SELECT count(*) FROM stock_take") == [(0,)]


def test_only_the_warehouse_counts(pledged: Pledged) -> None:
    """Its lender and its owner see what was counted, and count nothing."""
    for headers in (pledged.lender, pledged.owner):
        answer = pledged.client.post(path(pledged), json=body(pledged), headers=headers)
        assert answer.status_code == 403
