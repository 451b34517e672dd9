"""A serial port that others can open by a stable name, like a USB adapter with nobody's driver.

The master side stays open whoever comes and goes. Bytes written while nobody has the port open,
or while its reader is stalled, are lost as on a real line: nothing blocks and nothing grows.
"""

import asyncio
import contextlib
import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path

from firmware_sim.clock import Clock, ticks
from firmware_sim.errors import WireError

READ_BYTES_MAX = 4_096  # the kernel's own line buffer
PROBE_PERIOD_S = 0.05  # how soon an opened port is noticed; epoll would spin on its hang-up


class PtyPort:
    """One pseudo terminal under a symbolic link, in raw mode."""

    def __init__(self, link: Path) -> None:
        """Open the pair and put ``link`` on it, replacing a link that a killed run left.

        Raises:
            WireError: there are no terminals left, or something else stands at ``link``.
        """
        try:
            self._master, slave = os.openpty()
        except OSError as exc:
            msg = f"no pseudo terminal for {link}: {exc}"
            raise WireError(msg) from exc
        tty.setraw(slave)
        self._slave_path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._link = link
        self._open = False
        self._received: Callable[[bytes], None] | None = None
        self._hung_up: Callable[[], None] | None = None
        self.bytes_lost = 0
        try:
            if link.is_symlink():
                link.unlink()
            link.symlink_to(self._slave_path)
        except OSError as exc:
            os.close(self._master)
            msg = f"cannot place the port {link}: {exc}"
            raise WireError(msg) from exc

    @property
    def path(self) -> Path:
        """The link that a program opens."""
        return self._link

    @property
    def listening(self) -> bool:
        """Whether somebody has the port open now."""
        poll = select.poll()
        poll.register(self._master, 0)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def on_bytes(
        self, received: Callable[[bytes], None], *, hung_up: Callable[[], None] | None = None
    ) -> None:
        """Call ``received`` with each chunk that the host sends, ``hung_up`` when it leaves."""
        self._received = received
        self._hung_up = hung_up

    def write(self, chunk: bytes) -> bool:
        """Send ``chunk``; return whether all of it went out to an open port."""
        if not self.listening:
            self.bytes_lost += len(chunk)
            return False
        try:
            sent = os.write(self._master, chunk)
        except BlockingIOError:
            sent = 0  # a stalled reader: the line's buffer is full
        except OSError:
            sent = 0  # closed between the question and the write
        self.bytes_lost += len(chunk) - sent
        return sent == len(chunk)

    async def run(self, clock: Clock) -> None:
        """Notice hosts that come and go, and read what they send, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            async for _ in ticks(clock, PROBE_PERIOD_S):
                if not self._open and self.listening:
                    self._open = True
                    loop.add_reader(self._master, self._read)
        finally:
            if self._open:
                loop.remove_reader(self._master)

    def _read(self) -> None:
        try:
            chunk = os.read(self._master, READ_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last host closed the port
            self._leave()
            return
        if chunk and self._received is not None:
            self._received(chunk)

    def _leave(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._open = False
        if self._hung_up is not None:
            self._hung_up()
        # What the host left unread must not greet the next one as fresh; its settings neither.
        with contextlib.suppress(OSError, termios.error):
            slave = os.open(self._slave_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                termios.tcflush(slave, termios.TCIFLUSH)
                tty.setraw(slave, termios.TCSANOW)  # without flushing a new host's first bytes
            finally:
                os.close(slave)

    def close(self) -> None:
        """Close the pair and take the link away, if it is still ours."""
        with contextlib.suppress(OSError):
            if os.readlink(self._link) == self._slave_path:
                self._link.unlink()
        os.close(self._master)
