"""Ask a broker who may say what to whom, with real clients."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiomqtt

ANSWER_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A broker and the passwords of its users."""

    port: int
    passwords: dict[str, str] = field(repr=False)
    tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def connected(
        self, user: str, client_id: str | None = None
    ) -> AsyncGenerator[aiomqtt.Client]:
        """Connect as one of the users, with a session that stays if ``client_id`` is given."""
        async with aiomqtt.Client(
            "127.0.0.1",
            self.port,
            username=user,
            password=self.passwords.get(user),
            identifier=client_id,
            clean_session=client_id is None,  # A name of its own asks for a session that stays.
            tls_context=self.tls,
            timeout=ANSWER_S,
        ) as client:
            yield client

    async def vanish(self, user: str, will_topic: str) -> None:
        """Connect with a will and cut the connection, so that the will is due; plain TCP only."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        fields = [b"vanishing", will_topic.encode(), b"gone", user.encode()]
        fields.append(self.passwords[user].encode())
        # MQTT 3.1.1, 3.1.2: user name, password, will at QoS 1, clean session; keep-alive 60 s.
        body = _field(b"MQTT") + bytes([4, 0b1100_1110, 0, 60]) + b"".join(map(_field, fields))
        writer.write(bytes([0x10, len(body)]) + body)
        async with asyncio.timeout(ANSWER_S):
            await reader.readexactly(4)  # CONNACK, whatever it says.
        writer.transport.abort()

    async def may_connect(self, user: str) -> bool:
        """Tell whether the broker lets ``user`` in."""
        try:
            async with self.connected(user):
                return True
        except aiomqtt.MqttError:
            return False

    async def reaches(self, *, topic: str, by: str, reader: str, control: tuple[str, str]) -> bool:
        """Tell whether what ``by`` publishes on ``topic`` reaches ``reader``.

        ``control`` is a user and a topic that do reach the reader: what is said there last ends
        the wait, so nothing is concluded from silence.
        """
        control_user, control_topic = control
        async with (
            self.connected(reader) as listening,
            self.connected(by) as speaking,
            self.connected(control_user) as controlling,
        ):
            for topic_filter in (topic, control_topic):
                await listening.subscribe(topic_filter, qos=1)
            await speaking.publish(topic, b"probe", qos=1)
            await controlling.publish(control_topic, b"end", qos=1)
            return await first_payload(listening) == b"probe"

    async def retained(self, *, topic: str, reader: str, control: tuple[str, str]) -> bool:
        """Tell whether ``reader`` is given the message that is kept on ``topic``."""
        control_user, control_topic = control
        async with (
            self.connected(reader) as listening,
            self.connected(control_user) as controlling,
        ):
            for topic_filter in (topic, control_topic):
                await listening.subscribe(topic_filter, qos=1)
            await controlling.publish(control_topic, b"end", qos=1)
            return await first_payload(listening) != b"end"


async def first_payload(client: aiomqtt.Client) -> object:
    """Return the payload of the next message."""
    async with asyncio.timeout(ANSWER_S):
        async for message in client.messages:
            return message.payload
    raise AssertionError


def _field(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
