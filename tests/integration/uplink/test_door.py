"""What the api lets in of what pretends to be a gateway, and what the worker says of it."""

from collections.abc import Iterator
from pathlib import Path

import cbor2
import httpx
import psycopg
import pytest
from fastapi import FastAPI

from backend.app import create_app
from backend.clock import SystemClock
from backend.config import Settings
from backend.db import Database
from backend.ingest.types import Reason
from backend.plant.broker_credentials import broker_password
from backend.uplink.rules import INBOX_MESSAGES_MAX, POSTS_BURST_MAX
from schemas.envelope import ENVELOPE_BYTES_MAX
from schemas.quantities import Quantity
from schemas.uplink import POST_BYTES_MAX, POST_MESSAGES_MAX, encode_post
from tests.builders import make_settings
from tests.gateway_double import GatewayDouble, Value
from tests.warehouse import Warehouse, build_warehouse

SECRET = "a-secret-of-the-test"
GATEWAY = "gw-1"
PATH = f"/api/uplink/{GATEWAY}/envelopes"

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(db_url: str, tmp_path: Path) -> Settings:
    """Settings with a known secret of the gateways' logins."""
    return make_settings(database_url=db_url, state_dir=tmp_path / "state", broker_secret=SECRET)


@pytest.fixture
def app(settings: Settings, db: Database) -> FastAPI:
    """The application by the machine's clock: its allowances grow with time."""
    return create_app(settings, db, SystemClock())


@pytest.fixture
def made(db_url: str) -> Warehouse:
    """A warehouse with an enrolled gateway."""
    return build_warehouse(db_url)


@pytest.fixture
def door(api_url: str, made: Warehouse) -> Iterator[httpx.Client]:
    """A client with the gateway's login."""
    del made
    login = (GATEWAY, broker_password(SECRET, GATEWAY))
    with httpx.Client(base_url=api_url, auth=login, timeout=20) as client:
        yield client


def envelope(gateway: GatewayDouble) -> bytes:
    """Return the next envelope of a gateway."""
    return gateway.seal([Value(sensor="scale", quantity=Quantity.MASS, value=1.0)]).data


def inbox(made: Warehouse) -> list[bytes]:
    """Return the messages that wait, in their order."""
    query = "SELECT message FROM uplink_inbox WHERE message IS NOT NULL ORDER BY id"
    return [bytes(row[0]) for row in made.execute(query)]


def test_messages_wait_in_their_order(door: httpx.Client, made: Warehouse) -> None:
    """What is posted waits for the worker; the answer holds nothing that is not signed."""
    messages = [envelope(made.gateway) for _ in range(3)]
    answer = door.post(PATH, content=encode_post(messages))
    assert (answer.status_code, answer.json()) == (200, {"receipt": None, "commands": []})
    assert inbox(made) == messages


@pytest.mark.parametrize("login", [None, (GATEWAY, "wrong"), ("gw-2", "x")])
def test_without_its_login_nobody_is_let_in(
    api_url: str, made: Warehouse, login: tuple[str, str] | None
) -> None:
    """No login, a wrong one, another's: 401, and not a row."""
    other = ("gw-2", broker_password(SECRET, "gw-2"))
    for each in (login, other):
        post = httpx.post(api_url + PATH, content=encode_post([envelope(made.gateway)]), auth=each)
        poll = httpx.get(f"{api_url}/api/uplink/{GATEWAY}/receipt", auth=each)
        assert [post.status_code, poll.status_code] == [401, 401]
        assert post.headers["WWW-Authenticate"].startswith("Basic")
    assert made.execute("SELECT count(*) FROM uplink_inbox") == [(0,)]


def test_wrong_first_message_is_refused_by_name_and_kept(
    door: httpx.Client, made: Warehouse
) -> None:
    """Another key, a broken signature, noise, too long: the names that the worker gives."""
    good = envelope(made.gateway)
    cases = {
        Reason.WRONG_KEY: envelope(GatewayDouble(name=GATEWAY)),
        Reason.BAD_SIGNATURE: good[:-1] + bytes([good[-1] ^ 1]),
        Reason.NOT_CBOR: b"\xff",
        Reason.OVERSIZED: bytes(ENVELOPE_BYTES_MAX + 1),
    }
    for reason, message in cases.items():
        answer = door.post(PATH, content=encode_post([message, good]))
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == reason.value
    assert inbox(made) == list(cases.values())  # Each alone, for the worker to keep as evidence.


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\xff", 400),
        (cbor2.dumps({}), 400),
        (cbor2.dumps(["text"]), 400),
        (cbor2.dumps([b""]), 400),
        (cbor2.dumps([b"x"] * (POST_MESSAGES_MAX + 1)), 400),
        (bytes(POST_BYTES_MAX + 1), 413),
    ],
)
def test_body_that_is_none_is_refused(
    door: httpx.Client, made: Warehouse, body: bytes, status: int
) -> None:
    """Not CBOR, no array, no byte strings, empty ones, too many, too large."""
    assert door.post(PATH, content=body).status_code == status
    assert inbox(made) == []


