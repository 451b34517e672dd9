"""Parties and accounts over HTTP."""

import json

import httpx
import pytest

from backend.db import Database
from backend.parties.types import Role
from tests.builders import PASSWORD, add_actor, bearer, log_in, token_for


@pytest.fixture
def operator(db: Database, client: httpx.Client) -> dict[str, str]:
    """An operator's header."""
    return bearer(token_for(db, add_actor(db, Role.OPERATOR)))


def _add_account(
    client: httpx.Client, operator: dict[str, str], **overrides: object
) -> httpx.Response:
    party = client.post("/api/parties", json={"name": "Bank"}, headers=operator)
    body = {"login": "bank", "role": "lender", "password": PASSWORD, **overrides}
    body.setdefault("party_id", party.json().get("id"))
    return client.post("/api/accounts", json=body, headers=operator)


def test_an_operator_creates_an_account_that_logs_in(
    client: httpx.Client, operator: dict[str, str]
) -> None:
    """A party, its account, its login."""
    assert _add_account(client, operator).status_code == 201
    assert log_in(client, "bank").http.get("/api/me").json()["party_name"] == "Bank"


@pytest.mark.parametrize(
    ("overrides", "status"),
    [
        pytest.param({"password": "short"}, 422, id="short password"),
        pytest.param({"password": "x" * 257}, 422, id="long password"),
        pytest.param({"login": "Bank"}, 422, id="capital in a login"),
        pytest.param({"login": "a\x00b"}, 422, id="NUL in a login"),
        pytest.param({"role": "root"}, 422, id="unknown role"),
        pytest.param(
            {"party_id": "00000000-0000-0000-0000-000000000000"}, 422, id="unknown party"
        ),
        pytest.param({"extra": 1}, 422, id="unknown field"),
        pytest.param({"login": "operator"}, 409, id="a login twice"),
    ],
)
def test_a_bad_account_is_refused(
    client: httpx.Client, operator: dict[str, str], overrides: dict[str, object], status: int
) -> None:
    """Each bound has its refusal."""
    assert _add_account(client, operator, **overrides).status_code == status


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\x00b", "\ud800"])
def test_a_bad_party_name_is_refused(
    client: httpx.Client, operator: dict[str, str], name: str
) -> None:
    """No name, too long a name, and what the database can not hold."""
    # ASCII with escapes: a lone surrogate has no UTF-8.
    body = json.dumps({"name": name})
    headers = {**operator, "Content-Type": "application/json"}
    assert client.post("/api/parties", content=body, headers=headers).status_code == 422


def test_an_answer_never_repeats_the_password(
    client: httpx.Client, operator: dict[str, str]
) -> None:
    """Not even a refusal quotes it."""
    assert "short" not in _add_account(client, operator, password="short").text
