"""Browsers without a window: logged in as an account of a test's plant."""

from collections.abc import Generator
from contextlib import contextmanager

import httpx

from backend.db import Database
from backend.parties.passwords import hash_password
from backend.parties.types import Actor
from tests.builders import PASSWORD


def give_password(db: Database, actor: Actor) -> None:
    """Let an account log in by PASSWORD."""
    with db.working() as conn:
        conn.execute(
            "UPDATE account SET password_hash = %s WHERE id = %s",
            [hash_password(PASSWORD), actor.account_id],
        )


@contextmanager
def console_client(api_url: str, login: str) -> Generator[httpx.Client]:
    """Return a client that has come in by the login page and asks for HTML."""
    with httpx.Client(base_url=api_url, headers={"Accept": "text/html"}, timeout=20.0) as client:
        answer = client.post("/login", data={"login": login, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        yield client


def csrf_token(client: httpx.Client) -> str:
    """Return the token that the session's forms carry."""
    return str(client.get("/api/me").json()["csrf_token"])
