"""What a driver yields meanwhile, collected; and the section of a device on a test's line."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import cbor2

from gateway.config.serial import SerialSection
from gateway.errors import DeviceError
from gateway.reading import Arrival, EventReading, Reading, Scalar, Sweep
from schemas.quantities import Quantity
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import until
from tests.unit.gateway.builders import unfold

Batches = AsyncGenerator[Sequence[Arrival | Sweep], None]


@dataclass(slots=True)
class Collected:
    """What a driver yielded, and how it ended."""

    readings: list[Reading] = field(default_factory=list[Reading])
    error: DeviceError | None = None

    def scalars(self, quantity: Quantity) -> list[float]:
        """Return the values of one quantity."""
        return [r.value for r in self.readings if isinstance(r, Scalar) and r.quantity is quantity]

    def faults(self) -> list[str]:
        """Return why of every fault."""
        return [cbor2.loads(r.body)["why"] for r in self.readings if isinstance(r, EventReading)]


@asynccontextmanager
async def collecting(batches: Batches, line: Line | None = None) -> AsyncGenerator[Collected]:
    """Run a driver meanwhile, and wait until it has opened ``line``."""
    collected = Collected()

    async def collect() -> None:
        try:
            async with aclosing(batches):
                async for batch in batches:
                    for arrival in batch:
                        whole = [arrival] if isinstance(arrival, Sweep) else arrival
                        collected.readings += unfold(whole)
        except DeviceError as error:
            collected.error = error

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(collect())
        if line is not None:
            await until(lambda: line.is_open)
        yield collected
        task.cancel()


def make_section(line: Line, family_name: str, **overrides: Any) -> SerialSection:  # noqa: ANN401
    """Return the configuration of a device on ``line``."""
    values: dict[str, Any] = {"sensor": "s", "family": family_name, "port": line.path}
    return SerialSection(**(values | overrides))
