"""The worker's line to the broker: envelopes in, receipts out, again after every failure.

The broker is trusted with nothing: what is lost here comes again, because a gateway keeps an
envelope until it holds the receipt.
"""

import asyncio
import random
import secrets
import ssl
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog
from aiomqtt import Client, MqttError
from prometheus_client import Counter

from backend.clock import Clock
from backend.ingest.types import Message
from backend.market.rules.feeds import PRICE_FILTER, TOPIC_ROOT
from schemas.topics import IMAGE_FILTER, image_gateway, up_filter

log = structlog.get_logger()

INTAKE_MESSAGES_MAX: Final = 8_192  # Half a minute of a large site; beyond it gateways resend.
INTAKE_BYTES_MAX: Final = 64 * 1024 * 1024
PRICES_MAX: Final = 4_096  # Of a second; a publisher sends the next one soon.
CHUNKS_MAX: Final = 256  # Of images: four of the largest; a lost chunk is asked for again.
BACK_OFF_S_MIN: Final = 0.2
BACK_OFF_S_MAX: Final = 15.0
QOS: Final = 1
PORT: Final = 1883
PORT_TLS: Final = 8883
KEEPALIVE_S: Final = 15
TIMEOUT_S: Final = 10.0  # Of each publish and subscribe.

RECEIVED: Final = Counter("pledgewatch_messages_received", "Messages off the broker.")
DROPPED: Final = Counter(
    "pledgewatch_messages_dropped", "Messages dropped before they were looked at.", ("why",)
)
LOST: Final = Counter("pledgewatch_broker_connections_lost", "Connections lost.", ("error",))


