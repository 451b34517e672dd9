"""Whether every device answers: the running daemon knows; without one, they are opened here."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from gateway.cli.doctor.finding import Finding, ok, problem, warning
from gateway.cli.words import age_text, channels_text
from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.control.status import Status
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.plan.every import plan_drivers
from gateway.errors import GatewayError
from gateway.reading import Arrival, EventReading, Sweep
from schemas.quantities import EventType

ANSWER_S_MAX: Final = 6.0  # A camera, or a receiver that speaks once a second, with some to spare.


def ask_daemon(status: Status) -> Iterator[Finding]:
    """Yield how each sensor and driver of the running daemon is."""
    for driver in status.drivers:
        if driver.error:
            what = f"{driver.kind} {driver.name} is {driver.state}: {driver.error}"
            yield problem("driver", what, "look at cable, address and settings; `scan` helps")
    for sensor in status.sensors:
        if sensor.health == "up":
            shown = f"{channels_text(sensor.channels)}, {age_text(sensor.age_s)} ago"
            yield ok("sensor", f"{sensor.name}: {shown}")
        else:
            make = warning if sensor.health in ("late", "implausible") else problem
            remedy = (
                "look at the device, or correct min and max"
                if sensor.health == "implausible"
                else "look at power, cable and settings of the device"
            )
            yield make("sensor", f"{sensor.name} is {sensor.health}: {sensor.why}", remedy)


def ask_devices(config: Config, *, answer_s: float = ANSWER_S_MAX) -> list[Finding]:
    """Return whether each device answers, opened by this process for some seconds, all at once."""
    random = Random()  # noqa: S311 - jitter, no secret
    with TemporaryDirectory() as folder:  # What a driver keeps is the daemon's, never ours.
        parts = DriverParts(clock=SystemClock(), random=random, state_dir=Path(folder))
        return asyncio.run(_ask_all(plan_drivers(config, parts), answer_s))


async def _ask_all(plans: Sequence[DriverPlan], answer_s: float) -> list[Finding]:
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_ask(plan, answer_s)) for plan in plans]
    return [task.result() for task in asked]


async def _ask(plan: DriverPlan, answer_s: float) -> Finding:
    heard = ""
    try:
        async with asyncio.timeout(answer_s), aclosing(plan.start()) as batches:
            async for arrivals in batches:
                if any(map(_tells, arrivals)):
                    return ok("device", f"{plan.name} answers")
                heard = "only faults come"
    except TimeoutError:
        what = f"{plan.name}: {heard or 'no answer'} within {answer_s:g} s"
        return problem("device", what, "look at power, cable, address and settings; `scan` helps")
    except GatewayError as error:
        return problem("device", str(error), "look at cable and rights; `scan` shows the ports")
    return problem("device", f"{plan.name} ended by itself", "look at power and cable")


def _tells(arrival: Arrival | Sweep) -> bool:
    """Tell whether ``arrival`` holds anything but faults."""
    if isinstance(arrival, Sweep):
        return True
    return any(not isinstance(r, EventReading) or r.type is not EventType.FAULT for r in arrival)
