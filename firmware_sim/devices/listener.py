"""A TCP server on the loopback that leaves no connection behind when it closes."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Final

from firmware_sim.errors import WireError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ACCEPT_TURNS: Final = 4  # Of the loop, from the socket's accept to the handler's first line.


class Listener:
    """Runs ``serve`` for each connection, at most ``connections_max`` at a time."""

    def __init__(
        self, serve: Serve, connections_max: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        """Prepare; nothing listens yet."""
        self._serve = serve
        self._connections_max = connections_max
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self) -> int:
        """Listen on a free port of the loopback and return it.

        Raises:
            WireError: there is none.
        """
        try:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        except OSError as exc:
            msg = f"no port on the loopback: {exc}"
            raise WireError(msg) from exc
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, reset what is open and wait until it is gone."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        for _ in range(ACCEPT_TURNS):  # who was accepted just now is served, and then let go
            await asyncio.sleep(0)
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)  # the transports' own close callbacks

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Coroutine[None, None, None]:
        self._writers.add(writer)  # At once: a task that is cancelled early runs no line.
        return self._attend(reader, writer)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._tasks) < self._connections_max:
                self._tasks.add(task)
                with suppress(
                    OSError, EOFError, TimeoutError
                ):  # the other end left or fell silent
                    await self._serve(reader, writer)
        except asyncio.CancelledError:
            # On Python 3.11 a cancelled handler makes the streams' own callback raise.
            if not self._closing:
                raise
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)