class Intake:
    """Messages that wait for the next batch; what does not fit is dropped and comes again."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    def put(self, message: Message) -> bool:
        """Let a message wait; tell whether there was room for it."""
        RECEIVED.inc()
        full = (
            len(self._messages) >= INTAKE_MESSAGES_MAX
            or self._bytes + len(message.data) > INTAKE_BYTES_MAX
        )
        if full:
            DROPPED.labels("full").inc()
            return False
        self._messages.append(message)
        self._bytes += len(message.data)
        self._arrived.set()
        return True

    async def take(self, messages_max: int) -> list[Message]:
        """Return the messages that wait, as soon as there is one."""
        await self._arrived.wait()
        taken: list[Message] = []
        while self._messages and len(taken) < messages_max:
            taken.append(self._messages.popleft())
        self._bytes -= sum(len(message.data) for message in taken)
        if not self._messages:
            self._arrived.clear()
        return taken


class Link:
    """A connection to the broker that is made again whenever it is lost."""

    def __init__(self, url: str, intake: Intake, clock: Clock) -> None:
        self._url = urlsplit(url)
        self._intake = intake
        self._clock = clock
        self._identifier = f"pledgewatch-worker-{secrets.token_hex(6)}"
        self._partitions: frozenset[int] = frozenset()
        self._leased = asyncio.Event()
        self._latest: dict[str, bytes] = {}
        self._due: dict[str, None] = {}
        self._asked: dict[str, bytes] = {}
        self._receipts = asyncio.Event()
        self._chunks: deque[Message] = deque()
        self._prices: deque[Message] = deque()
        self._jitter = random.Random(secrets.randbits(64))  # noqa: S311 - spreads reconnects

    def lease(self, partitions: Iterable[int]) -> None:
        """Listen to these partitions, and to no other."""
        wanted = frozenset(partitions)
        if wanted != self._partitions:
            self._partitions = wanted
            self._leased.set()

    def say(self, receipts: Mapping[str, bytes]) -> None:
        """Publish receipts, by topic; a newer one for the same gateway takes the place."""
        self._latest.update(receipts)
        self._due.update(dict.fromkeys(receipts))
        self._receipts.set()

    def ask(self, commands: Mapping[str, bytes]) -> None:
        """Publish commands once, by topic; whoever asks sends what is not answered again."""
        self._asked.update(commands)
        if self._asked:
            self._receipts.set()

    def take_chunks(self) -> list[Message]:
        """Return the chunks of images that came since the last time."""
        chunks = list(self._chunks)
        self._chunks.clear()
        return chunks

    def take_prices(self) -> list[Message]:
        """Return the prices that came since the last time."""
        prices = list(self._prices)
        self._prices.clear()
        return prices

    def forget(self) -> None:
        """Say no receipt again: the streams are another worker's now."""
        self._latest.clear()
        self._due.clear()
        self._asked.clear()

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        pause_s = BACK_OFF_S_MIN
        while True:
            begun_s = self._clock.monotonic_s()
            try:
                await self._serve()
            except* (MqttError, OSError) as errors:
                name = type(errors.exceptions[0]).__name__
                LOST.labels(name).inc()
                log.warning("broker_lost", error=name, detail=str(errors.exceptions[0]))
            if self._clock.monotonic_s() - begun_s > BACK_OFF_S_MAX:
                pause_s = BACK_OFF_S_MIN
            # Full jitter, so that a broker's restart is not a storm.
            await asyncio.sleep(self._jitter.uniform(0, pause_s))
            pause_s = min(2 * pause_s, BACK_OFF_S_MAX)

    async def _serve(self) -> None:
        asked = _times_cancelled()
        secure = self._url.scheme == "mqtts"
        async with (
            Client(
                hostname=self._url.hostname or "127.0.0.1",
                port=self._url.port or (PORT_TLS if secure else PORT),
                username=unquote(self._url.username) if self._url.username else None,
                password=unquote(self._url.password) if self._url.password else None,
                identifier=self._identifier,
                keepalive=KEEPALIVE_S,
                timeout=TIMEOUT_S,
                max_queued_incoming_messages=INTAKE_MESSAGES_MAX,
                tls_context=ssl.create_default_context() if secure else None,
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            _raise_if_cancelled(asked)
            log.info("broker_connected", host=self._url.hostname)
            self._leased.set()
            self._due.update(dict.fromkeys(self._latest))
            if self._due:
                self._receipts.set()
            tasks.create_task(self._listen(client))
            tasks.create_task(self._subscribe(client))
            tasks.create_task(self._publish(client))

    async def _listen(self, client: Client) -> None:
        async for message in client.messages:
            received = Message(
                topic=message.topic.value,
                data=message.payload,
                received_unix_us=self._clock.unix_us(),
            )
            if received.topic.startswith(TOPIC_ROOT):
                if len(self._prices) < PRICES_MAX:
                    self._prices.append(received)
                else:
                    DROPPED.labels("prices").inc()
            elif image_gateway(received.topic) is None:
                self._intake.put(received)
            elif len(self._chunks) < CHUNKS_MAX:
                self._chunks.append(received)
            else:
                DROPPED.labels("chunks").inc()

    async def _subscribe(self, client: Client) -> None:
        listening: frozenset[int] = frozenset()
        await client.subscribe([(IMAGE_FILTER, QOS), (PRICE_FILTER, QOS)])
        while True:
            _raise_if_cancelled()
            await self._leased.wait()
            self._leased.clear()
            wanted = self._partitions
            if new := sorted(wanted - listening):
                await client.subscribe([(up_filter(partition), QOS) for partition in new])
            if gone := sorted(listening - wanted):
                await client.unsubscribe([up_filter(partition) for partition in gone])
            listening = wanted

    async def _publish(self, client: Client) -> None:
        while True:
            await self._receipts.wait()
            self._receipts.clear()
            while self._due:
                topic = next(iter(self._due))
                del self._due[topic]
                receipt = self._latest.get(topic)
                if receipt is None:
                    continue
                await client.publish(topic, receipt, qos=QOS, retain=True)
                _raise_if_cancelled()
            while self._asked:
                topic, command = self._asked.popitem()
                await client.publish(topic, command, qos=QOS)
                _raise_if_cancelled()


def _times_cancelled() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _raise_if_cancelled(before: int = 0) -> None:
    """Raise if this task was asked to end, more often than ``before``.

    On Python 3.11 ``wait_for``, and with it the broker's client, swallows a cancellation that
    meets the answer; the connection would outlive the worker. ``before`` is not 0 for a task that
    held a task group: a child that failed leaves the count up (python/cpython#116720).

    Raises:
        CancelledError: The task was asked to end.
    """
    if _times_cancelled() > before:
        raise asyncio.CancelledError
