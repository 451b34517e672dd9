"""The one thread that owns the outbox's file; the event loop hands readings over and never waits.

Readings are journalled in groups: at once on a quiet gateway, else every ``COMMIT_EVERY_S``, so
that one sync of the disk serves many. A disk that is slow or full delays the thread, not the
drivers: readings wait in the buffer between, in their order. That is bounded, and what it cannot
take is counted into a signed record.
"""

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

import structlog

from gateway.clock import SystemClock
from gateway.errors import StateError, UnavailableError
from gateway.outbox.buffer import SCALARS_BUFFERED_MAX, Batch, Buffer, rest_of
from gateway.outbox.database import OutboxStats
from gateway.outbox.losses import Losses
from gateway.outbox.parts import WriteOutcome
from gateway.outbox.ranks import Rank
from gateway.outbox.recovery import is_torn, open_store, set_aside
from gateway.outbox.shortage import Shortage
from gateway.outbox.store import SEALS_A_WRITE_MAX, OutboxStore, StoreParts
from gateway.reading import (
    ClockSegment,
    Sweep,
    count_readings,
)

COMMIT_EVERY_S: Final = 0.04  # The most that group commit adds to a reading's way.
READINGS_A_WRITE_MAX: Final = 4_096  # Bounds one transaction: well under a second on an SD card.
BACKLOG_MIN: Final = 64  # Envelopes without receipt: haste gains nothing, small ones cost disk.
BACKLOG_AGE_S: Final = 10.0
# Polls of so many registers always bring a change: their news is sealed together, that often. An
# envelope a poll would cost more than the polling itself.
BULK_READINGS_MIN: Final = 32
BULK_EVERY_S: Final = 0.1
LOSSES_TOLD_EVERY_S: Final = 10.0
RETRY_EVERY_S: Final = 1.0  # A disk that failed may do again.
ROOM_EVERY_S: Final = 0.25  # Somebody may have made room on a full disk.
# Others may soon make room; beyond this, thinning what was never sent loses less.
WAITING_MAX: Final = SCALARS_BUFFERED_MAX // 2
CLOSE_S_MAX: Final = 10.0  # A service manager kills after 90 s.
CLOSE_WRITES_MAX: Final = 64  # All that the buffer can hold, and some.

T = TypeVar("T")
_log = structlog.get_logger()


