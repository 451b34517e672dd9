"""The API's description is complete enough that a client is generated from it."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI


@pytest.fixture
def description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document."""
    return app.openapi()


def _operations(description: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]


def test_operation_ids_are_the_functions_names(description: dict[str, Any]) -> None:
    """Each is there once: a generated client has one function for it."""
    ids = [operation["operationId"] for _, operation in _operations(description)]

    assert sorted(set(ids)) == sorted(ids)
    assert all(name.isidentifier() for name in ids)


# Generators agree on no model of an image, or of a document.
BYTES = {
    "GET /api/images/{gateway_id}/{sha256}/content",
    "GET /api/facilities/{facility_id}/certificate.{form}",
}


def test_every_operation_is_described(description: dict[str, Any]) -> None:
    """A summary, a model for success unless there is nothing to say, and our model for errors."""
    incomplete: list[str] = []
    for name, operation in _operations(description):
        success = [
            answer for status, answer in operation["responses"].items() if status.startswith("2")
        ]
        modelled = all(
            answer.get("content", {}).get("application/json", {}).get("schema")
            for answer in success
        )
        if not modelled and "204" not in operation["responses"] and name not in BYTES:
            incomplete.append(f"{name}: no model of its answer")
        if not operation.get("description"):
            incomplete.append(f"{name}: no description")
        error = operation["responses"]["422"]["content"]["application/json"]["schema"]
        if error != {"$ref": "#/components/schemas/ErrorResponse"}:
            incomplete.append(f"{name}: {error}")
    assert incomplete == []


def test_every_operation_but_the_strangers_needs_a_login(description: dict[str, Any]) -> None:
    """By the session's cookie or by a token."""
    public = {"login", "enrol", "health", "add_certificate_nonce", "renew_certificate"}
    for _, operation in _operations(description):
        schemes = {name for each in operation.get("security", []) for name in each}
        expected = set[str]() if operation["operationId"] in public else {"session", "token"}
        if operation["tags"] == ["uplink"]:
            expected = {"gateway"}  # A gateway's own login.
        assert schemes == expected, operation["operationId"]


@pytest.mark.timeout(120)
def test_a_client_generator_accepts_it(description: dict[str, Any], tmp_path: Path) -> None:
    """openapi-python-client makes a package of it without a warning, and each module parses."""
    document, package = tmp_path / "openapi.json", tmp_path / "client"
    document.write_text(json.dumps(description), encoding="utf-8")
    config = tmp_path / "config.json"
    # The generator knows JSON, forms and bytes: a price file is bytes to it.
    binary = "application/octet-stream"
    options: dict[str, object] = {
        "post_hooks": [],
        "content_type_overrides": {
            **dict.fromkeys(("text/csv", "text/calendar", "application/cbor"), binary)
        },
    }
    config.write_text(json.dumps(options), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
        *("--path", str(document), "--output-path", str(package), "--config", str(config)),
        "--fail-on-warning",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    modules = {path.stem for path in package.rglob("*.py") if ast.parse(path.read_text("utf-8"))}
    assert {operation["operationId"] for _, operation in _operations(description)} <= modules
