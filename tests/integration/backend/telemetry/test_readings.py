"""Readings in their tables, whatever time they claim, and back over HTTP."""

from datetime import timedelta

import httpx
import pytest

from backend.db import Database
from backend.parties.types import Role
from backend.telemetry.layout import ensure_layout
from backend.telemetry.types import datetime_of
from schemas.quantities import EventType, Quantity
from tests.builders import add_actor, bearer, token_for
from tests.gateway_double import BASE_US, Happening, Value
from tests.integration.backend.ingest.rig import Rig
from tests.warehouse import build_warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def rig(db: Database, db_url: str) -> Rig:
    """A warehouse."""
    return Rig(db=db, made=build_warehouse(db_url))


def test_impossible_times_are_stored_all_the_same(rig: Rig, db: Database) -> None:
    """1970 and 2255 go to the default partition, and stay there when days are added."""
    reading = Value(sensor="scale", quantity=Quantity.MASS, value=1.0)
    for base_us in (1, 2**53 - 1):
        rig.write(rig.made.gateway.seal([reading], base_us))
    rows = rig.made.execute("SELECT count(*), count(DISTINCT at) FROM scalar_reading")
    assert rows == [(2, 2)]
    with db.working() as conn:
        ensure_layout(conn, datetime_of(1))
    assert rig.made.execute("SELECT count(*) FROM scalar_reading") == [(2,)]


def test_event_is_stored_with_its_body(rig: Rig) -> None:
    """An event's body is JSON in the database."""
    body = {"state": "late", "why": "no reply"}
    rig.write(rig.made.gateway.seal([Happening(sensor="scale", type=EventType.HEALTH, body=body)]))
    assert rig.made.execute("SELECT type, body FROM event_reading") == [("health", body)]


def test_readings_are_thinned_to_the_limit(rig: Rig, db: Database, client: httpx.Client) -> None:
    """Each span tells its least, greatest and last value, and how many there were."""
    readings = [
        Value(sensor="scale", quantity=Quantity.MASS, value=float(n), offset_us=n * 100_000)
        for n in range(100)
    ]
    rig.write(rig.made.gateway.seal([*readings], BASE_US))
    headers = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
    [(channel,)] = rig.made.execute("SELECT id FROM channel WHERE quantity = 'mass'")
    begin = datetime_of(BASE_US)
    window = {
        "from": begin.isoformat(),
        "to": (begin + timedelta(seconds=10)).isoformat(),
        "limit": 5,
    }
    answer = client.get(f"/api/sensors/{channel}/readings", params=window, headers=headers)
    points = answer.json()["points"]
    assert [point["count"] for point in points] == [20] * 5
    assert (points[0]["value_min"], points[0]["value_max"]) == (0.0, 19.0)
    assert points[-1]["value_last"] == 99.0


def test_unknown_channel_and_empty_window_are_refused(
    rig: Rig, db: Database, client: httpx.Client
) -> None:
    """404 for a channel that is not there, 422 for a window that is none."""
    rig.quiet(1)
    headers = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
    assert client.get("/api/sensors/999/readings", headers=headers).status_code == 404
    window = {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    answer = client.get("/api/sensors/1/readings", params=window, headers=headers)
    assert answer.status_code == 422
