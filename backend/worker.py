"""The worker: one transaction from a batch of envelopes to the locks that it asks for.

Partitions are leased by advisory locks on the very connection that writes: whoever loses the
connection loses the lease, and cannot commit. A receipt is signed only after the commit.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

import structlog
from prometheus_client import Counter, Histogram

from backend.alerts import service as alerts
from backend.clock import Clock, SystemClock
from backend.collateral import service as collateral
from backend.collateral.service import SensorBook
from backend.config import Settings
from backend.db import Conn, Database
from backend.errors import ConfigurationError, UnavailableError
from backend.facility import service as facility
from backend.facility.store import facilities_of_lots
from backend.ids import GatewayId
from backend.ingest import service as ingest
from backend.ingest import store as ingest_store
from backend.ingest.mqtt import DROPPED, Intake, Link
from backend.ingest.rules.examine import gateway_of, refuse
from backend.ingest.service import Book
from backend.ingest.types import Examined, Message, Outcome, Reason, Refused, StreamHead
from backend.keys import BackendKey
from backend.log import configure_log
from backend.telemetry import store as telemetry
from schemas.topics import PARTITIONS, partition_of, receipt_topic

log = structlog.get_logger()

# What a batch costs for each sensor and lot is the same however many readings it has; half a
# second of the fastest stream is the most that others may wait for it.
BATCH_MESSAGES_MAX: Final = 512
LEASE_EVERY_S: Final = 1.0  # A partition whose worker died is taken over after that long.
DATABASE_PAUSE_S: Final = 0.5
OPENED_BY: Final = "ingest"

ENVELOPES: Final = Counter("pledgewatch_envelopes", "Verdicts on envelopes.", ("verdict",))
READINGS: Final = Counter("pledgewatch_readings_stored", "Readings committed.")
FAILED: Final = Counter("pledgewatch_batches_failed", "Batches rolled back.", ("error",))
EVIDENCE_DROPPED: Final = Counter(
    "pledgewatch_refused_not_kept", "Refused envelopes counted only: their sender floods."
)
SECONDS: Final = Histogram("pledgewatch_batch_seconds", "Time from a batch to its commit.")

Item = Examined | Refused
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Memory:
    """What a worker remembers between batches; only what is committed."""

    book: Book = field(default_factory=Book)
    sensors: SensorBook = field(default_factory=SensorBook)

    def settle(self) -> None:
        """Keep what was learnt: the transaction has committed."""
        self.book.settle()
        self.sensors.settle()

    def forget(self) -> None:
        """Drop what was learnt: the transaction was rolled back."""
        self.book.forget()
        self.sensors.forget()


def write_batch(conn: Conn, examined: Sequence[Item], now: datetime, memory: Memory) -> Outcome:
    """Take a batch from evidence to locks, in the caller's one transaction.

    The caller holds the leases of all that is accepted since before ``memory`` was last empty.
    """
    outcome = ingest.accept(conn, examined, now, memory.book)
    telemetry.append(conn, outcome.batch)
    changes = collateral.fold(conn, outcome.batch, now, memory.sensors)
    alerts.follow(conn, changes, now)
    lots = {change.lot_id for change in changes}
    if outcome.faults:
        alerts.follow_streams(conn, outcome.faults, now)
        again = collateral.reconsider(conn, {fault.gateway for fault in outcome.faults}, now)
        alerts.follow(conn, again, now)
        lots |= {change.lot_id for change in again}
    if lots:
        facility.relock(conn, facilities_of_lots(conn, lots), now, opened_by=OPENED_BY)
    return outcome


@dataclass(slots=True)
class Writer:
    """The one connection that writes, with the leases that live on it; used by one thread."""

    db: Database
    clock: Clock
    memory: Memory = field(default_factory=Memory)
    partitions: set[int] = field(default_factory=lambda: set[int]())
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
        self.memory.sensors.forget()
        if self._conn is not None:
            self._conn.close()
        self._conn = None

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
        gateway = gateway_of(_message(item).topic)
        return gateway is None or partition_of(gateway) in self.partitions


class Worker:
    """Batches off the broker, examined in one thread and written in another."""

    def __init__(self, db: Database, clock: Clock, key: BackendKey, mqtt_url: str) -> None:
        self._clock = clock
        self._key = key
        self._intake = Intake()
        self._link = Link(mqtt_url, self._intake, clock)
        self._writer = Writer(db, clock)
        self._examined: asyncio.Queue[list[Item]] = asyncio.Queue(maxsize=1)
        self._held: frozenset[int] = frozenset()
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
            messages = await self._intake.take(BATCH_MESSAGES_MAX)
            if not messages:
                continue
            items = await loop.run_in_executor(
                self._examiner, ingest.examine_all, messages, self._writer.book
            )
            await self._examined.put(items)

    async def _write(self) -> None:
        """Commit batch after batch; in between, see to the leases."""
        leased_s = -LEASE_EVERY_S
        while True:
            if self._clock.monotonic_s() - leased_s >= LEASE_EVERY_S:
                await self._lease()
                leased_s = self._clock.monotonic_s()
            try:
                items = await asyncio.wait_for(self._examined.get(), LEASE_EVERY_S)
            except TimeoutError:
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
        self._say({head.gateway: head for head in heads})

    async def _commit(self, items: list[Item]) -> None:
        """Commit a batch; one that can not be stored is taken apart, message by message."""
        try:
            outcome = await self._in_writer(lambda: self._writer.write(items))
        except UnavailableError as error:
            FAILED.labels(error.code).inc()
            log.warning("database_away", detail=error.message, messages=len(items))
            await asyncio.sleep(DATABASE_PAUSE_S)
            await self._lease()  # What is lost of this batch comes again from the gateways.
        except Exception as error:
            FAILED.labels(type(error).__name__).inc()
            log.exception("batch_failed", messages=len(items))
            await self._apart(items, error)
        else:
            self._say(outcome.heads)

    async def _apart(self, items: list[Item], error: Exception) -> None:
        if len(items) > 1:
            for item in items:
                await self._commit([item])
            return
        message = _message(items[0])
        if isinstance(items[0], Refused) and items[0].evidence.reason is Reason.NOT_STORED:
            return  # Not even the refusal can be stored: it stays in the log.
        await self._commit([refuse(message, Reason.NOT_STORED, type(error).__name__)])

    async def _in_writer(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._scribe, call)

    def _say(self, heads: Mapping[GatewayId, StreamHead]) -> None:
        now_us = self._clock.unix_us()
        self._link.say(
            {
                receipt_topic(gateway): self._key.sign_receipt(ingest.receipt_of(head, now_us))
                for gateway, head in heads.items()
            }
        )


def run(settings: Settings) -> None:
    """Run a worker until it is told to end.

    Raises:
        ConfigurationError: There is no broker to listen to.
    """
    configure_log()
    if settings.mqtt_url is None:
        raise ConfigurationError("PLEDGEWATCH_MQTT_URL is not set: the worker listens there")
    key = BackendKey.load(settings.state_dir)
    with Database(settings.database_url) as db:
        asyncio.run(_run(db, key, settings.mqtt_url))


async def _run(db: Database, key: BackendKey, mqtt_url: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Worker(db, SystemClock(), key, mqtt_url).run(stop)


def _message(item: Item) -> Message:
    return item.message if isinstance(item, Examined) else item.evidence.message


def _count(outcome: Outcome) -> None:
    for verdict in outcome.verdicts:
        ENVELOPES.labels(type(verdict).__name__.lower()).inc()
    READINGS.inc(outcome.batch.readings)
    EVIDENCE_DROPPED.inc(outcome.evidence_dropped)
