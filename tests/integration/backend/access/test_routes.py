"""Every route under every role, and for a stranger; and never a word of another party's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from backend.config import Settings
from backend.db import Database
from backend.parties.types import Actor, Role
from tests.builders import add_actor, bearer, make_settings, token_for
from tests.integration.backend.access.everything import Everything, build_everything
from tests.integration.backend.access.matrix import GATEWAYS, MATRIX, PUBLIC, Route

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_PUBLIC_IDS = {"instrument_id", "calendar_id"}
_NOT_ALLOWED = {401, 403}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two plants, and a token of the first one's parties, an operator and a regulator."""

    own: Everything
    other: Everything
    tokens: dict[Role, str]


@pytest.fixture
def settings(db_url: str, tmp_path: Path) -> Settings:
    """Settings with a simulator that is away: its routes are there, and say so."""
    return make_settings(
        database_url=db_url, state_dir=tmp_path / "state", simulator_url="http://127.0.0.1:9"
    )


@pytest.fixture
def world(db: Database) -> World:
    """Two plants with rows in every table."""
    with db.working() as conn:
        own, other = build_everything(conn, "a"), build_everything(conn, "b")
        conn.execute("DELETE FROM session")
    actors: dict[Role, Actor] = {
        **own.plant.actors,
        Role.OPERATOR: add_actor(db, Role.OPERATOR),
        Role.REGULATOR: add_actor(db, Role.REGULATOR),
    }
    tokens = {role: token_for(db, actor) for role, actor in actors.items()}
    return World(own=own, other=other, tokens=tokens)


def _routes(app: FastAPI) -> Iterator[Route]:
    """Yield each method and path that the application answers."""
    for context in iter_route_contexts(app.routes):
        for method in context.methods or ("GET",):
            if method != "HEAD":
                yield method, str(context.path)


def _url(path: str, ids: dict[str, Any]) -> str:
    """Fill a path's parameters with ids of a plant."""

    def value(match: re.Match[str]) -> str:
        found = ids[match[1]]
        return str(found)

    return _PARAMETER.sub(value, path)


def _parameters(everything: Everything) -> dict[str, Any]:
    """Return a plant's id for each name of a path's parameter; a new name is added here."""
    plant, ids = everything.plant, everything.ids
    return {
        "alert_id": ids["alerts"][0],
        "application_id": ids["applications"][0],
        "document": "contract",
        "sha256": ids["sha256"],
        "calendar_id": ids["calendar"],
        "channel_id": plant.channels["scale-a", "mass"],
        "differential_id": ids["differential"],
        "drawdown_id": ids["drawdown"],
        "form": "pdf",
        "facility_id": plant.facility_id,
        "feed_id": ids["feed"],
        "incident_id": "none",
        "gateway_id": plant.gateway_id,
        "instrument_id": plant.instruments["copper"],
        "lot_id": plant.lots["copper"],
        "file_id": ids["file_id"],
        "line_id": ids["line_id"],
        "key_id": ids["keys"][0].hex(),
        "order_id": ids["orders"][0],
        "pledge_id": plant.pledge_id,
        "site_id": plant.site_id,
        "message_id": ids["messages"][0],
        "subscription_id": ids["subscriptions"][0],
        "stock_take_id": ids["stock_takes"][0],
        "token_id": ids["token"],
    }


def _call(client: httpx.Client, route: Route, url: str, token: str | None) -> tuple[int, str]:
    """Return an answer's status and text; an endless stream's text is not waited for."""
    method, _ = route
    headers = {"Accept": "application/json", **({} if token is None else bearer(token))}
    body: dict[str, object] | None = {} if method in ("POST", "PUT", "PATCH") else None
    with client.stream(method, url, headers=headers, json=body) as response:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return response.status_code, ""
        response.read()
        return response.status_code, response.text


def test_every_route_is_in_the_matrix(app: FastAPI) -> None:
    """A new route must be given its roles here before it is shipped."""
    routes = set(_routes(app))
    assert routes - PUBLIC - GATEWAYS - MATRIX.keys() == set()
    assert (PUBLIC | GATEWAYS | MATRIX.keys()) - routes == set()


def test_gateways_routes_are_for_no_account(client: httpx.Client, world: World) -> None:
    """Whoever is logged in, and whoever is not, is a stranger there."""
    ids = _parameters(world.own)
    answers = {
        _call(client, route, _url(route[1], ids), token)[0]
        for route in GATEWAYS
        for token in (None, *world.tokens.values())
    }
    assert answers == {401}


def test_a_stranger_is_refused(client: httpx.Client, world: World) -> None:
    """Without a login every route but the public ones answers 401."""
    ids = _parameters(world.own)
    answers = {route: _call(client, route, _url(route[1], ids), None)[0] for route in MATRIX}
    assert {route: status for route, status in answers.items() if status != 401} == {}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_the_matrix_says(
    client: httpx.Client, world: World, role: Role
) -> None:
    """Allowed: whatever the answer, not a refusal for the role. Else: 403, whatever was sent."""
    ids, wrong = _parameters(world.own), dict[Route, int]()
    for route, roles in MATRIX.items():
        status, _ = _call(client, route, _url(route[1], ids), world.tokens[role])
        expected = status not in _NOT_ALLOWED if role in roles else status == 403
        crashed = status >= 500 and not (status == 503 and route[1].startswith("/simulator"))
        if not expected or crashed:
            wrong[route] = status
    assert wrong == {}


@pytest.mark.parametrize("role", [Role.LENDER, Role.BORROWER, Role.LOGISTICS])
def test_another_partys_things_are_not_there(
    client: httpx.Client, world: World, role: Role
) -> None:
    """With another party's ids no route answers with, or changes, anything of it."""
    ids, leaks = _parameters(world.other), dict[Route, object]()
    secrets = _secrets(world.other)
    for route in MATRIX:
        method, path = route
        status, text = _call(client, route, _url(path, ids), world.tokens[role])
        # An error may repeat what was asked for; a success may not.
        if status < 400 and any(secret in text for secret in secrets):
            leaks[route] = text[:200]
        named = {name for name in _PARAMETER.findall(path) if name not in _PUBLIC_IDS}
        if named and method != "GET" and status < 400:
            leaks[route] = status
    assert leaks == {}


def _secrets(everything: Everything) -> set[str]:
    """Return the ids of everything that concerns one plant's parties only."""
    concerned = ("alerts", "facility", "items", "lots", "pledge", "site", "accounts")
    found: set[str] = set()
    for name in concerned:
        value = everything.ids[name]
        found |= {str(each) for each in ([value] if isinstance(value, UUID) else value)}
    return found
