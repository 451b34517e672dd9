"""The routes of instruments and prices, served for real."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.builders import NOW, add_actor, bearer, token_for

pytestmark = pytest.mark.integration

COPPER = {
    "id": "LME-CU",
    "name": "Copper",
    "unit": "TNE",
    "currency": "USD",
    "max_price_age_s": 3_600,
    "haircut_floor_bps": 1_000,
}


def price(value: object, at: datetime = NOW, **overrides: object) -> dict[str, object]:
    """Return a price as a feed posts it."""
    return {
        "time": at.isoformat(),
        "value": value,
        "currency": "USD",
        "unit": "TNE",
        "source": "feed",
        **overrides,
    }


def test_an_instrument_and_its_prices(db: Database, client: httpx.Client) -> None:
    """Registered, quoted, read back with the price in use; a jump waits for the lender."""
    client.headers.update(bearer(token_for(db, add_actor(db, Role.LENDER))))
    made = client.post("/api/instruments", json=COPPER)
    assert made.status_code == 201, made.text
    assert made.json()["unusable_because"] == "LME-CU has no accepted price"
    path = "/api/instruments/LME-CU/prices"

    first = client.post(path, json=price("9000.5"))
    same = client.post(path, json=price(9000.5))
    other = client.post(path, json=price("9001"))
    fall = client.post(path, json=price("4000", NOW + timedelta(seconds=1)))
    locked = client.get("/api/instruments/LME-CU").json()
    accepted = client.post(
        f"{path}/accept",
        json={
            "source": "feed",
            "time": (NOW + timedelta(seconds=1)).isoformat(),
            "reason": "the exchange says so",
        },
    )

    assert (first.status_code, first.json()["accepted"]) == (201, 1)
    assert same.json()["duplicates"] == 1
    assert (other.status_code, other.json()["error"]["code"]) == (409, "price_contradicts")
    assert fall.json()["held"] == 1
    assert fall.json()["held_prices"][0]["value"] == "4000"
    assert (locked["usable"], locked["price"]) == (False, None)
    assert accepted.status_code == 200, accepted.text
    assert client.get("/api/instruments").json()[0]["price"] == "4000"
    listed = client.get(path, params={"limit": 1}).json()
    assert [each["value"] for each in listed] == ["4000"]
    assert client.get(path, params={"to": NOW.isoformat()}).json() == []


BAD: list[tuple[dict[str, object], str]] = [
    ({"currency": "EUR"}, "currency"),
    ({"unit": "KGM"}, "unit"),
    ({"unit": "BBL"}, "unit"),
    ({"value": "NaN"}, "value"),
    ({"value": "1e9"}, "value"),
    ({"value": "abc"}, "value"),
    ({"source": "Feed One"}, "source"),
    ({"time": "2026-11-22T12:00:00"}, "time"),
    ({"time": datetime(2027, 1, 1, tzinfo=UTC).isoformat()}, "time"),
    ({"extra": 1}, "extra"),
]


def test_a_bad_price_is_refused_by_its_field(db: Database, client: httpx.Client) -> None:
    """The answer names the field; nothing is stored."""
    client.headers.update(bearer(token_for(db, add_actor(db, Role.OPERATOR))))
    client.post("/api/instruments", json=COPPER)

    for overrides, field in BAD:
        refused = client.post("/api/instruments/LME-CU/prices", json=price("9000") | overrides)
        assert refused.status_code == 422, (overrides, refused.text)
        assert field in refused.json()["error"]["message"]
    assert client.get("/api/instruments/LME-CU/prices").json() == []


def test_a_file_of_prices(db: Database, client: httpx.Client) -> None:
    """A CSV file as it is; a bad one is refused with its line."""
    client.headers.update(bearer(token_for(db, add_actor(db, Role.OPERATOR))))
    client.post("/api/instruments", json=COPPER)
    path = "/api/instruments/LME-CU/prices.csv?source=lme&currency=USD&unit=TNE"
    csv = {"content-type": "text/csv"}

    good = client.post(path, content="Date,Price\n2026-11-19,9000\n2026-11-20,\n", headers=csv)
    bad = client.post(path, content="Date,Price\n2026-11-19,9000\n2026-11-20,x\n", headers=csv)

    assert good.status_code == 201, good.text
    assert good.json()["skipped_lines"] == [3]
    assert bad.status_code == 422
    assert bad.json()["error"]["detail"]["field"] == "line 3: Price"


def test_roles_that_may_not_post_prices(db: Database, client: httpx.Client) -> None:
    """Borrowers read prices and set none."""
    operator = add_actor(db, Role.OPERATOR, "platform")
    client.post("/api/instruments", json=COPPER, headers=bearer(token_for(db, operator)))
    borrower = bearer(token_for(db, add_actor(db, Role.BORROWER)))

    for path, body in (
        ("/api/instruments", COPPER | {"id": "X"}),
        ("/api/instruments/LME-CU/prices", price("1")),
        ("/api/instruments/LME-CU/prices/accept", {"source": "a", "time": NOW.isoformat()}),
    ):
        assert client.post(path, json=body, headers=borrower).status_code == 403
    assert client.get("/api/instruments", headers=borrower).status_code == 200
    assert client.get("/api/instruments/NONE", headers=borrower).status_code == 404
    assert client.get("/api/instruments").status_code == 401
