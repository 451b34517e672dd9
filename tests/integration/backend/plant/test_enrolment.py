"""Enrolling a gateway's key with a one-time code."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.db import Database
from backend.keys import BackendKey
from backend.parties.types import Role
from backend.plant.broker_credentials import broker_password
from schemas.topics import partition_of
from tests.builders import FixedClock, add_actor, bearer, token_for
from tests.plant import build_plant

GATEWAY = "gw-new"


def _key(seed: int = 1) -> str:
    return (
        Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        .public_key()
        .public_bytes_raw()
        .hex()
    )


class Yard:
    """An operator with a registered gateway, and its answers."""

    def __init__(self, db: Database, client: httpx.Client) -> None:
        self.db = db
        self.client = client
        self.operator = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
        with db.working() as conn:
            self.plant = build_plant(conn)
        body = {"id": GATEWAY, "site_id": str(self.plant.site_id)}
        client.post("/api/gateways", json=body, headers=self.operator).raise_for_status()

    def ask(self, gateway: str = GATEWAY, **body: object) -> httpx.Response:
        """Ask for a code."""
        path = f"/api/gateways/{gateway}/enrolment-codes"
        return self.client.post(path, json=body or None, headers=self.operator)

    def code(self, gateway: str = GATEWAY, **body: object) -> str:
        """Return a code."""
        response = self.ask(gateway, **body)
        response.raise_for_status()
        return str(response.json()["code"])

    def enrol(
        self, code: str, gateway: str = GATEWAY, public_key: str | None = None
    ) -> httpx.Response:
        """Enrol a key, as a gateway does: without a login."""
        body = {"code": code, "gateway_id": gateway, "public_key": public_key or _key()}
        return self.client.post("/api/enrol", json=body)

    def gateway(self, gateway: str = GATEWAY) -> dict[str, Any]:
        """Return the gateway as the operator sees it."""
        listed = self.client.get("/api/gateways", headers=self.operator).json()
        return next(each for each in listed if each["id"] == gateway)


@pytest.fixture
def yard(db: Database, client: httpx.Client) -> Yard:
    """An operator with a gateway to enrol."""
    return Yard(db, client)


def _refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_enrolment_hands_over_what_a_gateway_needs(yard: Yard, app: Any) -> None:  # noqa: ANN401
    """The key to pin, the broker's address without our own password, a password, the partition."""
    answer = yard.enrol(yard.code()).json()

    key: BackendKey = app.state.backend_key
    assert answer == {
        "gateway_id": GATEWAY,
        "backend_key": key.public_key.hex(),
        "broker": {
            "url": "mqtt://127.0.0.1:1883",
            "username": GATEWAY,
            "password": broker_password(app.state.broker_secret, GATEWAY),
        },
        "partition": partition_of(GATEWAY),
    }
    assert yard.gateway()["stream"]["number"] == 0


def test_a_code_is_read_as_people_write_it(yard: Yard) -> None:
    """Small letters, no dashes, O for 0 and l for 1 are all the same code."""
    code = yard.code().lower().replace("-", "").replace("0", "o").replace("1", "l")
    assert yard.enrol(code).status_code == 200


def test_a_code_is_kept_as_digest(yard: Yard) -> None:
    """The database does not give it away."""
    code = yard.code()
    with yard.db.working() as conn:
        stored = str(conn.execute("SELECT * FROM enrolment_code").fetchall())
    assert code not in stored
    assert code.replace("-", "") not in stored


def test_a_code_works_once(yard: Yard) -> None:
    """A second key under the same code is refused, and the first stays."""
    code = yard.code()
    assert yard.enrol(code).status_code == 200
    first = yard.gateway()

    assert _refusal(yard.enrol(code, public_key=_key(2))) == (403, "bad_enrolment_code")
    assert yard.gateway() == first


def test_a_lost_answer_is_given_again(yard: Yard, clock: FixedClock) -> None:
    """The same code with the same key changes nothing, until the code is over."""
    code = yard.code()
    first = yard.enrol(code)
    assert yard.enrol(code).json() == first.json()

    clock.advance(timedelta(hours=24))
    assert yard.enrol(code).status_code == 403


