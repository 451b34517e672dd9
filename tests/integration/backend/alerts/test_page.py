"""One alert with all around it, in the format that is written down, and the steps of its life."""

import json
from datetime import timedelta
from typing import Any, cast

import httpx
import jsonschema
import pytest

from backend.alerts import service
from backend.alerts.rules.life import UNATTENDED_AFTER
from backend.alerts.types import AlertKind, Finding, Severity, Steps
from backend.collateral.types import Evidence
from backend.db import Database
from backend.ids import GatewayId
from backend.parties.types import Role
from backend.telemetry.types import datetime_of
from tests.builders import add_account, bearer, token_for
from tests.conformance.vectors import VECTORS
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import NET_G, TARE_G, build_warehouse

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


def get_page(client: httpx.Client, headers: dict[str, str]) -> dict[str, Any]:
    """Return the newest alert on the lot, after it was held against its schema."""
    found = [a for a in client.get("/api/alerts", headers=headers).json() if a["lot_id"]]
    answer = client.get(f"/api/alerts/{found[0]['id']}", headers=headers)
    assert answer.status_code == 200
    schema = json.loads((VECTORS.parent / "alert-v2.schema.json").read_text(encoding="utf-8"))
    validator = cast(
        "Any",
        jsonschema.Draft202012Validator(
            schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        ),
    )
    validator.validate(answer.json())
    return answer.json()


def test_page_shows_readings_around_what_holds_and_who_may_say_what(
    rig: Rig, client: httpx.Client, keeper: dict[str, str]
) -> None:
    """The weight before and after, the tags read, the state's moves, and what would end it."""
    rig.quiet(2, gross_g=rig.made.gross_g - NET_G - TARE_G)
    page = get_page(client, keeper)
    mass = [each for each in page["timeline"]["values"] if each["quantity"] == "mass"]
    assert (mass[0]["value_min"], mass[0]["value_max"]) == (
        rig.made.gross_g - NET_G - TARE_G,
        rig.made.gross_g,
    )
    assert [each["items"] for each in page["timeline"]["sightings"]] == [3]
    assert "state" in {each["what"] for each in page["timeline"]["lot"]}
    assert not page["timeline"]["cut"]
    assert "its scale shows at least" in page["holding"][0]["ends_when"]
    allowed = {each["resolution"] for each in page["choices"] if each["allowed"]}
    assert allowed == {"sensor_fault", "false_alarm"}
    assert {each["code"] for each in page["choices"] if not each["allowed"]} == {"still_true"}


def test_unattended_critical_alert_is_noted_once(
    rig: Rig, db: Database, client: httpx.Client, keeper: dict[str, str]
) -> None:
    """When nobody acknowledges it in time, and only then."""
    rig.quiet(2, gross_g=rig.made.gross_g - 3 * (NET_G + TARE_G))
    now = datetime_of(rig.now_us) + UNATTENDED_AFTER
    for later in (-timedelta(seconds=5), timedelta(0), timedelta(minutes=1)):
        with db.working() as conn:
            service.note_unattended(conn, now + later)
    page = get_page(client, keeper)
    assert [event["what"] for event in page["events"]] == ["opened", "unattended"]
    assert page["unattended_at"] is not None


def test_acknowledged_alert_is_not_unattended(
    rig: Rig, db: Database, client: httpx.Client, keeper: dict[str, str]
) -> None:
    """Somebody has seen it."""
    rig.quiet(2, gross_g=rig.made.gross_g - 3 * (NET_G + TARE_G))
    path = f"/api/alerts/{get_page(client, keeper)['id']}"
    client.post(f"{path}/acknowledge", headers=keeper)
    with db.working() as conn:
        found = service.note_unattended(conn, datetime_of(rig.now_us) + 2 * UNATTENDED_AFTER)
    assert found == []


def test_less_grave_is_noted_and_the_severity_stays(
    rig: Rig, db: Database, client: httpx.Client, keeper: dict[str, str]
) -> None:
    """A critical alert that is found a warning goes on locking; what is known of it is kept."""
    now = datetime_of(rig.now_us)
    evidence = Evidence(
        at=now,
        gateway=GatewayId("gw-1"),
        envelope_number=3,
        sensor="rfid",
        quantity=None,
        value=None,
        text="last read 61 s ago",
        expected="a read each second",
        log_odds=19.5,
    )
    grave = Finding(
        cause=f"lot:{rig.made.lot}:item:x:shortfall",
        kind=AlertKind.SHORTFALL,
        severity=Severity.CRITICAL,
        summary="x is gone",
        lot_id=rig.made.lot,
        evidence=(evidence,),
        probability=0.999,
        began_at=now - timedelta(seconds=61),
    )
    lesser = Finding(
        cause=grave.cause,
        kind=grave.kind,
        severity=Severity.WARNING,
        summary="x is not read",
        lot_id=rig.made.lot,
        probability=0.4,
    )
    for steps in (
        Steps(findings=(grave,)),
        Steps(eased=(lesser,)),
        Steps(eased=(lesser,)),
        Steps(findings=(grave,)),
    ):
        with db.working() as conn:
            service.take(conn, [steps], now)
    page = get_page(client, keeper)
    assert [event["what"] for event in page["events"]] == ["opened", "deescalated", "escalated"]
    assert (page["severity"], page["eased_at"], page["probability"]) == ("critical", None, 0.999)
    assert page["began_at"] < page["opened_at"]
    assert (page["evidence"][0]["expected"], page["evidence"][0]["log_odds"]) == (
        "a read each second",
        19.5,
    )
