"""Envelopes by MQTT: one publish each, receipts and commands on topics of the gateway's own."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import aiomqtt

from gateway.errors import UnavailableError
from gateway.uplink.line import Heard, Kind
from schemas.receipt import Receipt
from schemas.topics import command_topic, receipt_topic, status_topic, up_topic

CALL_S_MAX: Final = 10.0  # Each call to the broker: connect, subscribe, PUBACK.
RECEIPTS_QUEUED_MAX: Final = 256  # Each names all before it: losing some loses nothing.
FAREWELL_S: Final = 1.0
ONLINE: Final = b'{"state":"online"}'  # As schemas/asyncapi.yaml says.
OFFLINE: Final = b'{"state":"offline"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How to reach the broker."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: aiomqtt.TLSParameters | None
    keepalive_s: int

    @asynccontextmanager
    async def open(self, gateway: str, window: int) -> AsyncGenerator["MqttLine"]:
        """Connect and subscribe; say good-bye when the gateway ends.

        Raises:
            UnavailableError: The broker is away or refuses.
        """
        status = status_topic(gateway)
        with _broker_errors():
            async with aiomqtt.Client(
                self.host,
                self.port,
                identifier=f"pw-{gateway}",
                username=self.username,
                password=self.password,
                tls_params=self.tls,
                keepalive=self.keepalive_s,
                timeout=CALL_S_MAX,
                will=aiomqtt.Will(status, OFFLINE, qos=1, retain=True),
                max_queued_incoming_messages=RECEIPTS_QUEUED_MAX,
                max_inflight_messages=window,
            ) as client:
                try:
                    await client.subscribe(
                        [(receipt_topic(gateway), 1), (command_topic(gateway), 1)]
                    )
                    await client.publish(status, ONLINE, qos=1, retain=True)
                    yield MqttLine(client, gateway, window)
                except asyncio.CancelledError:
                    async with asyncio.timeout(FAREWELL_S):
                        await client.publish(status, OFFLINE, qos=1, retain=True)
                    raise


class MqttLine:
    """A session with the broker."""

    def __init__(self, client: aiomqtt.Client, gateway: str, window: int) -> None:
        self.batch_max = 1
        self.sends_max = window
        self._client = client
        self._gateway = gateway

    async def send(self, messages: Sequence[bytes]) -> None:
        """Publish envelopes; returns when the broker has acknowledged them.

        Raises:
            UnavailableError: The connection is lost.
        """
        for message in messages:
            await self.publish(up_topic(self._gateway), message)

    async def heard(self) -> AsyncGenerator[Heard]:
        """Yield receipts and commands as they come.

        Raises:
            UnavailableError: The connection is lost.
        """
        commands = command_topic(self._gateway)
        with _broker_errors():
            async for message in self._client.messages:
                kind = Kind.COMMAND if message.topic.value == commands else Kind.RECEIPT
                yield Heard(kind, bytes(message.payload))

    async def ask(self) -> None:
        """Have the broker repeat the retained receipt: it does so on each subscription.

        Raises:
            UnavailableError: The connection is lost.
        """
        with _broker_errors():
            await self._client.subscribe(receipt_topic(self._gateway), qos=1)

    def heed(self, receipt: Receipt) -> None:
        """The broker pushes; it needs no word on what has come."""

    async def publish(self, topic: str, message: bytes) -> None:
        """Publish one message; returns when the broker has acknowledged it.

        Raises:
            UnavailableError: The connection is lost.
        """
        with _broker_errors():
            await self._client.publish(topic, message, qos=1)


@contextmanager
def _broker_errors() -> Generator[None]:
    try:
        yield
    except aiomqtt.MqttError as error:
        raise UnavailableError(str(error) or type(error).__name__) from error
