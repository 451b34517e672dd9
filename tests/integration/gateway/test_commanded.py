"""A daemon that is commanded over a real broker: challenged, configured, killed in between."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import aiomqtt
import cbor2
import pytest

from deploy.broker import BrokerKind, EmbeddedBroker
from gateway.clock import SystemClock
from gateway.config.remote import REMOTE_FILE
from schemas.command import Challenge, Command, Configure, Order
from schemas.quantities import EventType
from schemas.topics import command_topic
from tests.integration.gateway.daemons import (
    GATEWAY,
    daemon,
    gateway,
    scale_section,
    write_config,
)
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import FakeBackend, until

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
LOGIN = {"username": "backend", "password": USERS["backend"]}
NONCE = bytes(range(32))
MINUTE_US = 60_000_000

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


def _configured(folder: Path, broker: EmbeddedBroker, backend: FakeBackend, port: str) -> Path:
    login = f'username = "{GATEWAY}"\npassword = "{USERS[GATEWAY]}"'
    return write_config(
        folder,
        broker.url,
        scale_section("scale-1", port),
        backend_key=backend.notary.public_key,
        more=login,
    )


def _events(backend: FakeBackend, kind: EventType) -> list[dict[str, Any]]:
    return [
        cbor2.loads(body)
        for envelope in backend.envelopes
        for event, body in zip(envelope.events.type, envelope.events.body, strict=True)
        if event is kind
    ]


class Commander:
    """Sends commands to the gateway, numbered."""

    def __init__(self, client: aiomqtt.Client, backend: FakeBackend) -> None:
        self._client = client
        self._backend = backend
        self._numbers = count(1)

    async def send(self, order: Order) -> tuple[int, bytes]:
        """Sign and send ``order``; return its number and the message."""
        now_us = SystemClock().unix_us()
        command = Command(
            gateway=GATEWAY,
            number=next(self._numbers),
            issued_unix_us=now_us,
            expires_unix_us=now_us + MINUTE_US,
            order=order,
        )
        message = self._backend.notary.sign_command(command)
        await self.repeat(message)
        return command.number, message

    async def repeat(self, message: bytes) -> None:
        """Send ``message`` as a backend does that has no answer yet."""
        await self._client.publish(command_topic(GATEWAY), message, qos=1)

    def outcome(self, number: int) -> list[tuple[str, str]]:
        """Return what the gateway answered to a command."""
        return [
            (body["outcome"], body["why"])
            for body in _events(self._backend, EventType.COMMAND_DONE)
            if body["number"] == number
        ]


async def test_challenged_gateway_answers_and_tells_every_sensor_anew(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """The nonce stands in the stream, and a weight that did not change is told once more."""
    backend = FakeBackend(GATEWAY)
    with Line() as line:
        config = _configured(tmp_path, broker, backend, line.path)
        async with backend.serving(broker.port, **LOGIN) as client, daemon(config):
            commander = Commander(client, backend)
            await until(lambda: line.is_open)
            for _ in range(3):
                line.send(b"ST,GS,+0007.00kg\r\n")
            await until(lambda: len(backend.scalars("scale-1")) == 1)

            number, _ = await commander.send(Challenge(NONCE))

            await until(lambda: bool(_events(backend, EventType.CHALLENGE_ANSWER)))
            assert _events(backend, EventType.CHALLENGE_ANSWER) == [
                {"number": number, "nonce": NONCE}
            ]
            line.send(b"ST,GS,+0007.00kg\r\n")
            await until(lambda: len(backend.scalars("scale-1")) == 2)


async def test_commanded_configuration_holds_over_a_kill_and_can_be_taken_back(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Refused with its reason, or in force at once and after a restart; repeated, done once."""
    backend = FakeBackend(GATEWAY)
    with Line() as line, Line() as other:
        config = _configured(tmp_path, broker, backend, line.path)
        remote = tmp_path / "state" / REMOTE_FILE
        async with backend.serving(broker.port, **LOGIN) as client:
            commander = Commander(client, backend)
            async with daemon(config) as process:
                await until(lambda: backend.readings > 0)  # So the gateway listens for commands.
                bad, _ = await commander.send(Configure('[gateway]\nid = "gw-other"\n'))
                await until(lambda: bool(commander.outcome(bad)))
                assert commander.outcome(bad)[0][0] == "refused"
                assert "in the machine's own file only" in commander.outcome(bad)[0][1]
                assert not remote.exists()

                good, message = await commander.send(
                    Configure(scale_section("scale-2", other.path))
                )
                await until(lambda: commander.outcome(good) == [("done", "")])
                await until(lambda: other.is_open)
                assert remote.stat().st_mode & 0o777 == 0o600
                process.kill()
            starts = len(_events(backend, EventType.GATEWAY_START))
            async with daemon(config):
                await until(lambda: len(_events(backend, EventType.GATEWAY_START)) > starts)
                other.send(b"ST,GS,+0005.00kg\r\n")
                await until(lambda: len(backend.scalars("scale-2")) == 1)
                await commander.repeat(message)
                await until(lambda: commander.outcome(good) == [("done", "")] * 2)

                back, _ = await commander.send(Configure(None))
                await until(lambda: commander.outcome(back) == [("done", "")])
                line.send(b"ST,GS,+0009.00kg\r\n")
                await until(lambda: len(backend.scalars("scale-1")) == 1)
                assert not remote.exists()
    told = [(body["why"], body["command"]) for body in _events(backend, EventType.GATEWAY_START)]
    assert told == [("start", None), ("command", good), ("start", None), ("command", back)]
    digests = [body["config_sha256"] for body in _events(backend, EventType.GATEWAY_START)]
    assert digests[0] == digests[3] != digests[1] == digests[2]


async def test_remote_configuration_that_is_refused_later_leaves_the_own_file_in_force(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Another software may know other words; the daemon starts, and check says what is wrong."""
    backend = FakeBackend(GATEWAY)
    with Line() as line:
        config = _configured(tmp_path, broker, backend, line.path)
        state = tmp_path / "state"
        await asyncio.to_thread(state.mkdir, mode=0o700)
        (state / REMOTE_FILE).write_text("[future]\nword = 1\n", encoding="utf-8")
        checked = await asyncio.to_thread(gateway, "check", "--config", str(config))
        assert f"{REMOTE_FILE} is not in force: future is" in checked.stderr
        async with backend.serving(broker.port, **LOGIN), daemon(config):
            await until(lambda: line.is_open)
            line.send(b"ST,GS,+0004.00kg\r\n")
            await until(lambda: len(backend.scalars("scale-1")) == 1)
