"""The gateway's drivers on the simulator's devices, over real terminals and sockets."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import cbor2
import pytest

from firmware_sim.plan import GnssForm, ReaderForm, Scenario
from firmware_sim.site import Options
from gateway.clock import SystemClock
from gateway.config.gpsd import GpsdSection
from gateway.config.serial import SerialSection
from gateway.decode.families import family
from gateway.drivers.gpsd import read_gpsd
from gateway.drivers.rfid import read_rfid
from gateway.drivers.serial_line import read_serial_line
from gateway.errors import DeviceError
from gateway.reading import Arrival, EventReading, Reading, Scalar, Sighting
from schemas.quantities import EventType, Quantity
from tests.simulation.sim_site import quick_harbour, running

Batches = AsyncGenerator[Sequence[Arrival], None]
DEADLINE_S = 30.0


def harbour(*, reader: ReaderForm | None = None, gnss: GnssForm | None = None) -> Scenario:
    """Return a quick harbour with readers or trackers of another form."""
    site = quick_harbour()
    if reader is not None:
        readers = tuple(dataclasses.replace(r, form=reader) for r in site.readers)
        site = dataclasses.replace(site, readers=readers)
    if gnss is not None:
        trackers = tuple(dataclasses.replace(t, form=gnss) for t in site.trackers)
        site = dataclasses.replace(site, trackers=trackers)
    return site


async def gather(batches: Batches, quantity: Quantity, count: int) -> list[Reading]:
    """Return what a driver yields until it has told ``quantity`` ``count`` times."""
    found: list[Reading] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(batches):
        async for batch in batches:
            found += [reading for arrival in batch for reading in arrival]
            if len(values(found, quantity)) >= count:
                break
    return found


def values(readings: Sequence[Reading], quantity: Quantity) -> list[float]:
    """Return the values of one quantity."""
    return [r.value for r in readings if isinstance(r, Scalar) and r.quantity is quantity]


def events(readings: Sequence[Reading], kind: EventType) -> list[object]:
    """Return the bodies of all events of one type."""
    return [
        cbor2.loads(r.body) for r in readings if isinstance(r, EventReading) and r.type is kind
    ]


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (ReaderForm.YRM100, "rfid-yrm100"),
        (ReaderForm.YR903, "rfid-yr903"),
        (ReaderForm.CHAFON_18, "rfid-chafon"),
        (ReaderForm.CHAFON_288, "rfid-chafon"),
    ],
)
async def test_every_family_of_readers_is_kept_in_inventory(
    tmp_path: Path, form: ReaderForm, name: str
) -> None:
    """Round after round all tags of the zone are seen, whichever commands the reader needs."""
    site = harbour(reader=form)
    async with running(Options(scenario=site, directory=tmp_path, seed=1)):
        section = SerialSection(
            sensor="r", family=name, port=str(tmp_path / "dev" / "rfid-a"), inventory_s=0.5
        )
        batches = read_rfid(section, family(name).make(), SystemClock())
        readings = await gather(batches, Quantity.INVENTORY, 4)

    copper = {bytes.fromhex(epc) for epc in site.lot("copper").epcs}
    assert copper <= {r.epc for r in readings if isinstance(r, Sighting)}
    assert max(values(readings, Quantity.INVENTORY)) >= len(copper)
    # A UHFReader288 refuses the older command once, and is then asked in its own way.
    refusals = 1 if form is ReaderForm.CHAFON_288 else 0
    assert len(events(readings, EventType.FAULT)) == refusals


async def test_ublox_on_a_serial_line(tmp_path: Path) -> None:
    """Positions come once a second although two protocols tell them; signals are trusted."""
    site = harbour(gnss=GnssForm.UBX)
    async with running(Options(scenario=site, directory=tmp_path, seed=1)):
        section = SerialSection(sensor="g", family="ubx", port=str(tmp_path / "dev" / "gnss-y"))
        batches = read_serial_line(section, family("ubx").make(), SystemClock())
        readings = await gather(batches, Quantity.FIX, 3)

    assert values(readings, Quantity.FIX) == [3.0] * 3
    assert values(readings, Quantity.LATITUDE) == pytest.approx([51.95] * 3, abs=0.01)
    states = events(readings, EventType.GNSS_INTEGRITY)
    assert states
    assert all(state == {"jamming": "ok", "spoofing": "none"} for state in states)
    assert events(readings, EventType.FAULT) == []


async def test_positions_from_gpsd(tmp_path: Path) -> None:
    """The driver asks gpsd to watch, and gets a position and its DOP each second."""
    site = harbour(gnss=GnssForm.GPSD)
    async with running(Options(scenario=site, directory=tmp_path, seed=1)) as running_site:
        port = running_site.ports["gpsd"]["gnss-y"]
        section = GpsdSection(sensor="g", url=f"tcp://127.0.0.1:{port}", device="/dev/ttyACM0")
        readings = await gather(read_gpsd(section, SystemClock()), Quantity.FIX, 2)

    assert values(readings, Quantity.FIX) == [3.0, 3.0]
    assert values(readings, Quantity.LONGITUDE) == pytest.approx([4.05] * 2, abs=0.01)
    assert values(readings, Quantity.HDOP) == [0.9, 0.9]


async def test_gpsd_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A closed connection and a refused one name the address, for the supervisor."""
    site = harbour(gnss=GnssForm.GPSD)
    async with running(Options(scenario=site, directory=tmp_path, seed=1)) as running_site:
        url = f"tcp://127.0.0.1:{running_site.ports['gpsd']['gnss-y']}"
        batches = read_gpsd(GpsdSection(sensor="g", url=url), SystemClock())
        await anext(batches)
    with pytest.raises(DeviceError, match=r"g: tcp://127\.0\.0\.1:\d+: "):
        async for _ in batches:
            pass
    with pytest.raises(DeviceError, match="cannot reach"):
        await anext(read_gpsd(GpsdSection(sensor="g", url=url), SystemClock()))
