"""Puts a whole site together: worlds, wires, devices, control; and takes it apart again.

This module composes and decides nothing.
"""

import asyncio
import json
import os
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from firmware_sim.clock import Clock
from firmware_sim.control import Control, control_server, serve_control
from firmware_sim.devices.camera import BrokerLogin, Cameras
from firmware_sim.devices.camera_http import HttpCamera
from firmware_sim.devices.gpsd import GpsdServer
from firmware_sim.devices.link import Link, Upstream
from firmware_sim.devices.llrp_antennas import run_outages, site_readers
from firmware_sim.devices.modbus_sensors import (
    climate_unit,
    contact_unit,
    shock_unit,
    weigher_unit,
)
from firmware_sim.devices.modbus_serve import ModbusTcpServer, Unit, serve_rtu
from firmware_sim.devices.pty import PtyPort
from firmware_sim.devices.serial import run_reader, run_scale, run_tracker, serial_tracker
from firmware_sim.errors import WireError
from firmware_sim.hearing import mixes_of
from firmware_sim.incidents import IncidentBook
from firmware_sim.noise import (
    CameraLife,
    Climate,
    FieldBus,
    LoadCell,
    TagReads,
    Vibration,
    Wander,
    seeded,
)
from firmware_sim.plan import (
    GnssForm,
    GnssPlan,
    ReaderForm,
    ScalePlan,
    Scenario,
    WeigherPlan,
)
from firmware_sim.plant import Plant
from firmware_sim.prices import FeedTarget, PriceFeed
from firmware_sim.state import Port
from firmware_sim.surroundings import set_at_work
from firmware_sim.weather import since_warmest_s
from firmware_sim.world import build_world

