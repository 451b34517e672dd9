"""The time, as a value that is passed in: only this module asks the machine for it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; tests have one that stands still."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC and aware of it."""
        ...

    def unix_us(self) -> int:
        """Return the wall-clock time in microseconds since 1970."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never step back; their zero means nothing."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC and aware of it."""
        return datetime.now(UTC)

    def unix_us(self) -> int:
        """Return the wall-clock time in microseconds since 1970."""
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        """Return seconds that never step back; their zero means nothing."""
        return time.monotonic()
