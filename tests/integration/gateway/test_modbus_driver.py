"""The Modbus driver against a real server, and against one that answers late and wrongly."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import cbor2
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from deploy.ports import free_port
from gateway.clock import SystemClock
from gateway.config.modbus import ModbusSection, RegisterSection, UnitSection
from gateway.drivers.modbus import read_modbus
from gateway.reading import EventReading, Reading, Scalar
from schemas.quantities import Quantity
from tests.integration.gateway.collected import Collected, collecting
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import until
from tests.stream_server import listening

Answer = Callable[[int, bytes], Sequence[bytes]]
MASS = 1_234_567


def register(**overrides: Any) -> RegisterSection:  # noqa: ANN401 - any of the fields
    """Return a weight in two registers."""
    values: dict[str, Any] = {
        "sensor": "load",
        "quantity": Quantity.MASS,
        "address": 7,
        "type": "int32",
    }
    return RegisterSection(**(values | overrides))


def bus(tcp_port: int, *units: UnitSection, timeout_s: float = 0.2) -> ModbusSection:
    """Return a TCP bus with quick time-outs."""
    url = f"tcp://127.0.0.1:{tcp_port}"
    return ModbusSection(name="bus", url=url, unit=list(units), timeout_s=timeout_s)


@asynccontextmanager
async def polling(section: ModbusSection) -> AsyncGenerator[Collected]:
    """Run the driver meanwhile."""
    async with collecting(read_modbus(section, SystemClock(), Random(1))) as collected:
        yield collected


@asynccontextmanager
async def serving(*devices: SimDevice) -> AsyncGenerator[int]:
    """Serve ``devices`` over TCP; a unit that is not among them does not answer."""
    port = free_port()
    server = ModbusTcpServer(
        list(devices), address=("127.0.0.1", port), ignore_missing_devices=True
    )
    await server.serve_forever(background=True)
    try:
        yield port
    finally:
        await server.shutdown()


def device(unit: int, *registers: tuple[int, list[int]]) -> SimDevice:
    """Return a device whose holding registers are as given; other addresses are illegal."""
    none = [SimData(0, values=False, datatype=DataType.BITS)]
    data = [
        SimData(start, values=words, datatype=DataType.REGISTERS) for start, words in registers
    ]
    doors = [SimData(3, values=[True, False], datatype=DataType.BITS)]
    return SimDevice(unit, simdata=(none, doors, data, data))


def values(readings: Sequence[Reading], sensor: str) -> list[float]:
    """Return the values of one sensor."""
    return [r.value for r in readings if isinstance(r, Scalar) and r.sensor == sensor]


def faults(readings: Sequence[Reading], sensor: str) -> list[str]:
    """Return why of one sensor's faults."""
    return [
        cbor2.loads(r.body)["why"]
        for r in readings
        if isinstance(r, EventReading) and r.sensor == sensor
    ]


async def test_all_word_orders_give_the_same_weight() -> None:
    """One number in four orders, polled in one request each time."""
    abcd = struct.pack(">i", MASS)
    badc = abcd[1::-1] + abcd[:1:-1]
    orders = {"ABCD": abcd, "CDAB": abcd[2:] + abcd[:2], "BADC": badc, "DCBA": abcd[::-1]}
    words = [w for data in orders.values() for w in struct.unpack(">2H", data)]
    registers = [
        register(sensor=order.lower(), address=7 + 2 * index, order=order)
        for index, order in enumerate(orders)
    ]
    async with (
        serving(device(1, (7, words))) as port,
        polling(bus(port, UnitSection(unit=1, register=registers))) as got,
    ):
        await until(lambda: len(got.readings) >= 4)

    assert [values(got.readings, order.lower())[0] for order in orders] == [MASS] * 4


async def test_scale_and_offset_give_the_unit_of_the_quantity() -> None:
    """A transmitter that counts tenths of a degree is read in degrees."""
    warm = register(
        sensor="t", quantity=Quantity.TEMPERATURE, type="int16", scale=0.1, offset=-1.0
    )
    async with (
        serving(device(1, (7, [0xFF38]))) as port,
        polling(bus(port, UnitSection(unit=1, register=[warm]))) as got,
    ):
        await until(lambda: bool(got.readings))

    assert values(got.readings, "t")[0] == -21.0


async def test_doors_are_read_as_bits() -> None:
    """A discrete input is 1 or 0."""
    doors = [
        register(sensor=f"door-{n}", quantity=Quantity.CONTACT, table="discrete", address=3 + n)
        for n in (0, 1)
    ]
    async with (
        serving(device(1, (7, [0]))) as port,
        polling(bus(port, UnitSection(unit=1, register=doors))) as got,
    ):
        await until(lambda: len(got.readings) >= 2)

    assert values(got.readings, "door-0")[0] == 1.0
    assert values(got.readings, "door-1")[0] == 0.0


async def test_block_with_a_hole_is_split() -> None:
    """Registers that the device refuses to read together are read one by one, unshifted."""
    near = [
        register(sensor="a", type="uint16", address=10),
        register(sensor="b", type="uint16", address=14),
    ]
    async with serving(device(1, (10, [111]), (14, [222]))) as port:
        section = bus(port, UnitSection(unit=1, register=near, poll_s=0.02))
        async with polling(section) as got:
            await until(lambda: bool(values(got.readings, "b")))

    assert set(values(got.readings, "a")) == {111}
    assert set(values(got.readings, "b")) == {222}
    assert faults(got.readings, "a") == ["modbus_exception_2"]


