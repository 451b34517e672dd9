"""The simulated serial port, with real programs that come, stall, leave and come back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_sim.clock import SystemClock
from firmware_sim.devices.pty import PtyPort
from firmware_sim.errors import WireError
from tests.simulation.sim_site import Host, until


@asynccontextmanager
async def port_at(link: Path) -> AsyncGenerator[PtyPort]:
    """Run a port under ``link``."""
    port = PtyPort(link)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(port.run(SystemClock()))
        try:
            yield port
        finally:
            task.cancel()
    port.close()


async def test_bytes_cross_both_ways_unchanged(tmp_path: Path) -> None:
    """All byte values pass in both directions: no echo, no line editing, no newline games."""
    every = bytes(range(256))
    heard = bytearray()
    async with port_at(tmp_path / "tty") as port:
        port.on_bytes(heard.extend)
        host = Host(tmp_path / "tty")
        assert port.write(every)
        host.send(every)
        await until(lambda: bytes(heard) == every, "host heard")
        assert await until(lambda: host.read() == every, "device heard")
        host.close()


async def test_nobody_listening_loses_bytes_and_blocks_nothing(tmp_path: Path) -> None:
    """What is written to a closed port is lost, counted, and never met by a later reader."""
    async with port_at(tmp_path / "tty") as port:
        for _ in range(1_000):
            assert not port.write(b"x" * 100)
        assert port.bytes_lost == 100_000
        host = Host(tmp_path / "tty")
        assert port.write(b"fresh")
        assert await until(host.read, "bytes") == b"fresh"
        host.close()


async def test_stalled_reader_loses_bytes_and_blocks_nothing(tmp_path: Path) -> None:
    """A reader that never reads fills the line's buffer; after that bytes are lost."""
    async with port_at(tmp_path / "tty") as port:
        host = Host(tmp_path / "tty")
        for _ in range(1_000):
            port.write(b"x" * 100)
        assert port.bytes_lost > 50_000
        host.close()


async def test_a_killed_reader_can_come_back(tmp_path: Path) -> None:
    """The port survives its reader; the next one finds raw mode and only fresh bytes."""
    heard = bytearray()
    left: list[bool] = []
    async with port_at(tmp_path / "tty") as port:
        port.on_bytes(heard.extend, hung_up=lambda: left.append(True))
        for round_ in range(3):
            host = Host(tmp_path / "tty")
            host.send(b"hello\r\n")
            await until(lambda: bytes(heard) == b"hello\r\n", "host heard")
            heard.clear()
            assert port.write(b"unread")
            host.close()
            await until(lambda n=round_: len(left) == n + 1, "hang-up noticed")
            assert not port.write(b"into the void")
        host = Host(tmp_path / "tty")
        assert port.write(b"fresh")
        assert await until(host.read, "bytes") == b"fresh"
        host.close()


async def test_a_killed_runs_link_is_replaced_but_no_file_is(tmp_path: Path) -> None:
    """A stale link makes way; a real file at that place is left alone and reported."""
    stale = tmp_path / "stale"
    stale.symlink_to("/dev/pts/no-such")
    async with port_at(stale):
        Host(stale).close()
    assert not stale.is_symlink()
    precious = tmp_path / "precious"
    precious.write_text("keep")
    with pytest.raises(WireError, match="precious"):
        PtyPort(precious)
    assert precious.read_text() == "keep"
