"""The gateway's clocks: wall time, time since boot, and who disciplines them.

The only module of the gateway that asks the machine for the time.
"""

import ctypes
import time
from pathlib import Path
from typing import Final
from uuid import UUID

from gateway.reading import ClockSegment, Instant
from schemas.envelope import ClockState

_BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
_STA_UNSYNC: Final = 0x0040  # linux/timex.h
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronized


class SystemClock:
    """The machine's clocks."""

    def __init__(self) -> None:
        self.boot_id = UUID(_BOOT_ID_FILE.read_text(encoding="ascii").strip()).bytes
        self._libc = ctypes.CDLL(None, use_errno=True)

    def now(self) -> Instant:
        """Return this moment on both clocks."""
        return Instant(
            unix_us=time.time_ns() // 1_000,
            boot_us=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000,
        )

    def unix_us(self) -> int:
        """Return the wall clock, microseconds since 1970."""
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        """Return seconds that only ever grow, for measuring spans."""
        return time.monotonic()

    def state(self) -> ClockState:
        """Return who disciplines the wall clock, as the kernel knows it (adjtimex(2))."""
        # struct timex begins with int modes (0: read only); status is its fifth word. 512 bytes
        # are more than the kernel writes on any architecture.
        timex = ctypes.create_string_buffer(512)
        outcome = int(self._libc.adjtimex(timex))
        status = ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value
        if outcome in (-1, _TIME_ERROR) or status & _STA_UNSYNC:
            return ClockState.FREE_RUNNING
        return ClockState.NTP

    def segment(self) -> ClockSegment:
        """Return the segment that begins now."""
        instant = self.now()
        return ClockSegment(
            boot_id=self.boot_id,
            offset_us=instant.unix_us - instant.boot_us,
            state=self.state(),
        )
