"""The daemon's end of the control socket: one JSON object a line asks, one a line answers.

``{"ask": "status"}`` is answered with ``{"answer": {..}}`` or ``{"error": ".."}``. The socket lies
in the state folder with mode 0600: whoever may read the gateway's key may ask it.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.control.status import Request
from gateway.errors import GatewayError, StateError

SOCKET_FILE: Final = "control.sock"
REQUEST_BYTES_MAX: Final = 4_096  # A request needs about 20.
CONNECTIONS_MAX: Final = 8  # Some terminals; more would be somebody's loop.
IDLE_S_MAX: Final = 60.0  # A client that asks nothing for so long is let go.
BACKLOG: Final = 8

Answer = Callable[[], Awaitable[msgspec.Struct]]


class ControlServer:
    """Answers on the socket of one state folder."""

    def __init__(self, state_dir: Path, answers: Mapping[str, Answer]) -> None:
        """Take the requests that ``answers`` names; a GatewayError is told to whoever asked."""
        self._state_dir = state_dir
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen; the state folder must already be this process' own.

        Raises:
            StateError: The socket cannot be made.
        """
        try:
            listener = _listener(self._state_dir)
            self._server = await asyncio.start_unix_server(
                self._accept, sock=listener, limit=REQUEST_BYTES_MAX
            )
        except OSError as error:
            raise StateError(f"{self._state_dir / SOCKET_FILE}: {error.strerror}") from error

    async def close(self) -> None:
        """Listen no longer, and let go of everybody."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        (self._state_dir / SOCKET_FILE).unlink(missing_ok=True)
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        for writer in self._writers:  # Of whoever came a moment ago.
            writer.transport.abort()
        await asyncio.sleep(0)  # The transports' own close callbacks.

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Coroutine[None, None, None]:
        self._writers.add(writer)  # At once: a task that is cancelled early runs no line.
        return self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._serving) < CONNECTIONS_MAX:
                self._serving.add(task)
                await self._answer_lines(reader, writer)
        except (OSError, TimeoutError, ValueError, asyncio.CancelledError):
            return  # Gone, idle, a line beyond the limit, or the daemon ends.
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._serving.discard(task)
            self._writers.discard(writer)

    async def _answer_lines(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while line := await _read_line(reader):
            writer.write(await self._reply(line))
            async with asyncio.timeout(IDLE_S_MAX):
                await writer.drain()

    async def _reply(self, line: bytes) -> bytes:
        try:
            asked = msgspec.json.decode(line, type=Request).ask
        except msgspec.MsgspecError as error:
            return _line({"error": f"request: {error}"})
        answer = self._answers.get(asked)
        if answer is None:
            known = ", ".join(sorted(self._answers))
            return _line({"error": f"ask is {asked[:40]!r}, must be one of {known}"})
        try:
            return _line({"answer": await answer()})
        except GatewayError as error:
            return _line({"error": str(error)})


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(IDLE_S_MAX):
        return await reader.readline()


def _line(reply: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(reply) + b"\n"


def _listener(state_dir: Path) -> socket.socket:
    """Return the bound socket; reached through the folder, as a socket's path may have 107 bytes.

    Nobody can connect before it listens, and its mode is set before that.
    """
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        (state_dir / SOCKET_FILE).unlink(missing_ok=True)  # Of a process that was killed.
        listener.bind(f"/proc/self/fd/{folder}/{SOCKET_FILE}")
        (state_dir / SOCKET_FILE).chmod(0o600)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener
