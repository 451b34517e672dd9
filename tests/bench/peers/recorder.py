"""The server's end for every gateway: records what arrives, and receipts our envelopes.

``python -m tests.bench.peers.recorder PLAN``, a JSON file as ``RecorderPlan`` says. SIGUSR1 makes
it forget: the broker goes on acknowledging, and nothing is recorded; SIGUSR2 ends that.
"""

import asyncio
import json
import signal
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import aiomqtt
import msgspec
import numpy as np
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from deploy.clock import unix_us
from schemas import receipt as receipt_format
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, GENESIS_HASH, Envelope, decode_envelope
from schemas.keys import key_id_of
from schemas.receipt import Receipt, StreamState
from schemas.topics import receipt_topic
from tests.bench.peers.account import RECORD


class RecorderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorder needs to know; keys are hex."""

    port: int
    record_file: str
    gateway: str
    gateway_key: str
    backend_seed: str


class Stream:
    """The chain of our gateway's envelopes, as far as it was recorded."""

    def __init__(self, plan: RecorderPlan) -> None:
        self._gateway = plan.gateway
        self._verify = VerifyKey(bytes.fromhex(plan.gateway_key))
        self._sign = SigningKey(bytes.fromhex(plan.backend_seed))
        key_id = key_id_of(bytes(self._sign.verify_key))
        self._protected = encode_protected(receipt_format.content_type(), key_id)
        self._head = (0, GENESIS_HASH, 0)

    def take(self, message: bytes) -> Envelope | None:
        """Return the envelope inside ``message`` when it is the next; None: any other."""
        sign1 = decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX)
        try:
            self._verify.verify(sign1.signed_bytes, sign1.signature)
        except BadSignatureError:
            return None
        envelope = decode_envelope(sign1)
        number, digest, readings = self._head
        if envelope.number != number + 1 or envelope.previous_sha256 != digest:
            return None
        self._head = (envelope.number, sha256(message).digest(), readings + envelope.readings)
        return envelope

    def receipt(self) -> bytes:
        """Return the signed receipt of what was recorded."""
        number, digest, readings = self._head
        payload = receipt_format.encode_payload(
            Receipt(
                gateway=self._gateway,
                number=number,
                sha256=digest,
                readings=readings,
                state=StreamState.OPEN,
                issued_unix_us=unix_us(),
            )
        )
        signature = self._sign.sign(bytes_to_sign(self._protected, payload)).signature
        return encode_sign1(self._protected, payload, signature)


class Recorder:
    """Takes every gateway's messages."""

    def __init__(self, plan: RecorderPlan, file: BinaryIO) -> None:
        self._plan = plan
        self._file = file
        self._stream = Stream(plan)
        self.forgetting = False

    async def run(self) -> None:
        """Record until ended."""
        async with aiomqtt.Client(
            "127.0.0.1", self._plan.port, identifier="recorder", clean_session=False
        ) as client:
            for topic in ("pw/1/up/#", "v1/#", "nodered/#"):
                await client.subscribe(topic, qos=1)
            async for message in client.messages:
                await self._take(client, message.topic.value, bytes(message.payload))

    async def _take(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        if topic.startswith("pw/"):
            await self._take_envelope(client, payload)
        elif topic == "v1/gateway/telemetry":
            self._record(_of_thingsboard(json.loads(payload)))
        elif topic.startswith("nodered/"):
            self._record(_of_nodered(topic, json.loads(payload)))
        elif topic.startswith("v1/devices/me/rpc/request/"):
            number = topic.rpartition("/")[2]
            await client.publish(f"v1/devices/me/rpc/response/{number}", _limits(), qos=1)
        elif topic.startswith("v1/devices/me/attributes/request/"):
            number = topic.rpartition("/")[2]
            await client.publish(f"v1/devices/me/attributes/response/{number}", b"{}", qos=1)

    async def _take_envelope(self, client: aiomqtt.Client, payload: bytes) -> None:
        if self.forgetting:
            return
        envelope = self._stream.take(payload)
        if envelope is not None:
            self._record(_of_envelope(envelope))
        topic = receipt_topic(self._plan.gateway)
        await client.publish(topic, self._stream.receipt(), qos=1, retain=True)

    def _record(self, records: np.ndarray[Any, Any]) -> None:
        if not self.forgetting:
            self._file.write(records.tobytes())
            self._file.flush()


def _of_envelope(envelope: Envelope) -> np.ndarray[Any, Any]:
    """Return the records of an envelope; its sensors are named ``u<unit>-r<register>``."""
    names = [
        sensor[1:].split("-r") if "-r" in sensor else ["0", "0"] for sensor, _ in envelope.sensors
    ]
    table = np.array(names, dtype=np.uint16)
    sensors = np.asarray(envelope.scalars.sensor)
    records = np.empty(len(sensors), dtype=RECORD)
    records["unit"] = table[sensors, 0]
    records["register"] = table[sensors, 1]
    records["value"] = np.asarray(envelope.scalars.value).astype(np.uint16)
    return records


def _of_thingsboard(message: dict[str, list[dict[str, Any]]]) -> np.ndarray[Any, Any]:
    rows = [
        (int(device[3:]), int(tag[1:]), value)
        for device, entries in message.items()
        for entry in entries
        for tag, value in cast("dict[str, int]", entry["values"]).items()
    ]
    return np.array(rows, dtype=RECORD)


def _of_nodered(topic: str, values: list[int]) -> np.ndarray[Any, Any]:
    unit = int(topic.rpartition("/")[2])
    return np.array([(unit, register, v) for register, v in enumerate(values)], dtype=RECORD)


def _limits() -> bytes:
    limits: dict[str, object] = {
        "maxPayloadSize": 65_536,
        "maxInflightMessages": 100,
        "rateLimits": {},
        "gatewayRateLimits": {},
    }
    return json.dumps(limits).encode()


async def main(plan: RecorderPlan, file: BinaryIO) -> None:
    """Record until SIGTERM."""
    loop = asyncio.get_running_loop()
    recorder = Recorder(plan, file)
    loop.add_signal_handler(signal.SIGUSR1, setattr, recorder, "forgetting", True)
    loop.add_signal_handler(signal.SIGUSR2, setattr, recorder, "forgetting", False)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(recorder.run())
        loop.add_signal_handler(signal.SIGTERM, task.cancel)


if __name__ == "__main__":
    asked = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=RecorderPlan)
    with Path(asked.record_file).open("ab") as opened:
        asyncio.run(main(asked, opened))
