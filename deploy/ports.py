"""Loopback ports and bounded waiting for the embedded stack."""

import http.client
import math
import secrets
import socket
import time
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
PORT_FIRST, PORT_LAST = 20_000, 32_000
PICKS_MAX = 50  # Only a machine with most ports taken needs more than two.
POLL_EVERY_S = 0.05
CONNECT_TIMEOUT_S = 1.0  # Loopback answers in microseconds; a full backlog within a second.


def polls(limit_s: float, every_s: float = POLL_EVERY_S) -> Iterator[int]:
    """Yield attempt numbers with a pause of ``every_s`` between them, for about ``limit_s``.

    The bound counts attempts, so that it needs no clock: an attempt's own time comes on top.
    """
    attempts = max(1, math.ceil(limit_s / every_s))
    for attempt in range(attempts):
        if attempt:
            time.sleep(every_s)
        yield attempt


def free_port() -> int:
    """Return a TCP port on loopback that nobody uses now.

    It lies below the range that Linux takes for outgoing connections (32768 on): a server that
    was killed must find its port free again.
    """
    for _ in range(PICKS_MAX):
        port = PORT_FIRST + secrets.randbelow(PORT_LAST - PORT_FIRST + 1)
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        picked: int = probe.getsockname()[1]
        return picked


def is_free(port: int) -> bool:
    """Tell whether ``port`` can be bound on loopback, as a server that restarts would."""
    with socket.socket() as probe:
        # Connections of the previous run in TIME_WAIT do not stop a server from binding.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def keep_or_pick(port: int | None) -> int:
    """Return ``port`` if it is still free, so that addresses survive a restart, else another."""
    return port if port is not None and is_free(port) else free_port()


def tcp_answers(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether something accepts TCP connections at ``host``:``port``."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False


def http_answers(port: int, path: str = "/", host: str = LOOPBACK) -> bool:
    """Tell whether a GET of ``path`` is answered with a status below 400."""
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.BAD_REQUEST
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
