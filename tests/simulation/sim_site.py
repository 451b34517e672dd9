"""A simulated site for tests: quick devices, real wires, and polls with a deadline."""

import asyncio
import dataclasses
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import httpx

from firmware_sim.clock import SystemClock
from firmware_sim.incidents import IncidentBook, Kind
from firmware_sim.noise import seeded
from firmware_sim.plan import Scenario
from firmware_sim.plant import Plant
from firmware_sim.scenario import load_scenario
from firmware_sim.site import Options, Site
from firmware_sim.world import build_world

T = TypeVar("T")

DEADLINE_S = 10.0
MULTI_INVENTORY: Final = bytes.fromhex("BB0027000322FFFF4A7E")


def quick_harbour(*, price_period_s: float = 60.0) -> Scenario:
    """Return the harbour with devices that report ten times as often."""
    harbour = load_scenario("harbour")
    climates = (dataclasses.replace(harbour.climates[0], air_tau_s=0.5, lag_s=0.2),)
    return dataclasses.replace(
        harbour,
        readers=tuple(dataclasses.replace(r, round_s=0.1) for r in harbour.readers),
        scales=tuple(dataclasses.replace(s, rate_hz=50.0, settle_s=0.1) for s in harbour.scales),
        climates=climates,
        price_period_s=price_period_s,
    )


def quiet_plant(scenario: Scenario | None = None) -> Plant:
    """Return a plant whose time does not pass by itself."""
    scenario = scenario or quick_harbour()
    book = IncidentBook(scenario, seeded(1, "incidents"))
    return Plant(build_world(scenario), book, SystemClock())


async def until(ask: Callable[[], T | None], what: str) -> T:
    """Return the first answer of ``ask`` that is true, within the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if answer := ask():
                return answer
            await asyncio.sleep(0.005)
    raise AssertionError(what)


class Host:
    """A program that has a serial port open: what it received, and a way to send."""

    def __init__(self, path: Path) -> None:
        """Open the port as a driver does."""
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.received = bytearray()

    def read(self) -> bytes:
        """Return everything received so far."""
        try:
            while chunk := os.read(self._fd, 4_096):
                self.received += chunk
        except BlockingIOError:
            pass
        return bytes(self.received)

    def send(self, chunk: bytes) -> None:
        """Send ``chunk`` to the device."""
        assert os.write(self._fd, chunk) == len(chunk)

    def forget(self) -> None:
        """Drop what was received, so that only what comes now counts."""
        self.read()
        self.received.clear()

    def close(self) -> None:
        """Close the port."""
        os.close(self._fd)


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether somebody listens on ``port``."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def broker(port: int) -> AsyncGenerator[None]:
    """Run a real MQTT broker on ``port`` of the loopback; kill it at the end."""
    program = Path(__file__).with_name("mqtt_broker.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), str(port), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: answers(port), "broker")
        yield
    finally:
        process.kill()
        await process.wait()


class Running:
    """A site in this process, with clients for its control API and its ports."""

    def __init__(self, site: Site, directory: Path) -> None:
        """Look at ``site``, whose files are in ``directory``."""
        self.site = site
        self.directory = directory
        self.ports = cast(
            "dict[str, Any]", json.loads((directory / "ports.json").read_text(encoding="utf-8"))
        )
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.ports['control']}", trust_env=False
        )

    async def start(self, kind: Kind, lot: str | None = None) -> dict[str, Any]:
        """Let an incident happen over the control API and return its label."""
        reply = await self._http.post("/incidents", json={"kind": kind.value, "lot": lot})
        assert reply.status_code == 201, reply.text
        return cast("dict[str, Any]", reply.json())

    async def undo(self, incident: dict[str, Any]) -> None:
        """Take an incident back."""
        reply = await self._http.post(f"/incidents/{incident['id']}/undo")
        assert reply.status_code == 200, reply.text

    async def shown(self, incident: dict[str, Any]) -> int:
        """Return when devices first showed the incident, as soon as they have."""
        book = self.site.plant.book
        at = await until(lambda: book.get(incident["id"]).first_bytes_unix_us, "shown")
        assert at >= incident["started_unix_us"]
        return at

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()


@asynccontextmanager
async def running(options: Options) -> AsyncGenerator[Running]:
    """Run a site in this loop, from its ``ports.json`` to its orderly end."""
    site, stop = Site(options, SystemClock()), asyncio.Event()
    ready = options.directory / "ports.json"
    async with asyncio.TaskGroup() as group:
        group.create_task(site.run(stop))
        try:
            await until(ready.is_file, "ports.json")
            client = Running(site, options.directory)
            try:
                yield client
            finally:
                await client.close()
        finally:
            stop.set()
    assert not ready.exists()
    assert list((options.directory / "dev").iterdir()) == []
