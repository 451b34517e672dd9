"""Each driver is kept running by itself: started again, never in step, stopped for good."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from gateway.clock import SystemClock
from gateway.drivers.intake import LIFE_CHANNEL, Intake, SensorPlan
from gateway.drivers.plan.device import DriverPlan
from gateway.drivers.report import ReportRule
from gateway.errors import DeviceError
from gateway.health import Watched
from gateway.reading import Arrival, ClockSegment
from gateway.supervisor.crew import Crew, DriverState
from tests.integration.gateway.support import until
from tests.unit.gateway.builders import make_random, make_scalar

Start = Callable[[], AsyncGenerator[Sequence[Arrival], None]]


def make_plan(name: str, start: Start) -> DriverPlan:
    """Return the plan of one scale that ``start`` reads."""
    sensors = SensorPlan(
        watched=[Watched(sensor=name, late_s=60.0, channels=(LIFE_CHANNEL,))],
        rules={(name, None): ReportRule(heartbeat_s=0.0)},
        bounds={},
    )
    return DriverPlan(name=name, section=name, sensors=sensors, start=start)


def discard(_segment: ClockSegment, _readings: Sequence[object], _urgent: bool) -> None:
    """Take a batch to nowhere."""


@asynccontextmanager
async def running(*plans: DriverPlan) -> AsyncGenerator[Crew]:
    """Run drivers meanwhile."""
    clock = SystemClock()
    intake = Intake([plan.sensors for plan in plans], clock, discard)
    async with asyncio.TaskGroup() as tasks:
        crew = Crew(tasks=tasks, intake=intake, clock=clock, random=make_random())
        crew.start(plans)
        yield crew
        await crew.stop_all()


async def speak_for_ever() -> AsyncGenerator[Sequence[Arrival], None]:
    """Read a scale that speaks all the time."""
    while True:
        yield [[make_scalar(sensor="good")]]
        await asyncio.sleep(0.01)


async def test_driver_that_fails_does_not_stop_another() -> None:
    """A lost device and a bug are both tried again; a good driver does not notice."""
    starts = {"lost": 0, "buggy": 0}

    async def lose() -> AsyncGenerator[Sequence[Arrival], None]:
        starts["lost"] += 1
        raise DeviceError("lost: cable")
        yield []

    async def break_() -> AsyncGenerator[Sequence[Arrival], None]:
        starts["buggy"] += 1
        raise ZeroDivisionError("bug")
        yield []

    plans = [
        make_plan("good", speak_for_ever),
        make_plan("lost", lose),
        make_plan("buggy", break_),
    ]
    async with running(*plans) as crew:
        await until(lambda: min(starts.values()) >= 2)
        good, lost, buggy = (crew.drivers[plan.name] for plan in plans)

        assert (good.state, good.restarts, good.error) == (DriverState.RUNNING, 0, "")
        assert lost.error == "lost: cable"
        assert buggy.error == "internal error: ZeroDivisionError: bug"
        assert lost.restarts >= 1


async def test_error_is_forgotten_once_readings_come() -> None:
    """A driver that failed and came back shows as running, without its old trouble."""
    attempts = 0

    async def recover() -> AsyncGenerator[Sequence[Arrival], None]:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise DeviceError("late: not there yet")
        async for arrivals in speak_for_ever():
            yield arrivals

    async with running(make_plan("good", recover)) as crew:
        driver = crew.drivers["good"]
        await until(lambda: driver.state is DriverState.RUNNING)
        assert (driver.error, driver.restarts, driver.retry_s) == ("", 1, None)


async def test_stop_waits_until_the_port_is_free() -> None:
    """When stop returns the driver has let go, also where a library swallows a cancellation."""
    open_ports = 0

    async def hold() -> AsyncGenerator[Sequence[Arrival], None]:
        nonlocal open_ports
        open_ports += 1
        try:
            yield [[make_scalar(sensor="stubborn")]]
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                await asyncio.sleep(3_600)  # Asked once more, it goes.
        finally:
            open_ports -= 1

    async with running(make_plan("stubborn", hold)) as crew:
        await until(lambda: open_ports == 1)
        await crew.stop(["stubborn"])
        assert (open_ports, crew.drivers) == (0, {})
