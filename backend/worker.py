"""The worker: one transaction from a batch of envelopes to the locks that it asks for.

Partitions are leased by advisory locks on the very connection that writes: whoever loses the
connection loses the lease, and cannot commit. A receipt is signed only after the commit.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import structlog
from prometheus_client import Counter, Histogram

from backend.batch import Examinees, Item, Memory, message_of, write_batch
from backend.clock import Clock, SystemClock
from backend.commands import service as commands
from backend.commands.rules import Resends
from backend.commands.types import PendingCommand
from backend.config import Settings
from backend.db import Conn, Database
from backend.errors import ConfigurationError, UnavailableError
from backend.ids import GatewayId
from backend.images import service as images
from backend.ingest import service as ingest
from backend.ingest import store as ingest_store
from backend.ingest.mqtt import DROPPED, Intake, Link
from backend.ingest.rules.chain import receipt_of
from backend.ingest.rules.examine import gateway_of, refuse
from backend.ingest.service import Book
from backend.ingest.types import Examined, Message, Outcome, Reason, Refused, StreamHead
from backend.keys import BackendKey
from backend.log import configure_log
from backend.market.service import feeds
from backend.uplink.inbox import Inbox, signed_receipt
from backend.uplink.types import SignedReceipt
from schemas.topics import PARTITIONS, command_topic, partition_of, receipt_topic

log = structlog.get_logger()

EXAMINE_MESSAGES_MAX: Final = 64  # At a time: about what is examined while a batch is written.
# The writing thread waits for the database some twenty times a batch, and each time again for the
# interpreter, for so long; CPython's own 5 ms would be most of a batch's time.
SWITCH_S: Final = 0.0005
LEASE_EVERY_S: Final = 1.0  # A partition whose worker died is taken over after that long.
DATABASE_PAUSE_S: Final = 0.5
POISON_RETRY_S: Final = 60.0  # What could not be stored is tried again: somebody may have helped.
POISON_MAX: Final = 1_024  # Each a gateway's: its stream goes on only when it is stored.

ENVELOPES: Final = Counter("pledgewatch_envelopes", "Verdicts on envelopes.", ("verdict",))
READINGS: Final = Counter("pledgewatch_readings_stored", "Readings committed.")
FAILED: Final = Counter("pledgewatch_batches_failed", "Batches rolled back.", ("error",))
EVIDENCE_DROPPED: Final = Counter(
    "pledgewatch_refused_not_kept", "Refused envelopes counted only: their sender floods."
)
SECONDS: Final = Histogram("pledgewatch_batch_seconds", "Time from a batch to its commit.")

T = TypeVar("T")


@dataclass(slots=True)
class Writer:
    """The one connection that writes, with the leases that live on it; used by one thread."""

    db: Database
    clock: Clock
    memory: Memory = field(default_factory=Memory)
    assembled: images.Assemblies = field(default_factory=images.Assemblies)
    partitions: set[int] = field(default_factory=lambda: set[int]())
    poison: dict[bytes, float] = field(default_factory=lambda: dict[bytes, float]())
    _conn: Conn | None = None

    def connection(self) -> Conn:
        """Return the connection; a new one holds no lease yet.

        Raises:
            UnavailableError: The server does not answer.
        """
        if self._conn is None or self._conn.closed:
            self.close()
            self._conn = self.db.connect()
        return self._conn

    @property
    def book(self) -> Book:
        """What is remembered of keys and channels: examining asks it."""
        return self.memory.book

    def lease(self) -> list[StreamHead]:
        """Lease what no other worker holds; return the streams of what is newly leased.

        Raises:
            UnavailableError: The server does not answer.
        """
        conn = self.connection()
        missing = sorted(set(range(PARTITIONS)) - self.partitions)
        if not missing:
            return []
        try:
            with self.db.working(conn):
                new = ingest_store.lease(conn, missing)
                heads = ingest_store.fetch_heads(conn) if new else []
        except UnavailableError:
            self.close()
            raise
        if new:
            self.partitions |= new
            log.info("partitions_leased", count=len(self.partitions))
        return [head for head in heads if partition_of(head.gateway) in new]

    def commit(self, items: Sequence[Item]) -> list[Outcome]:
        """Commit what can be stored: a batch that can not be is halved, again and again.

        What fails alone is refused, kept as evidence, and not tried again for a while; the stream
        that it is of waits for it, and all others go on.

        Raises:
            UnavailableError: The server went away; what was not committed comes again.
        """
        now_s = self.clock.monotonic_s()
        known = [
            _not_stored(each, "again") if self._is_poison(each, now_s) else each for each in items
        ]
        return self._halving(known, now_s)

    def take_prices(self, messages: Sequence[Message]) -> None:
        """Store the prices that were published of the instruments of the leased partitions.

        Raises:
            UnavailableError: The server went away; a publisher sends the next one soon.
        """
        if not messages:
            return
        prices = [feeds.PriceMessage(topic=each.topic, data=each.data) for each in messages]
        with self.db.working(self.connection()) as conn:
            feeds.take_messages(conn, prices, self._leases, self.clock.now())

    def pending(self, chunks: Sequence[Message]) -> list[PendingCommand]:
        """Take chunks of images; return what gateways of the leased partitions have to answer.

        Raises:
            UnavailableError: The server went away.
        """
        with self.db.working(self.connection()) as conn:
            images.drive(conn, self.assembled, chunks, self._leases, self.clock.now())
            waiting = commands.pending(conn, self.clock.now())
        return [each for each in waiting if self._leases(each.gateway_id)]

    def write(self, examined: Sequence[Item]) -> Outcome:
        """Commit a batch of the leased partitions.

        Raises:
            UnavailableError: The server went away; nothing of the batch is stored, or all is.
        """
        conn = self.connection()
        mine = [item for item in examined if self._is_leased(item)]
        DROPPED.labels("not_leased").inc(len(examined) - len(mine))
        begun_s = self.clock.monotonic_s()
        try:
            outcome = self.db.retrying(lambda: self._transaction(conn, mine))
        except UnavailableError:
            if conn.closed or conn.broken:
                self.close()
            raise
        _count(outcome)
        SECONDS.observe(self.clock.monotonic_s() - begun_s)
        return outcome

    def close(self) -> None:
        """Give up the connection, and with it every lease."""
        self.partitions.clear()
        self.memory.release()
        if self._conn is not None:
            self._conn.close()
        self._conn = None

    def _halving(self, items: Sequence[Item], now_s: float) -> list[Outcome]:
        try:
            return [self.write(items)]
        except UnavailableError:
            raise
        except Exception as error:
            FAILED.labels(type(error).__name__).inc()
            log.exception("batch_failed", messages=len(items))
            if len(items) > 1:
                half = len(items) // 2
                return [*self._halving(items[:half], now_s), *self._halving(items[half:], now_s)]
            return self._refuse(items[0], error, now_s)

    def _refuse(self, item: Item, error: Exception, now_s: float) -> list[Outcome]:
        if isinstance(item, Refused) and item.evidence.reason is Reason.NOT_STORED:
            return []  # Not even the refusal can be stored: it stays in the log.
        refused = _not_stored(item, type(error).__name__)
        if isinstance(item, Examined):
            if len(self.poison) >= POISON_MAX:
                self.poison.clear()
            self.poison[item.sha256] = now_s
        return self._halving([refused], now_s)

    def _is_poison(self, item: Item, now_s: float) -> bool:
        if not self.poison or not isinstance(item, Examined):
            return False
        since_s = self.poison.get(item.sha256)
        return since_s is not None and now_s - since_s < POISON_RETRY_S

    def _transaction(self, conn: Conn, examined: Sequence[Item]) -> Outcome:
        try:
            with self.db.working(conn):
                outcome = write_batch(conn, examined, self.clock.now(), self.memory)
        except BaseException:
            self.memory.forget()
            raise
        self.memory.settle()
        return outcome

    def _is_leased(self, item: Item) -> bool:
        gateway = gateway_of(message_of(item).topic)
        return gateway is None or self._leases(gateway)

    def _leases(self, gateway: str) -> bool:
        return partition_of(gateway) in self.partitions


class Worker:
    """Batches off the broker, examined in one thread and written in another."""

    def __init__(self, db: Database, clock: Clock, key: BackendKey, mqtt_url: str) -> None:
        self._clock = clock
        self._key = key
        self._intake = Intake()
        self._link = Link(mqtt_url, self._intake, clock)
        self._inbox = Inbox(db, self._intake, clock, self._sign)
        self._writer = Writer(db, clock)
        self._examined = Examinees()
        self._held: frozenset[int] = frozenset()
        self._resends = Resends()
        self._idle = asyncio.Event()
        self._idle.set()
        self._examiner = ThreadPoolExecutor(1, "examine")
        self._scribe = ThreadPoolExecutor(1, "write")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish the batch in hand."""
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._link.run()),
                    tasks.create_task(self._inbox.run()),
                    tasks.create_task(self._examine()),
                    tasks.create_task(self._write()),
                ]
                await stop.wait()
                await self._idle.wait()
                for task in running:
                    task.cancel()
        finally:
            self._examiner.shutdown()
            self._scribe.submit(self._writer.close).result()
            self._scribe.shutdown()

    async def _examine(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._examined.room()
            messages = await self._intake.take(EXAMINE_MESSAGES_MAX)
            if not messages:
                continue
            items = await loop.run_in_executor(
                self._examiner, ingest.examine_all, messages, self._writer.book
            )
            self._examined.put(items)

    async def _write(self) -> None:
        """Commit batch after batch; in between, see to the leases."""
        leased_s = -LEASE_EVERY_S
        while True:
            if self._clock.monotonic_s() - leased_s >= LEASE_EVERY_S:
                await self._lease()
                await self._command()
                leased_s = self._clock.monotonic_s()
            items = await self._examined.take(LEASE_EVERY_S)
            if not items:
                continue
            self._idle.clear()
            try:
                await self._commit(items)
            finally:
                self._idle.set()

    async def _lease(self) -> None:
        try:
            heads = await self._in_writer(self._writer.lease)
        except UnavailableError as error:
            log.warning("database_away", detail=error.message)
            heads = []
        held = frozenset(self._writer.partitions)
        if not self._held <= held:
            self._link.forget()  # Another worker's now: an old receipt must not replace its own.
        self._held = held
        self._link.lease(held)
        self._inbox.lease(held)
        self._say({head.gateway: head for head in heads})

    async def _command(self) -> None:
        """Send the commands that are due; the broker may forget them, so they are sent again."""
        chunks, prices = self._link.take_chunks(), self._link.take_prices()
        try:
            await self._in_writer(lambda: self._writer.take_prices(prices))
            waiting = await self._in_writer(lambda: self._writer.pending(chunks))
        except UnavailableError as error:
            log.warning("database_away", detail=error.message)
            return
        self._link.ask(
            {
                command_topic(each.gateway_id): commands.sign(self._key, each)
                for each in self._resends.due(waiting, self._clock.monotonic_s())
            }
        )
        self._inbox.ask(
            {each.gateway_id: partial(commands.sign, self._key, each) for each in waiting}
        )

    async def _commit(self, items: list[Item]) -> None:
        try:
            outcomes = await self._in_writer(lambda: self._writer.commit(items))
        except UnavailableError as error:
            FAILED.labels(error.code).inc()
            log.warning("database_away", detail=error.message, messages=len(items))
            await asyncio.sleep(DATABASE_PAUSE_S)
            await self._lease()  # What is lost of this batch comes again from the gateways.
        else:
            self._say({name: head for each in outcomes for name, head in each.heads.items()})
        finally:
            self._inbox.settle(map(message_of, items))

    async def _in_writer(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._scribe, call)

    def _say(self, heads: Mapping[GatewayId, StreamHead]) -> None:
        signed = {name: self._sign(head) for name, head in heads.items()}
        self._link.say({receipt_topic(name): each.receipt for name, each in signed.items()})
        self._inbox.say(signed)

    def _sign(self, head: StreamHead) -> SignedReceipt:
        receipt = receipt_of(head, self._clock.unix_us())
        return signed_receipt(head, receipt, self._key.sign_receipt(receipt))


def run(settings: Settings) -> None:
    """Run a worker until it is told to end.

    Raises:
        ConfigurationError: There is no broker to listen to.
    """
    configure_log()
    if settings.mqtt_url is None:
        raise ConfigurationError("PLEDGEWATCH_MQTT_URL is not set: the worker listens there")
    key = BackendKey.load(settings.state_dir)
    sys.setswitchinterval(SWITCH_S)
    with Database(settings.database_url) as db:
        asyncio.run(_run(db, key, settings.mqtt_url))


async def _run(db: Database, key: BackendKey, mqtt_url: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Worker(db, SystemClock(), key, mqtt_url).run(stop)


def _not_stored(item: Item, detail: str) -> Refused:
    """Return the refusal of what the database would not take."""
    if isinstance(item, Refused):
        return refuse(item.evidence.message, Reason.NOT_STORED, detail, item.evidence.sha256)
    return refuse(item.message, Reason.NOT_STORED, detail, item.sha256, item.envelope.number)


def _count(outcome: Outcome) -> None:
    for verdict in outcome.verdicts:
        ENVELOPES.labels(type(verdict).__name__.lower()).inc()
    READINGS.inc(outcome.batch.readings)
    EVIDENCE_DROPPED.inc(outcome.evidence_dropped)
