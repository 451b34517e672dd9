"""One batch of envelopes, from evidence to the locks that it asks for, in one transaction.

It only composes; who calls it holds the leases, opens the transaction and commits it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from backend.alerts import service as alerts
from backend.collateral import service as collateral
from backend.collateral.service import SensorBook
from backend.commands import service as commands
from backend.db import Conn
from backend.facility import service as facility
from backend.facility.store import facilities_of_lots
from backend.ingest import service as ingest
from backend.ingest.service import Book
from backend.ingest.types import Examined, Message, Outcome, Refused
from backend.telemetry import store as telemetry
from backend.uplink import store as uplink

OPENED_BY: Final = "ingest"
# What a batch costs for each sensor and lot is the same however many readings it has; half a
# second of the fastest stream is the most that others may wait for it.
BATCH_MESSAGES_MAX: Final = 512

Item = Examined | Refused


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

    def release(self) -> None:
        """Drop what another worker may make untrue: the leases are lost."""
        self.book.release()
        self.sensors.forget()


class Examinees:
    """What is examined and waits for the writer, who takes all of it: nobody waits for two."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Wait until there is less than a batch."""
        await self._room.wait()

    def put(self, items: Sequence[Item]) -> None:
        """Let items wait, in their order."""
        self._items += items
        self._some.set()
        if len(self._items) >= BATCH_MESSAGES_MAX:
            self._room.clear()

    async def take(self, within_s: float | None = None) -> list[Item]:
        """Return a batch of what waits, as soon as there is something; none after ``within_s``."""
        try:
            # Not "wait_for": on Python 3.11 that swallows a cancellation which meets the result,
            # and the worker would never end.
            async with asyncio.timeout(within_s):
                await self._some.wait()
        except TimeoutError:
            return []
        taken = self._items[:BATCH_MESSAGES_MAX]
        del self._items[:BATCH_MESSAGES_MAX]
        if not self._items:
            self._some.clear()
        self._room.set()
        return taken


def write_batch(conn: Conn, examined: Sequence[Item], now: datetime, memory: Memory) -> Outcome:
    """Take a batch from evidence to locks, in the caller's one transaction.

    The caller holds the leases of all that is accepted since before ``memory`` was last empty.
    """
    outcome = ingest.accept(conn, examined, now, memory.book)
    rows = [row for each in examined if (row := message_of(each).inbox_id) is not None]
    if rows:
        uplink.remove(conn, rows)
    telemetry.append(conn, outcome.batch)
    changes = collateral.fold(conn, outcome.batch, now, memory.sensors)
    alerts.follow(conn, changes, now)
    lots = {change.lot_id for change in changes}
    concerned = {*commands.follow(conn, outcome.batch, now)}
    if outcome.faults:
        alerts.follow_streams(conn, outcome.faults, now)
        concerned |= {fault.gateway for fault in outcome.faults}
    if concerned:
        again = collateral.reconsider(conn, concerned, now)
        alerts.follow(conn, again, now)
        lots |= {change.lot_id for change in again}
    if lots:
        facility.relock(conn, facilities_of_lots(conn, lots), now, opened_by=OPENED_BY)
    return outcome


def message_of(item: Item) -> Message:
    """Return the message that an item was."""
    return item.message if isinstance(item, Examined) else item.evidence.message
