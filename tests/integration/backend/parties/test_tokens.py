"""API tokens: shown once, hashed, ending, revoked."""

from datetime import timedelta

import httpx
import pytest

from backend.db import Database
from backend.parties.service import TOKENS_MAX
from backend.parties.types import Actor, Role
from tests.builders import NOW, FixedClock, add_account, add_actor, bearer, token_for


@pytest.fixture
def lender(db: Database) -> Actor:
    """A lender."""
    return add_actor(db, Role.LENDER)


@pytest.fixture
def token(db: Database, lender: Actor) -> str:
    """A token of the lender."""
    return token_for(db, lender)


def test_a_token_acts_as_its_account(client: httpx.Client, token: str, lender: Actor) -> None:
    """A machine needs neither cookie nor CSRF token."""
    response = client.post("/api/tokens", json={"name": "second"}, headers=bearer(token))

    assert response.status_code == 201
    assert response.json()["account_id"] == str(lender.account_id)
    assert client.get("/api/me", headers=bearer(response.json()["token"])).status_code == 200


def test_a_token_is_shown_once_and_kept_as_digest(
    db: Database, client: httpx.Client, token: str
) -> None:
    """Neither a list nor the database gives it back."""
    listed = client.get("/api/tokens", headers=bearer(token)).text
    with db.working() as conn:
        stored = str(conn.execute("SELECT * FROM api_token").fetchall())

    assert token not in listed
    assert token not in stored


def test_a_revoked_token_is_refused(client: httpx.Client, token: str) -> None:
    """Revoking works at once, and again changes nothing."""
    made = client.post("/api/tokens", json={"name": "second"}, headers=bearer(token)).json()
    first = client.delete(f"/api/tokens/{made['id']}", headers=bearer(token))
    again = client.delete(f"/api/tokens/{made['id']}", headers=bearer(token))

    assert (first.status_code, again.json()) == (200, first.json())
    assert client.get("/api/me", headers=bearer(made["token"])).status_code == 401


def test_a_token_ends(client: httpx.Client, token: str, clock: FixedClock) -> None:
    """A token with an end is refused from then on."""
    body = {"name": "short", "expires_at": (NOW + timedelta(hours=1)).isoformat()}
    made = client.post("/api/tokens", json=body, headers=bearer(token)).json()
    assert client.get("/api/me", headers=bearer(made["token"])).status_code == 200

    clock.advance(timedelta(hours=1))
    assert client.get("/api/me", headers=bearer(made["token"])).status_code == 401


@pytest.mark.parametrize("hours", [-1, 0, 24 * 400])
def test_a_token_ends_within_bounds(client: httpx.Client, token: str, hours: int) -> None:
    """An end in the past or too far away is refused."""
    body = {"name": "x", "expires_at": (NOW + timedelta(hours=hours)).isoformat()}
    response = client.post("/api/tokens", json=body, headers=bearer(token))
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid")


def test_tokens_are_limited(db: Database, client: httpx.Client, lender: Actor, token: str) -> None:
    """An account has a bounded number of valid tokens."""
    for _ in range(TOKENS_MAX - 1):
        token_for(db, lender)
    response = client.post("/api/tokens", json={"name": "x"}, headers=bearer(token))
    assert (response.status_code, response.json()["error"]["code"]) == (409, "too_many_tokens")


def test_nobody_revokes_a_token_of_others(
    db: Database, client: httpx.Client, lender: Actor, token: str
) -> None:
    """Another account, of the same party too, does not even learn that the token is there."""
    made = client.post("/api/tokens", json={"name": "x"}, headers=bearer(token)).json()
    colleague = add_account(db, lender.party_id, Role.LENDER, "colleague").actor
    stranger = add_actor(db, Role.OPERATOR)
    for actor in (colleague, stranger):
        headers = bearer(token_for(db, actor))
        assert client.delete(f"/api/tokens/{made['id']}", headers=headers).status_code == 404
    assert client.get("/api/me", headers=bearer(made["token"])).status_code == 200


def test_an_operator_keeps_a_regulators_tokens(db: Database, client: httpx.Client) -> None:
    """A regulator writes nothing: an operator makes, lists and revokes its tokens."""
    operator = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
    regulator = add_actor(db, Role.REGULATOR)
    body = {"name": "audit", "account_id": str(regulator.account_id)}
    made = client.post("/api/tokens", json=body, headers=operator).json()
    own = client.post("/api/tokens", json={"name": "x"}, headers=bearer(made["token"]))
    listed = client.get(
        "/api/tokens", params={"account_id": str(regulator.account_id)}, headers=operator
    ).json()

    assert own.status_code == 403
    assert [each["id"] for each in listed] == [made["id"]]
    assert client.delete(f"/api/tokens/{made['id']}", headers=operator).status_code == 200
    assert client.get("/api/me", headers=bearer(made["token"])).status_code == 401


@pytest.mark.parametrize("role", [Role.LENDER, Role.BORROWER, Role.LOGISTICS])
def test_an_operator_makes_no_tokens_of_a_business(
    db: Database, client: httpx.Client, role: Role
) -> None:
    """An operator can not hand itself a bank's token."""
    operator = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
    other = add_actor(db, role)
    body = {"name": "x", "account_id": str(other.account_id)}
    assert client.post("/api/tokens", json=body, headers=operator).status_code == 404


@pytest.mark.parametrize("value", ["Bearer", "Bearer x", "Bearer " + "x" * 300, "Basic eDp5"])
def test_a_made_up_token_is_refused(client: httpx.Client, value: str) -> None:
    """What is no token is a stranger."""
    assert client.get("/api/me", headers={"Authorization": value}).status_code == 401
