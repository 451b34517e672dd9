"""Tell the service manager that the daemon is ready and alive (sd_notify(3)).

Without ``NOTIFY_SOCKET`` in the environment nothing is sent: started by hand, or in a test.
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

STATUS_CHARS_MAX: Final = 200
ALIVE_SHARE: Final = 0.5  # Of the watchdog's span, as sd_watchdog_enabled(3) advises.


class ServiceManager:
    """The socket that the service manager listens on, if there is one."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._alive_every_s = _alive_every_s(environment) if address else None
        self._told_s = float("-inf")
        self._status = ""

    @property
    def listens(self) -> bool:
        """Whether there is a manager."""
        return bool(self._address)

    @property
    def alive_every_s(self) -> float | None:
        """How often a sign of life is wanted; None: never."""
        return self._alive_every_s

    def tell_ready(self) -> None:
        """Say that sensors are read."""
        self._send("READY=1")

    def tell_reloading(self, monotonic_us: int) -> None:
        """Say that the configuration is read again; ``tell_ready`` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")

    def tell_stopping(self) -> None:
        """Say that the daemon ends in order."""
        self._send("STOPPING=1")

    def tell_alive(self, now_s: float) -> None:
        """Give a sign of life, as often as it is wanted; call it often."""
        if self._alive_every_s is not None and now_s - self._told_s >= self._alive_every_s:
            self._told_s = now_s
            self._send("WATCHDOG=1")

    def tell_status(self, text: str) -> None:
        """Say in one line how things are, when that has changed."""
        line = text.replace("\n", " ")[:STATUS_CHARS_MAX]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto(message.encode(), self._address)
        except OSError:
            return  # A manager that does not listen must not stop the daemon.


def _alive_every_s(environment: Mapping[str, str]) -> float | None:
    """Return how often to tell; None where no watchdog watches this process."""
    span_us, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not span_us.isdigit() or int(span_us) <= 0 or (pid is not None and pid != str(os.getpid())):
        return None
    return int(span_us) / 1_000_000 * ALIVE_SHARE
