"""The control API: look at the site, make something happen, take it back. Loopback only.

Pages of a local console may call it from the browser; no other origin may.
"""

import json
import socket
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from firmware_sim.errors import RefusedError
from firmware_sim.incidents import Kind
from firmware_sim.plan import Scenario
from firmware_sim.plant import Plant
from firmware_sim.state import Port, incident_json, state_json

BODY_BYTES_MAX = 4_096  # a request holds two short texts
_LOCAL_ORIGIN = r"http://(127\.0\.0\.1|localhost)(:\d+)?"


class Control:
    """The handlers, over one plant."""

    def __init__(
        self, scenario: Scenario, plant: Plant, ports: Callable[[], Mapping[str, Port]]
    ) -> None:
        """Serve ``plant``; ``ports`` tells what its wires are doing."""
        self._scenario = scenario
        self._plant = plant
        self._ports = ports

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/state", self.state),
                Route("/kinds", self.kinds),
                Route("/incidents", self.incidents),
                Route("/incidents", self.start, methods=["POST"]),
                Route("/incidents/{id}", self.incident),
                Route("/incidents/{id}/undo", self.undo, methods=["POST"]),
            ],
            middleware=[
                Middleware(
                    CORSMiddleware,
                    allow_origin_regex=_LOCAL_ORIGIN,
                    allow_methods=["GET", "POST"],
                    allow_headers=["Content-Type"],
                )
            ],
            exception_handlers={RefusedError: _refused},
        )

    async def state(self, _: Request) -> Response:
        """Answer with the whole site."""
        active = self._plant.book.active()
        state = state_json(self._scenario, self._plant.world, active, self._ports())
        return JSONResponse({"unix_us": self._plant.clock.unix_us(), **state})

    async def kinds(self, _: Request) -> Response:
        """Answer with the kinds of incident and the lots they can befall."""
        lots = [lot.name for lot in self._scenario.lots]
        return JSONResponse({"kinds": [kind.value for kind in Kind], "lots": lots})

    async def incidents(self, _: Request) -> Response:
        """Answer with every incident's label, oldest first."""
        return JSONResponse([incident_json(i) for i in self._plant.book.all()])

    async def incident(self, request: Request) -> Response:
        """Answer with one incident's label."""
        return JSONResponse(incident_json(self._plant.book.get(request.path_params["id"])))

    async def start(self, request: Request) -> Response:
        """Let an incident happen."""
        kind, lot = _asked(await _body(request))
        return JSONResponse(incident_json(self._plant.start(kind, lot)), status_code=201)

    async def undo(self, request: Request) -> Response:
        """Take an incident back."""
        return JSONResponse(incident_json(self._plant.undo(request.path_params["id"])))


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise RefusedError("too_long", f"body: at most {BODY_BYTES_MAX} bytes", status=413)
    return bytes(body)


def _asked(body: bytes) -> tuple[Kind, str | None]:
    try:
        asked: object = json.loads(body)
    except ValueError as exc:  # of which bad UTF-8 is one
        raise RefusedError("bad_json", f"body: not JSON: {exc}", status=400) from exc
    if isinstance(asked, dict):
        body_keys = cast("dict[str, object]", asked)  # JSON has only text keys
        name, lot = body_keys.get("kind"), body_keys.get("lot")
        known_keys = set(body_keys) <= {"kind", "lot"}
        if known_keys and isinstance(name, str) and (lot is None or isinstance(lot, str)):
            return _kind(name), lot
    message = 'body: must be {"kind": text, "lot": text or absent}'
    raise RefusedError("bad_body", message, status=400)


def _kind(name: str) -> Kind:
    if name not in {kind.value for kind in Kind}:
        known = ", ".join(kind.value for kind in Kind)
        message = f"kind = {name!r}: must be one of: {known}"
        raise RefusedError("unknown_kind", message, status=400)
    return Kind(name)


async def _refused(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, RefusedError)
    return JSONResponse({"code": exc.code, "message": str(exc)}, status_code=exc.status)


class ControlServer(uvicorn.Server):
    """An HTTP server that leaves the process's signals to whoever runs the site."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take no signals."""
        yield


def control_server(app: Starlette) -> ControlServer:
    """Return the server of ``app``, not yet serving."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
        ws="none",
    )
    return ControlServer(config)


async def serve_control(server: ControlServer, listener: socket.socket) -> None:
    """Serve on ``listener`` until cancelled, then close every connection."""
    try:
        await server.serve(sockets=[listener])
    finally:
        if server.started:
            await server.shutdown(sockets=[listener])
