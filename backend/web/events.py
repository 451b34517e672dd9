"""Server-sent events: one LISTEN a process, fanned out to every open page.

A page is told which table changed, never what: it asks again under its own rights. What waits for
a page is a set of names, so a slow page costs no memory and misses nothing.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import structlog

from backend.errors import UnavailableError
from backend.web.store.plant import listen

_log = structlog.get_logger()
SUBSCRIBERS_MAX: Final = 1_000  # Of a process; each holds a socket.
HEARTBEAT_S: Final = 15.0  # Proxies cut what is silent for a minute.
STREAM_S_MAX: Final = 3_600.0  # Then the browser comes again, and proves its session again.
RETRY_S: Final = (0.2, 1.0, 5.0)  # After the database was away.
GATHER_S: Final = 0.05  # One burst of commits is one message.
RESET: Final = "reset"


class Subscriber:
    """What one page has not been told yet."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._news = asyncio.Event()

    def put(self, name: str) -> None:
        """Remember that a table changed."""
        self._names.add(name)
        self._news.set()

    async def take(self, timeout_s: float) -> frozenset[str]:
        """Return what changed since the last time; nothing when nothing did for so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return frozenset()
        await asyncio.sleep(GATHER_S)
        names = frozenset(self._names)
        self._names.clear()
        self._news.clear()
        return names


class Hub:
    """Listens to the database while anybody does to it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._subscribers: set[Subscriber] = set()
        self._wanted = asyncio.Event()
        self._listening = False

    def subscribe(self) -> Subscriber:
        """Return a new subscriber; it is told to look at everything as soon as that is safe.

        Raises:
            UnavailableError: There are too many.
        """
        if len(self._subscribers) >= SUBSCRIBERS_MAX:
            raise UnavailableError("busy", f"more than {SUBSCRIBERS_MAX} pages are open")
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        self._wanted.set()
        if self._listening:
            subscriber.put(RESET)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Tell a subscriber nothing any more."""
        self._subscribers.discard(subscriber)

    async def run(self) -> None:
        """Listen until cancelled: from the first subscriber on, and again after a loss."""
        await self._wanted.wait()
        failures = 0
        while True:
            try:
                async with aclosing(listen(self._url)) as changes:
                    async for name in changes:
                        failures = 0
                        self._listening = True
                        # Whoever came before the first name, or through a gap, saw old pages.
                        self._tell(RESET if name is None else name)
            except UnavailableError as error:
                if failures == 0:
                    _log.warning("events_lost", why=error.message)
            self._listening = False
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    def _tell(self, name: str) -> None:
        for subscriber in self._subscribers:
            subscriber.put(name)


async def stream(hub: Hub, subscriber: Subscriber, life_s: float) -> AsyncGenerator[str]:
    """Yield a subscriber's news as server-sent events until its life is over."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + min(life_s, STREAM_S_MAX)
    try:
        yield "retry: 1000\n\n"
        while (left_s := end_s - loop.time()) > 0:
            names = await subscriber.take(min(HEARTBEAT_S, left_s))
            if RESET in names:
                yield "event: reset\ndata: all\n\n"
            elif names:
                yield "".join(f"event: change\ndata: {name}\n\n" for name in sorted(names))
            else:
                yield ": still here\n\n"
    finally:
        hub.leave(subscriber)
