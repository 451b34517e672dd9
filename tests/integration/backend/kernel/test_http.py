"""What stands around every request: limits, headers, errors, health, metrics."""

from http.client import HTTPConnection

import httpx
import pytest
from fastapi import FastAPI

from backend.db import Database
from backend.middleware import BODY_BYTES_MAX, CSV_BYTES_MAX
from backend.parties.types import Role
from tests.builders import add_actor, bearer, token_for


@pytest.fixture
def operator(db: Database) -> dict[str, str]:
    """An operator's header."""
    return bearer(token_for(db, add_actor(db, Role.OPERATOR)))


@pytest.fixture(scope="module")
def shared_operator(shared_db: Database) -> dict[str, str]:
    """An operator's header in the database that the refusals share."""
    return bearer(token_for(shared_db, add_actor(shared_db, Role.OPERATOR)))


def test_health_tells_of_the_database(client: httpx.Client, db: Database) -> None:
    """200 while it answers, 503 when not; no login is needed."""
    assert client.get("/health").json() == {"status": "ok"}

    db.close()
    response = client.get("/health")
    assert (response.status_code, response.json()["error"]["code"]) == (
        503,
        "database_unavailable",
    )


def test_metrics_count_requests_by_template(
    client: httpx.Client, operator: dict[str, str]
) -> None:
    """A label is a route's template, never what was asked for: labels are bounded."""
    client.get("/api/sites/00000000-0000-0000-0000-000000000000/zones", headers=operator)
    client.get("/secret-looking-path")
    text = client.get("/metrics").text

    assert 'route="/api/sites/{site_id}/zones",status="200"} 1.0' in text
    assert "secret-looking-path" not in text
    assert 'status="404"' in text


@pytest.mark.parametrize("path", ["/health", "/api/me", "/nowhere", "/metrics"])
def test_every_answer_carries_the_security_headers(shared_client: httpx.Client, path: str) -> None:
    """Errors too: only our own files run, nothing is sniffed, framed, or kept in a cache."""
    headers = shared_client.get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nowhere", 404, "not_found"),
        ("PUT", "/api/sites", 405, "method_not_allowed"),
        ("POST", "/api/login", 422, "invalid"),
        ("GET", "/api/me", 401, "not_logged_in"),
    ],
)
def test_every_error_has_one_form(
    shared_client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    """A code, a sentence, details: whatever the cause."""
    response = shared_client.request(method, path)
    error = response.json()["error"]

    assert (response.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert isinstance(error["detail"], dict)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"name": ' + b"[" * 100_000,
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": 1e999}',
        b'{"name": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_malformed_body_is_refused(
    shared_client: httpx.Client, shared_operator: dict[str, str], body: bytes
) -> None:
    """Bad input is the caller's error, never a crash."""
    headers = {**shared_operator, "Content-Type": "application/json"}
    response = shared_client.post("/api/parties", content=body, headers=headers)
    assert response.status_code in (400, 422)
    assert response.json()["error"]["code"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/sites/not-a-uuid/zones",
        "/api/sites/%00/zones",
        "/api/refused-envelopes?limit=0",
        "/api/refused-envelopes?limit=99999999999999999999",
        "/api/refused-envelopes?before_id=99999999999999999999",
        "/api/refused-envelopes?gateway=%00",
        "/api/tokens?account_id=x",
    ],
)
def test_a_malformed_query_is_refused(
    shared_client: httpx.Client, shared_operator: dict[str, str], path: str
) -> None:
    """Numbers beyond the database's, NUL, and what is no id."""
    assert shared_client.get(path, headers=shared_operator).status_code in (404, 422)


def test_a_body_over_the_limit_is_refused_before_it_is_read(shared_client: httpx.Client) -> None:
    """Declared or not, known or not who sends it; a price file may be larger."""
    large = b"x" * (BODY_BYTES_MAX + 1)

    def parts() -> "list[bytes]":
        return [large[:BODY_BYTES_MAX], large[BODY_BYTES_MAX:]]

    declared = shared_client.post("/api/login", content=large)
    chunked = shared_client.post(
        "/api/login", content=iter(parts()), headers={"Content-Type": "application/json"}
    )
    form = shared_client.post(
        "/api/logout",
        content=iter(parts()),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert [each.status_code for each in (declared, chunked)] == [413, 413]
    assert form.status_code == 413
    assert declared.json()["error"]["code"] == "too_large"


def test_a_price_file_has_a_limit_of_its_own(
    shared_client: httpx.Client, shared_operator: dict[str, str]
) -> None:
    """Larger than other bodies, and bounded still: refused by what it declares."""
    path = "/api/instruments/NONE/prices.csv?source=x&currency=EUR&unit=TNE"
    headers = {**shared_operator, "Content-Type": "text/csv"}
    larger = shared_client.post(path, content=b"x" * (BODY_BYTES_MAX + 1), headers=headers)
    declared = HTTPConnection(
        shared_client.base_url.host, shared_client.base_url.port or 80, timeout=20
    )
    declared.putrequest("POST", path)
    declared.putheader("Content-Length", str(CSV_BYTES_MAX + 1))
    declared.endheaders()
    refused = declared.getresponse().status
    declared.close()

    assert (larger.status_code, refused) == (404, 413)


def test_a_crash_is_answered_without_its_story(app: FastAPI, client: httpx.Client) -> None:
    """What went wrong inside goes to the log, not to the caller."""

    def broken() -> None:
        raise RuntimeError("the password is swordfish")

    app.add_api_route("/broken", broken)
    response = client.get("/broken")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert "swordfish" not in response.text
