"""Around every request: a limit on its body, and headers against the browser's leniency."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.problems import answer

BODY_BYTES_MAX: Final = 1024 * 1024  # A thousand items of a lot take 200 kB.
CSV_BYTES_MAX: Final = 32 * 1024 * 1024  # Forty years of minutes would be more; of days, 400 kB.
XML_BYTES_MAX: Final = 8 * 1024 * 1024  # A busy bank account's day of 4,000 entries.
_BYTES_MAX: Final = {"csv": CSV_BYTES_MAX, "xml": XML_BYTES_MAX}
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NO_STORE: Final = (b"cache-control", b"no-store")  # What one party sees stays in no cache.
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyLimit:
    """Refuse a body that is too large, declared or sent, before it is held in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = _BYTES_MAX.get(scope["path"].rpartition(".")[2], BODY_BYTES_MAX)
        message = f"the body is too large, must be at most {bytes_max} bytes"
        if _declared_bytes(scope) > bytes_max:
            response = answer(413, "too_large", message, {"bytes_max": bytes_max})
            await response(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            part = await receive()
            received += len(part.get("body", b""))
            if received > bytes_max:
                raise HTTPException(413, message)
            return part

        await self._app(scope, counted, send)


class SecurityHeaders:
    """Tell browsers to run only our own files, and refuse changes that another site asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and put the headers on its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                extra = _HEADERS if b"cache-control" in present else (*_HEADERS, _NO_STORE)
                message = {**message, "headers": [*headers, *extra]}
            await send(message)

        if scope["method"] not in _SAFE_METHODS and _is_cross_site(scope):
            response = answer(403, "cross_site", "another site may not ask for changes here", {})
            await response(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _is_cross_site(scope: Scope) -> bool:
    """Return whether a browser says that another site's page sent this (W3C Fetch Metadata)."""
    return any(
        name == b"sec-fetch-site" and value in (b"cross-site", b"same-site")
        for name, value in scope["headers"]
    )
