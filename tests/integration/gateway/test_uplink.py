"""The uplink against a real broker and brokers that forge, forget, hang and die."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiomqtt
import pytest

from deploy.broker import BrokerKind, EmbeddedBroker
from gateway.clock import SystemClock
from gateway.envelope import SealLimits
from gateway.outbox.database import OutboxStats
from gateway.outbox.writer import Batch, Outbox
from gateway.reading import EventReading
from gateway.signing import ReceiptVerifier
from gateway.uplink.link import LinkState
from gateway.uplink.mqtt import Broker
from gateway.uplink.session import Uplink, UplinkParts
from schemas.cose import decode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, decode_envelope
from schemas.receipt import RECEIPT_BYTES_MAX, StreamState
from schemas.topics import receipt_topic, status_topic
from tests.integration.gateway.support import FakeBackend, Notary, until
from tests.stream_server import listening
from tests.unit.gateway.builders import (
    GATEWAY,
    make_event,
    make_parts,
    make_receipt,
    make_scalar,
    make_segment,
)

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


@dataclass(slots=True)
class Rig:
    """A gateway's outbox and uplink, in the test's own event loop."""

    outbox: Outbox
    uplink: Uplink
    public_key: bytes
    alarms: list[str] = field(default_factory=list[str])

    def put(self, count: int = 1) -> None:
        """Journal ``count`` readings, each urgent."""
        for value in range(count):
            reading = make_scalar(value=float(value))
            self.outbox.put(Batch(segment=make_segment(), readings=[reading], urgent=True))

    async def stats(self) -> OutboxStats:
        """Return the outbox's counts."""
        return await asyncio.wrap_future(self.outbox.stats())

    async def until_receipted(self, count: int) -> None:
        """Wait until ``count`` readings are sealed and nothing is without a receipt."""
        async with asyncio.timeout(15):
            while True:
                stats = await self.stats()
                if stats.sealed_readings == count and not stats.unreceipted:
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    folder: Path, port: int, notary: Notary, *, receipt_timeout_s: float = 0.5, window: int = 32
) -> AsyncGenerator[Rig]:
    """Run outbox and uplink meanwhile."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    parts = make_parts(folder, limits=SealLimits())
    loop = asyncio.get_running_loop()
    alarms: list[str] = []
    clock = SystemClock()

    def notify() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(uplink.wake)

    outbox = Outbox(parts, clock, age_s=0.01, notify=notify)
    broker = Broker(
        host="127.0.0.1",
        port=port,
        username=GATEWAY,
        password=USERS[GATEWAY],
        tls=None,
        keepalive_s=1,
    )
    uplink = Uplink(
        UplinkParts(
            gateway=GATEWAY,
            transport=broker,
            outbox=outbox,
            verifier=ReceiptVerifier(notary.public_key, GATEWAY),
            clock=clock,
            random=Random(1),
            alarm=alarms.append,
        ),
        window=window,
        receipt_timeout_s=receipt_timeout_s,
    )
    rig = Rig(outbox, uplink, parts.signer.public_key, alarms)
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(uplink.run())
            yield rig
            task.cancel()
    finally:
        await asyncio.to_thread(outbox.close)


def make_backend(rig: Rig, notary: Notary) -> FakeBackend:
    """Return a backend that knows the rig's key."""
    return FakeBackend(GATEWAY, gateway_key=rig.public_key, notary=notary)


@asynccontextmanager
async def as_backend(broker: EmbeddedBroker) -> AsyncGenerator[aiomqtt.Client]:
    """Connect with the backend's rights."""
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, username="backend", password=USERS["backend"]
    ) as client:
        yield client


