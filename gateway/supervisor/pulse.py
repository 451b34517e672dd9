"""Signs of life to the service manager, given only while loop, tick and journal all live."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final

from gateway.clock import SystemClock
from gateway.control.status import Status
from gateway.control.watchdog import ServiceManager
from gateway.outbox.store import OutboxStore
from gateway.outbox.writer import Outbox
from gateway.supervisor.observe import one_line

STATUS_EVERY_S: Final = 10.0  # The line that the service manager shows.
ASKED_SHARE: Final = 0.25  # Of the time between two signs: late by no more than that.


class Pulse:
    """Asks the journal's thread whether it lives, and passes that on.

    That its disk is full is an answer; that it hangs is none, and then nothing is told.
    """

    def __init__(self, manager: ServiceManager, outbox: Outbox, clock: SystemClock) -> None:
        self._manager = manager
        self._outbox = outbox
        self._clock = clock
        self._answer: Future[None] | None = None
        self._asked_s = self._told_s = float("-inf")

    async def beat(self, status: Callable[[], Awaitable[Status]]) -> None:
        """Tell what is due; the loop calls this at every tick. Costs nothing without a manager."""
        if not self._manager.listens:
            return
        now_s = self._clock.monotonic_s()
        every_s = (self._manager.alive_every_s or STATUS_EVERY_S) * ASKED_SHARE
        if self._answer is None:
            self._ask(now_s)
        elif self._answer.done() and now_s - self._asked_s >= every_s:
            self._manager.tell_alive(now_s)
            self._ask(now_s)
            if now_s - self._told_s >= STATUS_EVERY_S:
                self._told_s = now_s
                self._manager.tell_status(one_line(await status()))

    def _ask(self, now_s: float) -> None:
        self._asked_s = now_s
        self._answer = self._outbox.run(_do_nothing)


def _do_nothing(_store: OutboxStore) -> None:
    return
