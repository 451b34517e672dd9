"""From a signed order to goods that leave: nothing alarms but what goes beyond it."""

import threading
from datetime import timedelta

import httpx
import pytest

from backend.collateral import service as collateral
from backend.db import Database
from backend.telemetry.types import datetime_of
from schemas.quantities import Quantity
from tests.builders import NOW, FixedClock
from tests.gateway_double import BASE_US, Tag, Value
from tests.integration.backend.ingest.rig import Rig
from tests.integration.backend.releases.orders import Pledged, pledge_warehouse
from tests.warehouse import NET_G, TARE_G, build_warehouse

pytestmark = pytest.mark.integration
PALLET_G = NET_G + TARE_G


@pytest.fixture
def pledged(db: Database, db_url: str, client: httpx.Client, clock: FixedClock) -> Pledged:
    """A quiet pledged warehouse of four pallets; readings and the api share their time."""
    rig = Rig(db=db, made=build_warehouse(db_url, pallets=4))
    rig.now_us = BASE_US
    clock.advance(datetime_of(BASE_US) - NOW)
    made = pledge_warehouse(db, rig, client)
    rig.quiet(3)
    clock.advance(timedelta(seconds=4))
    return made


def take(pledged: Pledged, count: int, seconds: int) -> None:
    """Let the first pallets be gone, by tag and weight, for some seconds."""
    gone = frozenset(list(pledged.made.items)[:count])
    gross_g = pledged.made.gross_g - count * PALLET_G
    pledged.rig.quiet(seconds, gone=gone, gross_g=gross_g)


def test_two_pallets_leave_by_order_and_a_third_does_not(pledged: Pledged) -> None:
    """Two raise nothing; the third does; the pledge falls by exactly two; nothing else moves."""
    order = pledged.order(datetime_of(pledged.rig.now_us))
    assert pledged.issue(order).status_code == 201
    path = f"/api/release-orders/{order.id}"
    assert pledged.client.post(f"{path}/acknowledge", headers=pledged.keeper).status_code == 200

    take(pledged, 2, 30)
    assert pledged.made.alerts() == {}
    assert pledged.made.state()["custody"] == "moving"
    assert pledged.get(order.id)["state"] == "executing"
    assert pledged.pledged_g() == 4 * NET_G

    take(pledged, 3, 30)
    alerts = pledged.made.alerts()
    assert alerts
    assert {severity for severity, _, _ in alerts.values()} >= {"critical"}
    assert "beyond release order" in pledged.made.execute("SELECT summary FROM alert")[0][0]

    take(pledged, 3, 60)
    done = pledged.get(order.id)
    assert (done["state"], done["released_mass_g"]) == ("completed", 2 * NET_G)
    assert sorted(done["released"]) == sorted(str(item) for item in order.items)
    assert [each["what"] for each in done["events"]] == [
        "issued",
        "acknowledged",
        "moving",
        "completed",
    ]
    assert pledged.pledged_g() == 2 * NET_G
    assert pledged.made.state()["quantity"] == "short"


def test_value_and_locks_follow_in_the_same_transaction(pledged: Pledged) -> None:
    """From its issue what may leave backs nothing; when it has left, the rest is sound again."""
    accepted = "SELECT accepted_mass_g FROM lot_valuation v JOIN valuation f ON"
    accepted += " f.id = v.valuation_id ORDER BY f.at DESC, f.id LIMIT 1"
    order = pledged.order(datetime_of(pledged.rig.now_us))
    pledged.issue(order)
    assert pledged.made.execute(accepted)[0][0] == 2 * NET_G
    take(pledged, 2, 100)
    assert pledged.made.execute(accepted)[0][0] == 2 * NET_G
    assert pledged.made.alerts() == {}
    assert pledged.made.state() == {
        "custody": "in_zone",
        "quantity": "whole",
        "condition": "sound",
        "surveillance": "live",
        "tampered": False,
        "evaluated": True,
    }
    assert pledged.made.execute("SELECT reason FROM facility_lock WHERE lifted_at IS NULL") == []


