"""Who may issue what: signatures, keys, grounds; each refusal says why and leaves nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.db import Database
from backend.telemetry.types import datetime_of, unix_us_of
from tests.builders import NOW, FixedClock, add_party
from tests.gateway_double import BASE_US
from tests.integration.backend.ingest.rig import Rig
from tests.integration.backend.releases.orders import Pledged, key_message, pledge_warehouse
from tests.warehouse import NET_G, build_warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def pledged(db: Database, db_url: str, client: httpx.Client, clock: FixedClock) -> Pledged:
    """A quiet pledged warehouse of three pallets."""
    return quiet_warehouse(db, db_url, client, clock)


@pytest.fixture(scope="module")
def kept(
    shared_db: Database,
    shared_db_url: str,
    shared_client: httpx.Client,
    shared_clock: FixedClock,
) -> Pledged:
    """A warehouse for all that is refused, and leaves it as it is."""
    return quiet_warehouse(shared_db, shared_db_url, shared_client, shared_clock)


def quiet_warehouse(db: Database, db_url: str, client: httpx.Client, clock: FixedClock) -> Pledged:
    """Return a pledged warehouse of three pallets in which nothing happens."""
    rig = Rig(db=db, made=build_warehouse(db_url))
    clock.advance(datetime_of(BASE_US) - NOW)
    made = pledge_warehouse(db, rig, client)
    rig.quiet(3)
    return made


def orders(pledged: Pledged) -> int:
    """Return how many orders are stored."""
    return int(pledged.made.execute("SELECT count(*) FROM release_order")[0][0])


def test_the_same_order_again_is_the_same(pledged: Pledged) -> None:
    """Sent twice it is one; with its id another is refused."""
    order = pledged.order()
    first, again = pledged.issue(order), pledged.issue(order)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = pledged.issue(pledged.order(id=order.id, mass_g=NET_G, items=(pledged.item(2),)))
    assert other.json()["error"]["code"] == "id_taken"
    assert orders(pledged) == 1


BAD: dict[str, tuple[str, Callable[[Pledged], dict[str, Any]]]] = {
    "another's lot": ("not_pledged", lambda _: {"lot": uuid4()}),
    "another's name": ("not_yours", lambda _: {"lender": uuid4()}),
    "unknown item": ("items_unknown", lambda _: {"items": (uuid4(),), "mass_g": NET_G}),
    "wrong mass": ("mass_unsuited", lambda _: {"mass_g": NET_G}),
    "more than is pledged": ("mass_unsuited", lambda _: {"items": (), "mass_g": 4 * NET_G}),
    "home again": ("destination_unsuited", lambda p: {"zone": p.made.hall}),
    "a zone of nobody": ("destination_unsuited", lambda _: {"zone": uuid4()}),
    "a lot of nobody": (
        "destination_unsuited",
        lambda p: {"zone": p.made.dock, "into_lot": uuid4()},
    ),
    "another executor": ("executor_unsuited", lambda p: {"executor": p.bank}),
    "over": (
        "window_unsuited",
        lambda _: {
            "begins_unix_us": unix_us_of(NOW - timedelta(hours=2)),
            "ends_unix_us": unix_us_of(NOW - timedelta(hours=1)),
        },
    ),
    "too long": (
        "window_unsuited",
        lambda _: {"ends_unix_us": unix_us_of(NOW + timedelta(days=40))},
    ),
    "begun long ago": (
        "window_unsuited",
        lambda _: {"begins_unix_us": unix_us_of(NOW - timedelta(days=2))},
    ),
    "an old signature": (
        "window_unsuited",
        lambda _: {"issued_unix_us": unix_us_of(NOW - timedelta(days=2))},
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused(kept: Pledged, case: str) -> None:
    """With a code for programs and a sentence for people; nothing is stored."""
    code, overrides = BAD[case]
    answer = kept.issue(kept.order(**overrides(kept)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
    assert orders(kept) == 0


def test_goods_are_released_once(pledged: Pledged) -> None:
    """Items of an open order are in no other, and all orders together let go what is pledged."""
    assert pledged.issue(pledged.order()).status_code == 201
    twice = pledged.issue(pledged.order())
    assert twice.json()["error"]["code"] == "items_in_other_order"
    more = pledged.issue(pledged.order(items=(), mass_g=2 * NET_G))
    assert more.json()["error"]["code"] == "mass_unsuited"


def test_only_the_lenders_valid_key_signs(pledged: Pledged, db: Database) -> None:
    """Neither a stranger's, nor another party's, nor a revoked one, nor one whose time is over."""
    order = pledged.order()
    stranger = Ed25519PrivateKey.generate()
    assert pledged.issue(order, stranger).json()["error"]["code"] == "bad_signature"

    operator = pledged.operator
    other = add_party(db, "other bank")
    body = {"name": "x", "message": key_message(stranger, other, NOW + timedelta(days=9))}
    answer = pledged.client.post("/api/party-keys", json=body, headers=operator)
    assert answer.status_code == 201
    assert pledged.issue(order, stranger).json()["error"]["code"] == "bad_signature"
    taken = pledged.client.post("/api/party-keys", json=body, headers=operator)
    assert taken.json()["error"]["code"] == "key_in_use"
    foreign = f"/api/party-keys/{answer.json()['key_id']}/revoke"
    refused = pledged.client.post(foreign, headers=pledged.lender)
    assert refused.json()["error"]["code"] == "not_yours"

    keys = pledged.client.get("/api/party-keys", headers=pledged.lender).json()
    mine = next(key for key in keys if key["party_id"] == str(pledged.bank))
    pledged.client.post(f"/api/party-keys/{mine['key_id']}/revoke", headers=pledged.lender)
    revoked = pledged.issue(order)
    assert "revoked" in revoked.json()["error"]["message"]
    assert orders(pledged) == 0


def test_a_key_must_sign_for_itself(kept: Pledged) -> None:
    """A message that another key signed registers nothing."""
    message = bytearray.fromhex(key_message(kept.key, kept.bank, NOW + timedelta(days=1)))
    message[-1] ^= 1
    body = {"name": "x", "message": message.hex()}
    answer = kept.client.post("/api/party-keys", json=body, headers=kept.operator)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_signature")


def test_what_a_facility_can_not_spare_stays(pledged: Pledged) -> None:
    """Three tonnes back a loan; without two of them coverage would fall under the warning line."""
    pledged.owe(100_000)
    refused = pledged.issue(pledged.order())
    codes = {each["code"] for each in refused.json()["error"]["detail"]["reasons"]}
    assert refused.json()["error"]["code"] == "facility_can_not_spare"
    assert codes & {"COVERAGE", "OVER_BASE"}
    assert orders(pledged) == 0
    pledged.owe(10_000)
    assert pledged.issue(pledged.order()).status_code == 201


def test_a_locked_facility_spares_nothing_while_something_is_owed(pledged: Pledged) -> None:
    """A manual lock holds the goods; with nothing owed they are free."""
    path = f"/api/facilities/{pledged.facility}/locks"
    pledged.client.post(path, json={"detail": "audit"}, headers=pledged.lender)
    pledged.owe(10_000)
    refused = pledged.issue(pledged.order())
    assert "MANUAL" in {e["code"] for e in refused.json()["error"]["detail"]["reasons"]}
    pledged.owe(0)
    assert pledged.issue(pledged.order()).status_code == 201


def test_who_else_may_not(pledged: Pledged) -> None:
    """Borrower and warehouse see an order, and neither issues nor revokes one."""
    order = pledged.order()
    pledged.issue(order)
    path = f"/api/release-orders/{order.id}"
    for headers in (pledged.keeper, pledged.owner):
        assert pledged.client.get(path, headers=headers).status_code == 200
        assert pledged.client.post(f"{path}/revoke", headers=headers).status_code == 403
        body = {"message": "00"}
        answer = pledged.client.post("/api/release-orders", json=body, headers=headers)
        assert answer.status_code == 403
    listed = pledged.client.get(
        "/api/release-orders", params={"lot": str(pledged.made.lot)}, headers=pledged.keeper
    )
    assert [each["id"] for each in listed.json()] == [str(order.id)]


@pytest.mark.parametrize("message", ["", "zz", "00", "d28440a0"])
def test_what_is_no_message_is_refused(kept: Pledged, message: str) -> None:
    """Neither hexadecimal nor COSE_Sign1: 422, with the field's name."""
    answer = kept.client.post(
        "/api/release-orders", json={"message": message}, headers=kept.lender
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