async def test_dead_unit_does_not_stop_its_bus() -> None:
    """While one unit is silent, the other is polled on; the silence is a fault of its sensor."""
    units = [
        UnitSection(unit=1, register=[register(sensor="alive", type="uint16")], poll_s=0.02),
        UnitSection(unit=9, register=[register(sensor="dead", type="uint16")], poll_s=0.02),
    ]

    def half_dead(_served: int, request: bytes) -> Sequence[bytes]:
        return [reply(request, 5)] if request[6] == 1 else []

    async with lying(half_dead) as port, polling(bus(port, *units)) as got:
        await until(lambda: len(faults(got.readings, "dead")) >= 2)
        count = len(values(got.readings, "alive"))
        await until(lambda: len(values(got.readings, "alive")) >= count + 10)

    assert set(faults(got.readings, "dead")) == {"no_answer"}
    assert values(got.readings, "dead") == []
    assert got.error is None


async def test_coupler_that_is_not_there_ends_the_driver() -> None:
    """A bus that cannot be reached is an error for the supervisor, which connects again."""
    section = bus(free_port(), UnitSection(unit=1, register=[register(type="uint16")]))
    async with polling(section) as got:
        await until(lambda: got.error is not None)

    assert "cannot connect" in str(got.error)


@asynccontextmanager
async def lying(answer: Answer) -> AsyncGenerator[int]:
    """Serve frames as ``answer`` wants them: it gets the request's count and bytes."""
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        while True:
            header = await reader.readexactly(6)
            body = await reader.readexactly(int.from_bytes(header[4:6], "big"))
            for frame in answer(served, header + body):
                writer.write(frame)
            served += 1

    async with listening(serve) as port:
        yield port


def reply(request: bytes, value: int, *, transaction: int = 0, unit: int = 0) -> bytes:
    """Return an answer of one register to ``request``, its transaction and unit shifted."""
    number = int.from_bytes(request[:2], "big") + transaction
    head = number.to_bytes(2, "big") + b"\0\0\0\x05" + bytes((request[6] + unit, request[7], 2))
    return head + value.to_bytes(2, "big")


async def test_late_answers_are_not_matched_to_the_next_request() -> None:
    """An answer with the last request's number is thrown away: never "always one behind"."""

    def late_and_right(served: int, request: bytes) -> Sequence[bytes]:
        return [reply(request, 66, transaction=-1), reply(request, served)]

    unit = UnitSection(unit=1, register=[register(type="uint16")], poll_s=0.01)
    async with lying(late_and_right) as port, polling(bus(port, unit)) as got:
        await until(lambda: len(values(got.readings, "load")) >= 5)

    assert 66 not in values(got.readings, "load")


async def test_answers_of_another_unit_are_not_taken() -> None:
    """A frame from a unit that was not asked is no answer."""

    def other(_served: int, request: bytes) -> Sequence[bytes]:
        return [reply(request, 66, unit=1)]

    unit = UnitSection(unit=1, register=[register(type="uint16")], poll_s=0.01)
    async with lying(other) as port, polling(bus(port, unit)) as got:
        await until(lambda: bool(faults(got.readings, "load")))

    assert values(got.readings, "load") == []


async def test_answer_that_is_too_short_never_shifts() -> None:
    """One register where two were asked for is a fault of both sensors, not a value of either."""

    def short(_served: int, request: bytes) -> Sequence[bytes]:
        return [reply(request, 66)]

    pair = [
        register(sensor="a", type="uint16", address=7),
        register(sensor="b", type="uint16", address=8),
    ]
    async with lying(short) as port, polling(bus(port, UnitSection(unit=1, register=pair))) as got:
        await until(lambda: len(got.readings) >= 2)

    assert {*values(got.readings, "a"), *values(got.readings, "b")} == set()
    assert {*faults(got.readings, "a"), *faults(got.readings, "b")} <= {
        "short_answer",
        "no_answer",
    }


def crc16_modbus(data: bytes) -> bytes:
    """Return the CRC of Modbus over serial line 1.02, 6.2.2, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


async def test_rtu_is_read_over_a_serial_line() -> None:
    """A transmitter on a two-wire bus gives its weight; a broken CRC gives none."""
    with Line() as line:
        unit = UnitSection(unit=3, register=[register(type="uint16")])
        section = ModbusSection(name="bus", port=line.path, unit=[unit], timeout_s=0.2)
        async with collecting(read_modbus(section, SystemClock(), Random(1)), line) as got:
            pending = bytearray()

            def asked() -> bool:
                pending.extend(line.received())
                return len(pending) >= 8

            await until(asked)
            assert bytes(pending[:6]) == bytes((3, 3, 0, 7, 0, 1))
            answer = bytes((3, 3, 2)) + (66).to_bytes(2, "big")
            line.send(answer + b"\0\0")
            await until(lambda: bool(faults(got.readings, "load")))
            pending.clear()
            await until(asked)
            line.send(answer + crc16_modbus(answer))
            await until(lambda: bool(values(got.readings, "load")))

        assert set(values(got.readings, "load")) == {66}
