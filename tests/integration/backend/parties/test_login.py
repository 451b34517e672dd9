"""Login, sessions and their end."""


import httpx

from backend.db import Database
from backend.parties.types import Role
from tests.builders import add_actor, log_in


def test_login_opens_a_session(db: Database, client: httpx.Client) -> None:
    """Login and password give a session that says who acts."""
    actor = add_actor(db, Role.LENDER, login="bank")
    log_in(client, "bank")

    me = client.get("/api/me").json()
    assert (me["account_id"], me["role"]) == (str(actor.account_id), "lender")
