"""A Modbus bus with faults on it: nothing hangs, nothing shifts, nothing old is taken for new.

Each fault is on a real wire: devices that answer late, short, wrongly or never, over TCP and on a
pseudo terminal.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

from gateway.clock import SystemClock
from gateway.config.modbus import ModbusSection, UnitSection
from gateway.drivers.modbus import read_modbus
from gateway.errors import DeviceError
from gateway.reading import Scalar
from tests.integration.gateway.collected import Collected, collecting
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import until
from tests.integration.gateway.test_modbus_driver import (
    bus,
    crc16_modbus,
    faults,
    lying,
    polling,
    register,
    reply,
    values,
)
from tests.stream_server import listening

TIMEOUT_S = 0.2


def words_reply(request: bytes, words: Sequence[int]) -> bytes:
    """Return the TCP answer of ``words`` to ``request``."""
    body = request[6:8] + bytes((2 * len(words),)) + struct.pack(f">{len(words)}H", *words)
    return request[:4] + len(body).to_bytes(2, "big") + body


def own_addresses(request: bytes) -> bytes:
    """Return the answer of a device whose every register holds its own address."""
    start, count = struct.unpack_from(">HH", request, 8)
    return words_reply(request, range(start, start + count))


def unit_of(*addresses: int, unit: int = 1, poll_s: float = 0.02, most: int = 32) -> UnitSection:
    """Return a unit whose registers are named by their addresses."""
    registers = [
        register(sensor=f"r{address}", address=address, type="uint16") for address in addresses
    ]
    return UnitSection(unit=unit, register=registers, poll_s=poll_s, registers_max=most)


def scalars(got: Collected) -> list[Scalar]:
    """Return every value that came."""
    return [r for r in got.readings if isinstance(r, Scalar)]


def shifted(got: Collected) -> list[Scalar]:
    """Return the values that are not their own address."""
    return [r for r in scalars(got) if r.sensor != f"r{r.value:.0f}"]


async def test_device_that_is_always_one_behind_gives_no_value() -> None:
    """Each answer comes when the next question was asked: none is taken for that one's."""
    held: list[bytes] = []
    behind = True

    def answer(served: int, request: bytes) -> Sequence[bytes]:
        held.append(reply(request, served))
        return [held[-2]] if behind and len(held) > 1 else [] if behind else [held[-1]]

    unit = UnitSection(unit=1, register=[register(type="uint16")], poll_s=0.01)
    async with lying(answer) as port, polling(bus(port, unit)) as got:
        await until(lambda: len(held) >= 3)
        assert values(got.readings, "load") == []
        behind = False
        await until(lambda: len(values(got.readings, "load")) >= 3)

    assert set(faults(got.readings, "load")) == {"no_answer"}
    assert values(got.readings, "load") == [float(n) for n in range(3, 3 + len(scalars(got)))]


async def test_every_poll_of_a_fast_device_is_told_in_order() -> None:
    """Polls far quicker than any tick are all there: each value once, none overwritten."""

    def counting(served: int, request: bytes) -> Sequence[bytes]:
        return [reply(request, served)]

    unit = UnitSection(unit=1, register=[register(type="uint16")], poll_s=0.01)
    async with lying(counting) as port, polling(bus(port, unit)) as got:
        await until(lambda: len(scalars(got)) >= 50)

    assert values(got.readings, "load") == [float(n) for n in range(len(scalars(got)))]
    times = [r.time_unix_us for r in scalars(got)]
    assert times == sorted(times)


async def test_dead_unit_costs_one_time_out_a_back_off() -> None:
    """It is asked ever more rarely; its bus asks the others at their rate, all the time."""
    asked: dict[int, list[float]] = {1: [], 9: []}

    def half_dead(_served: int, request: bytes) -> Sequence[bytes]:
        asked[request[6]].append(asyncio.get_running_loop().time())
        return [reply(request, 5)] if request[6] == 1 else []

    units = [
        UnitSection(unit=1, register=[register(sensor="alive", type="uint16")], poll_s=0.02),
        UnitSection(unit=9, register=[register(sensor="dead", type="uint16")], poll_s=0.02),
    ]
    async with lying(half_dead) as port, polling(bus(port, *units)) as got:
        await until(lambda: len(asked[9]) >= 4)
    gaps = [after - before for before, after in pairwise(asked[9])]

    assert gaps[0] >= 2 * TIMEOUT_S  # The time-out itself, and at least as long again.
    assert gaps[2] >= 2 * gaps[0] * 0.5
    between = [t for t in asked[1] if asked[9][1] + TIMEOUT_S < t < asked[9][2]]
    assert len(between) >= 5
    assert set(faults(got.readings, "dead")) == {"no_answer"}
    assert got.error is None