PORTS_FILE: Final = "ports.json"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run a site; no broker means no cameras and no links, no feed means no prices."""

    scenario: Scenario
    directory: Path
    seed: int
    control_port: int = 0
    broker: BrokerLogin | None = None
    feed: FeedTarget | None = None


class Site:
    """One run of a scenario."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Build the world; open nothing yet."""
        self._options = options
        self._scenario = options.scenario
        book = IncidentBook(options.scenario, seeded(options.seed, "incidents"))
        # Nobody keeps shifts at a live site: whoever looks at it is there.
        world = set_at_work(build_world(options.scenario), at_work=True)
        self.plant = Plant(world, book, clock)
        self._clock = clock
        self._ports: dict[str, PtyPort] = {}
        self._jobs: list[Coroutine[None, None, None]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; leaves no link, port or task behind.

        Raises:
            WireError: a port or pty could not be opened.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self._close_ports)
            stack.callback(self._drop_jobs)
            ports_file = await self._open(stack)
            stack.callback(ports_file.unlink, missing_ok=True)
            async with asyncio.TaskGroup() as group:
                jobs, self._jobs = self._jobs, []
                tasks = [group.create_task(job) for job in jobs]
                _log.info("site_ready", scenario=self._scenario.name, seed=self._options.seed)
                await stop.wait()
                for task in tasks:
                    task.cancel()
        _log.info("site_stopped", scenario=self._scenario.name)

    async def _open(self, stack: AsyncExitStack) -> Path:
        directory = self._options.directory
        try:
            (directory / "dev").mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            msg = f"cannot make {directory / 'dev'}: {exc}"
            raise WireError(msg) from exc
        self._jobs.append(self.plant.run())
        self._add_serial()
        ports: dict[str, object] = {"modbus_tcp": await self._open_modbus(stack)}
        ports["gpsd"] = await self._open_gpsd(stack)
        ports["llrp"] = await self._open_llrp(stack)
        ports["snapshots"] = await self._open_snapshots(stack)
        ports["links"] = await self._open_broker(stack)
        ports["control"] = self._open_control(stack)
        if self._options.feed is not None:
            self._jobs.append(
                PriceFeed(
                    self._options.feed,
                    self._scenario.instruments,
                    self._scenario.price_period_s,
                    self.plant,
                    seeded(self._options.seed, "prices"),
                ).run()
            )
        ready = directory / PORTS_FILE
        draft = directory / f".{PORTS_FILE}.{os.getpid()}"
        draft.write_text(json.dumps(ports) + "\n", encoding="utf-8")
        draft.replace(ready)  # a reader sees the whole file or none
        return ready

    def _port(self, name: str) -> PtyPort:
        port = PtyPort(self._options.directory / "dev" / name)
        self._ports[name] = port
        self._jobs.append(port.run(self._clock))
        return port

    def _add_serial(self) -> None:
        seed, plant = self._options.seed, self.plant
        for scale in self._scenario.scales:
            cell = self._cell(scale)
            self._jobs.append(run_scale(scale, self._port(scale.name), plant, cell))
        for reader in self._scenario.readers:
            if reader.form is ReaderForm.LLRP:
                continue
            noise = self._scenario.noise_of(reader.name)
            reads = TagReads(noise, seeded(seed, reader.name), mixes_of(self._scenario))
            self._jobs.append(run_reader(reader, self._port(reader.name), plant, reads))
        for tracker in self._scenario.trackers:
            if tracker.form is GnssForm.GPSD:
                continue
            wander = self._wander(tracker)
            send = serial_tracker(tracker, self._port(tracker.name))
            self._jobs.append(run_tracker(tracker, self._scenario, send, plant, wander))
        for weigher in self._scenario.weighers:
            unit = weigher_unit(weigher, plant, self._cell(weigher), self._bus(weigher.name))
            serve_rtu(self._port(weigher.name), weigher.unit, unit, self._clock)

    def _cell(self, plan: ScalePlan | WeigherPlan) -> LoadCell:
        return LoadCell(
            self._scenario.noise_of(plan.name),
            seeded(self._options.seed, plan.name),
            plan.settle_s,
            plan.capacity_g,
            since_warmest_s=since_warmest_s(self._scenario.life.weather, self._clock.unix_us()),
        )

    def _bus(self, name: str) -> FieldBus:
        return FieldBus(self._scenario.noise_of(name), seeded(self._options.seed, f"{name}/bus"))

    def _camera_life(self, name: str) -> CameraLife:
        return CameraLife(self._scenario.noise_of(name), seeded(self._options.seed, name))

    def _wander(self, plan: GnssPlan) -> Wander:
        noise = self._scenario.noise_of(plan.name)
        return Wander(noise, seeded(self._options.seed, plan.name), roof=plan.roof)

    async def _open_modbus(self, stack: AsyncExitStack) -> int:
        seed, noise_of, plant = self._options.seed, self._scenario.noise_of, self.plant
        weather = self._scenario.life.weather
        units: dict[int, Unit] = {}
        for climate in self._scenario.climates:
            air = Climate(noise_of(climate.name), seeded(seed, climate.name))
            bus = self._bus(climate.name)
            units[climate.unit] = climate_unit(climate, plant, air, bus, weather)
        for shock in self._scenario.shocks:
            floor = Vibration(noise_of(shock.name), seeded(seed, shock.name))
            units[shock.unit] = shock_unit(shock, plant, floor, self._bus(shock.name))
        for plan in (*self._scenario.doors, *self._scenario.waters):
            units[plan.unit] = contact_unit(plan, plant, self._bus(plan.name))
        server = ModbusTcpServer(units)
        stack.push_async_callback(server.listener.close)
        return await server.listener.open()

    async def _open_gpsd(self, stack: AsyncExitStack) -> dict[str, int]:
        ports: dict[str, int] = {}
        for tracker in self._scenario.trackers:
            if tracker.form is not GnssForm.GPSD:
                continue
            server = GpsdServer()
            stack.push_async_callback(server.listener.close)
            ports[tracker.name] = await server.listener.open()
            wander = self._wander(tracker)
            self._jobs.append(
                run_tracker(tracker, self._scenario, server.report, self.plant, wander)
            )
        return ports

    async def _open_llrp(self, stack: AsyncExitStack) -> dict[str, int]:
        ports: dict[str, int] = {}
        readers = site_readers(self._scenario, self.plant, self._options.seed)
        for device, (reader, antennas) in readers.items():
            self._jobs.append(run_outages(reader, antennas, self._clock))
            stack.push_async_callback(reader.listener.close)
            ports[device] = await reader.listener.open()
        return ports

    async def _open_snapshots(self, stack: AsyncExitStack) -> dict[str, int]:
        ports: dict[str, int] = {}
        for plan in self._scenario.cameras:
            camera = HttpCamera(plan, self.plant, self._options.seed, self._camera_life(plan.name))
            stack.push_async_callback(camera.listener.close)
            ports[plan.name] = await camera.listener.open()
        return ports

    async def _open_broker(self, stack: AsyncExitStack) -> dict[str, int]:
        login = self._options.broker
        if login is None:
            return {}
        ports: dict[str, int] = {}
        for gateway in self._scenario.gateways():
            link = Link(gateway, Upstream(host=login.host, port=login.port), self.plant)
            stack.push_async_callback(link.listener.close)
            ports[gateway] = await link.listener.open()
            self._jobs.append(link.run())
        rng = seeded(self._options.seed, "cameras")
        lives = {plan.name: self._camera_life(plan.name) for plan in self._scenario.cameras}
        self._jobs.append(Cameras(self._scenario, login, self.plant, rng, lives).run())
        return ports

    def _open_control(self, stack: AsyncExitStack) -> int:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        stack.callback(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._options.control_port))
        except OSError as exc:
            msg = f"control port {self._options.control_port}: {exc}"
            raise WireError(msg) from exc
        server = control_server(Control(self._scenario, self.plant, self._wires).app())
        self._jobs.append(serve_control(server, listener))
        return int(listener.getsockname()[1])

    def _wires(self) -> dict[str, Port]:
        return {
            name: Port(path=str(port.path), listening=port.listening, bytes_lost=port.bytes_lost)
            for name, port in self._ports.items()
        }

    def _drop_jobs(self) -> None:
        for job in self._jobs:
            job.close()  # opened, but something later could not be: never started
        self._jobs.clear()

    def _close_ports(self) -> None:
        for port in self._ports.values():
            port.close()
        self._ports.clear()
