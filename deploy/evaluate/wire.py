"""Random minutes through the real thing: reading by reading, sealed, signed, examined, decoded.

What the columns make of a minute must be what the gateway's own Reporter, envelope and key and
the backend's own examination, chain and decoding make of it. Duplicate deliveries are thrown in:
the chain drops them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random
from typing import Final

import numpy as np

from backend.ids import GatewayId
from backend.ingest.rules.chain import Chain
from backend.ingest.rules.columns import batch_of as decoded_batch
from backend.ingest.rules.examine import examine
from backend.ingest.types import Accepted, Duplicate, Examined, Message, Reason
from backend.keys import verify, verify_key
from backend.telemetry.types import ReadingBatch
from deploy.evaluate.clocks import GatewayTime
from deploy.evaluate.gateway import SEAL_US
from deploy.evaluate.rules import heartbeat_s, report_rule
from deploy.evaluate.streams import new_head
from deploy.evaluate.tables import Channels
from firmware_sim.months.types import Raw, RawEvent, ReadBlock, ScalarBlock
from gateway.drivers.convert import event_of
from gateway.drivers.report import Channel, Reporter, ReportRule
from gateway.envelope import Link, SealLimits, build_envelope, count_fitting, take_readings
from gateway.reading import Arrival, ClockSegment, Entry, Reading, Scalar, Sighting
from gateway.signing.ed25519 import PrivateKey, generate
from schemas.cose import Sign1, bytes_to_sign, encode_protected, encode_sign1
from schemas.envelope import GENESIS_HASH, ClockState, Envelope, content_type, encode_payload
from schemas.keys import key_id_of
from schemas.quantities import QUALITY_CODES, Quality, Quantity
from schemas.topics import up_topic

LIMITS: Final = SealLimits(readings_max=256)
DUPLICATES: Final = 0.005  # Of envelopes: design, quality.md, "field bus and link".
_QUALITIES: Final[Mapping[int, Quality]] = {code: name for name, code in QUALITY_CODES.items()}
_POSITION: Final = (Quantity.FIX, Quantity.LATITUDE, Quantity.LONGITUDE, Quantity.HDOP)


@dataclass(slots=True)
class Wire:
    """One gateway with a key of its own, and a backend that knows it."""

    gateway: GatewayId
    channels: Channels
    time: GatewayTime
    bound: frozenset[str]
    begins_us: int
    key: PrivateKey = field(default_factory=generate)

    def carry(self, raw: Raw, rng: Random) -> ReadingBatch:
        """Return what arrives of ``raw`` as the backend's own stages hand it on."""
        return self._received(self._sealed(self._reported(raw)), rng)

    def _reported(self, raw: Raw) -> list[tuple[int, Sequence[Reading]]]:
        """Return what the gateway's Reporter lets pass, with the true time."""
        rules: dict[Channel, ReportRule] = {}
        for event in raw.events:
            rules[event.sensor, None] = ReportRule(heartbeat_s=heartbeat_s(event.type))
        for block in raw.scalars:
            rules[block.sensor, block.quantity] = report_rule(block.quantity)
        for block in raw.reads:
            rules[block.sensor, None] = ReportRule(heartbeat_s=heartbeat_s())
            rules[block.sensor, Quantity.INVENTORY] = report_rule(Quantity.INVENTORY)
        reporter = Reporter(rules)
        found: list[tuple[int, Sequence[Reading]]] = []
        for at_us, arrival in sorted(self._arrivals(raw), key=lambda each: each[0]):
            now_s = (at_us - self.begins_us) / 1e6
            if readings := reporter.decide(arrival, now_s=now_s).readings:
                found.append((at_us, readings))
        return found

    def _arrivals(self, raw: Raw) -> Iterator[tuple[int, Arrival]]:
        yield from self._positions([b for b in raw.scalars if b.sensor in self.bound])
        for block in raw.reads:
            if block.sensor in self.bound:
                yield from self._rounds(block)
        for event in raw.events:
            if event.sensor in self.bound:
                yield event.at_us, [self._event(event)]

    def _positions(self, blocks: Sequence[ScalarBlock]) -> Iterator[tuple[int, Arrival]]:
        """Yield scalars; those of one position together, all others each by itself."""
        positions: dict[tuple[str, int], list[Reading]] = {}
        receivers = {block.sensor for block in blocks if block.quantity is Quantity.FIX}
        for block in sorted(blocks, key=_place):
            for at_us, value, code in zip(
                block.at_us.tolist(), block.value.tolist(), block.quality.tolist(), strict=True
            ):
                reading = Scalar(
                    sensor=block.sensor,
                    quantity=block.quantity,
                    time_unix_us=self._wall_us(at_us),
                    value=value,
                    quality=_QUALITIES[code],
                )
                if block.sensor in receivers:
                    positions.setdefault((block.sensor, at_us), []).append(reading)
                else:
                    yield at_us, [reading]
        for (_, at_us), readings in positions.items():
            yield at_us, readings

    def _rounds(self, block: ReadBlock) -> Iterator[tuple[int, Arrival]]:
        for index, at_us in enumerate(block.round_us.tolist()):
            rows = np.flatnonzero(block.round == index).tolist()
            wall_us = self._wall_us(at_us)
            for row in rows:
                sighting = Sighting(
                    sensor=block.sensor,
                    time_unix_us=wall_us,
                    epc=block.epcs[int(block.tag[row])],
                    antenna=block.antenna,
                    rssi_cdbm=int(block.rssi_cdbm[row]),
                )
                yield at_us, [sighting]
            count = len({int(block.tag[row]) for row in rows})
            yield (
                at_us,
                [
                    Scalar(
                        sensor=block.sensor,
                        quantity=Quantity.INVENTORY,
                        time_unix_us=wall_us,
                        value=float(count),
                    )
                ],
            )

    def _event(self, event: RawEvent) -> Reading:
        return event_of(event.sensor, event.type, event.body, self._wall_us(event.at_us))

    def _wall_us(self, true_us: int) -> int:
        return int(self.time.wall_us(np.array([true_us], dtype=np.int64))[0])

    def _sealed(self, reported: Sequence[tuple[int, Sequence[Reading]]]) -> list[Message]:
        """Return signed envelopes as messages, each of one second of readings at most."""
        link = Link(number=1, previous_sha256=GENESIS_HASH, readings_before=0)
        segment = ClockSegment(boot_id=bytes(16), offset_us=0, state=ClockState.NTP)
        messages: list[Message] = []
        seconds: dict[int, list[Entry]] = {}
        for at_us, readings in reported:
            seconds.setdefault((at_us - self.begins_us) // SEAL_US, []).extend(readings)
        for second, entries in sorted(seconds.items()):
            sealed_us = self.begins_us + (second + 1) * SEAL_US
            left: Sequence[Entry] = entries
            while left:
                taken, _ = take_readings(left, count_fitting(left, LIMITS))
                left = left[len(taken) :]
                data = self._signed(build_envelope(self.gateway, link, segment, taken))
                topic = up_topic(self.gateway)
                messages.append(Message(topic=topic, data=data, received_unix_us=sealed_us))
                link = Link(
                    number=link.number + 1,
                    previous_sha256=sha256(data).digest(),
                    readings_before=link.readings_before + len(taken),
                )
        return messages

    def _signed(self, envelope: Envelope) -> bytes:
        payload = encode_payload(envelope)
        protected = encode_protected(content_type(), key_id_of(self.key.public_key))
        return encode_sign1(protected, payload, self.key.sign(bytes_to_sign(protected, payload)))

    def _received(self, messages: Sequence[Message], rng: Random) -> ReadingBatch:
        """Return what a backend takes of messages, some of which come twice."""
        public_key = self.key.public_key
        head = replace(new_head(self.gateway), public_key=public_key, key_id=key_id_of(public_key))
        chain = Chain(heads={self.gateway: head}, held={})
        accepted: list[Accepted] = []
        for message in messages:
            for _ in range(2 if rng.random() < DUPLICATES else 1):
                examined = examine(message, self._verify)
                assert isinstance(examined, Examined), f"refused: {examined}"
                verdict = chain.judge(examined)
                if isinstance(verdict, Accepted):
                    accepted.append(verdict)
                else:
                    assert isinstance(verdict, Duplicate), f"not accepted: {verdict}"
        tables = [
            np.array(
                [
                    self.channels.id_of(self.gateway, sensor, quantity)
                    for sensor, quantity in verdict.examined.envelope.sensors
                ],
                dtype=np.int32,
            )
            for verdict in accepted
        ]
        return decoded_batch(accepted, tables, self.channels.refs)

    def _verify(self, gateway: GatewayId, message: Sign1) -> Reason | None:
        """Return why a signature is not this gateway's."""
        good = gateway == self.gateway and verify(
            verify_key(self.key.public_key), message.signature, message.signed_bytes
        )
        return None if good else Reason.BAD_SIGNATURE


def _place(block: ScalarBlock) -> int:
    return _POSITION.index(block.quantity) if block.quantity in _POSITION else 0