def test_an_order_that_nobody_uses_expires(pledged: Pledged, db: Database) -> None:
    """The sweep ends it once its time and its sensors are past it; nothing has left."""
    now = datetime_of(pledged.rig.now_us)
    order = pledged.order(now, ends_unix_us=pledged.rig.now_us + 5_000_000)
    pledged.issue(order)
    pledged.rig.now_us += 190_000_000
    pledged.rig.quiet(1)
    with db.working() as conn:
        collateral.sweep(conn, datetime_of(pledged.rig.now_us))
    assert pledged.get(order.id)["state"] == "expired"
    assert pledged.pledged_g() == 4 * NET_G


def test_revocation_ends_it_for_what_is_still_there(pledged: Pledged, clock: FixedClock) -> None:
    """One was out when it was revoked: it is released; the second is taken without leave."""
    order = pledged.order(datetime_of(pledged.rig.now_us))
    pledged.issue(order)
    take(pledged, 1, 20)
    clock.advance(timedelta(seconds=20))
    path = f"/api/release-orders/{order.id}/revoke"
    assert pledged.client.post(path, headers=pledged.lender).json()["state"] == "revoked"
    assert pledged.client.post(path, headers=pledged.lender).status_code == 409
    pledged.rig.now_us += 190_000_000
    take(pledged, 1, 2)
    assert pledged.get(order.id)["released_mass_g"] == NET_G
    take(pledged, 2, 20)
    assert "critical" in {severity for severity, _, _ in pledged.made.alerts().values()}
    assert pledged.pledged_g() == 3 * NET_G


def test_goods_may_join_another_lot_and_stay_pledged(pledged: Pledged) -> None:
    """Sent to the dock's lot: what one loses the other has, tag and mass."""
    made = pledged.made
    other = made.execute(
        "WITH l AS (INSERT INTO lot (name, site_id, zone_id, owner_party, commodity_id,"
        " instrument_id, pledged_mass_g) VALUES ('dock lot', %s, %s, %s, 'fish', 'FISH', 1)"
        " RETURNING id), s AS (INSERT INTO lot_state (lot_id) SELECT id FROM l),"
        " p AS (INSERT INTO pledge_lot (pledge_id, lot_id, active)"
        " SELECT pledge_id, l.id, true FROM pledge_lot, l)"
        " SELECT id FROM l",
        made.site,
        made.dock,
        made.owner,
    )[0][0]
    order = pledged.order(datetime_of(pledged.rig.now_us), zone=made.dock, into_lot=other)
    assert pledged.issue(order).status_code == 201
    gone = list(made.items)[:2]
    for _ in range(90):
        readings = [Tag(sensor="gate", epc=epc) for epc in gone]
        counted = Value(sensor="gate", quantity=Quantity.INVENTORY, value=2, offset_us=1_000)
        pledged.rig.quiet(
            1,
            gone=frozenset(gone),
            gross_g=made.gross_g - 2 * PALLET_G,
            extra=[*readings, counted],
        )
    assert pledged.get(order.id)["state"] == "completed"
    masses = dict(made.execute("SELECT name, pledged_mass_g FROM lot"))
    assert masses == {"lot": 2 * NET_G, "dock lot": 1 + 2 * NET_G}
    rows = made.execute("SELECT count(*) FROM item WHERE lot_id = %s", other)
    assert rows[0][0] == 2


def test_revoking_races_with_what_leaves(pledged: Pledged) -> None:
    """Whoever is first: what is released is what left, once, and the pledge falls by that."""
    order = pledged.order(datetime_of(pledged.rig.now_us))
    pledged.issue(order)
    take(pledged, 2, 58)
    path = f"/api/release-orders/{order.id}/revoke"
    answers: list[int] = []

    def revoke() -> None:
        answers.append(pledged.client.post(path, headers=pledged.lender).status_code)

    racer = threading.Thread(target=revoke)
    racer.start()
    take(pledged, 2, 20)
    racer.join()
    pledged.rig.now_us += 190_000_000
    take(pledged, 2, 2)
    done = pledged.get(order.id)
    assert (answers, done["state"]) in (([200], "revoked"), ([409], "completed"))
    assert done["released_mass_g"] == 4 * NET_G - pledged.pledged_g()
    released = pledged.made.execute("SELECT count(*) FROM released_item")[0][0]
    assert released * NET_G == done["released_mass_g"]
