"""The uplink relay, between real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from firmware_sim.devices.link import Link, Upstream
from firmware_sim.incidents import Kind
from firmware_sim.plant import Plant
from tests.simulation.sim_site import DEADLINE_S, quiet_plant, until
from tests.stream_server import listening


@dataclass(slots=True, kw_only=True)
class EchoBroker:
    """A server that echoes and remembers what it received."""

    received: bytearray = field(default_factory=bytearray)
    closed: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo until the other end leaves."""
        try:
            while chunk := await reader.read(65_536):
                self.received += chunk
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass  # reset by the relay, as a broker sees it
        self.closed += 1
        writer.transport.abort()


@asynccontextmanager
async def relayed() -> AsyncGenerator[tuple[EchoBroker, Plant, Link, int]]:
    """Run an echo server behind the link of gw-north; yield it, the plant, the link, its port."""
    echo, plant = EchoBroker(), quiet_plant()
    async with listening(echo.serve) as echo_port:
        link = Link("gw-north", Upstream(host="127.0.0.1", port=echo_port), plant)
        port = await link.listener.open()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(link.run())
            try:
                yield echo, plant, link, port
            finally:
                task.cancel()
        await link.listener.close()


async def test_bytes_pass_both_ways() -> None:
    """A lit link relays a megabyte there and back unchanged."""
    sent = bytes(range(256)) * 4_096
    async with relayed() as (echo, _, _, port), asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent
        assert echo.received == sent
        writer.close()
        await until(lambda: echo.closed == 1, "close relayed")


async def test_black_hole_swallows_and_stays_open() -> None:
    """In the dark a connection stays open and nothing arrives, in either direction."""
    async with relayed() as (echo, plant, _, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        plant.start(Kind.CUT_NETWORK, "copper")
        for _ in range(50):
            writer.write(b"lost" * 1_000)
            await writer.drain()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(1)
        assert echo.received == b"before"
        assert echo.closed == 0
        writer.close()


async def test_closing_does_not_cross_a_black_hole() -> None:
    """A gateway that leaves in the dark is missed by the broker only when light returns."""
    async with relayed() as (echo, plant, link, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"before")
        await reader.readexactly(6)
        incident = plant.start(Kind.CUT_NETWORK, "copper")
        writer.write(b"lost")
        writer.close()
        await until(lambda: link.holed == 2, "bytes lost")
        assert echo.closed == 0
        plant.undo(incident.id)
        await until(lambda: echo.closed == 1, "broker sees the loss")


async def test_restored_link_resets_holed_connections_and_relays_new_ones() -> None:
    """A stream with a hole is reset, not continued; a new connection works at once."""
    async with relayed() as (echo, plant, link, port), asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"before")
        await reader.readexactly(6)
        incident = plant.start(Kind.CUT_NETWORK, "copper")
        writer.write(b"lost")
        in_the_dark, dark_writer = await asyncio.open_connection("127.0.0.1", port)
        dark_writer.write(b"lost too")
        await until(lambda: link.holed == 3, "bytes lost")  # both ends, and one in the dark
        plant.undo(incident.id)
        for end in (reader, in_the_dark):
            with suppress(ConnectionResetError):
                assert await end.read() == b""
        writer.close()
        dark_writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"after")
        assert await reader.readexactly(5) == b"after"
        assert echo.received == b"beforeafter"
        writer.close()


async def test_other_gateways_link_stays_lit() -> None:
    """The incident darkens one gateway's uplink only."""
    async with relayed() as (_, plant, _, port):
        plant.start(Kind.CUT_NETWORK, "aluminium")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"through")
        assert await reader.readexactly(7) == b"through"
        writer.close()


async def test_absent_broker_refuses_the_connection() -> None:
    """When no broker listens behind it, the relay hangs up instead of pretending."""
    plant = quiet_plant()
    link = Link("gw-north", Upstream(host="127.0.0.1", port=1), plant)
    port = await link.listener.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(DEADLINE_S):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    await link.listener.close()
