"""One running gateway: it composes journal, drivers and uplink, and starts and ends them."""

import asyncio
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import structlog

from gateway.clock import SystemClock
from gateway.commands.executor import Executor, ExecutorParts
from gateway.commands.ledger import Ledger
from gateway.config.file import Config
from gateway.config.own import metrics_address
from gateway.config.remote import InForce, load_in_force
from gateway.control.http import MetricsServer
from gateway.control.metrics import metrics_text
from gateway.control.server import ControlServer
from gateway.control.software import software_sha256, software_version
from gateway.control.status import Reloaded, Rotating, Status
from gateway.control.watchdog import ServiceManager
from gateway.drivers.intake import Intake
from gateway.drivers.plan.device import DriverParts
from gateway.drivers.plan.every import plan_drivers
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.envelope import SealLimits
from gateway.errors import GatewayError, StateError, UnavailableError
from gateway.outbox.head import HEAD_FILE, HeadFile
from gateway.outbox.identity import OUTBOX_FILE, lock_state, open_identity, turn_key
from gateway.outbox.store import StoreParts
from gateway.outbox.writer import Batch, Outbox
from gateway.reading import GATEWAY_SENSOR, ClockSegment, Entry
from gateway.signing import CommandVerifier, ReceiptVerifier, open_token
from gateway.supervisor.changes import check_same_gateway, compare_plans, fix_sections
from gateway.supervisor.crew import Crew
from gateway.supervisor.keywatch import KeyWatch
from gateway.supervisor.observe import Observed, observe
from gateway.supervisor.orders import Orders
from gateway.supervisor.pulse import Pulse
from gateway.supervisor.renewal import Renewal, RenewalParts
from gateway.supervisor.rotate import TurnParts, begin_to_turn
from gateway.uplink.session import Uplink, UplinkParts
from gateway.uplink.target import Uplinked, resolve_uplink
from schemas.quantities import EventType

TICK_S: Final = 0.25  # How late a late sensor may be noticed.
DRAIN_S_MAX: Final = 3.0  # At the end the last readings get this long to reach the backend.
DRAIN_POLL_S: Final = 0.1

_log = structlog.get_logger()


