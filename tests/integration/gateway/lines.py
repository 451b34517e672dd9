"""A serial line whose other end the test holds."""

import fcntl
import os
import struct
import termios
import tty
from types import TracebackType
from typing import Self


class Line:
    """One pseudo terminal in raw mode: the driver opens ``path``, the test writes and reads."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave  # Held, so that the line outlives a driver that opens it again.
        os.set_blocking(self._master, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut()

    @property
    def is_open(self) -> bool:
        """Whether a driver has opened the line: it then reads without waiting for a byte.

        What was sent before is thrown away by the opening, as on a real port.
        """
        return termios.tcgetattr(self._slave)[6][termios.VMIN] in (0, b"\0")

    @property
    def unread(self) -> int:
        """How many bytes the driver has not taken yet."""
        count = fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4))
        return int(struct.unpack("i", count)[0])

    def rearm(self) -> None:
        """Let ``is_open`` be false until a driver opens the line again."""
        tty.setraw(self._slave)

    def send(self, data: bytes) -> None:
        """Put bytes on the line, as the device would."""
        os.write(self._master, data)

    def received(self) -> bytes:
        """Return what the driver has sent since the last call."""
        try:
            return os.read(self._master, 4_096)
        except BlockingIOError:
            return b""

    def cut(self) -> None:
        """Pull the cable out; the driver's end hangs up."""
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
            self._master = -1
