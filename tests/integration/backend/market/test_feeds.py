"""Feeds: who may post under which source, what is pulled, what the broker brings."""

import contextlib
import json
import random
import threading
from collections.abc import Generator
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from nacl.signing import SigningKey

from backend.db import Database
from backend.ids import InstrumentId
from backend.market import service
from backend.market.pull import Puller
from backend.market.rules.feeds import bytes_to_sign
from backend.market.service.feeds import PriceMessage, take_messages
from backend.market.types import PriceDecision, Usable
from backend.parties.types import Role
from tests.builders import NOW, FixedClock, add_actor, bearer, token_for

pytestmark = pytest.mark.integration

COPPER = {
    "id": "LME-CU",
    "name": "Copper",
    "unit": "TNE",
    "currency": "USD",
    "max_price_age_days": 1,
    "calendar_id": "WEEKDAYS",
    "haircut_floor_bps": 1_000,
}
PATH = "/api/instruments/LME-CU"
CSV = b"Date,Price\n2026-11-19,9000\n2026-11-20,9050\n"


class _Answer(BaseHTTPRequestHandler):
    """A vendor's server, which answers with what the test says."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = CSV
    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        """Answer."""
        type(self).seen.append(self.headers.get("Authorization"))
        self.send_response(type(self).status)
        self.end_headers()
        self.wfile.write(type(self).body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - the library's
        """Say nothing."""


@contextlib.contextmanager
def vendor() -> Generator[str]:
    """A vendor's address."""
    _Answer.status, _Answer.body = 200, CSV
    _Answer.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/prices.csv"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def price(value: str, at: str = NOW.isoformat(), source: str = "feed") -> dict[str, object]:
    """Return a price as it is posted."""
    return {"time": at, "value": value, "currency": "USD", "unit": "TNE", "source": source}


def decide(db: Database) -> PriceDecision:
    """Return the decision on the price."""
    key = InstrumentId("LME-CU")
    with db.working() as conn:
        return service.load_quotes(conn, [key], NOW)[key].decision


def test_only_the_owner_of_an_instrument_or_of_its_feed_posts_prices(
    db: Database, client: httpx.Client
) -> None:
    """Another lender, and even the operator, are told that it is not theirs."""
    owner = bearer(token_for(db, add_actor(db, Role.LENDER, "bank")))
    delegate = add_actor(db, Role.LENDER, "agency", "agency")
    other = bearer(token_for(db, add_actor(db, Role.LENDER, "rival", "rival")))
    operator = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
    agency = bearer(token_for(db, delegate))
    assert client.post("/api/instruments", json=COPPER, headers=owner).status_code == 201
    feed = {"source": "agency", "kind": "http_push", "owner_party": str(delegate.party_id)}

    for who in (other, agency, operator):
        assert client.post(f"{PATH}/prices", json=price("9000"), headers=who).status_code == 403
        assert client.post(f"{PATH}/feeds", json=feed, headers=who).status_code == 403
    made = client.post(f"{PATH}/feeds", json=feed, headers=owner)
    by_agency = client.post(f"{PATH}/prices", json=price("9000", source="agency"), headers=agency)
    not_its = client.post(f"{PATH}/prices", json=price("9000"), headers=agency)
    not_owners = client.post(f"{PATH}/prices", json=price("1", source="agency"), headers=owner)
    other_door = client.post(
        f"{PATH}/prices.csv?source=agency&currency=USD&unit=TNE",
        content=CSV,
        headers={**agency, "content-type": "text/csv"},
    )

    assert made.status_code == 201, made.text
    assert by_agency.status_code == 201, by_agency.text
    assert (not_its.status_code, not_owners.status_code) == (403, 403)
    assert other_door.json()["error"]["code"] == "other_door"
    assert client.post(f"{PATH}/feeds", json=feed, headers=owner).status_code == 409
    assert [len(client.get("/api/feeds", headers=who).json()) for who in (owner, other)] == [1, 0]
    ended = client.post(f"/api/feeds/{made.json()['id']}/retire", headers=owner)
    assert ended.status_code == 200
    late = price("9001", (NOW + timedelta(seconds=1)).isoformat(), "agency")
    assert client.post(f"{PATH}/prices", json=late, headers=agency).status_code == 403


def make_pulled(client: httpx.Client, url: str, **overrides: object) -> dict[str, Any]:
    """Make copper with a feed that is pulled."""
    client.post("/api/instruments", json=COPPER)
    body = {"source": "vendor", "kind": "http_pull", "url": url, "format": "csv", "every_s": 600}
    made = client.post(f"{PATH}/feeds", json=body | overrides)
    assert made.status_code == 201, made.text
    return dict(made.json())


def puller(db: Database, clock: FixedClock, folder: Path, url: str | None) -> Puller:
    """Return a puller that may go to one address, or to none."""
    hosts = [] if url is None else [str(httpx.URL(url).netloc, "ascii")]
    return Puller(db, clock, frozenset[str](hosts), folder, random.Random(1))


