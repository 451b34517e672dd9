"""The wall clock of the launcher: the one place in deploy that reads it."""

import time
from datetime import UTC, date, datetime


def unix_us() -> int:
    """Return microseconds since 1970, UTC."""
    return time.time_ns() // 1_000


def today() -> date:
    """Return today's date, UTC."""
    return datetime.now(UTC).date()
