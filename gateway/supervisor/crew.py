"""The running drivers: each is started again by itself, added and taken out while others go on."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

import structlog

from gateway.clock import SystemClock
from gateway.drivers.intake import Intake
from gateway.drivers.plan.device import DriverPlan
from gateway.errors import DeviceError

RESTART_S_MIN: Final = 0.2
RESTART_S_MAX: Final = 10.0
CANCEL_AGAIN_S: Final = 1.0
GOOD_RUN_S: Final = 30.0  # A driver that ran for so long starts its back-off anew.

_log = structlog.get_logger()


class DriverState(StrEnum):
    """What a driver does."""

    STARTING = "starting"  # Opened, or being opened; nothing came yet.
    RUNNING = "running"
    WAITING = "waiting"  # For the next attempt.


@dataclass(slots=True, kw_only=True)
class Driver:
    """One driver that is kept running."""

    plan: DriverPlan
    since_s: float
    state: DriverState = DriverState.STARTING
    restarts: int = 0
    error: str = ""  # Why it ended last; empty again once readings come.
    retry_s: float | None = None
    stopping: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def sensors(self) -> list[str]:
        """The names of its sensors."""
        return [w.sensor for w in self.plan.sensors.watched]

    def change(self, state: DriverState, now_s: float, *, retry_s: float | None = None) -> None:
        """Note what the driver does from ``now_s`` on."""
        if state is not self.state:
            self.state = state
            self.since_s = now_s
        self.retry_s = retry_s


@dataclass(slots=True, kw_only=True)
class Crew:
    """All drivers of a gateway; ``tasks`` is where they run."""

    tasks: asyncio.TaskGroup
    intake: Intake
    clock: SystemClock
    random: Random
    drivers: dict[str, Driver] = field(default_factory=dict[str, Driver])

    def start(self, plans: Iterable[DriverPlan]) -> None:
        """Start a driver for each plan; the intake already knows their sensors."""
        for plan in plans:
            driver = Driver(plan=plan, since_s=self.clock.monotonic_s())
            self.drivers[plan.name] = driver
            driver.task = self.tasks.create_task(self._keep_running(driver))

    async def stop(self, names: Iterable[str]) -> None:
        """Stop drivers and wait until each has let go of its port."""
        stopping = [self.drivers.pop(name) for name in names]
        left = {driver.task for driver in stopping if driver.task is not None}
        for driver in stopping:
            driver.stopping = True
        while left:
            for task in left:
                task.cancel()  # Again, where a library swallowed it.
            _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)

    def freshen(self) -> None:
        """Let every driver that can ask its device at once do so."""
        for driver in self.drivers.values():
            if driver.plan.freshen is not None:
                driver.plan.freshen()

    async def stop_all(self) -> None:
        """Stop every driver."""
        await self.stop(tuple(self.drivers))

    async def _keep_running(self, driver: Driver) -> None:
        attempt = 0
        told = ""
        while not driver.stopping:  # A library's farewell may swallow the cancellation.
            began_s = self.clock.monotonic_s()
            driver.change(DriverState.STARTING, began_s)
            why = await self._run(driver, told)
            if driver.stopping:
                return
            told = driver.error = why
            self.intake.note_failure(driver.sensors, why)
            if self.clock.monotonic_s() - began_s >= GOOD_RUN_S:
                attempt = 0
                told = ""
            ceiling_s = min(RESTART_S_MIN * 2**attempt, RESTART_S_MAX)
            attempt = min(attempt + 1, 16)
            wait_s = self.random.uniform(ceiling_s / 2, ceiling_s)
            now_s = self.clock.monotonic_s()
            driver.change(DriverState.WAITING, now_s, retry_s=now_s + wait_s)
            driver.restarts += 1
            await asyncio.sleep(wait_s)

    async def _run(self, driver: Driver, told: str) -> str:
        """Run ``driver`` until it ends; return why. What was ``told`` is not logged again."""
        try:
            async with aclosing(driver.plan.start()) as batches:
                async for arrivals in batches:
                    if driver.state is not DriverState.RUNNING:
                        driver.change(DriverState.RUNNING, self.clock.monotonic_s())
                        driver.error = ""
                    self.intake.take(arrivals)
        except DeviceError as error:
            why = str(error)
            if why != told:  # Once when lost; "back" is the sensor's health.
                _log.warning("driver_lost", driver=driver.plan.name, error=why)
            return why
        except Exception as error:  # noqa: BLE001 - a driver's bug must not stop the others
            _log.exception("driver_failed", driver=driver.plan.name)
            return f"internal error: {type(error).__name__}: {error}"
        return "the driver ended"
