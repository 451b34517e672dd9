"""Signed envelopes of gateways that exist only to load: one template, a number and a time each.

Built as a gateway builds them, but from columns made once, so that making load costs little of
the machine that is measured. Ed25519 is deterministic: the same seed and times give the same
bytes in any process.
"""

from array import array
from dataclasses import replace
from hashlib import sha256
from random import Random

from gateway.signing import Signer
from gateway.signing.ed25519 import PrivateKey
from schemas.envelope import (
    GENESIS_HASH,
    Clock,
    ClockState,
    Envelope,
    Events,
    Scalars,
    Sightings,
)
from schemas.quantities import Quantity

READINGS = 256  # An envelope of a busy gateway: sealed by count.
VARIANTS = 16  # Different columns of values, used in turn.
SPAN_US = 100_000  # Readings of an envelope are spread over this.


class LoadStream:
    """The stream of one loading gateway, from its first envelope on."""

    def __init__(self, gateway: str, *, sensors: int) -> None:
        """Make the key from the gateway's name, and the columns of ``sensors`` thermometers."""
        seed = sha256(f"load {gateway}".encode()).digest()
        self.gateway = gateway
        self.number = 0
        self._signer = Signer(PrivateKey(seed))
        self._previous = GENESIS_HASH
        self._templates = _templates(gateway, sensors, Random(seed))

    @property
    def public_key(self) -> bytes:
        """The raw public key, to be enrolled."""
        return self._signer.public_key

    def next(self, base_unix_us: int) -> bytes:
        """Return the next envelope, its first reading at ``base_unix_us``."""
        template = self._templates[self.number % VARIANTS]
        before = self.number * READINGS
        self.number += 1
        message = self._signer.sign_envelope(
            replace(
                template,
                number=self.number,
                previous_sha256=self._previous,
                readings_before=before,
                base_unix_us=base_unix_us,
                clock=replace(template.clock, monotonic_us=base_unix_us),
            )
        )
        self._previous = sha256(message).digest()
        return message


def gateway_names(count: int) -> list[str]:
    """Return the names of loading gateways."""
    return [f"load-{number:02d}" for number in range(count)]


def presigned(gateway: str, *, sensors: int, envelopes: int, start_unix_us: int) -> list[bytes]:
    """Return a stream's first envelopes, ``SPAN_US`` apart from ``start_unix_us`` on."""
    stream = LoadStream(gateway, sensors=sensors)
    return [stream.next(start_unix_us + number * SPAN_US) for number in range(envelopes)]


def _templates(gateway: str, sensors: int, rng: Random) -> list[Envelope]:
    table = tuple((f"thermometer-{n:03d}", Quantity.TEMPERATURE) for n in range(sensors))
    sensor = memoryview(array("H", [n % sensors for n in range(READINGS)]))
    offset_us = memoryview(array("I", [n * SPAN_US // READINGS for n in range(READINGS)]))
    quality = memoryview(array("B", bytes(READINGS)))
    nothing = Sightings(
        sensor=memoryview(array("H")),
        offset_us=memoryview(array("I")),
        epc_length=memoryview(b""),
        epcs=b"",
        antenna=memoryview(b""),
        rssi_cdbm=memoryview(array("h")),
        count=memoryview(array("H")),
    )
    columns = [
        Scalars(
            sensor=sensor,
            offset_us=offset_us,
            value=memoryview(array("d", [rng.gauss(-20.0, 0.5) for _ in range(READINGS)])),
            quality=quality,
        )
        for _ in range(VARIANTS)
    ]
    return [
        Envelope(
            gateway=gateway,
            number=1,
            previous_sha256=GENESIS_HASH,
            readings_before=0,
            base_unix_us=0,
            clock=Clock(
                state=ClockState.NTP,
                boot_id=sha256(gateway.encode()).digest()[:16],
                monotonic_us=0,
            ),
            sensors=table,
            scalars=scalars,
            sightings=nothing,
            events=Events(
                sensor=nothing.sensor,
                offset_us=nothing.offset_us,
                type=(),
                body=(),
                image_sha256=(),
            ),
        )
        for scalars in columns
    ]
