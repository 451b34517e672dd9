"""One function for each type, with keyword overrides; rows are made as the worker makes them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from backend.config import Settings
from backend.db import Database
from backend.ids import (
    AccountId,
    PartyId,
)
from backend.parties import service, store
from backend.parties.types import Account, Actor, Role

PASSWORD = "correct horse battery"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FixedClock:
    """A clock that stands still until ``advance`` moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        """Return the time it shows."""
        return self._now

    def unix_us(self) -> int:
        """Return the same in microseconds since 1970."""
        return int((self._now - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))

    def monotonic_s(self) -> float:
        """Return the same in seconds."""
        return self.unix_us() / 1_000_000

    def advance(self, step: timedelta) -> None:
        """Move the clock."""
        self._now += step


def make_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - any of the settings
    """Return settings for a test."""
    values: dict[str, Any] = {
        "database_url": "postgresql://127.0.0.1/none",
        "state_dir": Path("none"),
        "public_mqtt_url": "mqtt://127.0.0.1:1883",
        **overrides,
    }
    return Settings(**values)


def make_actor(role: Role = Role.OPERATOR, **overrides: Any) -> Actor:  # noqa: ANN401
    """Return an actor that is in no database."""
    values: dict[str, Any] = {
        "account_id": AccountId(uuid4()),
        "party_id": PartyId(uuid4()),
        "role": role,
        "login": role.value,
        **overrides,
    }
    return Actor(**values)


def add_party(db: Database, name: str) -> PartyId:
    """Store a party."""
    with db.acting(make_actor()) as conn:
        return store.add_party(conn, name).id


def add_account(db: Database, party_id: PartyId, role: Role, login: str | None = None) -> Account:
    """Store an account that acts by token or by PASSWORD."""
    new = service.NewAccount(
        party_id=party_id, login=login or role.value, role=role, password=PASSWORD
    )
    with db.acting(make_actor()) as conn:
        return service.add_account(conn, new)


def add_actor(
    db: Database, role: Role, party: str | None = None, login: str | None = None
) -> Actor:
    """Store a party with one account and return it as it acts."""
    return add_account(db, add_party(db, party or f"{role} party"), role, login).actor


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A browser's client with its session's CSRF token."""

    http: httpx.Client
    csrf_token: str

    @property
    def headers(self) -> dict[str, str]:
        """What a change must carry."""
        return {"X-CSRF-Token": self.csrf_token}


def log_in(client: httpx.Client, login: str, password: str = PASSWORD) -> LoggedIn:
    """Log a client in."""
    response = client.post("/api/login", json={"login": login, "password": password})
    response.raise_for_status()
    return LoggedIn(http=client, csrf_token=response.json()["csrf_token"])


def token_for(db: Database, actor: Actor, now: datetime = NOW) -> str:
    """Return an API token of an account; a regulator's is made by an operator."""
    if actor.role is Role.REGULATOR:
        with db.acting(make_actor()) as conn:
            return service.add_regulator_token(conn, actor.account_id, "test", None, now)[1]
    with db.acting(actor) as conn:
        return service.add_token(conn, actor, "test", None, now)[1]


def bearer(token: str) -> dict[str, str]:
    """Return the header of a machine."""
    return {"Authorization": f"Bearer {token}"}