class Gateway:
    """One running gateway; made inside the event loop."""

    def __init__(self, path: Path, config: Config, config_sha256: bytes, random: Random) -> None:
        """Take the state folder and open the journal; ``path`` is read again on a reload.

        Raises:
            GatewayError: The configuration or the state folder cannot be used.
        """
        state_dir = self._state_dir = Path(config.gateway.state_dir)
        self._path = path
        self._config = config
        self._config_sha256 = config_sha256
        self._uplinked = resolve_uplink(config)
        self._clock = SystemClock()
        self._token = open_token(config.key, state_dir, self._clock)
        self._signer, _ = open_identity(state_dir, self._token)
        self._lock = lock_state(state_dir)
        self._random = random
        self._began_s = self._clock.monotonic_s()
        self._loop = asyncio.get_running_loop()
        self._changing = asyncio.Lock()
        self._manager = ServiceManager()
        parts = StoreParts(
            path=state_dir / OUTBOX_FILE,
            head_file=HeadFile(state_dir / HEAD_FILE),
            gateway=config.gateway.id,
            signer=self._signer,
            limits=SealLimits(readings_max=config.seal.count, bytes_max=config.seal.bytes),
            bytes_max=config.outbox.bytes_max,
            window=config.uplink.window,
            turn=partial(turn_key, state_dir, self._signer, token=self._token),
        )
        self._outbox = Outbox(parts, self._clock, age_s=config.seal.age_s, notify=self._notify)
        self._intake = Intake((), self._clock, self._journal)
        self._tasks = asyncio.TaskGroup()
        self._crew = Crew(tasks=self._tasks, intake=self._intake, clock=self._clock, random=random)
        self._executor = Executor(
            ExecutorParts(
                ledger=Ledger(state_dir),
                clock=self._clock,
                announce=self._intake.announce,
                handlers=self._orders(state_dir).handlers(),
            ),
            CommandVerifier(self._uplinked.backend_key, config.gateway.id),
        )
        self._uplink = self._make_uplink(config, self._uplinked)
        self._sending: asyncio.Task[None] | None = None
        self._renewal = self._make_renewal()
        answers = {
            "status": self.status,
            "reload": self.reload,
            "rotate": self.rotate,
            "renew": self._renewal.renew,
        }
        self._control = ControlServer(state_dir, answers)
        address = metrics_address(config.metrics)
        self._metrics = address and MetricsServer(*address, self._render_metrics)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then seal and send what is left.

        Raises:
            StateError: The journal can no longer be written by this process.
        """
        stop, reload = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, reload.set)
        try:
            self._attest("start")
            await self._control.open()
            if self._metrics is not None:
                await self._metrics.open()
            async with self._tasks as tasks:
                plans = plan_drivers(self._config, self._driver_parts)
                self._intake.replace((), [plan.sensors for plan in plans])
                self._crew.start(plans)
                watching = [
                    tasks.create_task(self._tick()),
                    tasks.create_task(self._reload_on(reload)),
                    tasks.create_task(self._executor.run()),
                    tasks.create_task(self._renewal.run()),
                ]
                self._sending = tasks.create_task(self._uplink.run())
                self._manager.tell_ready()
                await stop.wait()
                _log.info("gateway_stopping")
                self._manager.tell_stopping()
                await self._control.close()
                for task in watching:
                    task.cancel()
                async with self._changing:
                    await self._crew.stop_all()
                    await self._drain()
                    self._sending.cancel()
        finally:
            await self._control.close()
            if self._metrics is not None:
                await self._metrics.close()
            await asyncio.to_thread(self._outbox.close)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._loop.remove_signal_handler(number)

    async def status(self) -> Status:
        """Return how this gateway stands."""
        return await observe(
            Observed(
                config=self._config,
                config_file=self._path,
                config_sha256=self._config_sha256,
                clock=self._clock,
                began_s=self._began_s,
                intake=self._intake,
                crew=self._crew,
                outbox=self._outbox,
                uplink=self._uplink,
                signer=self._signer,
                transport=self._uplinked.transport,
                renewal=self._renewal,
            )
        )

    async def reload(self) -> Reloaded:
        """Read the configuration's file again and go by it.

        Raises:
            GatewayError: It cannot be used; the present one stays in force.
        """
        wanted = await asyncio.to_thread(load_in_force, self._path, vocabulary())
        if wanted.refused:
            _log.error("remote_configuration_refused", why=wanted.refused)
        return await self.reconfigure(wanted.config, wanted.sha256)

    async def reconfigure(
        self, config: Config, config_sha256: bytes, *, command: int | None = None
    ) -> Reloaded:
        """Go by ``config``: restart what its changes touch, and nothing else.

        What was read is journalled before a driver is stopped, so that nothing is lost; a
        configuration that says the same is attested and changes nothing. ``command`` is the number
        of the backend's command for it; None: somebody on the site wants it.

        Raises:
            GatewayError: It cannot be used; the present one stays in force.
        """
        async with self._changing:
            check_same_gateway(self._config, config)
            uplinked = resolve_uplink(config)
            in_force, waiting = fix_sections(self._config, config)
            running = {name: driver.plan for name, driver in self._crew.drivers.items()}
            changes = compare_plans(running, plan_drivers(in_force, self._driver_parts))
            reconnect = uplinked != self._uplinked or in_force.uplink != self._config.uplink
            reloaded = Reloaded(
                config_sha256=config_sha256.hex(),
                started=changes.added,
                restarted=changes.restarted,
                stopped=changes.removed,
                reconnected=reconnect,
                restart_needed=waiting,
            )
            if reloaded.idle and config_sha256 == self._config_sha256:
                return reloaded
            self._manager.tell_reloading(round(self._clock.monotonic_s() * 1_000_000))
            await self._crew.stop([plan.name for plan in changes.stop])
            self._intake.replace(
                [plan.sensors for plan in changes.stop], [plan.sensors for plan in changes.start]
            )
            self._crew.start(changes.start)
            self._config = in_force
            self._config_sha256 = config_sha256
            if reconnect:
                await self._reopen_uplink(uplinked)
            self._attest("reload" if command is None else "command", command)
            self._manager.tell_ready()
        _log.info("gateway_reconfigured", **reloaded.done)
        return reloaded

    async def reopen_uplink(self) -> None:
        """Open the uplink anew with what configuration, enrolment and certificates now say.

        Raises:
            GatewayError: They cannot be used; the present uplink goes on.
        """
        async with self._changing:
            await self._reopen_uplink(resolve_uplink(self._config))

    async def _reopen_uplink(self, uplinked: Uplinked) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        self._uplinked = uplinked
        self._executor.verifier = CommandVerifier(uplinked.backend_key, self._config.gateway.id)
        self._uplink = self._make_uplink(self._config, uplinked)
        self._sending = self._tasks.create_task(self._uplink.run())

    async def _reload_on(self, asked: asyncio.Event) -> None:
        while True:
            await asked.wait()
            asked.clear()
            try:
                await self.reload()
            except GatewayError as error:
                _log.error("reload_refused", error=str(error))

    async def _tick(self) -> None:
        """Watch sensors, clock and journal; tell the service manager while all of them live."""
        pulse = Pulse(self._manager, self._outbox, self._clock)
        key = KeyWatch(self._signer, self._intake.announce)
        while True:
            self._intake.tick()
            key.look()
            if not self._outbox.alive:
                raise StateError("outbox: its thread has ended; the daemon must be started again")
            await pulse.beat(self.status)
            await asyncio.sleep(TICK_S)

    async def _drain(self) -> None:
        """Give the last readings a moment to be sealed, sent and receipted."""
        for _ in range(round(DRAIN_S_MAX / DRAIN_POLL_S)):
            # First: the last readings are still being journalled.
            await asyncio.sleep(DRAIN_POLL_S)
            try:
                stats = await asyncio.wrap_future(self._outbox.stats())
            except UnavailableError:
                return
            if stats.unreceipted == 0 and stats.emitted == stats.sealed_readings:
                return

    @property
    def _driver_parts(self) -> DriverParts:
        return DriverParts(clock=self._clock, random=self._random, state_dir=self._state_dir)

    def _make_uplink(self, config: Config, uplinked: Uplinked) -> Uplink:
        return Uplink(
            UplinkParts(
                gateway=config.gateway.id,
                transport=uplinked.transport,
                outbox=self._outbox,
                verifier=ReceiptVerifier(uplinked.backend_key, config.gateway.id),
                clock=self._clock,
                random=self._random,
                alarm=self._alarm,
                take_command=self._executor.take,
                note_time=self._executor.note_time,
            ),
            window=config.uplink.window,
            receipt_timeout_s=config.uplink.receipt_timeout_s,
        )

    def _make_renewal(self) -> Renewal:
        return Renewal(
            RenewalParts(
                gateway=self._config.gateway.id,
                state_dir=self._state_dir,
                signer=self._signer,
                clock=self._clock,
                random=self._random,
                in_use=lambda: self._uplinked.certificate,
                reopen=self.reopen_uplink,
            )
        )

    def _orders(self, state_dir: Path) -> Orders:
        return Orders(
            config_file=self._path,
            state_dir=state_dir,
            in_force=lambda: InForce(config=self._config, sha256=self._config_sha256),
            go_by=self._go_by,
            freshen=self._freshen,
            turn_key=self.rotate,
            publish=lambda topic, messages: self._uplink.publish(topic, messages),
        )

    async def rotate(self) -> Rotating:
        """Begin to turn to a new key; what is read meanwhile is journalled, and nothing is lost.

        Raises:
            GatewayError: It cannot begin now.
        """
        parts = TurnParts(
            gateway=self._config.gateway.id,
            state_dir=self._state_dir,
            signer=self._signer,
            outbox=self._outbox,
            clock=self._clock,
            token=self._token,
        )
        rotating = await begin_to_turn(parts, self._intake.segment)
        self._uplink.wake()
        return rotating

    async def _go_by(self, wanted: InForce, command: int) -> Reloaded:
        return await self.reconfigure(wanted.config, wanted.sha256, command=command)

    def _freshen(self) -> None:
        """Have every sensor told anew: what it says next, and what a driver can ask for now."""
        self._intake.hasten()
        self._crew.freshen()

    def _attest(self, why: str, command: int | None = None) -> None:
        """Journal which software runs under which configuration, since which boot."""
        self._intake.announce(
            EventType.GATEWAY_START,
            {
                "software": software_version(),
                "software_sha256": software_sha256(),
                "config_sha256": self._config_sha256,
                "boot_id": self._clock.boot_id,
                "why": why,
                "command": command,
            },
        )

    async def _render_metrics(self) -> str:
        return metrics_text(await self.status())

    def _journal(self, segment: ClockSegment, readings: Sequence[Entry], urgent: bool) -> None:
        self._outbox.put(Batch(segment=segment, readings=readings, urgent=urgent))

    def _notify(self) -> None:
        """Wake the sender from the outbox's thread; the loop may already be gone."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_uplink)

    def _wake_uplink(self) -> None:
        self._uplink.wake()

    def _alarm(self, why: str) -> None:
        self._intake.announce(EventType.HEALTH, {"state": "silent", "why": why})


async def run_gateway(path: Path, config: Config, config_sha256: bytes) -> None:
    """Run the gateway of ``config``, which was read from ``path``, until it is told to stop.

    Raises:
        GatewayError: It cannot start, or cannot go on.
    """
    random = Random()  # noqa: S311 - jitter, no secret
    gateway = Gateway(path, config, config_sha256, random)
    _log.info("gateway_started", gateway=config.gateway.id, sensor=GATEWAY_SENSOR)
    await gateway.run()
