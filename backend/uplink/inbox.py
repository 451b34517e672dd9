"""The worker's side of the HTTPS way: a second source of messages beside the broker's link.

Rows are read again until the transaction that judges them has deleted them: a worker that dies
loses none, and none is judged twice, for the same transaction commits both.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import aclosing
from typing import Final

import structlog

from backend.clock import Clock
from backend.db import Database
from backend.errors import UnavailableError
from backend.ids import GatewayId
from backend.ingest import store as streams
from backend.ingest.mqtt import Intake
from backend.ingest.types import Message, StreamHead
from backend.uplink import store
from backend.uplink.types import SignedReceipt, Waiting
from schemas.receipt import Receipt
from schemas.topics import partition_of, up_topic

TAKEN_MAX: Final = 256  # Rows at the worker at once; the rest waits where it is safe.
LOOK_EVERY_S: Final = 1.0  # Without a notification: it may have been lost with its connection.
AGAIN_S: Final = 1.0  # What is still there so long after its batch was not committed: once more.
RETRY_S: Final = 0.5

log = structlog.get_logger()


class Inbox:
    """Takes what waits for the leased partitions, and keeps what waits for their gateways."""

    def __init__(
        self,
        db: Database,
        intake: Intake,
        clock: Clock,
        sign: Callable[[StreamHead], SignedReceipt],
    ) -> None:
        self._db = db
        self._intake = intake
        self._clock = clock
        self._sign = sign
        self._partitions: frozenset[int] = frozenset()
        self._taken: set[int] = set()
        self._settled: dict[int, float] = {}
        self._gateways: set[GatewayId] = set()
        self._asked: set[GatewayId] = set()
        self._due: dict[GatewayId, SignedReceipt] = {}
        self._commands: dict[GatewayId, bytes] = {}
        self._kept: dict[GatewayId, bytes | None] = {}
        self._leased = False
        self._bell = asyncio.Event()

    def lease(self, partitions: frozenset[int]) -> None:
        """Serve these partitions, and no other."""
        if partitions != self._partitions:
            self._partitions = partitions
            self._leased = True
            self._due.clear()
            self._kept.clear()
            self._bell.set()

    def settle(self, messages: Iterable[Message]) -> None:
        """Note that a batch is over: what is still there later was not committed."""
        now_s = self._clock.monotonic_s()
        for message in messages:
            if message.inbox_id is not None:
                self._taken.discard(message.inbox_id)
                self._settled[message.inbox_id] = now_s
                self._bell.set()

    def say(self, receipts: Mapping[GatewayId, SignedReceipt]) -> None:
        """Keep the receipts of gateways that come this way."""
        due = {name: each for name, each in receipts.items() if name in self._gateways}
        if due:
            self._due.update(due)
            self._bell.set()

    def ask(self, commands: Mapping[GatewayId, Callable[[], bytes]]) -> None:
        """Keep the next command of each gateway that comes this way; signed if it does."""
        self._commands = {
            name: sign() for name, sign in commands.items() if name in self._gateways
        }
        if self._changed_commands():
            self._bell.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._serve())

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(store.listen(self._db.url, store.INBOX_CHANNEL)) as rings:
                    async for _ in rings:
                        self._bell.set()
            except UnavailableError:
                pass  # The next look says so, and is made in any case.
            await asyncio.sleep(RETRY_S)

    async def _serve(self) -> None:
        away = False
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()
            try:
                await self._round()
                away = False
            except UnavailableError as error:
                if not away:
                    log.warning("inbox_away", detail=error.message)
                away = True
                await asyncio.sleep(RETRY_S)

    async def _round(self) -> None:
        if self._leased:
            self._gateways = await asyncio.to_thread(self._fetch_gateways)
            self._asked |= {each for each in self._gateways if self._is_ours(each)}
            self._leased = False
        if due := dict(self._due):
            await asyncio.to_thread(self._save, list(due.values()))
            self._due = {name: each for name, each in self._due.items() if each != due.get(name)}
        self._forget_settled()
        but = self._taken | self._settled.keys()
        room = TAKEN_MAX - len(self._taken)
        if room > 0 and self._partitions:
            waiting = await asyncio.to_thread(self._fetch, self._partitions, but, room)
            self._take(waiting)
            if len(waiting) == room:
                self._bell.set()
        if self._asked:
            asked = frozenset(self._asked)
            await asyncio.to_thread(self._answer, asked)
            self._gateways |= asked
            self._asked -= asked
        if changed := self._changed_commands():
            await asyncio.to_thread(self._save_commands, changed)
            self._kept |= changed

    def _take(self, waiting: Collection[Waiting]) -> None:
        for each in waiting:
            if each.data is None:
                self._asked.add(each.gateway)
                continue
            message = Message(
                topic=up_topic(each.gateway),
                data=each.data,
                received_unix_us=each.received_unix_us,
                inbox_id=each.id,
            )
            if not self._intake.put(message):
                return  # It waits where it is.
            if each.gateway not in self._gateways:
                self._gateways.add(each.gateway)  # Before its batch is committed: ``say`` asks.
                self._asked.add(each.gateway)
            self._taken.add(each.id)

    def _answer(self, asked: Collection[GatewayId]) -> None:
        """Sign the receipts of heads that cannot move meanwhile, and strike the questions."""
        with self._db.working() as conn:
            heads = streams.lock_heads(conn, asked)
            store.save_receipts(conn, [self._sign(head) for head in heads.values()])
            store.strike_questions(conn, asked)

    def _fetch(
        self, partitions: Collection[int], but: Collection[int], limit: int
    ) -> list[Waiting]:
        with self._db.working() as conn:
            return store.fetch_waiting(conn, partitions, but, limit)

    def _fetch_gateways(self) -> set[GatewayId]:
        with self._db.working() as conn:
            return store.fetch_gateways(conn)

    def _save(self, receipts: list[SignedReceipt]) -> None:
        with self._db.working() as conn:
            store.save_receipts(conn, receipts)

    def _save_commands(self, commands: Mapping[GatewayId, bytes | None]) -> None:
        with self._db.working() as conn:
            store.save_commands(conn, commands)

    def _changed_commands(self) -> dict[GatewayId, bytes | None]:
        """Return the commands to keep, and None where the kept one is answered or expired."""
        ours = [name for name in self._gateways if self._is_ours(name)]
        wanted = {name: self._commands.get(name) for name in ours}
        return {
            name: each
            for name, each in wanted.items()
            if name not in self._kept or self._kept[name] != each
        }

    def _is_ours(self, gateway: GatewayId) -> bool:
        return partition_of(gateway) in self._partitions

    def _forget_settled(self) -> None:
        now_s = self._clock.monotonic_s()
        self._settled = {
            number: at_s for number, at_s in self._settled.items() if now_s - at_s < AGAIN_S
        }


def signed_receipt(head: StreamHead, receipt: Receipt, signed: bytes) -> SignedReceipt:
    """Return a signed receipt with the head that it is of."""
    return SignedReceipt(
        gateway=head.gateway,
        receipt=signed,
        issued_unix_us=receipt.issued_unix_us,
        key_id=head.key_id,
        number=head.number,
        state=head.state.value,
    )
