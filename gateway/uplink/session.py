"""The uplink's one logic, whoever carries: connect, send, listen for receipts, connect again.

The carrier is trusted with nothing. It may forget what it acknowledged, forge, replay, or hang:
only a receipt under the pinned key lets the outbox delete.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog

from gateway.clock import SystemClock
from gateway.errors import UnavailableError, UntrustedError
from gateway.outbox.store import OutboxStore, ReceiptOutcome, StoredEnvelope
from gateway.outbox.writer import Outbox
from gateway.signing import ReceiptVerifier
from gateway.uplink.line import Heard, Kind, Line, Transport
from gateway.uplink.link import Link, LinkState
from gateway.uplink.receipts import SendWindow
from schemas.command import COMMAND_BYTES_MAX
from schemas.receipt import RECEIPT_BYTES_MAX, Receipt, StreamState

RECONNECT_S_MIN: Final = 0.5
RECONNECT_S_MAX: Final = 60.0
# A session open for less, in which the backend committed nothing, does not reset the back-off.
SESSION_GOOD_S: Final = 10.0
FETCH_MAX: Final = 16  # Envelopes in memory at once, besides those in flight.
SETTLE_FACTOR: Final = 2.0  # Receipt time-outs without a newer receipt: none is on its way.
_COMMITS: Final = (ReceiptOutcome.ADVANCED, ReceiptOutcome.TURNED)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkParts:
    """What an uplink works with."""

    gateway: str
    transport: Transport
    outbox: Outbox
    verifier: ReceiptVerifier
    clock: SystemClock
    random: Random
    alarm: Callable[[str], None]  # Told once when the stream has to stop, with the reason.
    take_command: Callable[[bytes], None] = lambda _message: None  # Told of what claims to be one.
    note_time: Callable[[int], None] = lambda _unix_us: None  # Told of each time in a receipt.


class Uplink:
    """Sends what the outbox holds, for as long as it runs."""

    def __init__(self, parts: UplinkParts, *, window: int, receipt_timeout_s: float) -> None:
        self._parts = parts
        self._window = SendWindow(window=window, receipt_timeout_s=receipt_timeout_s)
        self._settle_s = receipt_timeout_s * SETTLE_FACTOR
        self._wake = asyncio.Event()
        self._sending = 0
        self._ending = False
        self._line: Line | None = None  # While a session stands.
        self._unsettled: tuple[Receipt, float] | None = None
        self._head_known = True
        self._asked_s = 0.0
        self._opened_s: float | None = None  # When the broker had answered all that opens one.
        self._committed = False  # Whether the backend said so of something sent in this session.
        self._state_unix_us = 0  # When the backend issued the newest state that it told.
        self.link = Link(state=LinkState.CONNECTING, since_s=parts.clock.monotonic_s())

    def wake(self) -> None:
        """Tell the sender that the outbox holds something new; call it in the event loop."""
        self._wake.set()

    async def publish(self, topic: str, messages: Iterable[bytes]) -> None:
        """Publish what was asked for, each message when the carrier has the one before.

        Raises:
            UnavailableError: The connection is not there, or not any more; what follows is unsent.
        """
        for message in messages:
            if self._line is None:
                raise UnavailableError("uplink: there is no connection")
            await self._line.publish(topic, message)

    async def run(self) -> None:
        """Keep a session, for ever."""
        attempt = 0
        reachable = True
        while True:
            self._opened_s = None
            self._committed = False
            self.link.change(LinkState.CONNECTING, self._parts.clock.monotonic_s())
            try:
                await self._hold_session()
            except* (UnavailableError, OSError, TimeoutError) as group:
                self.link.error = _first_text(group)
                if reachable:
                    _log.warning("uplink_lost", error=self.link.error)
                reachable = False
            if self._ending:  # The line's farewell may have put another error in its place.
                raise asyncio.CancelledError
            if self._was_good():
                attempt = 0
                reachable = True
            # Full jitter: a thousand gateways must not come back in step.
            ceiling_s = min(RECONNECT_S_MIN * 2**attempt, RECONNECT_S_MAX)
            attempt = min(attempt + 1, 16)
            wait_s = self._parts.random.uniform(0, ceiling_s)
            now_s = self._parts.clock.monotonic_s()
            self.link.change(LinkState.WAITING, now_s, retry_s=now_s + wait_s)
            await asyncio.sleep(wait_s)

    def _was_good(self) -> bool:
        """Tell whether the session was more than an attempt: a silent broker takes time, too."""
        now_s = self._parts.clock.monotonic_s()
        return self._committed or (
            self._opened_s is not None and now_s - self._opened_s >= SESSION_GOOD_S
        )

    async def _hold_session(self) -> None:
        parts = self._parts
        transport = parts.transport
        async with transport.open(parts.gateway, self._window.window) as line:
            try:
                await self._begin()
                self._note_open()
                self._opened_s = self._parts.clock.monotonic_s()
                self._line = line
                _log.info("uplink_open", host=transport.host, port=transport.port)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(line))
                    tasks.create_task(self._send(line, tasks))
            except asyncio.CancelledError:
                self._ending = True
                raise
            finally:
                self._line = None

    async def _begin(self) -> None:
        self._sending = 0
        self._unsettled = None
        head = await asyncio.wrap_future(self._parts.outbox.run(OutboxStore.stream))
        self._head_known = head is not None
        self._asked_s = self._parts.clock.monotonic_s()
        receipted = 0 if head is None else head.receipted
        self._window.begin(receipted, self._parts.clock.monotonic_s())

    async def _send(self, line: Line, tasks: asyncio.TaskGroup) -> None:
        while True:
            _raise_if_cancelled()
            self._wake.clear()
            now_s = self._parts.clock.monotonic_s()
            await self._settle(now_s)
            await self._ask(line, now_s)
            if self._window.check_silence(now_s):
                _log.info("uplink_resends", after_number=self._window.receipted)
            envelopes = await self._fetch(line)
            for begin in range(0, len(envelopes), line.batch_max):
                batch = envelopes[begin : begin + line.batch_max]
                self._window.note_sent(batch[-1].number, now_s)
                self._sending += 1
                tasks.create_task(self._hand_over(line, batch))
            if not envelopes:
                await self._wait()

    async def _fetch(self, line: Line) -> list[StoredEnvelope]:
        # What was not even taken over still is on its way: never more than a window.
        free = (line.sends_max - self._sending) * line.batch_max
        room = min(self._window.room, free, FETCH_MAX)
        if self.link.stopped or room <= 0:
            return []
        after = self._window.sent

        def fetch(store: OutboxStore) -> tuple[bool, list[StoredEnvelope]]:
            return store.stream() is not None, store.envelopes_after(after, room)

        self._head_known, envelopes = await asyncio.wrap_future(self._parts.outbox.run(fetch))
        return [] if self.link.stopped else envelopes  # A fork may have shown itself meanwhile.

    async def _ask(self, line: Line, now_s: float) -> None:
        """Ask for the newest receipt again while only that can tell where the stream stands."""
        if not self._head_known and now_s - self._asked_s >= self._settle_s:
            self._asked_s = now_s
            await line.ask()

    async def _hand_over(self, line: Line, envelopes: Sequence[StoredEnvelope]) -> None:
        await line.send([envelope.message for envelope in envelopes])
        self._sending -= 1
        if self._sending == line.sends_max - 1:
            self._wake.set()  # It had been full.

    async def _wait(self) -> None:
        now_s = self._parts.clock.monotonic_s()
        waits = [self._window.wait_s(now_s) if not self.link.stopped else None]
        if self._unsettled is not None:
            waits.append(max(self._unsettled[1] + self._settle_s - now_s, 0.0))
        if not self._head_known:
            waits.append(max(self._asked_s + self._settle_s - now_s, 0.0))
        wait_s = min((w for w in waits if w is not None), default=None)
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _listen(self, line: Line) -> None:
        async for heard in line.heard():
            _raise_if_cancelled()
            await self._take(line, heard)

    async def _take(self, line: Line, heard: Heard) -> None:
        size = len(heard.data)
        if heard.kind is Kind.COMMAND:
            if size <= COMMAND_BYTES_MAX:
                self._parts.take_command(heard.data)
            else:
                self._count_oversized(size)
            return
        if size > RECEIPT_BYTES_MAX:
            self._count_forged(f"receipt: {size} bytes, at most {RECEIPT_BYTES_MAX}")
            return
        try:
            receipt = self._parts.verifier.verify(heard.data)
        except UntrustedError as error:
            self._count_forged(str(error))
            return
        line.heed(receipt)
        self.link.note_receipt(receipt.number, self._parts.clock.monotonic_s())
        self._parts.note_time(receipt.issued_unix_us)
        await self._apply(receipt, settled=False)

    async def _settle(self, now_s: float) -> None:
        if self._unsettled is not None and now_s - self._unsettled[1] >= self._settle_s:
            receipt = self._unsettled[0]
            self._unsettled = None
            await self._apply(receipt, settled=True)

    async def _apply(self, receipt: Receipt, *, settled: bool) -> None:
        outcome = await asyncio.wrap_future(
            self._parts.outbox.run(lambda store: store.apply_receipt(receipt, settled=settled))
        )
        now_s = self._parts.clock.monotonic_s()
        if outcome in _COMMITS:
            self._committed = True
        match outcome:
            case ReceiptOutcome.ADVANCED | ReceiptOutcome.REPEATED:
                self._window.note_receipt(receipt.number, now_s)
                # One with a greater number is newer, whatever the backend's clock did meanwhile.
                if outcome is ReceiptOutcome.ADVANCED or (
                    receipt.issued_unix_us >= self._state_unix_us
                ):
                    self._note_state(receipt)
            case ReceiptOutcome.TURNED:
                _log.info("key_rotated", closed_number=receipt.number)
                self._window.begin(0, now_s)
                self._note_state(receipt)
            case ReceiptOutcome.ADOPTED:
                _log.warning("stream_head_adopted", number=receipt.number)
                self._head_known = True
                self._window.begin(receipt.number, now_s)
                self._note_state(receipt)
            case ReceiptOutcome.UNSETTLED:
                if self._unsettled is None or receipt.number >= self._unsettled[0].number:
                    self._unsettled = (receipt, now_s)
            case ReceiptOutcome.FORKED:
                self._stop(f"fork: the backend holds another envelope {receipt.number}")
            case ReceiptOutcome.STALE:
                return
        self._wake.set()

    def _note_open(self) -> None:
        state = LinkState.STOPPED if self.link.stopped else LinkState.OPEN
        self.link.change(state, self._parts.clock.monotonic_s())

    def _note_state(self, receipt: Receipt) -> None:
        self._state_unix_us = receipt.issued_unix_us
        if receipt.state is StreamState.STOPPED:
            self._stop(f"the backend stopped the stream after envelope {receipt.number}")
        elif self.link.stopped:
            self.link.stopped = ""
            self._note_open()
            _log.warning("uplink_resumed", number=receipt.number)

    def _stop(self, why: str) -> None:
        if not self.link.stopped:
            self.link.stopped = why
            self._note_open()
            _log.error("uplink_stopped", why=why, remedy="re-enrol this gateway with a new key")
            self._parts.alarm(why)

    def _count_oversized(self, size_bytes: int) -> None:
        self.link.commands_oversized += 1
        if self.link.commands_oversized.bit_count() == 1:
            _log.warning(
                "command_oversized",
                bytes=size_bytes,
                bytes_max=COMMAND_BYTES_MAX,
                count=self.link.commands_oversized,
            )

    def _count_forged(self, why: str) -> None:
        self.link.forged += 1
        # The 1st, 2nd, 4th, 8th ...: a flood must not fill the log.
        if self.link.forged.bit_count() == 1:
            _log.warning("receipt_refused", why=why, count=self.link.forged)


def _first_text(group: BaseExceptionGroup[Exception]) -> str:
    """Return what the first error in a group of groups says; its kind where it says nothing."""
    first = group.exceptions[0]
    if isinstance(first, BaseExceptionGroup):
        return _first_text(first)
    return str(first) or type(first).__name__


def _raise_if_cancelled() -> None:
    """Raise if this task was asked to end; for the loops of a session's own tasks.

    On Python 3.11 ``wait_for`` swallows a cancellation that meets the awaited result; the loop
    would then outlive its session. Not for a task that held a task group: there a failed child
    leaves the count of cancellations up (python/cpython#116720).

    Raises:
        CancelledError: The task was asked to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
