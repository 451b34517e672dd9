"""Metrics over HTTP on the loopback: one path, one method, one answer a connection."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Final

from gateway.control.metrics import CONTENT_TYPE
from gateway.errors import StateError

REQUEST_BYTES_MAX: Final = 8_192
REQUEST_S_MAX: Final = 5.0
CONNECTIONS_MAX: Final = 8
_END: Final = b"\r\n\r\n"


class MetricsServer:
    """Serves ``GET /metrics``; where it may listen is the configuration's to check."""

    def __init__(self, host: str, port: int, render: Callable[[], Awaitable[str]]) -> None:
        self._host = host
        self._port = port
        self._render = render
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen.

        Raises:
            StateError: The address is taken, or not this machine's.
        """
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, limit=REQUEST_BYTES_MAX
            )
        except OSError as error:
            where = f"{self._host}:{self._port}"
            raise StateError(f"metrics.listen: cannot listen on {where}: {error}") from error

    async def close(self) -> None:
        """Listen no longer, and let go of whoever asks just now."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # The transports' own close callbacks.

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Coroutine[None, None, None]:
        self._writers.add(writer)  # At once: a task that is cancelled early runs no line.
        return self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._writers) > CONNECTIONS_MAX:
                return
            async with asyncio.timeout(REQUEST_S_MAX):
                head = await reader.readuntil(_END)
                writer.write(await self._answer(head))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # Whoever asked has gone, or asks what nobody would.
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.split(b"\r\n", 1)[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != b"/metrics":
            return _response("404 Not Found", "there is only /metrics\n")
        if method != b"GET":
            return _response("405 Method Not Allowed", "only GET\n")
        return _response("200 OK", await self._render())


def _response(status: str, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