def test_full_inbox_says_when_to_come_again(door: httpx.Client, made: Warehouse) -> None:
    """Beyond the bound nothing more waits, and the answer names a time."""
    made.execute(
        "INSERT INTO uplink_inbox (partition, gateway_id, message, received_at)"
        " SELECT 0, %s, '\\x00', now() FROM generate_series(1, %s)",
        GATEWAY,
        INBOX_MESSAGES_MAX,
    )
    answer = door.post(PATH, content=encode_post([envelope(made.gateway)]))
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert len(inbox(made)) == INBOX_MESSAGES_MAX


def test_gateway_that_posts_too_often_is_slowed_down(door: httpx.Client, made: Warehouse) -> None:
    """After its burst a gateway is told to wait."""
    del made
    statuses = [
        door.post(PATH, content=encode_post([])).status_code
        for _ in range(int(POSTS_BURST_MAX) * 4)
    ]
    assert statuses[0] == 200
    assert 429 in statuses


def test_question_for_the_receipt_waits_once(door: httpx.Client, made: Warehouse) -> None:
    """However often a gateway asks, the worker is asked once."""
    for _ in range(3):
        assert door.post(PATH, content=encode_post([])).status_code == 200
    assert made.execute("SELECT message FROM uplink_inbox") == [(None,)]


def test_api_sees_no_inbox_and_adds_for_nobody_else(db: Database, made: Warehouse) -> None:
    """The role may add for the gateway that it acts for; it reads and deletes nothing there."""
    with db.working() as conn:
        conn.execute("SELECT 1")
    del made
    insert = (
        "INSERT INTO uplink_inbox (partition, gateway_id, message, received_at)"
        " VALUES (0, %s, '\\x00', now())"
    )
    for query, values in (
        (insert, ("gw-2",)),
        ("SELECT message FROM uplink_inbox", ()),
        ("DELETE FROM uplink_inbox", ()),
        ("INSERT INTO uplink_held (gateway_id) VALUES ('gw-1')", ()),
        ("UPDATE uplink_held SET command = NULL", ()),
    ):
        with pytest.raises(Exception, match="may not do that"), db.at_door(GATEWAY) as conn:
            conn.execute(query.encode(), values)
    with db.at_door(GATEWAY) as conn:
        conn.execute(insert, (GATEWAY,))


def test_others_receipts_and_keys_are_not_seen(db: Database, made: Warehouse) -> None:
    """At the door of one gateway nothing of another is visible."""
    made.execute(
        "INSERT INTO uplink_held VALUES (%s, '\\x01', 1, '\\x02', 0, 'open', '\\x03')", GATEWAY
    )
    counts = "SELECT (SELECT count(*) FROM uplink_held), (SELECT count(*) FROM gateway_key)"
    with db.at_door(GATEWAY) as conn:
        assert conn.execute(counts).fetchone() == (1, 1)
    with db.at_door("gw-2") as conn:
        assert conn.execute(counts).fetchone() == (0, 0)


def test_receipt_of_an_old_head_is_not_handed_out(door: httpx.Client, made: Warehouse) -> None:
    """A stored receipt counts only while the stream stands where it says."""
    key_id = made.gateway.key_id
    made.execute(
        "INSERT INTO uplink_held VALUES (%s, '\\x01', 7, %s, 0, 'open', NULL)", GATEWAY, key_id
    )
    assert door.post(PATH, content=encode_post([])).json()["receipt"] == "01"
    with psycopg.connect(made.url, autocommit=True) as conn:
        conn.execute("UPDATE stream SET number = 1 WHERE gateway_id = %s", (GATEWAY,))
    assert door.post(PATH, content=encode_post([])).json()["receipt"] is None
