"""The service manager hears of the daemon over a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control.watchdog import STATUS_CHARS_MAX, ServiceManager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """A service manager's socket, and the environment that names it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.setblocking(False)
        yield listener, {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"}


def heard(listener: socket.socket) -> list[str]:
    """Return all datagrams that came."""
    messages: list[str] = []
    while True:
        try:
            messages.append(listener.recv(4_096).decode())
        except BlockingIOError:
            return messages


def test_states_are_told(manager: tuple[socket.socket, dict[str, str]]) -> None:
    """Ready, reloading, ready, stopping: as sd_notify(3) names them."""
    listener, environment = manager
    service = ServiceManager(environment)
    service.tell_ready()
    service.tell_reloading(5)
    service.tell_ready()
    service.tell_stopping()

    assert heard(listener) == [
        "READY=1",
        "RELOADING=1\nMONOTONIC_USEC=5",
        "READY=1",
        "STOPPING=1",
    ]


def test_signs_of_life_come_twice_in_a_span(
    manager: tuple[socket.socket, dict[str, str]],
) -> None:
    """Of a watchdog of 30 s every 15 s, however often the daemon asks."""
    listener, environment = manager
    service = ServiceManager(environment)
    for second in range(31):
        service.tell_alive(float(second))

    assert heard(listener) == ["WATCHDOG=1"] * 3


def test_status_is_told_once_and_in_one_line(
    manager: tuple[socket.socket, dict[str, str]],
) -> None:
    """The same text is not told again; a line break cannot smuggle a message in."""
    listener, environment = manager
    service = ServiceManager(environment)
    service.tell_status("2 of 3 sensors up")
    service.tell_status("2 of 3 sensors up")
    service.tell_status("torn\nREADY=1")
    service.tell_status("x" * 1_000)

    assert heard(listener) == [
        "STATUS=2 of 3 sensors up",
        "STATUS=torn READY=1",
        f"STATUS={'x' * STATUS_CHARS_MAX}",
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/nowhere/notify"},
        {"WATCHDOG_USEC": "30000000"},
    ],
)
def test_nobody_listening_is_no_trouble(environment: dict[str, str]) -> None:
    """Without a manager, or with one that is gone, everything is silently left out."""
    service = ServiceManager(environment)
    service.tell_ready()
    service.tell_alive(1.0)


def test_watchdog_of_another_process_is_not_ours(
    manager: tuple[socket.socket, dict[str, str]],
) -> None:
    """WATCHDOG_PID names whom the manager watches, sd_watchdog_enabled(3)."""
    listener, environment = manager
    ServiceManager(environment | {"WATCHDOG_PID": str(os.getpid() + 1)}).tell_alive(1.0)
    assert heard(listener) == []
    ServiceManager(environment | {"WATCHDOG_PID": str(os.getpid())}).tell_alive(1.0)
    assert heard(listener) == ["WATCHDOG=1"]


def test_abstract_socket_is_reached() -> None:
    """An address that begins with @ lies in the abstract namespace, unix(7)."""
    name = f"pledgewatch-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).tell_ready()
        assert heard(listener) == ["READY=1"]
