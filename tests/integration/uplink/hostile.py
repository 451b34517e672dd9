"""A proxy in front of the api that forges, repeats and cuts."""

import asyncio
import json
import threading
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any

import httpx
import uvicorn

from deploy.ports import free_port, polls, tcp_answers

START_S_MAX = 40.0  # Two seconds on a quiet machine; the suite makes it busy.
Send = Any


class Mood(Enum):
    """What it does."""

    PASS = auto()
    FORGE = auto()  # Swallows what is posted, and answers with receipts of its own making.
    REPEAT = auto()  # Passes each post on twice.
    CUT = auto()  # Ends each question for a receipt without an answer.


class HostileProxy:
    """Passes requests on to the api, or does as its mood is."""

    def __init__(self, api_url: str, forged: bytes) -> None:
        self.mood = Mood.PASS
        self.seen = 0
        self.port = free_port()
        self._api_url = api_url
        self._forged = forged

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Generator[None]:
        """Serve meanwhile."""
        config = uvicorn.Config(
            self._answer,
            host="127.0.0.1",
            port=self.port,
            log_level="critical",
            lifespan="off",
            interface="asgi3",  # uvicorn takes a bound method for the older one.
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        assert any(tcp_answers(self.port) for _ in polls(START_S_MAX))
        yield
        server.should_exit = True
        thread.join(START_S_MAX)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:  # noqa: ANN401 - ASGI
        body = b""
        while (part := await receive()).get("more_body"):
            body += part["body"]
        body += part["body"]
        self.seen += 1
        if self.mood is Mood.FORGE:
            said = {"receipt": self._forged.hex(), "commands": ["ff" * 40]}
            await _respond(send, 200, json.dumps(said).encode())
            return
        if self.mood is Mood.CUT and scope["method"] == "GET":
            await asyncio.sleep(0.1)
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", b"99")],
                }
            )
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            raise ConnectionAbortedError
        await self._pass_on(scope, body, send)

    async def _pass_on(self, scope: MutableMapping[str, Any], body: bytes, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
        query = scope["query_string"].decode()
        url = f"{self._api_url}{scope['path']}" + (f"?{query}" if query else "")
        twice = self.mood is Mood.REPEAT and scope["method"] == "POST"
        async with httpx.AsyncClient(timeout=40) as client:
            answer = await client.request(scope["method"], url, content=body, headers=headers)
            if twice:
                answer = await client.request(scope["method"], url, content=body, headers=headers)
        await _respond(send, answer.status_code, answer.content)


async def _respond(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