async def test_readings_arrive_once_and_are_deleted_on_the_receipt(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """The plain way: sealed, sent, verified, receipted, deleted; nothing twice."""
    notary = Notary()
    async with running(tmp_path / "gw", broker.port, notary) as rig:
        backend = make_backend(rig, notary)
        async with backend.serving(broker.port, username="backend", password=USERS["backend"]):
            rig.put(50)
            await rig.until_receipted(50)

    assert [value for _, value in backend.scalars("scale-1")] == list(range(50))
    assert backend.gaps == 0


async def test_nothing_is_deleted_without_a_receipt(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """A broker that acknowledges and forgets is overruled: everything is sent again."""
    notary = Notary()
    async with running(tmp_path / "gw", broker.port, notary) as rig:
        backend = make_backend(rig, notary)
        seen: dict[int, int] = {}

        def forget(number: int) -> bool:
            seen[number] = seen.get(number, 0) + 1
            return seen[number] < 3  # Each envelope is lost twice.

        backend.forget = forget
        async with backend.serving(broker.port, username="backend", password=USERS["backend"]):
            rig.put(5)
            await until(lambda: bool(seen))
            assert (await rig.stats()).receipted_number == 0
            await rig.until_receipted(5)

    assert [value for _, value in backend.scalars("scale-1")] == list(range(5))


async def test_every_third_message_lost_still_arrives_in_order(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Gaps at the backend are filled from the receipt on; the chain holds."""
    notary = Notary()
    random = Random(7)
    async with running(tmp_path / "gw", broker.port, notary, receipt_timeout_s=0.3) as rig:
        backend = make_backend(rig, notary)
        backend.forget = lambda _number: random.random() < 0.3
        async with backend.serving(broker.port, username="backend", password=USERS["backend"]):
            for _ in range(10):
                rig.put(1)
                await asyncio.sleep(0.06)  # Ten envelopes, not one: more than a group commit.
            await rig.until_receipted(10)

    assert [value for _, value in backend.scalars("scale-1")] == [0.0] * 10


def _with_a_bit_turned(message: bytes) -> bytes:
    return message[:-1] + bytes([message[-1] ^ 1])


def _number_of(message: bytes) -> int:
    return decode_envelope(decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX)).number


async def test_forged_receipts_delete_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Another key, another gateway, noise, too many bytes: each counted, none obeyed."""
    notary, stranger = Notary(), Notary()
    async with (
        running(tmp_path / "gw", broker.port, notary) as rig,
        as_backend(broker) as client,
    ):
        rig.put(3)
        await until(lambda: rig.outbox.stats().result().head_number >= 1)
        stored = rig.outbox.run(lambda s: s.envelopes_after(0, 1)).result()[0]
        genuine = make_receipt(stored.number, stored.sha256)
        forged = [
            stranger.sign(genuine),
            notary.sign(make_receipt(1, stored.sha256, gateway="gw-other")),
            _with_a_bit_turned(notary.sign(genuine)),
            b"noise",
            bytes(RECEIPT_BYTES_MAX + 1),
        ]
        for message in forged:
            await client.publish(receipt_topic(GATEWAY), message, qos=1)
        await until(lambda: rig.uplink.link.forged == len(forged))

        stats = await rig.stats()
        assert stats.receipted_number == 0
        assert stats.unreceipted == stats.head_number
        assert rig.alarms == []


async def test_fork_stops_sending_and_keeps_everything(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """A genuine receipt for an envelope that is not ours: alarm, silence, evidence kept."""
    notary = Notary()
    async with (
        running(tmp_path / "gw", broker.port, notary) as rig,
        as_backend(broker) as client,
    ):
        rig.put(1)
        await until(lambda: rig.outbox.stats().result().head_number >= 1)
        await client.publish(
            receipt_topic(GATEWAY), notary.sign(make_receipt(1, bytes(32))), qos=1
        )
        await until(lambda: bool(rig.alarms))
        await client.subscribe(f"pw/1/up/+/{GATEWAY}", qos=1)
        rig.put(1)
        await until(lambda: rig.outbox.stats().result().sealed_readings == 2)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.5):  # Three receipt time-outs: nothing new may come.
                async for message in client.messages:
                    assert _number_of(bytes(message.payload)) == 1  # Under way before the stop.

        assert "fork" in rig.alarms[0]
        link = rig.uplink.link
        assert (link.state, link.stopped) == (LinkState.STOPPED, rig.alarms[0])
        assert (await rig.stats()).unreceipted == (await rig.stats()).head_number


async def test_stream_that_the_backend_stopped_goes_on_when_it_opens(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """While the backend says stopped nothing is sent; its next open receipt resumes."""
    notary = Notary()
    async with running(tmp_path / "gw", broker.port, notary) as rig:
        backend = make_backend(rig, notary)
        async with as_backend(broker) as client:
            stopped = backend.receipt(StreamState.STOPPED)
            await client.publish(receipt_topic(GATEWAY), stopped, qos=1, retain=True)
            await until(lambda: bool(rig.alarms))
            rig.put(2)
            await until(lambda: rig.outbox.stats().result().sealed_readings == 2)
            assert (await rig.stats()).receipted_number == 0
            await client.publish(receipt_topic(GATEWAY), backend.receipt(), qos=1, retain=True)
            async with backend.serving(broker.port, username="backend", password=USERS["backend"]):
                await rig.until_receipted(2)
        assert rig.uplink.link.state is LinkState.OPEN
        assert rig.uplink.link.receipt_number == backend.number


async def test_broker_killed_and_started_again_loses_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """After kill -9 of the broker the gateway comes back by itself and sends what is missing."""
    notary = Notary()
    async with running(tmp_path / "gw", broker.port, notary) as rig:
        backend = make_backend(rig, notary)
        async with backend.serving(broker.port, username="backend", password=USERS["backend"]):
            rig.put(3)
            await rig.until_receipted(3)
            with suppress(ExceptionGroup):
                await asyncio.to_thread(broker.kill)
        rig.put(3)
        await until(lambda: rig.outbox.stats().result().sealed_readings == 6)
        await asyncio.to_thread(broker.start)
        async with backend.serving(broker.port, username="backend", password=USERS["backend"]):
            await rig.until_receipted(6)

    assert backend.readings == 6
    assert backend.forks == 0


class BlackHole:
    """A TCP relay that can swallow what its connections carry while they stay open."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.swallowed = 0  # Connections up to this one carry nothing any more.
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection both ways."""
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(self.connections, reader, back))
                tasks.create_task(self._pump(self.connections, there, writer))
        finally:
            back.transport.abort()

    async def _pump(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                if number > self.swallowed:
                    writer.write(chunk)
        writer.close()


async def test_black_holed_link_is_noticed_and_left(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """When bytes vanish but the connection stands, keep-alive ends it and all arrives later."""
    notary = Notary()
    hole = BlackHole(broker.port)
    async with listening(hole.serve) as port, running(tmp_path / "gw", port, notary) as rig:
        backend = make_backend(rig, notary)
        login = {"username": "backend", "password": USERS["backend"]}
        async with backend.serving(broker.port, **login):
            rig.put(2)
            await rig.until_receipted(2)
            hole.swallowed = hole.connections
            rig.put(2)
            await rig.until_receipted(4)

    assert backend.readings == 4
    assert hole.connections == 2


async def test_status_says_online_and_the_will_says_offline(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """The operator sees the connection; an orderly end says offline by itself."""
    notary = Notary()
    said: list[bytes] = []
    async with as_backend(broker) as client:
        await client.subscribe(status_topic(GATEWAY), qos=1)

        async def listen(count: int) -> None:
            async with asyncio.timeout(10):
                while len(said) < count:
                    said.append((await anext(client.messages)).payload)

        async with running(tmp_path / "gw", broker.port, notary):
            await listen(1)
        await listen(2)

    assert said == [b'{"state":"online"}', b'{"state":"offline"}']


async def test_lost_outbox_goes_on_after_the_retained_receipt(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """With its file torn, the gateway asks the backend where it stood, and makes no fork."""
    notary = Notary()
    folder = tmp_path / "gw"
    async with running(folder, broker.port, notary) as rig:
        backend = make_backend(rig, notary)
        signer = rig.outbox.run(lambda s: s.key_id()).result()
        assert signer is not None
        async with backend.serving(broker.port, username="backend", password=USERS["backend"]):
            rig.put(4)
            await rig.until_receipted(4)

            def tear(_store: object) -> None:
                import sqlite3

                raise sqlite3.DatabaseError("database disk image is malformed")

            with suppress(Exception):
                await asyncio.wrap_future(rig.outbox.run(tear))
            event: EventReading = make_event()
            rig.outbox.put(Batch(segment=make_segment(), readings=[event], urgent=True))
            await until(lambda: backend.readings >= 5)

    assert backend.forks == backend.gaps == 0
    assert list(folder.glob("*.quarantine-*"))