def test_a_feed_is_pulled_when_it_is_due_with_its_credential(
    db: Database, client: httpx.Client, clock: FixedClock, tmp_path: Path
) -> None:
    """Its prices count, its state is shown, and the secret is in no answer."""
    owner = add_actor(db, Role.LENDER)
    client.headers.update(bearer(token_for(db, owner)))
    folder = tmp_path / str(owner.party_id)
    folder.mkdir()
    (folder / "vendor").write_text("Bearer s3cret\n", encoding="ascii")
    with vendor() as url:
        made = make_pulled(client, url, credential="vendor")
        pulling = puller(db, clock, tmp_path, url)
        assert pulling.step()
        assert not pulling.step()
        clock.advance(timedelta(seconds=600))
        assert pulling.step()

    shown = client.get("/api/feeds").json()[0]
    decision = decide(db)
    assert _Answer.seen == ["Bearer s3cret", "Bearer s3cret"]
    assert "s3cret" not in json.dumps(shown)
    assert (shown["id"], shown["failures"], shown["last_error"]) == (made["id"], 0, None)
    assert isinstance(decision, Usable)
    assert (decision.price, decision.source) == (9050, "vendor")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b"", "HTTP 500"),
        (302, b"", "HTTP 302"),
        (200, b"<html>", "line 1"),
        (200, b"Date,Price\n2026-11-20,NaN\n", "line 2: Price"),
        (200, b"Date,Price\n" + b"x" * (8 * 1024 * 1024), "over 8388608 bytes"),
    ],
)
def test_a_feed_that_fails_says_why_and_is_asked_again_later(
    db: Database,
    client: httpx.Client,
    clock: FixedClock,
    tmp_path: Path,
    status: int,
    body: bytes,
    error: str,
) -> None:
    """Nothing of a bad answer is taken; the next try is put off, and the last error is shown."""
    client.headers.update(bearer(token_for(db, add_actor(db, Role.LENDER))))
    with vendor() as url:
        make_pulled(client, url, every_s=10)
        _Answer.status, _Answer.body = status, body
        pulling = puller(db, clock, tmp_path, url)
        assert pulling.step()
        clock.advance(timedelta(seconds=11))
        assert not pulling.step()

    shown = client.get("/api/feeds").json()[0]
    assert shown["failures"] == 1
    assert error in shown["last_error"]
    assert not isinstance(decide(db), Usable)


def test_a_host_that_the_operator_did_not_name_is_never_asked(
    db: Database, client: httpx.Client, clock: FixedClock, tmp_path: Path
) -> None:
    """A lender can not make the backend look into its own network."""
    client.headers.update(bearer(token_for(db, add_actor(db, Role.LENDER))))
    with vendor() as url:
        make_pulled(client, url)
        assert not puller(db, clock, tmp_path, None).step()

    assert _Answer.seen == []
    assert "PLEDGEWATCH_FEED_HOSTS" in client.get("/api/feeds").json()[0]["last_error"]


def test_what_a_source_revises_is_noted_and_the_first_stands(
    db: Database, client: httpx.Client, clock: FixedClock, tmp_path: Path
) -> None:
    """History is not rewritten by whoever quotes it."""
    client.headers.update(bearer(token_for(db, add_actor(db, Role.LENDER))))
    with vendor() as url:
        make_pulled(client, url)
        pulling = puller(db, clock, tmp_path, url)
        pulling.step()
        _Answer.body = b"Date,Price\n2026-11-19,8000\n2026-11-20,9050\n2026-11-21,9060\n"
        clock.advance(timedelta(seconds=601))
        pulling.step()

    assert "1 prices differ" in client.get("/api/feeds").json()[0]["last_error"]
    assert getattr(decide(db), "price", None) == 9060
    prices = client.get(f"{PATH}/prices").json()
    assert [each["value"] for each in prices] == ["9060", "9050", "9000"]


def test_a_signed_price_off_the_broker_counts_and_no_other(
    db: Database, client: httpx.Client
) -> None:
    """The broker is trusted with nothing: key, topic and body belong together."""
    key, stranger = SigningKey(bytes(32)), SigningKey(b"x" * 32)
    client.headers.update(bearer(token_for(db, add_actor(db, Role.LENDER))))
    client.post("/api/instruments", json=COPPER)
    body = {"source": "floor", "kind": "mqtt", "public_key": bytes(key.verify_key).hex()}
    assert client.post(f"{PATH}/feeds", json=body).status_code == 201
    topic = "pw/1/price/LME-CU/floor"
    said = {"time": NOW.isoformat(), "value": "9000.5", "currency": "USD", "unit": "TNE"}
    content = json.dumps(said).encode()
    signature = key.sign(bytes_to_sign(topic, content)).signature
    forged = stranger.sign(bytes_to_sign(topic, content)).signature
    elsewhere = key.sign(bytes_to_sign("pw/1/price/LME-AL/floor", content)).signature

    def take(*messages: bytes) -> None:
        with db.working() as conn:
            found = [PriceMessage(topic=topic, data=each) for each in messages]
            take_messages(conn, found, lambda _: True, NOW)

    take(b"", forged + content, elsewhere + content, signature + content[:-1], b"x" * 5_000)
    refused = client.get("/api/feeds").json()[0]
    assert not isinstance(decide(db), Usable)
    take(signature + content, signature + content)
    taken = client.get("/api/feeds").json()[0]

    assert (refused["failures"], taken["failures"]) == (5, 0)
    decision = decide(db)
    assert isinstance(decision, Usable)
    assert decision.price == Decimal("9000.5")
