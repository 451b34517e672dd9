"""A gateway's uplink: a TCP relay to the broker that can turn into a black hole.

While dark, connections stay open and bytes vanish in both directions, as behind a dead router. A
connection that lost bytes cannot go on (its stream has a hole): it is reset when the link is
restored, as a router that forgot its state does.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from firmware_sim.devices.listener import Listener
from firmware_sim.plant import Plant

CHUNK_BYTES_MAX = 65_536
CONNECTIONS_MAX = 64  # a gateway needs one; a storm of reconnects must not take all descriptors
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where the broker listens."""

    host: str
    port: int


class Link:
    """The relay of one gateway."""

    def __init__(self, gateway: str, upstream: Upstream, plant: Plant) -> None:
        """Relay for ``gateway``; dark while the plant's world says so."""
        self._gateway = gateway
        self._upstream = upstream
        self._plant = plant
        self._holed: set[asyncio.StreamWriter] = set()
        self.listener = Listener(self._relay, CONNECTIONS_MAX)

    @property
    def dark(self) -> bool:
        """Whether bytes vanish now."""
        return self._gateway in self._plant.world.dark_links

    @property
    def holed(self) -> int:
        """How many ends of connections have lost bytes and await their reset."""
        return len(self._holed)

    async def run(self) -> None:
        """Reset holed connections whenever the link comes back, until cancelled."""
        revision = self._plant.world.revision
        while True:
            world = await self._plant.changed_since(revision)
            revision = world.revision
            if not self.dark:
                for writer in list(self._holed):
                    writer.transport.abort()
                self._holed.clear()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.dark:
                await self._swallow(reader, writer)
            else:
                await self._connect(reader, writer)
        finally:
            self._drop(writer)

    async def _swallow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Accepted by the kernel before anybody could say no; it never reaches the broker.
        self._holed.add(writer)
        while await reader.read(CHUNK_BYTES_MAX):
            pass
        await self._until_light()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            far_reader, far_writer = await asyncio.open_connection(
                self._upstream.host, self._upstream.port, limit=CHUNK_BYTES_MAX
            )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, writer, far_writer))
                group.create_task(self._pump(far_reader, far_writer, writer))
        except* OSError:
            pass  # a reset of either end ends both directions
        finally:
            self._drop(far_writer)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        source_writer: asyncio.StreamWriter,
        sink: asyncio.StreamWriter,
    ) -> None:
        while chunk := await source.read(CHUNK_BYTES_MAX):
            if self.dark:
                self._holed |= {source_writer, sink}
                continue
            if sink in self._holed:
                break
            sink.write(chunk)
            await sink.drain()
        await self._until_light()  # a close does not cross a black hole either
        with contextlib.suppress(OSError):
            sink.close()

    async def _until_light(self) -> None:
        while self.dark:
            await self._plant.changed_since(self._plant.world.revision)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._holed.discard(writer)
        writer.transport.abort()
