"""The only place of the simulator that knows what time it is."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol


class Clock(Protocol):
    """Wall time for what devices stamp, and a steady time for what they pace."""

    def unix_us(self) -> int:
        """Return the wall time in microseconds since 1970, UTC."""
        ...

    def steady_s(self) -> float:
        """Return seconds of a clock that never steps."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def unix_us(self) -> int:
        """Return the wall time in microseconds since 1970, UTC."""
        return time.time_ns() // 1_000

    def steady_s(self) -> float:
        """Return seconds of a clock that never steps."""
        return time.monotonic_ns() / 1e9


async def ticks(clock: Clock, period_s: float) -> AsyncIterator[float]:
    """Yield at once and then each ``period_s``, with the seconds since the tick before.

    A late tick is not made up for: a device that was held up skips, as a real one does.
    """
    last_s = clock.steady_s()
    due_s = last_s
    yield 0.0
    while True:
        due_s = max(due_s + period_s, clock.steady_s())
        await asyncio.sleep(due_s - clock.steady_s())
        now_s = clock.steady_s()
        yield now_s - last_s
        last_s = now_s


def raise_if_cancelled() -> None:
    """Raise if this task was asked to end; call it in each round of a loop that retries.

    On Python 3.11 ``wait_for`` swallows a cancellation that meets the awaited result, and a task
    group one that meets the failure of a child; a retrying loop would then outlive its site.

    Raises:
        CancelledError: The task was asked to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
