"""Run the gateway: journal first, then the drivers, then the network; keep each alive by itself.

The only place of the gateway that catches every exception: a driver with a bug is restarted like
one whose cable was pulled, and the others go on.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
import structlog

from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.config.uplink import read_password
from gateway.drivers.intake import Intake
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.plan.every import plan_drivers
from gateway.envelope import SealLimits
from gateway.errors import ConfigError, DeviceError, StateError, UnavailableError
from gateway.outbox.head import HEAD_FILE, HeadFile
from gateway.outbox.identity import OUTBOX_FILE, lock_state, open_identity
from gateway.outbox.store import StoreParts
from gateway.outbox.writer import Batch, Outbox
from gateway.reading import GATEWAY_SENSOR, ClockSegment, Reading
from gateway.signing import ReceiptVerifier
from gateway.uplink.enrolment import load_enrolment
from gateway.uplink.session import Broker, Uplink, UplinkParts
from schemas.quantities import EventType

TICK_S: Final = 0.25  # How late a late sensor may be noticed.
RESTART_S_MIN: Final = 0.2
RESTART_S_MAX: Final = 10.0
GOOD_RUN_S: Final = 30.0  # A driver that ran for so long starts its back-off anew.
DRAIN_S_MAX: Final = 3.0  # At the end the last readings get this long to reach the backend.
DRAIN_POLL_S: Final = 0.1
MQTT_PORT: Final = 1883
MQTTS_PORT: Final = 8883

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplinked:
    """Broker and backend of this gateway, from its configuration and its enrolment."""

    broker: Broker
    backend_key: bytes


def resolve_uplink(config: Config) -> Uplinked:
    """Return where to send; what the configuration leaves out comes from the enrolment.

    Raises:
        ConfigError: Neither names the broker or the backend's key.
        StateError, UntrustedError: The enrolment cannot be used.
    """
    uplink = config.uplink
    enrolment = load_enrolment(Path(config.gateway.state_dir), config.gateway.id)
    url = uplink.url or (enrolment and enrolment.broker.url)
    key = uplink.backend_key or (enrolment and enrolment.backend_key)
    if url is None:
        raise ConfigError("uplink.url", None, "given here or by `gateway enrol`")
    if key is None:
        raise ConfigError("uplink.backend_key", None, "given here or by `gateway enrol`")
    username, password = uplink.username, read_password(uplink.password, uplink.password_file)
    if username is None and enrolment is not None:
        username, password = enrolment.broker.username, enrolment.broker.password
    address = urlsplit(url)
    tls = None
    if address.scheme == "mqtts":
        tls = aiomqtt.TLSParameters(
            ca_certs=uplink.ca_file, certfile=uplink.cert_file, keyfile=uplink.key_file
        )
    broker = Broker(
        host=address.hostname or "",
        port=address.port or (MQTT_PORT if tls is None else MQTTS_PORT),
        username=username,
        password=password,
        tls=tls,
        keepalive_s=uplink.keepalive_s,
    )
    return Uplinked(broker=broker, backend_key=bytes.fromhex(key))


class Gateway:
    """One running gateway; made inside the event loop."""

    def __init__(self, config: Config, config_sha256: bytes, random: Random) -> None:
        """Take the state folder and open the journal.

        Raises:
            GatewayError: The configuration or the state folder cannot be used.
        """
        state_dir = Path(config.gateway.state_dir)
        uplinked = resolve_uplink(config)
        verifier = ReceiptVerifier(uplinked.backend_key, config.gateway.id)
        signer, _ = open_identity(state_dir)
        self._lock = lock_state(state_dir)
        self._config_sha256 = config_sha256
        self._random = random
        self._clock = SystemClock()
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        parts = StoreParts(
            path=state_dir / OUTBOX_FILE,
            head_file=HeadFile(state_dir / HEAD_FILE),
            gateway=config.gateway.id,
            signer=signer,
            limits=SealLimits(readings_max=config.seal.count, bytes_max=config.seal.bytes),
            bytes_max=config.outbox.bytes_max,
        )
        self._outbox = Outbox(parts, self._clock, age_s=config.seal.age_s, notify=self._notify)
        self._drivers = plan_drivers(config, DriverParts(clock=self._clock, random=random))
        self._intake = Intake([d.sensors for d in self._drivers], self._clock, self._journal)
        self._uplink = Uplink(
            UplinkParts(
                gateway=config.gateway.id,
                broker=uplinked.broker,
                outbox=self._outbox,
                verifier=verifier,
                clock=self._clock,
                random=random,
                alarm=self._alarm,
            ),
            window=config.uplink.window,
            receipt_timeout_s=config.uplink.receipt_timeout_s,
        )

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then seal and send what is left.

        Raises:
            StateError: The journal can no longer be written by this process.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        try:
            self._intake.announce(
                EventType.GATEWAY_START,
                {"software": software_version(), "config_sha256": self._config_sha256},
            )
            async with asyncio.TaskGroup() as tasks:
                drivers = [tasks.create_task(self._supervise(d)) for d in self._drivers]
                drivers.append(tasks.create_task(self._tick()))
                uplink = tasks.create_task(self._uplink.run())
                await stop.wait()
                _log.info("gateway_stopping")
                self._stopping = True
                for driver in drivers:
                    driver.cancel()
                await self._drain()
                uplink.cancel()
        finally:
            await asyncio.to_thread(self._outbox.close)
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.remove_signal_handler(number)

    async def _supervise(self, driver: DriverPlan) -> None:
        sensors = [w.sensor for w in driver.sensors.watched]
        attempt = 0
        told = ""
        while not self._stopping:  # A library's farewell may swallow the cancellation.
            began_s = self._clock.monotonic_s()
            why = "the driver ended"
            try:
                async with aclosing(driver.start()) as batches:
                    async for arrivals in batches:
                        self._intake.take(arrivals)
            except DeviceError as error:
                why = str(error)
                if why != told:  # Once when lost; "back" is the sensor's health.
                    _log.warning("driver_lost", driver=driver.name, error=why)
            except Exception as error:  # noqa: BLE001 - a driver's bug must not stop the others
                why = f"internal error: {type(error).__name__}: {error}"
                _log.exception("driver_failed", driver=driver.name)
            told = why
            self._intake.note_failure(sensors, why)
            if self._clock.monotonic_s() - began_s >= GOOD_RUN_S:
                attempt = 0
                told = ""
            ceiling_s = min(RESTART_S_MIN * 2**attempt, RESTART_S_MAX)
            attempt = min(attempt + 1, 16)
            await asyncio.sleep(self._random.uniform(ceiling_s / 2, ceiling_s))

    async def _tick(self) -> None:
        while True:
            self._intake.tick()
            if not self._outbox.alive:
                raise StateError("outbox: its thread has ended; the daemon must be started again")
            await asyncio.sleep(TICK_S)

    async def _drain(self) -> None:
        """Give the last readings a moment to be sealed, sent and receipted."""
        for _ in range(round(DRAIN_S_MAX / DRAIN_POLL_S)):
            await asyncio.sleep(
                DRAIN_POLL_S
            )  # First: the last readings are still being journalled.
            try:
                stats = await asyncio.wrap_future(self._outbox.stats())
            except UnavailableError:
                return
            if stats.unreceipted == 0 and stats.emitted == stats.sealed_readings:
                return

    def _journal(self, segment: ClockSegment, readings: Sequence[Reading], urgent: bool) -> None:
        self._outbox.put(Batch(segment=segment, readings=readings, urgent=urgent))

    def _notify(self) -> None:
        """Wake the sender from the outbox's thread; the loop may already be gone."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_uplink)

    def _wake_uplink(self) -> None:
        self._uplink.wake()

    def _alarm(self, why: str) -> None:
        self._intake.announce(EventType.HEALTH, {"state": "silent", "why": why})


def software_version() -> str:
    """Return the version of this software as it was installed."""
    try:
        return version("pledgewatch")
    except PackageNotFoundError:
        return "unpackaged"


async def run_gateway(config: Config, config_sha256: bytes) -> None:
    """Run the gateway of ``config`` until it is told to stop.

    Raises:
        GatewayError: It cannot start, or cannot go on.
    """
    gateway = Gateway(config, config_sha256, Random())  # noqa: S311 - jitter, no secret
    _log.info("gateway_started", gateway=config.gateway.id, sensor=GATEWAY_SENSOR)
    await gateway.run()
