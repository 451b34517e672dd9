"""The notifier: tells parties what has happened, by webhook and e-mail.

A process of its own, so that a stranger's slow server is in nobody's way: it turns what the others
have committed to the outbox into messages, under the eyes of whom they are for, and sends them. A
message is given up only after a day; one that was sent and not marked is sent again under its id.
Several may run: what one holds, the others pass by.
"""

import asyncio
import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Final, Protocol, TypeVar

import structlog
from prometheus_client import Counter

from backend.clock import Clock, SystemClock
from backend.config import Settings
from backend.db import Database
from backend.errors import UnavailableError
from backend.keys import load_secret
from backend.log import configure_log
from backend.notifications import service, store
from backend.notifications.senders.mail import MailSender, parse_server
from backend.notifications.senders.webhook import WebhookSender
from backend.notifications.service import SECRET_FILE, Eyes, reach_of
from backend.notifications.types import Channel, Claimed, Failed, Outcome, Sent

log = structlog.get_logger()
T = TypeVar("T")

POLL_S: Final = 0.5  # Between an event and its message; a look costs one index probe.
SLOTS: Final = 256  # Messages under way; one of a subscription, so a dead receiver holds one.
CLAIM: Final = timedelta(seconds=60)  # Above the longest attempt: nobody sends twice at once.
HOUSEKEEPING_S: Final = 3_600.0
AWAY_S: Final = 2.0
CONNECTIONS: Final = 4

SENT: Final = Counter("pledgewatch_notifier_attempts", "Attempts.", ("channel", "outcome"))
FAILED: Final = Counter("pledgewatch_notifier_failed", "Faults of ours.", ("duty", "error"))


class Sender(Protocol):
    """A way out: the mail server's, or the receivers' own."""

    async def send(self, claimed: Claimed) -> Outcome:
        """Return how one attempt ended."""
        ...


@dataclass(slots=True)
class Notifier:
    """One of those that send; used by one event loop."""

    db: Database
    clock: Clock
    senders: dict[Channel, Sender]
    public_url: str = ""
    under_way: int = 0
    housekept_s: float | None = None
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="database")
    )

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop`` is set; what is under way then is finished, or sent again later."""
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                try:
                    busy = await self.step(tasks)
                except UnavailableError as error:
                    FAILED.labels("database", error.code).inc()
                    log.warning("database_away", detail=error.message)
                    busy = await self._pause(stop, AWAY_S)
                if not busy:
                    await self._pause(stop, POLL_S)

    async def step(self, tasks: asyncio.TaskGroup) -> bool:
        """Route what has happened and begin to send what is due; return whether there is more.

        Raises:
            UnavailableError: The database is away.
        """
        routed = await self._in_thread(self._route)
        claimed = await self._in_thread(self._claim)
        for each in claimed:
            self.under_way += 1
            tasks.create_task(self._deliver(each))
        return bool(routed or claimed)

    async def _deliver(self, claimed: Claimed) -> None:
        """Try once to send a message, and store how that ended."""
        channel = claimed.subscription.channel
        try:
            outcome = await self._send(claimed)
            label = "sent" if isinstance(outcome, Sent) else "failed"
            SENT.labels(channel.value, label).inc()
            await self._in_thread(lambda: self._settle(claimed, outcome))
        except UnavailableError as error:  # It is sent again under its id.
            FAILED.labels("settle", error.code).inc()
            log.warning("database_away", detail=error.message)
        finally:
            self.under_way -= 1

    async def _send(self, claimed: Claimed) -> Outcome:
        sender = self.senders.get(claimed.subscription.channel)
        if sender is None:
            return Failed(result="this installation has no mail server (PLEDGEWATCH_SMTP_URL)")
        try:
            return await sender.send(claimed)
        except Exception as error:
            FAILED.labels("send", type(error).__name__).inc()
            log.exception("send_failed", message_id=str(claimed.message.id))
            return Failed(result=f"a fault of ours: {type(error).__name__}")

    def _route(self) -> int:
        """Make messages of what nobody was told of yet; return of how many notices."""
        now = self.clock.now()
        with self.db.working() as conn:
            ids = store.take_notices(conn)
            if not ids:
                return 0
            active = store.list_active(conn)
            for (party_id, role), group in groupby(active, lambda s: (s.party_id, s.role)):
                with self.db.acting(Eyes(role=role, party_id=party_id)) as seeing:
                    visible = store.fetch_visible(seeing, ids)
                service.queue(conn, group, visible, self.public_url, now)
            service.mark_routed(conn, ids, now)
        return len(ids)

    def _claim(self) -> list[Claimed]:
        now, now_s = self.clock.now(), self.clock.monotonic_s()
        with self.db.working() as conn:
            if self.housekept_s is None or now_s - self.housekept_s >= HOUSEKEEPING_S:
                self.housekept_s = now_s
                store.remove_old(conn, now)
            free = SLOTS - self.under_way
            return list(store.claim(conn, now, now + CLAIM, free)) if free > 0 else []

    def _settle(self, claimed: Claimed, outcome: Outcome) -> None:
        jitter = random.uniform(0, 1)  # noqa: S311 - a pause is no secret
        with self.db.working() as conn:
            service.settle(conn, claimed, outcome, self.clock.now(), jitter)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, call)

    async def _pause(self, stop: asyncio.Event, pause_s: float) -> bool:
        """Wait, but not for longer than ``stop``; return that there is no hurry after it."""
        try:
            async with asyncio.timeout(pause_s):
                await stop.wait()
        except TimeoutError:
            return False
        return False


def make_senders(settings: Settings, clock: Clock) -> dict[Channel, Sender]:
    """Return the ways out that the settings allow.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    master = load_secret(settings.state_dir / SECRET_FILE)
    reach = reach_of(settings)
    webhook = WebhookSender(master, reach, clock, ca_file=settings.notify_ca_file)
    senders: dict[Channel, Sender] = {Channel.WEBHOOK: webhook}
    if settings.smtp_url is not None:
        server = parse_server(settings.smtp_url.get_secret_value())
        public_url = settings.public_url or ""
        senders[Channel.EMAIL] = MailSender(server, settings.mail_from, public_url, clock)
    return senders


def run(settings: Settings) -> None:
    """Run a notifier until it is told to end.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    configure_log()
    clock = SystemClock()
    senders = make_senders(settings, clock)
    with Database(settings.database_url, connections_max=CONNECTIONS) as db:
        notifier = Notifier(db, clock, senders, settings.public_url or "")
        asyncio.run(_run(notifier))


async def _run(notifier: Notifier) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log.info("notifier_active")
    await notifier.run(stop)