async def test_one_bad_address_costs_its_own_value_only() -> None:
    """Of forty registers that are read together one is refused: the others all come, unshifted."""
    asked: Counter[tuple[int, int]] = Counter()

    def with_hole(_served: int, request: bytes) -> Sequence[bytes]:
        start, count = struct.unpack_from(">HH", request, 8)
        asked[start, count] += 1
        if start <= 113 < start + count:
            return [request[:4] + b"\0\3" + bytes((request[6], request[7] | 0x80, 2))]
        return [own_addresses(request)]

    unit = unit_of(*range(100, 140), most=125)
    async with lying(with_hole) as port, polling(bus(port, unit)) as got:
        await until(lambda: len(values(got.readings, "r139")) >= 5)

    assert shifted(got) == []
    assert {r.sensor for r in scalars(got)} == {f"r{a}" for a in range(100, 140)} - {"r113"}
    assert asked[100, 40] == asked[113, 1] == 1
    assert set(faults(got.readings, "r113")) == {"modbus_exception_2"}
    assert len(values(got.readings, "r100")) >= 5


async def test_device_that_answers_few_registers_is_asked_for_few() -> None:
    """Exception 3, too many at once, is found out like an address that is none."""

    def modest(_served: int, request: bytes) -> Sequence[bytes]:
        if int.from_bytes(request[10:12], "big") > 16:
            return [request[:4] + b"\0\3" + bytes((request[6], request[7] | 0x80, 3))]
        return [own_addresses(request)]

    async with (
        lying(modest) as port,
        polling(bus(port, unit_of(*range(60), most=125))) as got,
    ):
        await until(lambda: len(values(got.readings, "r59")) >= 2)

    assert shifted(got) == []
    assert {r.sensor for r in scalars(got)} == {f"r{a}" for a in range(60)}


async def test_part_of_an_answer_is_no_answer() -> None:
    """Short, long and cut answers of a block never give one register another's value."""

    def partial(served: int, request: bytes) -> Sequence[bytes]:
        words = range(7, 7 + (8, 3, 9, 0)[served % 4])
        return [words_reply(request, words)]

    async with (
        lying(partial) as port,
        polling(bus(port, unit_of(*range(7, 15), poll_s=0.01))) as got,
    ):
        await until(lambda: len(values(got.readings, "r14")) >= 3)
        await until(lambda: "short_answer" in faults(got.readings, "r14"))

    assert shifted(got) == []


async def test_answer_in_single_bytes_is_an_answer() -> None:
    """However the network cuts it."""

    def dribble(_served: int, request: bytes) -> Sequence[bytes]:
        return [bytes((byte,)) for byte in own_addresses(request)]

    async with lying(dribble) as port, polling(bus(port, unit_of(*range(3)))) as got:
        await until(lambda: len(values(got.readings, "r2")) >= 2)

    assert shifted(got) == []


async def test_what_is_no_modbus_ends_the_connection() -> None:
    """After bytes that cannot be a frame the driver ends, and the supervisor connects again."""

    def web(_served: int, _request: bytes) -> Sequence[bytes]:
        return [b"HTTP/1.1 400 Bad Request\r\n\r\n"]

    async with lying(web) as port, polling(bus(port, unit_of(1))) as got:
        await until(lambda: got.error is not None)

    assert "speaks no Modbus" in str(got.error)


