"""Alerts from the first reading to a person's word on them."""

from typing import Any

import httpx
import pytest

from backend.collateral import service as collateral
from backend.db import Database
from backend.parties.types import Role
from backend.telemetry.types import datetime_of
from schemas.quantities import Quantity
from tests.builders import add_account, add_party, bearer, token_for
from tests.gateway_double import Value
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import NET_G, TARE_G, bind, build_warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A quiet warehouse."""
    rig = Rig(db=db, made=build_warehouse(db_url))
    rig.quiet(3)
    return rig


@pytest.fixture
def keeper(db: Database, rig: Rig) -> dict[str, str]:
    """The warehouse operator's headers."""
    rows = rig.made.execute("SELECT id FROM party WHERE name = 'keeper'")
    return bearer(token_for(db, add_account(db, rows[0][0], Role.LOGISTICS, "keeper").actor))


@pytest.fixture
def lender(db: Database, rig: Rig) -> dict[str, str]:
    """The headers of a lender that the lot is pledged to."""
    party = add_party(db, "bank")
    rig.made.execute(
        "WITH f AS (INSERT INTO facility (name, lender_party, borrower_party, currency,"
        " limit_minor) VALUES ('f', %s, %s, 'USD', 1000) RETURNING id),"
        " p AS (INSERT INTO pledge (lender_party, pledgor_party, facility_id, state, created_at)"
        " SELECT %s, %s, id, 'active', now() FROM f RETURNING id)"
        " INSERT INTO pledge_lot (pledge_id, lot_id, active) SELECT id, %s, true FROM p",
        party,
        rig.made.owner,
        party,
        rig.made.owner,
        rig.made.lot,
    )
    return bearer(token_for(db, add_account(db, party, Role.LENDER, "bank").actor))


def take(rig: Rig, pallets: int = 2) -> None:
    """Take pallets off the scale, for as long as it takes to be sure: one may hang on a fork."""
    rig.quiet(2, gross_g=rig.made.gross_g - pallets * (NET_G + TARE_G))


def only_alert(client: httpx.Client, headers: dict[str, str]) -> dict[str, Any]:
    """Return the one alert on the lot, in full."""
    found = [a for a in client.get("/api/alerts", headers=headers).json() if a["lot_id"]]
    assert len(found) == 1
    return client.get(f"/api/alerts/{found[0]['id']}", headers=headers).json()


def test_one_cause_is_one_alert_with_its_history(
    rig: Rig, client: httpx.Client, keeper: dict[str, str]
) -> None:
    """Opened, escalated, ceased, recurred: all on one alert, with the readings behind it."""
    take(rig, 1)
    take(rig)
    rig.quiet(2)
    take(rig)
    alert = only_alert(client, keeper)
    assert [event["what"] for event in alert["events"]] == [
        "opened",
        "escalated",
        "ceased",
        "recurred",
    ]
    assert alert["severity"] == "critical"
    first = alert["evidence"][0]
    assert (first["sensor"], first["quantity"], first["envelope_number"]) == ("scale", "mass", 4)
    assert first["value"] == rig.made.gross_g - NET_G - TARE_G


def test_what_is_still_true_is_only_called_untrue(
    rig: Rig, client: httpx.Client, keeper: dict[str, str]
) -> None:
    """It cannot be closed as an incident dealt with; as a sensor's fault it can."""
    take(rig)
    path = f"/api/alerts/{only_alert(client, keeper)['id']}"
    assert client.post(f"{path}/acknowledge", headers=keeper).json()["state"] == "acknowledged"
    assert client.post(f"{path}/acknowledge", headers=keeper).status_code == 409
    refused = client.post(f"{path}/resolve", json={"resolution": "true_incident"}, headers=keeper)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "still_true")
    done = client.post(
        f"{path}/resolve", json={"resolution": "sensor_fault", "note": "new cell"}, headers=keeper
    )
    assert (done.status_code, done.json()["state"]) == (200, "resolved")
    assert rig.made.state()["quantity"] == "short"
    rig.quiet(1, gross_g=rig.made.gross_g - 2 * (NET_G + TARE_G))
    assert len(client.get("/api/alerts", headers=keeper).json()) == 1


def test_critical_alert_on_pledged_goods_is_the_lenders(
    rig: Rig, client: httpx.Client, keeper: dict[str, str], lender: dict[str, str]
) -> None:
    """The warehouse may not close it; the lender may, once it has ceased."""
    take(rig)
    rig.quiet(2)
    path = f"/api/alerts/{only_alert(client, lender)['id']}/resolve"
    body = {"resolution": "true_incident"}
    refused = client.post(path, json=body, headers=keeper)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_yours")
    assert client.post(path, json=body, headers=lender).json()["state"] == "resolved"


def test_resolved_damage_is_forgotten(
    rig: Rig, db: Database, client: httpx.Client, keeper: dict[str, str]
) -> None:
    """Damage stays until its alert is resolved; then readings decide again."""
    bind(rig.made, "shock", "condition")
    spike = Value(sensor="shock", quantity=Quantity.SHOCK, value=8.0)
    calm = Value(sensor="shock", quantity=Quantity.SHOCK, value=0.1)
    rig.quiet(1, extra=[spike])
    rig.quiet(12, extra=[calm])
    assert rig.made.state()["condition"] == "damaged"
    alert = only_alert(client, keeper)
    assert (alert["kind"], alert["ceased_at"] is None) == ("damage", False)
    body = {"resolution": "true_incident", "note": "inspected"}
    client.post(f"/api/alerts/{alert['id']}/resolve", json=body, headers=keeper)
    assert rig.made.state()["evaluated"] is False
    with db.working() as conn:
        changes = collateral.sweep(conn, datetime_of(rig.now_us))
    assert [change.after.condition.value for change in changes] == ["sound"]
    assert rig.made.state()["condition"] == "sound"


def test_sweep_sees_silence(rig: Rig, db: Database) -> None:
    """Without any reading a lot turns dark, by our clock."""
    rig.later(30)
    with db.working() as conn:
        changes = collateral.sweep(conn, datetime_of(rig.now_us))
    assert [change.after.surveillance.value for change in changes] == ["dark"]
    assert changes[0].after.custody.value == "in_zone"
    with db.working() as conn:
        assert collateral.sweep(conn, datetime_of(rig.now_us)) == []
