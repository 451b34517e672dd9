"""Login, sessions and their end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from backend.db import Database
from backend.parties.rules import FAILED_LOGINS_FREE, LOCKOUT_S_MAX
from backend.parties.types import Role
from tests.builders import PASSWORD, FixedClock, LoggedIn, add_actor, log_in


@pytest.fixture
def bank(db: Database, client: httpx.Client) -> LoggedIn:
    """A lender's browser."""
    add_actor(db, Role.LENDER, login="bank")
    return log_in(client, "bank")


def _try(client: httpx.Client, password: str, login: str = "bank") -> httpx.Response:
    return client.post("/api/login", json={"login": login, "password": password})


def test_login_opens_a_session(bank: LoggedIn) -> None:
    """Login and password give a session that says who acts."""
    me = bank.http.get("/api/me").json()

    assert (me["login"], me["role"], me["party_name"]) == ("bank", "lender", "lender party")
    assert me["csrf_token"] == bank.csrf_token


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    db: Database, client: httpx.Client
) -> None:
    """The session's cookie is HttpOnly and SameSite=Strict, and ends."""
    add_actor(db, Role.LENDER, login="bank")
    cookie = _try(client, PASSWORD).headers["set-cookie"].lower()

    assert all(part in cookie for part in ("httponly", "samesite=strict", "max-age=43200"))


def test_the_database_holds_no_secret(db: Database, bank: LoggedIn) -> None:
    """Neither the session's token nor the password is in the database, only digests."""
    token = bank.http.cookies["pw_session"]
    with db.working() as conn:
        session = str(conn.execute("SELECT * FROM session").fetchall())
        account = str(conn.execute("SELECT * FROM account").fetchall())

    assert token not in session
    assert PASSWORD not in account
    assert "$argon2id$" in account


@pytest.mark.parametrize(("login", "password"), [("bank", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_word_is_refused_alike(
    db: Database, client: httpx.Client, login: str, password: str
) -> None:
    """A wrong password and an unknown login give the same answer."""
    add_actor(db, Role.LENDER, login="bank")
    response = _try(client, password, login)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "bad_login")
    assert "set-cookie" not in response.headers


def test_guessing_makes_an_account_rest(
    db: Database, client: httpx.Client, clock: FixedClock
) -> None:
    """After a few failures even the right password is refused, until the pause is over."""
    add_actor(db, Role.LENDER, login="bank")
    for _ in range(FAILED_LOGINS_FREE + 1):
        assert _try(client, "wrong").status_code == 401
    assert _try(client, PASSWORD).status_code == 401

    clock.advance(timedelta(seconds=LOCKOUT_S_MAX))
    assert _try(client, PASSWORD).status_code == 200


def test_a_login_forgets_earlier_failures(
    db: Database, client: httpx.Client, clock: FixedClock
) -> None:
    """Failures count in a row only."""
    add_actor(db, Role.LENDER, login="bank")
    for _ in range(2):
        for _ in range(FAILED_LOGINS_FREE):
            _try(client, "wrong")
        assert _try(client, PASSWORD).status_code == 200


def test_guesses_made_at_once_are_counted_each(db: Database, api_url: str) -> None:
    """Parallel attempts get no more tries than attempts in a row."""
    add_actor(db, Role.LENDER, login="bank")
    attempts = 12

    def attempt(_: int) -> int:
        with httpx.Client(base_url=api_url, timeout=20) as guesser:
            return _try(guesser, "wrong").status_code

    with ThreadPoolExecutor(attempts) as threads:
        assert set(threads.map(attempt, range(attempts))) <= {401, 503}
    with db.working() as conn:
        row = conn.execute("SELECT failed_logins, locked_until FROM account").fetchone()
    assert row is not None
    assert row[0] > FAILED_LOGINS_FREE
    assert row[1] is not None


def test_an_inactive_account_is_out(db: Database, bank: LoggedIn) -> None:
    """Switching an account off ends its sessions and refuses its login."""
    with db.working() as conn:
        conn.execute("UPDATE account SET active = false")

    assert bank.http.get("/api/me").status_code == 401
    assert _try(bank.http, PASSWORD).status_code == 401


def test_logout_ends_the_session(bank: LoggedIn) -> None:
    """A copy of the cookie is of no use after the logout."""
    token = bank.http.cookies["pw_session"]
    assert bank.http.post("/api/logout", headers=bank.headers).status_code == 204

    copy = httpx.get(f"{bank.http.base_url}/api/me", cookies={"pw_session": token})
    assert copy.status_code == 401


def test_a_session_ends_by_itself(bank: LoggedIn, clock: FixedClock) -> None:
    """A forgotten browser is logged out."""
    clock.advance(timedelta(hours=12))
    assert bank.http.get("/api/me").status_code == 401


@pytest.mark.parametrize("token", ["", "x", "x" * 300, "ü"])
def test_a_made_up_cookie_is_refused(client: httpx.Client, token: str) -> None:
    """What is no session is a stranger, whatever it looks like."""
    response = client.get("/api/me", headers={b"Cookie": f"pw_session={token}".encode()})
    assert response.status_code in (400, 401)


@pytest.mark.parametrize("sent", [None, "", "wrong", "ü"])
def test_a_change_by_cookie_needs_the_csrf_token(bank: LoggedIn, sent: str | None) -> None:
    """Another site can make a browser send the cookie, and not the token."""
    headers = {} if sent is None else {b"X-CSRF-Token": sent.encode()}
    response = bank.http.post("/api/tokens", json={"name": "x"}, headers=headers)
    assert response.status_code == 403


def test_a_form_may_carry_the_csrf_token(bank: LoggedIn) -> None:
    """A page without scripts sends the token as a field."""
    form = {"csrf_token": bank.csrf_token}
    assert bank.http.post("/api/logout", data=form).status_code == 204


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_change_that_another_site_asks_for_is_refused(bank: LoggedIn, site: str) -> None:
    """A browser that says where a request comes from is believed when it says: elsewhere."""
    headers = {**bank.headers, "Sec-Fetch-Site": site}
    response = bank.http.post("/api/tokens", json={"name": "x"}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_site")
