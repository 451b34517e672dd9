"""The uplink against brokers that never answer, and receipts that come again."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from deploy.broker import BrokerKind, EmbeddedBroker
from deploy.ports import free_port
from gateway.uplink import mqtt, session
from gateway.uplink.link import LinkState
from schemas.command import COMMAND_BYTES_MAX
from schemas.receipt import StreamState
from schemas.topics import command_topic, receipt_topic
from tests.integration.gateway.support import FakeBackend, Notary, until
from tests.integration.gateway.test_uplink import USERS, as_backend, running
from tests.stream_server import listening
from tests.unit.gateway.builders import GATEWAY, make_receipt

GENESIS = bytes(32)


@asynccontextmanager
async def silent_server() -> AsyncGenerator[int]:
    """Take connections and never answer; yield the port."""

    async def hear(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(4_096):
            pass

    async with listening(hear) as port:
        yield port


async def test_broker_that_never_answers_is_asked_ever_more_rarely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for an answer in vain is no session, however long it took: the back-off grows."""
    monkeypatch.setattr(mqtt, "CALL_S_MAX", 0.05)
    monkeypatch.setattr(session, "SESSION_GOOD_S", 0.05)  # As long as the wait, as in the field.
    monkeypatch.setattr(session, "RECONNECT_S_MIN", 0.01)
    async with silent_server() as port, running(tmp_path / "gw", port, Notary()) as rig:
        link = rig.uplink.link
        # Full jitter below 0.01 s, 0.02 s, 0.04 s ...; without growth all are below the first.
        await until(
            lambda: (
                link.retry_s is not None
                and link.state is LinkState.WAITING
                and link.retry_s - link.since_s > 8 * session.RECONNECT_S_MIN
            )
        )


async def test_session_with_a_commit_begins_the_back_off_anew_however_short_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that falls again and again, and meanwhile serves, is asked soon each time."""
    monkeypatch.setattr(session, "RECONNECT_S_MIN", 0.1)
    folder, port = tmp_path / "broker", free_port()
    backend = FakeBackend(GATEWAY)
    waits: list[float] = []
    async with running(tmp_path / "gw", port, backend.notary) as rig:
        backend.gateway_key = rig.public_key
        link = rig.uplink.link
        for number in range(1, 8):
            with EmbeddedBroker(folder, USERS, kind=BrokerKind.AMQTT, port=port) as broker:
                login = {"username": "backend", "password": USERS["backend"]}
                async with backend.serving(broker.port, **login):
                    rig.put()
                    await rig.until_receipted(number)
            await until(lambda: link.state is LinkState.WAITING and link.retry_s is not None)
            waits.append((link.retry_s or 0.0) - link.since_s)
    assert max(waits[1:]) <= 4 * session.RECONNECT_S_MIN


async def publish_states(client: aiomqtt.Client, notary: Notary, *issued: int) -> None:
    """Publish receipts of the same number, the newest of them stopped."""
    for issued_unix_us in issued:
        state = StreamState.STOPPED if issued_unix_us == max(issued) else StreamState.OPEN
        receipt = make_receipt(0, GENESIS, readings=0, state=state, issued_unix_us=issued_unix_us)
        await client.publish(receipt_topic(GATEWAY), notary.sign(receipt), qos=1)


async def test_replayed_older_receipt_does_not_resume_a_stopped_stream(tmp_path: Path) -> None:
    """States are taken in the order in which the backend issued them; one alarm, not one each."""
    notary = Notary()
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as broker:
        async with (
            running(tmp_path / "gw", broker.port, notary) as rig,
            as_backend(broker) as client,
        ):
            await until(lambda: rig.uplink.link.state is LinkState.OPEN)
            await publish_states(client, notary, 5, 9, 5, 7, 9, 6)
            # The last message of all shows that those before it were heard.
            topic = command_topic(GATEWAY)
            await client.publish(topic, bytes(COMMAND_BYTES_MAX + 1), qos=1)
            await until(lambda: rig.uplink.link.commands_oversized == 1)

            assert rig.uplink.link.state is LinkState.STOPPED
            assert len(rig.alarms) == 1
            newer = make_receipt(0, GENESIS, readings=0, issued_unix_us=10)
            await client.publish(receipt_topic(GATEWAY), notary.sign(newer), qos=1)
            await until(lambda: rig.uplink.link.state is LinkState.OPEN)
