"""One Modbus bus, RTU or TCP: its units polled in turn, each with its own back-off.

A unit that does not answer costs its bus one time-out now and then, never the others' polling.

Source: Modbus application protocol 1.1b3, 6.1-6.4, 7; Modbus over serial line 1.02.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from operator import attrgetter
from random import Random
from typing import Final

from gateway.clock import SystemClock
from gateway.config.modbus import ModbusSection
from gateway.decode import modbus_frames
from gateway.decode.modbus_frames import (
    NO_ANSWER,
    Answer,
    Refusal,
    WrongReply,
    make_request,
)
from gateway.drivers.convert import fault_of
from gateway.drivers.modbus_blocks import Block, decode_block
from gateway.drivers.modbus_link import Heard, Link, open_link
from gateway.drivers.modbus_unit import Unit
from gateway.errors import DeviceError
from gateway.reading import Arrival, Sweep

BUS_SILENT_S: Final = 10.0  # A bus on which nobody answers for so long is opened anew.
_NOT_THERE: Final = frozenset({2, 3})  # Illegal address; illegal value: also too many at once.
_NOT_REACHED: Final = frozenset({10, 11})  # A coupler's word that the unit behind it is silent.
_LIVES: Final = "short_answer"  # The unit answered the request, only not all of it.
_FUNCTIONS: Final = {
    "coil": modbus_frames.READ_COILS,
    "discrete": modbus_frames.READ_DISCRETE_INPUTS,
    "holding": modbus_frames.READ_HOLDING_REGISTERS,
    "input": modbus_frames.READ_INPUT_REGISTERS,
}
_due_s: Final = attrgetter("due_s")

Arrivals = Sequence[Arrival | Sweep]


class _Verdict(Enum):
    READ = auto()
    ABSENT = auto()  # The unit has no such address, or not so many together.
    DEAD = auto()  # The unit does not answer, or something else answers for it.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    verdict: _Verdict
    arrivals: Arrivals


class ModbusBus:
    """One bus and what is known of its units, over all its connections."""

    def __init__(self, config: ModbusSection, clock: SystemClock, random: Random) -> None:
        self._config = config
        self._clock = clock
        self._random = random
        self._units = [Unit(unit) for unit in config.unit]

    async def read(self) -> AsyncGenerator[Arrivals, None]:
        """Yield what the units of the bus answer, until the bus is gone.

        Raises:
            DeviceError: The bus cannot be opened, is gone, or nobody on it answers.
        """
        config, clock = self._config, self._clock
        link = await open_link(config, clock)
        answered_s = clock.monotonic_s()
        for unit in self._units:  # What was due while nobody could ask is not caught up with.
            unit.due_s = max(unit.due_s, answered_s)
        try:
            while True:
                unit = min(self._units, key=_due_s)
                wait_s = unit.due_s - clock.monotonic_s()
                if wait_s > 0:  # Else the asking itself lets others run.
                    await asyncio.sleep(wait_s)
                arrivals: list[Arrival | Sweep] = []
                try:
                    answered = await self._poll(link, unit, arrivals)
                except (DeviceError, asyncio.CancelledError):
                    if arrivals:  # What was answered before the end is not lost with the rest.
                        yield arrivals
                    raise
                if arrivals:
                    yield arrivals
                now_s = clock.monotonic_s()
                if answered:
                    answered_s = now_s
                elif now_s - answered_s >= BUS_SILENT_S:
                    raise DeviceError(f"{config.name}: no unit answered for {BUS_SILENT_S:g} s")
        finally:
            link.close()

    async def _poll(self, link: Link, unit: Unit, arrivals: list[Arrival | Sweep]) -> bool:
        """Ask for all blocks of ``unit``; tell whether it answered to the end.

        What comes is added to ``arrivals`` at once: it is there also when the poll is cut off.
        """
        started_s = self._clock.monotonic_s()
        waiting = deque(unit.begin_poll(started_s))
        good: list[Block] = []
        refused = False
        while waiting:
            block = waiting.popleft()
            request = make_request(
                unit.config.unit, _FUNCTIONS[block.table], block.start, block.count
            )
            heard = await link.ask(request, self._config.timeout_s)
            said = _understand(block, heard)
            if said.verdict is _Verdict.DEAD:
                arrivals += said.arrivals
                for missed in waiting:
                    arrivals += _faults(missed, NO_ANSWER, heard.time_unix_us)
                unit.fail(self._clock.monotonic_s(), self._config.timeout_s, self._random)
                return False
            if said.verdict is _Verdict.READ:
                arrivals += said.arrivals
                good.append(block)
                continue
            refused = True
            if unit.tell_refusal(block):
                arrivals += said.arrivals
            if len(block.registers) > 1:
                waiting.extendleft(reversed(block.split()))
        unit.end_poll(good, refused=refused, started_s=started_s)
        return True


def read_modbus(
    config: ModbusSection, clock: SystemClock, random: Random
) -> AsyncGenerator[Arrivals, None]:
    """Yield what the units of one bus answer, as ``ModbusBus.read`` does."""
    return ModbusBus(config, clock, random).read()


def _understand(block: Block, heard: Heard) -> _Said:
    """Return what a reply to the request for ``block`` means."""
    match heard.reply:
        case Answer(data):
            sweep, faults = decode_block(block, data, heard.time_unix_us)
            arrivals: list[Arrival | Sweep] = [] if sweep is None else [sweep]
            return _Said(verdict=_Verdict.READ, arrivals=arrivals + [[event] for event in faults])
        case Refusal(code) if code in _NOT_REACHED:
            verdict, why = _Verdict.DEAD, NO_ANSWER
        case Refusal(code):
            verdict = _Verdict.ABSENT if code in _NOT_THERE else _Verdict.READ
            why = f"modbus_exception_{code}"
        case WrongReply(why):
            verdict = _Verdict.READ if why == _LIVES else _Verdict.DEAD
    return _Said(verdict=verdict, arrivals=_faults(block, why, heard.time_unix_us))


def _faults(block: Block, why: str, time_unix_us: int) -> list[Arrival]:
    return [[fault_of(sensor, why, b"", time_unix_us)] for sensor in block.sensors]