async def test_connection_cut_within_an_answer_ends_the_driver() -> None:
    """Half an answer and the end: an error at once, not a time-out, and no value."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readexactly(12)
        writer.write(own_addresses(request)[:-1])
        writer.close()

    async with listening(cut) as port, polling(bus(port, unit_of(1))) as got:
        await until(lambda: got.error is not None)

    assert isinstance(got.error, DeviceError)
    assert got.readings == []


Wire = Callable[[bytes], Sequence[bytes]]


@asynccontextmanager
async def rtu_bus(
    answer: Wire, *units: UnitSection, late: list[bytes] | None = None
) -> AsyncGenerator[Collected]:
    """Run the driver on a pseudo terminal at whose other end ``answer`` gets each request.

    What is put into ``late`` is sent when it is there, asked for or not.
    """
    with Line() as line:
        section = ModbusSection(
            name="bus", port=line.path, unit=list(units), timeout_s=TIMEOUT_S, baud=115_200
        )
        pending = bytearray()

        async def serve() -> None:
            while True:
                pending.extend(line.received())
                while len(pending) >= 8:
                    request = bytes(pending[:8])
                    del pending[:8]
                    for piece in answer(request):
                        line.send(piece)
                while late:
                    line.send(late.pop())
                await asyncio.sleep(0.001)

        async with (
            collecting(read_modbus(section, SystemClock(), Random(1)), line) as got,
            asyncio.TaskGroup() as tasks,
        ):
            device = tasks.create_task(serve())
            yield got
            device.cancel()


def rtu_addresses(request: bytes) -> bytes:
    """Return the RTU answer of a device whose every register holds its own address."""
    start, count = struct.unpack_from(">HH", request, 2)
    return rtu_words(request, range(start, start + count))


def rtu_words(request: bytes, words: Sequence[int]) -> bytes:
    """Return the RTU answer of ``words`` to ``request``."""
    frame = request[:2] + bytes((2 * len(words),)) + struct.pack(f">{len(words)}H", *words)
    return frame + crc16_modbus(frame)


async def test_late_answer_on_a_serial_line_is_flushed() -> None:
    """The line has no numbers: an answer after its time is thrown away before the next request."""
    asked: list[bytes] = []
    late: list[bytes] = []

    def slow(request: bytes) -> Sequence[bytes]:
        asked.append(request)
        if len(asked) <= 2:
            asyncio.get_running_loop().call_later(
                TIMEOUT_S * 1.3, late.append, rtu_words(request, [666])
            )
            return []
        return [rtu_addresses(request)]

    async with rtu_bus(slow, unit_of(7), late=late) as got:
        await until(lambda: len(values(got.readings, "r7")) >= 3)

    assert set(values(got.readings, "r7")) == {7.0}
    assert set(faults(got.readings, "r7")) == {"no_answer"}


async def test_crc_error_costs_one_reading_and_the_line_goes_on() -> None:
    """A frame with a flipped bit is garbled; what follows is read as if nothing had been."""
    served = 0

    def noisy(request: bytes) -> Sequence[bytes]:
        nonlocal served
        served += 1
        frame = bytearray(rtu_addresses(request))
        if served % 5 == 2:
            frame[4] ^= 0x10
        return [bytes(frame)]

    async with rtu_bus(noisy, unit_of(*range(7, 11))) as got:
        await until(lambda: "garbled_answer" in faults(got.readings, "r7"))
        count = len(values(got.readings, "r7"))
        await until(lambda: len(values(got.readings, "r7")) >= count + 3)

    assert shifted(got) == []


async def test_answers_of_others_on_the_line_are_passed_over() -> None:
    """An echo, noise, another unit's and another block's answer come before the right one."""

    def crowded(request: bytes) -> Sequence[bytes]:
        other_unit = bytes((request[0] + 1,)) + request[1:]
        return [
            request,
            b"\xff\x00",
            rtu_addresses(other_unit),
            rtu_words(request, [666]),
            rtu_addresses(request),
        ]

    async with rtu_bus(crowded, unit_of(*range(7, 11), unit=3)) as got:
        await until(lambda: len(values(got.readings, "r10")) >= 3)

    assert shifted(got) == []
    assert faults(got.readings, "r7") == []


async def test_answer_cut_short_on_the_line_is_no_answer() -> None:
    """A frame that stops in the middle gives nothing, and does not run into the next one."""
    served = 0

    def stopping(request: bytes) -> Sequence[bytes]:
        nonlocal served
        served += 1
        frame = rtu_addresses(request)
        return [frame[: len(frame) // 2] if served == 1 else frame]

    async with rtu_bus(stopping, unit_of(*range(7, 11))) as got:
        await until(lambda: len(values(got.readings, "r10")) >= 3)

    assert shifted(got) == []
    assert set(faults(got.readings, "r7")) == {"garbled_answer"}


async def test_dead_unit_on_a_serial_line_does_not_stop_the_others() -> None:
    """Two-wire bus, one device without power: the other is read on at its rate."""

    def half_dead(request: bytes) -> Sequence[bytes]:
        return [rtu_addresses(request)] if request[0] == 1 else []

    async with rtu_bus(half_dead, unit_of(1), unit_of(2, unit=9)) as got:
        await until(lambda: len(faults(got.readings, "r2")) >= 2)
        count = len(values(got.readings, "r1"))
        await until(lambda: len(values(got.readings, "r1")) >= count + 10)

    assert values(got.readings, "r2") == []
    assert got.error is None


async def test_unplugged_adapter_ends_the_driver() -> None:
    """A port that is gone is an error for the supervisor, which opens it again."""
    with Line() as line:
        section = ModbusSection(name="bus", port=line.path, unit=[unit_of(7)], timeout_s=TIMEOUT_S)
        async with collecting(read_modbus(section, SystemClock(), Random(1)), line) as got:
            line.cut()
            await until(lambda: got.error is not None)

    assert "lost" in str(got.error)