def test_of_racing_keys_one_is_enrolled(yard: Yard, api_url: str) -> None:
    """Many gateways with one code at once: one key, one stream, all others refused."""
    code, rivals = yard.code(), 8
    start = Barrier(rivals)

    def race(number: int) -> tuple[int, str]:
        body = {"code": code, "gateway_id": GATEWAY, "public_key": _key(number + 1)}
        start.wait()
        with httpx.Client(base_url=api_url, timeout=20) as http:
            return http.post("/api/enrol", json=body).status_code, body["public_key"]

    with ThreadPoolExecutor(rivals) as threads:
        outcomes = list(threads.map(race, range(rivals)))
    winners = [key for status, key in outcomes if status == 200]
    with yard.db.working() as conn:
        keys = conn.execute(
            "SELECT encode(public_key, 'hex') FROM gateway_key WHERE gateway_id = %s", [GATEWAY]
        ).fetchall()

    assert sorted(status for status, _ in outcomes) == [200] + [403] * (rivals - 1)
    assert [(key,) for key in winners] == keys


def test_a_code_ends(yard: Yard, clock: FixedClock) -> None:
    """A code found on an old note is of no use."""
    code = yard.code(hours=1)
    clock.advance(timedelta(hours=1))
    assert _refusal(yard.enrol(code)) == (403, "bad_enrolment_code")


def test_a_code_is_for_one_gateway(yard: Yard) -> None:
    """A code does not enrol another name."""
    assert _refusal(yard.enrol(yard.code(), yard.plant.gateway_id))[0] == 403
    assert _refusal(yard.enrol(yard.code(), "gw-unknown"))[0] == 403
    assert _refusal(yard.enrol("0000-0000-0000-0000"))[0] == 403


@pytest.mark.parametrize(
    "public_key",
    [
        pytest.param("00" * 32, id="order 4"),
        pytest.param("01" + "00" * 31, id="the neutral element"),
        pytest.param("ec" + "ff" * 30 + "7f", id="order 2"),
        pytest.param(
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", id="order 8"
        ),
        pytest.param("ed" + "ff" * 30 + "7f", id="zero, not reduced"),
        pytest.param("00" * 31 + "80", id="order 4, with the sign bit"),
        pytest.param("00" * 31, id="31 bytes"),
        pytest.param("zz" * 32, id="no hexadecimal"),
    ],
)
def test_a_key_that_no_honest_gateway_has_is_refused(yard: Yard, public_key: str) -> None:
    """Under a key of small order any signature fits; the code is not used up by it."""
    code = yard.code()
    assert _refusal(yard.enrol(code, public_key=public_key)) == (422, "invalid")
    assert yard.enrol(code).status_code == 200


def test_a_key_of_another_gateway_is_refused(yard: Yard) -> None:
    """One key, one stream; the code is not used up by it."""
    other = yard.plant.gateway_key.public_key().public_bytes_raw().hex()
    code = yard.code()
    assert _refusal(yard.enrol(code, public_key=other)) == (409, "key_in_use")
    assert yard.enrol(code).status_code == 200


def test_a_gateway_that_works_keeps_its_key(yard: Yard) -> None:
    """No code is given for it, unless the operator says that its key shall end."""
    spare = yard.code()
    yard.enrol(yard.code()).raise_for_status()

    assert _refusal(yard.ask()) == (409, "already_enrolled")
    assert _refusal(yard.enrol(spare, public_key=_key(2)))[0] == 403
    assert yard.enrol(yard.code(replace=True), public_key=_key(2)).status_code == 200


def test_a_stopped_stream_begins_anew_under_a_new_key(yard: Yard) -> None:
    """After a fork a new code and a new key begin at number 0; the old key and envelopes stay."""
    yard.enrol(yard.code()).raise_for_status()
    before = yard.gateway()
    with yard.db.working() as conn:
        conn.execute(
            "UPDATE stream SET number = 7, readings = 70, state = 'stopped', boot_id = '\\x00',"
            " sha256 = sha256('x') WHERE gateway_id = %s",
            [GATEWAY],
        )
    code = yard.code()
    assert _refusal(yard.enrol(code)) == (409, "key_in_use")
    assert yard.enrol(code, public_key=_key(2)).status_code == 200

    after = yard.gateway()
    assert after["key_id"] != before["key_id"]
    assert after["stream"]["state"] == "open"
    assert (after["stream"]["number"], after["stream"]["readings"]) == (0, 0)
    with yard.db.working() as conn:
        keys = conn.execute(
            "SELECT encode(public_key, 'hex') FROM gateway_key WHERE gateway_id = %s", [GATEWAY]
        ).fetchall()
    assert {key for (key,) in keys} == {_key(1), _key(2)}


def test_only_an_operator_asks_for_codes(yard: Yard) -> None:
    """A warehouse registers its gateways, and does not enrol them."""
    logistics = bearer(token_for(yard.db, yard.plant.actors[Role.LOGISTICS]))
    path = f"/api/gateways/{yard.plant.gateway_id}/enrolment-codes"
    assert yard.client.post(path, headers=logistics).status_code == 403
