"""A small backend in the test: verifies envelopes, keeps the chain, sends signed receipts."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import aiomqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from schemas import command as command_format
from schemas import receipt as receipt_format
from schemas.command import Command
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.digest import Digest, decode_digest, is_digest
from schemas.envelope import ENVELOPE_BYTES_MAX, GENESIS_HASH, Envelope, decode_envelope
from schemas.keys import key_id_of
from schemas.receipt import Receipt, StreamState
from schemas.topics import receipt_topic

DEADLINE_S = 10.0
POLL_S = 0.02


async def until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Wait for ``condition``; fail when it does not come within the deadline."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - conditions of other processes have no event
            await asyncio.sleep(POLL_S)


class Notary:
    """Signs receipts and commands as a backend does."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, receipt: Receipt) -> bytes:
        """Return ``receipt`` as the message that travels."""
        return self._sign(receipt_format.content_type(), receipt_format.encode_payload(receipt))

    def sign_command(self, command: Command) -> bytes:
        """Return ``command`` as the message that travels."""
        return self._sign(command_format.content_type(), command_format.encode_payload(command))

    def _sign(self, kind: str, payload: bytes) -> bytes:
        protected = encode_protected(kind, key_id_of(self.public_key))
        signature = self._key.sign(bytes_to_sign(protected, payload))
        return encode_sign1(protected, payload, signature)


@dataclass(slots=True)
class FakeBackend:
    """Accepts one gateway's stream as domain.md says; everything else is counted as refused."""

    gateway: str
    gateway_key: bytes | None = None
    notary: Notary = field(default_factory=Notary)
    number: int = 0
    sha256: bytes = GENESIS_HASH
    readings: int = 0
    envelopes: list[Envelope] = field(default_factory=list[Envelope])
    digests: list[Digest] = field(default_factory=list[Digest])
    duplicates: int = 0
    gaps: int = 0
    forks: int = 0
    hashes: dict[int, bytes] = field(default_factory=dict[int, bytes])
    forget: Callable[[int], bool] = lambda _number: False
    tls_context: ssl.SSLContext | None = None  # How it reaches the broker; None: in the clear.

    def accept(self, message: bytes) -> bytes | None:
        """Take one message; return the receipt to send, None when it was forgotten."""
        sign1 = decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX)
        if self.gateway_key is not None:
            key = Ed25519PublicKey.from_public_bytes(self.gateway_key)
            key.verify(sign1.signature, sign1.signed_bytes)
        envelope = decode_digest(sign1) if is_digest(sign1) else decode_envelope(sign1)
        assert envelope.gateway == self.gateway
        digest = sha256(message).digest()
        if self.forget(envelope.number):
            return None
        thinned = isinstance(envelope, Digest)
        if (envelope.first_number if thinned else envelope.number) == self.number + 1:
            assert envelope.previous_sha256 == self.sha256
            assert envelope.readings_before == self.readings
            self.number = envelope.number
            self.sha256 = envelope.last_sha256 if thinned else digest
            self.readings += envelope.readings
            self.hashes[envelope.number] = digest
            if thinned:
                self.digests.append(envelope)
            else:
                self.envelopes.append(envelope)
        elif envelope.number <= self.number:
            self.duplicates += 1
            if self.hashes.get(envelope.number, digest) != digest:
                self.forks += 1
        else:
            self.gaps += 1
        return self.receipt()

    def receipt(self, state: StreamState = StreamState.OPEN) -> bytes:
        """Return the signed receipt for what is held now."""
        return self.notary.sign(
            Receipt(
                gateway=self.gateway,
                number=self.number,
                sha256=self.sha256,
                readings=self.readings,
                state=state,
                issued_unix_us=1,
            )
        )

    def scalars(self, sensor: str) -> Sequence[tuple[int, float]]:
        """Return time and value of all scalars of ``sensor``, in their order."""
        return [
            (envelope.base_unix_us + offset, value)
            for envelope in self.envelopes
            for index, offset, value in zip(
                envelope.scalars.sensor,
                envelope.scalars.offset_us,
                envelope.scalars.value,
                strict=True,
            )
            if envelope.sensors[index][0] == sensor
        ]

    @asynccontextmanager
    async def serving(
        self,
        port: int,
        *,
        username: str | None = None,
        password: str | None = None,
    ) -> AsyncGenerator[aiomqtt.Client]:
        """Serve the stream on the broker at ``port`` meanwhile."""
        async with (
            aiomqtt.Client(
                "127.0.0.1",
                port,
                username=username,
                password=password,
                tls_context=self.tls_context,
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            await client.subscribe("pw/1/up/+/+", qos=1)
            task = tasks.create_task(self._serve(client))
            yield client
            task.cancel()

    async def _serve(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # The broker is gone; the test knows.
            await self._answer(client)

    async def _answer(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if not message.topic.matches(f"pw/1/up/+/{self.gateway}"):
                continue
            receipt = self.accept(message.payload)
            if receipt is not None:
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish(receipt_topic(self.gateway), receipt, qos=1, retain=True)
