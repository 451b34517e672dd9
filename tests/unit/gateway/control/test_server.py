"""The control socket answers whoever may read the state folder, and bounds what it is asked."""

import asyncio
import json
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.control.client import NoDaemonError, ask_reload, ask_status
from gateway.control.server import (
    CONNECTIONS_MAX,
    REQUEST_BYTES_MAX,
    SOCKET_FILE,
    ControlServer,
)
from gateway.control.status import Reloaded, Status
from gateway.errors import ConfigError, GatewayError
from tests.unit.gateway.builders import make_status


async def answer_status() -> Status:
    """Answer as a daemon does."""
    return make_status()


async def refuse_reload() -> Reloaded:
    """Refuse as a daemon does when the file is wrong."""
    raise ConfigError("serial[0].family", "scale-zz", "one of nmea")


@asynccontextmanager
async def serving(folder: Path) -> AsyncGenerator[ControlServer]:
    """Serve on ``folder`` meanwhile."""
    server = ControlServer(folder, {"status": answer_status, "reload": refuse_reload})
    await server.open()
    try:
        yield server
    finally:
        await server.close()


async def exchange(folder: Path, *lines: bytes) -> list[bytes]:
    """Send lines on one connection; return the answers, b"" where it was closed."""
    reader, writer = await asyncio.open_unix_connection(str(folder / SOCKET_FILE))
    answers: list[bytes] = []
    with suppress(OSError):  # Closed while we were writing.
        for line in lines:
            writer.write(line)
            answers.append(await reader.readline())
    await leave(writer)
    return answers or [b""]


async def leave(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until it is closed; the server may have been first."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_status_travels_whole(tmp_path: Path) -> None:
    """What the daemon answers is what the client returns."""
    async with serving(tmp_path):
        assert await asyncio.to_thread(ask_status, tmp_path) == make_status()


async def test_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    """A GatewayError of the daemon is raised at the client, in the same words."""
    async with serving(tmp_path):
        with pytest.raises(GatewayError, match=r"serial\[0\]\.family is 'scale-zz'"):
            await asyncio.to_thread(ask_reload, tmp_path)


async def test_only_the_owner_may_ask(tmp_path: Path) -> None:
    """The socket has mode 0600, and is gone when nobody serves."""
    async with serving(tmp_path):
        assert stat.S_IMODE((tmp_path / SOCKET_FILE).stat().st_mode) == 0o600
    assert not (tmp_path / SOCKET_FILE).exists()


async def test_several_requests_on_one_connection(tmp_path: Path) -> None:
    """A line asks, a line answers; what is not understood is told and ends nothing."""
    async with serving(tmp_path):
        answers = await exchange(
            tmp_path, b'{"ask":"status"}\n', b"{torn\n", b'{"ask":"format"}\n', b'{"ask":1}\n'
        )
    decoded = [json.loads(answer) for answer in answers]
    assert decoded[0]["answer"]["gateway"] == make_status().gateway
    assert all("error" in answer for answer in decoded[1:])
    assert "must be one of reload, status" in decoded[2]["error"]


async def test_line_without_end_is_not_kept(tmp_path: Path) -> None:
    """A request beyond the bound ends its connection, and no other."""
    async with serving(tmp_path):
        assert await exchange(tmp_path, b"x" * (REQUEST_BYTES_MAX * 2) + b"\n") == [b""]
        assert await exchange(tmp_path, b'{"ask":"status"}\n') != [b""]


async def test_connections_are_bounded(tmp_path: Path) -> None:
    """One connection too many is closed at once; when one has left there is room again."""
    async with serving(tmp_path):
        path = str(tmp_path / SOCKET_FILE)
        held = [await asyncio.open_unix_connection(path) for _ in range(CONNECTIONS_MAX)]
        for reader, writer in held:
            writer.write(b'{"ask":"status"}\n')
            assert await reader.readline()
        assert await exchange(tmp_path, b'{"ask":"status"}\n') == [b""]
        await leave(held[0][1])
        again = [b""]
        async with asyncio.timeout(5):
            while again == [b""]:
                again = await exchange(tmp_path, b'{"ask":"status"}\n')
        for _, writer in held[1:]:
            await leave(writer)


async def test_socket_of_a_killed_daemon_is_taken_over(tmp_path: Path) -> None:
    """A socket file that nobody listens on says no daemon to the client, and is replaced."""
    async with serving(tmp_path) as server:
        left = tmp_path / "left"
        (tmp_path / SOCKET_FILE).rename(left)
        await server.close()
        left.rename(tmp_path / SOCKET_FILE)
    with pytest.raises(NoDaemonError, match="no daemon runs"):
        ask_status(tmp_path)
    async with serving(tmp_path):
        assert await asyncio.to_thread(ask_status, tmp_path) == make_status()


async def test_long_folder_names_are_no_obstacle(tmp_path: Path) -> None:
    """A path longer than a socket's address may be still works: 107 bytes, unix(7)."""
    folder = tmp_path / ("f" * 120)
    folder.mkdir()
    async with serving(folder):
        assert (await asyncio.to_thread(ask_status, folder)).gateway == make_status().gateway


def test_no_daemon_is_said(tmp_path: Path) -> None:
    """A folder without a socket, and no folder at all, mean that no daemon runs."""
    with pytest.raises(NoDaemonError):
        ask_status(tmp_path)
    with pytest.raises(NoDaemonError, match="does not exist"):
        ask_status(tmp_path / "absent")
