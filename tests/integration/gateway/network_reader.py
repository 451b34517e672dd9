"""A simulated LLRP reader, the driver that reads it, and what came of that."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import cbor2

from firmware_sim.clock import SystemClock as SimulatorClock
from firmware_sim.devices.llrp_serve import Field, LlrpReader
from firmware_sim.devices.rfid import TagSeen
from gateway.clock import SystemClock
from gateway.config.llrp import LlrpSection
from gateway.drivers.llrp import read_llrp
from gateway.reading import EventReading, Reading, Scalar, Sighting
from schemas.quantities import EventType
from tests.integration.gateway.collected import Collected, collecting

EPC_96 = bytes.fromhex("3074257bf7194e4000001a85")
EPC_144 = bytes(range(18))


def field(*epcs: bytes) -> Field:
    """Return what an antenna sees in every pass."""
    return lambda: [TagSeen(epc=epc, rssi_dbm=-56.0) for epc in epcs]


@asynccontextmanager
async def serving(*fields: Field) -> AsyncGenerator[tuple[LlrpReader, int]]:
    """Serve a reader with an antenna for each field, numbered from 1."""
    reader = LlrpReader(dict(enumerate(fields, 1)), SimulatorClock())
    port = await reader.listener.open()
    try:
        yield reader, port
    finally:
        await reader.listener.close()


def make_section(port: int, **overrides: Any) -> LlrpSection:  # noqa: ANN401 - any of the fields
    """Return the configuration of a reader with short rounds."""
    values: dict[str, Any] = {
        "sensor": "portal",
        "url": f"tcp://127.0.0.1:{port}",
        "report_ms": 200,
        "keepalive_s": 0.2,
    }
    return LlrpSection(**(values | overrides))


@asynccontextmanager
async def reading(section: LlrpSection) -> AsyncGenerator[Collected]:
    """Run the driver meanwhile."""
    async with collecting(read_llrp(section, SystemClock())) as collected:
        yield collected


def sightings(readings: Sequence[Reading]) -> list[Sighting]:
    """Return the tags that were seen."""
    return [r for r in readings if isinstance(r, Sighting)]


def counts(readings: Sequence[Reading], sensor: str = "portal") -> list[float]:
    """Return one sensor's counts, round by round."""
    return [r.value for r in readings if isinstance(r, Scalar) and r.sensor == sensor]


def said(readings: Sequence[Reading]) -> list[tuple[str, int | None]]:
    """Return what the reader said of itself, and of which antenna."""
    events = [r for r in readings if isinstance(r, EventReading)]
    assert all(r.type is EventType.READER_EVENT for r in events)
    bodies = [cbor2.loads(r.body) for r in events]
    return [(body["what"], body["antenna"]) for body in bodies]
