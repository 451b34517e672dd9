"""A poll of several requests that is cut off: what was answered before is journalled."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from gateway.clock import SystemClock
from gateway.drivers.intake import Intake
from gateway.drivers.plan.device import DriverParts
from gateway.drivers.plan.modbus import plan_modbus
from gateway.reading import ClockSegment, Entry, Reading, Scalar
from gateway.supervisor.crew import Crew
from tests.integration.gateway.support import until
from tests.integration.gateway.test_modbus_driver import bus
from tests.integration.gateway.test_modbus_faults import own_addresses, unit_of
from tests.stream_server import listening
from tests.unit.gateway.builders import unfold

ADDRESSES = (0, 100, 200, 300)  # Too far apart for one request.
ANSWERED = 2


@dataclass(slots=True)
class Device:
    """A device that answers some requests, and then nothing more."""

    hangs_up: bool
    asked: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[int]:
        """Serve meanwhile; give the port."""
        async with listening(self._serve) as port:
            yield port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(260):
            self.asked += 1
            if self.asked <= ANSWERED:
                writer.write(own_addresses(request))
            elif self.hangs_up:
                break
        writer.close()


@dataclass(slots=True)
class Journal:
    """What the intake passed on."""

    readings: list[Reading] = field(default_factory=list[Reading])

    def put(self, _segment: ClockSegment, entries: Sequence[Entry], _urgent: bool) -> None:
        """Take a batch."""
        self.readings += unfold(entries)

    def sensors(self) -> list[str]:
        """Return the sensors whose values were journalled, in order."""
        return [reading.sensor for reading in self.readings if isinstance(reading, Scalar)]


@asynccontextmanager
async def reading(device: Device) -> AsyncGenerator[tuple[Journal, Crew]]:
    """Read ``device`` meanwhile as a gateway does, once an hour, and be patient with it."""
    clock, random, journal = SystemClock(), Random(1), Journal()
    async with device.serving() as port, asyncio.TaskGroup() as tasks:
        section = bus(port, unit_of(*ADDRESSES, poll_s=3_600.0), timeout_s=30.0)
        plan = plan_modbus(section, DriverParts(clock=clock, random=random))
        intake = Intake([plan.sensors], clock, journal.put)
        crew = Crew(tasks=tasks, intake=intake, clock=clock, random=random)
        crew.start([plan])
        yield journal, crew
        await crew.stop_all()


async def test_answers_before_a_lost_connection_are_journalled() -> None:
    """The device hangs up at the third of four requests: the first two values are there."""
    async with reading(Device(hangs_up=True)) as (journal, crew):
        await until(lambda: crew.drivers["bus"].restarts > 0)
        assert journal.sensors() == ["r0", "r100"]
        assert "the connection is lost" in crew.drivers["bus"].error


async def test_answers_before_the_end_are_journalled() -> None:
    """Drivers are stopped while the third request waits: the first two values are there."""
    device = Device(hangs_up=False)
    async with reading(device) as (journal, crew):
        await until(lambda: device.asked > ANSWERED)
        assert journal.sensors() == []
        await crew.stop_all()
        assert journal.sensors() == ["r0", "r100"]
