"""Every route with bad input from its own description: a refusal each time, never a crash."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI

from backend.db import Database
from backend.parties.types import Role
from tests.builders import add_actor, bearer, token_for
from tests.integration.backend.access.everything import build_everything

NASTY: Final[tuple[object, ...]] = (
    None,
    "",
    "a\x00b",
    "\U0010ffff" * 40,
    "x" * 10_000,
    -1,
    0,
    2**63,
    10**400,
    1e308,
    True,
    [],
    [None],
    {},
    "00000000-0000-0000-0000-000000000000",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59",
)
CALLS_MIN: Final = 1_000
PLAUSIBLE: Final[dict[str, object]] = {
    "string": "x",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "array": [],
    "object": {},
}


def _resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return _resolve(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return _resolve(option, schemas)
    return schema


def _plausible(schema: dict[str, Any], schemas: dict[str, Any]) -> object:
    resolved = _resolve(schema, schemas)
    if "enum" in resolved:
        return resolved["enum"][0]
    match resolved.get("format"):
        case "uuid":
            return "00000000-0000-0000-0000-000000000001"
        case "date-time":
            return "2026-11-22T12:00:00Z"
        case _:
            return PLAUSIBLE.get(resolved.get("type", "string"), "x")


def _bodies(operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[object]:
    """Yield bodies with one bad field each, and bodies that are none."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return
    fields = _resolve(content["application/json"]["schema"], schemas).get("properties", {})
    good = {name: _plausible(field, schemas) for name, field in fields.items()}
    yield from (good, *NASTY)
    for name in fields:
        for value in NASTY:
            yield {**good, name: value}


def _queries(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield queries with one bad parameter each."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            for value in NASTY:
                yield {parameter["name"]: "" if value is None else str(value)}


def _paths(path: str, ids: dict[str, str]) -> Iterator[str]:
    """Yield the path with good ids, then with each bad one."""
    for bad in (None, "x", "%00", "-1", "9" * 30, "%F0%9F%A6%86"):
        filled = path
        for name, value in ids.items():
            filled = filled.replace(f"{{{name}}}", value if bad is None else bad)
        if bad is None or filled != path:
            yield filled
        if "{" not in path:
            return


@pytest.mark.timeout(180)
@pytest.mark.parametrize("role", [Role.LENDER, Role.BORROWER, Role.LOGISTICS, Role.OPERATOR])
def test_bad_input_is_never_a_crash(
    app: FastAPI, db: Database, client: httpx.Client, role: Role
) -> None:
    """Each field, parameter and id with each bad value, as each role that writes."""
    with db.working() as conn:
        everything = build_everything(conn, "a")
    plant = everything.plant
    actor = plant.actors.get(role) or add_actor(db, role)
    headers = bearer(token_for(db, actor))
    ids = {
        "alert_id": str(everything.ids["alerts"][0]),
        "channel_id": str(plant.channels["scale-a", "mass"]),
        "drawdown_id": str(everything.ids["drawdown"]),
        "facility_id": str(plant.facility_id),
        "gateway_id": str(plant.gateway_id),
        "instrument_id": str(plant.instruments["copper"]),
        "lot_id": str(plant.lots["copper"]),
        "key_id": everything.ids["keys"][0].hex(),
        "order_id": str(everything.ids["orders"][0]),
        "pledge_id": str(plant.pledge_id),
        "site_id": str(plant.site_id),
        "stock_take_id": str(everything.ids["stock_takes"][0]),
        "token_id": str(everything.ids["token"]),
    }
    description = app.openapi()
    schemas, crashes, made = description["components"]["schemas"], list[str](), 0
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if operation["operationId"] == "login":
                continue  # Each costs a password's hash; its fields are tested with the login.
            urls = list(_paths(path, ids))
            calls: list[tuple[str, dict[str, Any], object]] = [(url, {}, None) for url in urls]
            calls += [(urls[0], query, None) for query in _queries(operation)]
            calls += [(urls[0], {}, body) for body in _bodies(operation, schemas)]
            made += len(calls)
            for url, query, body in calls:
                response = client.request(method, url, params=query, json=body, headers=headers)
                if response.status_code >= 500:
                    crashes.append(f"{method} {url} {query} {str(body)[:200]}")
    assert crashes == []
    assert made > CALLS_MIN, "the description was not read"
