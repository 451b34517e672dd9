"""The network between a gateway and its broker, in a thread: open, cut, silent or reset.

* open: bytes go both ways.
* cut: nobody can connect, and what was connected is closed.
* silent: connections stay open and new ones are taken; no byte goes through, either way.
"""

import asyncio
import contextlib
import threading
from enum import StrEnum
from typing import Final

CHUNK_BYTES: Final = 65_536


class LinkState(StrEnum):
    """What the network does with bytes."""

    OPEN = "open"
    CUT = "cut"
    SILENT = "silent"


class Link:
    """A TCP relay on a port of its own."""

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self._target_port = target_port
        self._state = LinkState.OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._up.wait(5)

    def set(self, state: LinkState) -> None:
        """Change what the network does, from now on."""
        asyncio.run_coroutine_threadsafe(self._set(state), self._loop).result(5)

    def reset(self) -> None:
        """Drop what is connected, bytes on their way included."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(5)

    def close(self) -> None:
        """End the relay; nothing of it is open afterwards."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._flowing.set()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._relay, "127.0.0.1", self.port, limit=CHUNK_BYTES)
        )
        self._up.set()
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._drop()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
        await self._server.wait_closed()
        await asyncio.sleep(0)  # Transports close their sockets in a turn of their own.

    async def _set(self, state: LinkState) -> None:
        self._state = state
        if state is LinkState.SILENT:
            self._flowing.clear()
        else:
            self._flowing.set()
        if state is LinkState.CUT:
            await self._drop()

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            return  # By the end of the link; asyncio would print a trace of a cancelled handler.

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._state is LinkState.CUT:
                writer.transport.abort()
                return
            await self._flowing.wait()
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(to_writer)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pump(reader, to_writer))
                    tasks.create_task(self._pump(to_reader, writer))
            finally:
                self._writers.discard(to_writer)
                to_writer.transport.abort()
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        raise ConnectionResetError