class Outbox:
    """The durable queue, as the event loop sees it."""

    def __init__(
        self,
        parts: StoreParts,
        clock: SystemClock,
        *,
        age_s: float,
        notify: Callable[[], None],
    ) -> None:
        """Open the file and start the thread; ``notify`` is called in it after each seal.

        Raises:
            StateError: The state folder cannot be used.
        """
        self._parts = parts
        self._clock = clock
        self._age_s = age_s
        self._notify = notify
        self._condition = threading.Condition()
        self._losses = Losses()
        self._short = Shortage(self._losses)
        self._pending = Buffer(self._losses)
        self._commands: deque[Callable[[OutboxStore | None], None]] = deque()
        self._segment: ClockSegment | None = None
        self._closing = False
        self._failing = False
        self._head_behind = False
        self._unreceipted = 0
        # Of a write that failed: what, after which sequence, and how much of it was seen to.
        self._unsure: tuple[Sequence[Batch], int, int] | None = None
        self._committed_s = self._losses_told_s = clock.monotonic_s() - LOSSES_TOLD_EVERY_S
        self._sealed_s = self._committed_s
        self._unsealed_since_s: float | None = self._committed_s
        self._torn: Exception | None = None  # What the file in use proved to be; not yet aside.
        self._thread = threading.Thread(
            target=self._run, args=(self._open(),), name="outbox", daemon=True
        )
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many readings were dropped since the start; journalled records count them too."""
        return self._losses.dropped

    def put(self, batch: Batch) -> None:
        """Hand ``batch`` over to be journalled; never blocks."""
        with self._condition:
            self._segment = batch.segment
            idle = not self._pending
            self._pending.put(batch)
            if idle and (self._pending or self._losses):  # Else the thread knows when to write.
                self._condition.notify()

    def run(self, command: Callable[[OutboxStore], T]) -> "Future[T]":
        """Run ``command`` on the store, between two writes; the future fails when the disk does.

        The future's exception is an ``UnavailableError``: try again later.
        """
        future: Future[T] = Future()

        def execute(store: OutboxStore | None) -> None:
            if not future.set_running_or_notify_cancel():
                return  # Whoever asked has gone.
            if store is None:
                future.set_exception(UnavailableError("outbox: its file is not open"))
                return
            try:
                result = command(store)
            except (sqlite3.Error, OSError) as error:
                future.set_exception(UnavailableError(f"outbox: {error}"))
                raise
            future.set_result(result)

        with self._condition:
            if self._closing:
                future.set_exception(UnavailableError("outbox: closed"))
            else:
                self._commands.append(execute)
                self._condition.notify()
        return future

    def stats(self) -> "Future[OutboxStats]":
        """Return the outbox's counts, once the thread gets to it."""
        return self.run(OutboxStore.stats)

    def close(self) -> None:
        """Journal and seal what was handed over, and close the file."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(CLOSE_S_MAX)

    @property
    def alive(self) -> bool:
        """Whether the thread runs; a daemon without it must end and be started again."""
        return self._thread.is_alive()

    @property
    def _age_max_s(self) -> float:
        if not self._parts.signer.ready:
            return max(self._age_s, RETRY_EVERY_S)
        return self._age_s if self._unreceipted < BACKLOG_MIN else max(self._age_s, BACKLOG_AGE_S)

    def _open(self) -> OutboxStore:
        now_unix_us = self._clock.unix_us()
        if self._torn is not None:
            quarantine = set_aside(self._parts, str(self._torn), now_unix_us)
            self._losses.note_quarantine(quarantine, now_unix_us)
            self._torn = None
        store, quarantine = open_store(self._parts, now_unix_us=now_unix_us)
        if quarantine is not None:
            self._losses.note_quarantine(quarantine, now_unix_us)
        return store

    def _run(self, opened: OutboxStore) -> None:
        store: OutboxStore | None = opened
        while store is not None and not self._closing:
            try:
                self._wait()
                self._serve(store)
            except (sqlite3.Error, OSError, ValueError) as error:
                store = self._recover(store, error)
        if store is not None:
            self._drain(store)
            store.close()
        else:
            _log.error(
                "outbox_close_failed", error="not open", readings_lost=self._pending.readings
            )
        self._run_commands(None)

    def _wait(self) -> None:
        with self._condition:
            while not self._closing and not self._commands:
                delay_s = self._delay_s()
                if delay_s is not None and delay_s <= 0:
                    return
                self._condition.wait(delay_s)

    def _delay_s(self) -> float | None:
        """Return after how long the next write is due; None: when something comes."""
        now_s = self._clock.monotonic_s()
        due: list[float] = []
        if self._pending:
            every_s = ROOM_EVERY_S if self._short else COMMIT_EVERY_S
            due.append(self._committed_s + every_s)
        if self._unsealed_since_s is not None:
            due.append(self._unsealed_since_s + self._age_max_s)
        if self._losses and self._segment is not None and not self._short:
            due.append(self._losses_told_s + LOSSES_TOLD_EVERY_S)
        if self._head_behind:
            due.append(self._committed_s + RETRY_EVERY_S)
        return min(due) - now_s if due else None

    def _serve(self, store: OutboxStore) -> None:
        self._run_commands(store)
        delay_s = self._delay_s()
        if delay_s is not None and delay_s <= 0:
            self._write(store)

    def _run_commands(self, store: OutboxStore | None) -> None:
        while self._commands:
            self._commands.popleft()(store)

    def _write(self, store: OutboxStore, *, flush: bool = False) -> int:
        """Journal and seal once; return how many readings no envelope holds yet."""
        batches = self._take()
        now_s = self._clock.monotonic_s()
        since_s = self._unsealed_since_s
        aged = since_s is not None and now_s - since_s >= self._age_max_s
        news = [b for b in batches if b.urgent] if self._unreceipted < BACKLOG_MIN else []
        bulk_due_s = self._sealed_s + BULK_EVERY_S
        urgent = bool(news) and (now_s >= bulk_due_s or not all(map(_is_bulk, news)))
        outcome = self._journal(store, batches, flush=flush or aged or urgent)
        self._committed_s = now_s
        if not outcome.unsealed:
            self._unsealed_since_s = None
        elif outcome.sealed >= SEALS_A_WRITE_MAX:
            self._unsealed_since_s = now_s - self._age_max_s  # More is due now.
        elif outcome.sealed or self._unsealed_since_s is None or aged:
            self._unsealed_since_s = now_s
        if outcome.unsealed and news and not urgent:
            began_s = now_s if self._unsealed_since_s is None else self._unsealed_since_s
            self._unsealed_since_s = min(began_s, bulk_due_s - self._age_max_s)
        if outcome.sealed:
            self._sealed_s = now_s
        if self._failing:
            self._failing = False
            _log.info("outbox_writable")
        if outcome.sealed or self._head_behind:
            self._head_behind = True  # Until the side file knows, nothing newer may be sent.
            store.sync_head_file()
            self._head_behind = False
            self._notify()
        if not self._short or self._pending.readings > WAITING_MAX:
            store.thin()  # One small step: nothing but a write makes the file fuller.
        return outcome.unsealed

    def _journal(
        self, store: OutboxStore, batches: Sequence[Batch], *, flush: bool
    ) -> WriteOutcome:
        """Write once; what finds no room on the disk waits in front of all else."""
        before = store.last_sequence
        try:
            outcome = store.write(
                [(b.segment, b.readings) for b in batches],
                flush=flush,
                # What cannot be journalled at the end is lost: the whole reserve is for it.
                behind=Rank.ALARM if self._closing else self._pending.rank,
            )
        except (sqlite3.Error, OSError, ValueError):
            self._unsure = (batches, before, store.settled)
            raise
        waiting = rest_of(batches, store.settled)
        now_s = self._clock.monotonic_s()
        with self._condition:
            self._pending.put_back(waiting)
            self._losses.note_refused(outcome.refused)
            if waiting:
                self._short.begin(now_s)
            else:
                self._short.end(now_s)
        self._unreceipted = outcome.unreceipted
        return outcome

    def _take(self) -> list[Batch]:
        """Take what is to be journalled, with the records of what was lost if they are due."""
        now_s = self._clock.monotonic_s()
        with self._condition:
            # Not while readings wait for the disk: the records would only wait with them.
            due = not self._short and now_s - self._losses_told_s >= LOSSES_TOLD_EVERY_S
            if self._losses and due and self._segment is not None:
                self._losses_told_s = now_s
                records = self._losses.take_records(self._clock.unix_us())
                self._pending.append(Batch(segment=self._segment, readings=records, urgent=True))
            return self._pending.take(READINGS_A_WRITE_MAX)

    def _recover(self, store: OutboxStore, error: Exception) -> OutboxStore | None:
        """Open the file anew, however long that takes; keep the readings of the write that failed.

        Return the new store; None: the end came first.
        """
        torn = is_torn(error)
        if not self._failing:
            self._failing = True
            _log.error("outbox_unwritable", error=str(error), torn=torn)
        self._torn = error if torn else None
        with contextlib.suppress(sqlite3.Error):
            store.close()
        while (reopened := self._reopen()) is None:
            if self._closing:
                return None
            self._run_commands(None)  # Whoever asks meanwhile is told so: this thread lives.
        self._notify()  # A file begun anew needs the sender to ask for a receipt.
        return reopened

    def _reopen(self) -> OutboxStore | None:
        """Wait a little and open the file; None: it cannot be opened now."""
        with self._condition:
            self._condition.wait_for(lambda: self._closing, RETRY_EVERY_S)
        try:
            store = self._open()
            self._take_back(store.last_sequence)
        except (sqlite3.Error, OSError, StateError, ValueError) as error:
            _log.warning("outbox_reopen_failed", error=str(error))
            return None
        return store

    def _take_back(self, last_sequence: int) -> None:
        """Hand over once more what was being written, if the file does not hold it."""
        if self._unsure is None:
            return
        batches, before, settled = self._unsure
        self._unsure = None
        # All or nothing: a commit that failed after reaching the disk shows in the sequence.
        with self._condition:
            self._pending.put_back(
                batches if last_sequence <= before else rest_of(batches, settled)
            )

    def _drain(self, store: OutboxStore) -> None:
        for _ in range(CLOSE_WRITES_MAX):
            try:
                self._run_commands(store)
                left = self._write(store, flush=True)
                can_seal = self._parts.signer.ready and store.stream() is not None
            except (sqlite3.Error, OSError, ValueError) as error:
                _log.error(
                    "outbox_close_failed", error=str(error), readings_lost=self._pending.readings
                )
                return
            if self._short:
                _log.error(
                    "outbox_close_failed",
                    error="the disk is full",
                    readings_lost=self._pending.readings,
                )
                return
            if not self._pending and (not left or not can_seal):
                return


def _is_bulk(batch: Batch) -> bool:
    """Tell whether ``batch`` is a poll of many registers, and nothing else."""
    return (
        all(isinstance(entry, Sweep) for entry in batch.readings)
        and count_readings(batch.readings) >= BULK_READINGS_MIN
    )
