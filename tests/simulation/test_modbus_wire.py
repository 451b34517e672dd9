"""The Modbus devices, polled by an independent master over TCP and over a serial line."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from firmware_sim.incidents import Kind
from firmware_sim.plan import Scenario
from firmware_sim.site import Options
from tests.simulation.sim_site import DEADLINE_S, Running, quick_harbour, running


@asynccontextmanager
async def polled(
    tmp_path: Path, scenario: Scenario | None = None
) -> AsyncGenerator[tuple[Running, AsyncModbusTcpClient, AsyncModbusSerialClient]]:
    """Run the harbour and yield it with a TCP master and an RTU master."""
    options = Options(scenario=scenario or quick_harbour(), directory=tmp_path, seed=1)
    async with running(options) as site:
        tcp = AsyncModbusTcpClient(
            "127.0.0.1", port=site.ports["modbus_tcp"], timeout=1, retries=0, reconnect_delay=0
        )
        rtu = AsyncModbusSerialClient(
            str(tmp_path / "dev" / "load-b"),
            baudrate=9_600,
            timeout=0.3,
            retries=0,
            reconnect_delay=0,
        )
        assert await tcp.connect()
        assert await rtu.connect()
        try:
            yield site, tcp, rtu
        finally:
            tcp.close()
            rtu.close()


async def temperature_c(tcp: AsyncModbusTcpClient) -> float:
    """Return the cold store's temperature as its register says it."""
    reply = await tcp.read_input_registers(1, count=1, device_id=1)
    raw = reply.registers[0]
    return (raw - 0x10000 if raw & 0x8000 else raw) / 10


async def polled_until(tcp: AsyncModbusTcpClient, good: Callable[[float], bool]) -> None:
    """Poll the temperature, as fast as the device answers, until it is ``good``."""
    async with asyncio.timeout(DEADLINE_S):
        while not good(await temperature_c(tcp)):
            pass


async def mass_kg(rtu: AsyncModbusSerialClient) -> int:
    """Return the gross weight as the transmitter's registers say it."""
    reply = await rtu.read_holding_registers(7, count=2, device_id=1)
    return reply.registers[0] << 16 | reply.registers[1]


async def test_every_unit_answers(tmp_path: Path) -> None:
    """Temperature, humidity, shock, door and weight are read by their documented registers."""
    async with polled(tmp_path) as (_, tcp, rtu):
        assert await temperature_c(tcp) == pytest.approx(-18.0, abs=1.0)
        humidity = await tcp.read_input_registers(2, count=1, device_id=1)
        assert humidity.registers[0] == pytest.approx(800, abs=20)
        shock = await tcp.read_input_registers(0, count=1, device_id=2)
        assert shock.registers[0] < 200
        door = await tcp.read_discrete_inputs(0, count=1, device_id=3)
        assert door.bits[0] is False
        assert await mass_kg(rtu) == pytest.approx(8 * 770, abs=2)
        refused = await tcp.read_holding_registers(500, count=1, device_id=2)
        assert refused.exception_code == 2


async def test_overheating_shows_and_is_undone(tmp_path: Path) -> None:
    """The reported temperature passes its limit within seconds and returns after the undo."""
    async with polled(tmp_path) as (site, tcp, _):
        incident = await site.start(Kind.OVERHEAT)
        await polled_until(tcp, lambda now_c: now_c > -15.0)
        await site.shown(incident)
        await site.undo(incident)
        await polled_until(tcp, lambda now_c: now_c < -17.0)


async def test_drop_is_latched_for_a_poll_and_undone(tmp_path: Path) -> None:
    """A shock of several g stays readable until it is undone."""
    async with polled(tmp_path) as (site, tcp, _):
        incident = await site.start(Kind.DROP)
        reply = await tcp.read_input_registers(0, count=1, device_id=2)
        assert reply.registers[0] >= 4_000
        await site.shown(incident)
        again = await tcp.read_input_registers(0, count=1, device_id=2)
        assert again.registers[0] >= 4_000
        await site.undo(incident)
        calm = await tcp.read_input_registers(0, count=1, device_id=2)
        assert calm.registers[0] < 200


async def test_taken_fish_opens_the_door(tmp_path: Path) -> None:
    """The door contact says open while a pallet leaves the cold store."""
    async with polled(tmp_path) as (site, tcp, _):
        await site.start(Kind.TAKE_PALLET, "fish")
        door = await tcp.read_discrete_inputs(0, count=1, device_id=3)
        assert door.bits[0] is True


@pytest.mark.parametrize(
    ("kind", "lost_kg"),
    [(Kind.TAKE_PALLET, 770), (Kind.MOVE_PALLET, 770), (Kind.TAKE_GOODS_LEAVE_TAGS, 750)],
)
async def test_lost_pallet_shows_in_the_transmitter(
    tmp_path: Path, kind: Kind, lost_kg: int
) -> None:
    """The registers fall by gross or net at the very next poll, and rise again after the undo."""
    async with polled(tmp_path) as (site, _, rtu):
        incident = await site.start(kind, "aluminium")
        assert await mass_kg(rtu) == pytest.approx(8 * 770 - lost_kg, abs=2)
        await site.shown(incident)
        await site.undo(incident)
        assert await mass_kg(rtu) == pytest.approx(8 * 770, abs=2)


async def test_a_cut_cable_answers_nothing(tmp_path: Path) -> None:
    """A transmitter whose cable is cut runs its master into the time-out, until it is joined."""
    async with polled(tmp_path) as (site, _, rtu):
        incident = await site.start(Kind.CUT_SCALE_CABLE, "aluminium")
        with pytest.raises(ModbusIOException):
            await mass_kg(rtu)
        await site.undo(incident)
        await rtu.connect()
        assert await mass_kg(rtu) == pytest.approx(8 * 770, abs=2)


async def test_noise_on_the_tcp_port_ends_only_that_connection(tmp_path: Path) -> None:
    """A stranger who speaks HTTP is disconnected; the master goes on."""
    async with polled(tmp_path) as (site, tcp, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.ports["modbus_tcp"])
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
        assert await temperature_c(tcp) == pytest.approx(-18.0, abs=1.0)


@pytest.mark.parametrize("error", ["bus_timeout", "bus_crc_error", "bus_late_reply"])
async def test_a_bad_bus_gives_no_reading(tmp_path: Path, error: str) -> None:
    """A reply that is missing, damaged or late is none, on either wire."""
    harbour = quick_harbour()
    bad = replace(harbour.noise, **{error: 1.0})
    async with polled(tmp_path, replace(harbour, noise=bad)) as (_, tcp, rtu):
        with pytest.raises(ModbusIOException):
            await rtu.read_holding_registers(7, count=2, device_id=1)
        if error != "bus_late_reply":  # this master would still wait for it
            with pytest.raises(ModbusIOException):
                await tcp.read_input_registers(1, count=1, device_id=1)
