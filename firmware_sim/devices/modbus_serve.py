"""The wires of the Modbus devices: a TCP server for the site, and an RTU slave on a pty.

A unit whose cable is cut does not answer, on either wire: its master runs into its time-out.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from firmware_sim.clock import Clock
from firmware_sim.devices.listener import Listener
from firmware_sim.devices.modbus import (
    Bank,
    answer,
    rtu_reply,
    take_rtu_request,
    tcp_length,
    tcp_reply,
)
from firmware_sim.devices.pty import PtyPort
from firmware_sim.noise import BusError, FieldBus

CONNECTIONS_MAX = 16  # what a small field-bus coupler takes
IDLE_S_MAX = 300.0  # a half-open connection is dropped in the end
LATE_S = 1.0  # masters wait some tenths of a second
RTU_GAP_S = 0.05  # 1.5 characters at any baud rate in use, with room for a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One slave: ``sample`` fills its registers, ``sent`` is told when they have left."""

    sample: Callable[[], Bank | None]  # None: the unit does not answer
    sent: Callable[[], None]
    bus: FieldBus | None = None  # what goes wrong between it and its master

    def error(self) -> BusError:
        """Return what goes wrong with the transaction under way."""
        return BusError.NONE if self.bus is None else self.bus.one()


class ModbusTcpServer:
    """All units behind one TCP port."""

    def __init__(self, units: Mapping[int, Unit]) -> None:
        """Serve ``units`` by their unit id."""
        self._units = units
        self.listener = Listener(self._serve, CONNECTIONS_MAX)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await self._one(reader, writer):
            pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async with asyncio.timeout(IDLE_S_MAX):
            header = await reader.readexactly(6)
            length = tcp_length(header)
            if length is None:
                return False  # not Modbus: there is no way to find the next frame
            body = await reader.readexactly(length)
        unit = self._units.get(body[0])
        bank = unit.sample() if unit is not None else None
        if unit is not None and bank is not None:
            error = unit.error()
            if error in {BusError.TIMEOUT, BusError.CRC}:
                return True  # a coupler drops the unit's damaged reply: to its master both are one
            reply = tcp_reply(header[:2], body[0], answer(body[1:], bank))
            if error is BusError.LATE:
                await asyncio.sleep(LATE_S)
            unit.sent()
            writer.write(reply)
            await writer.drain()
        return True


def serve_rtu(port: PtyPort, number: int, unit: Unit, clock: Clock) -> None:
    """Answer requests to unit ``number`` on ``port`` from now on."""
    pending = bytearray()
    last_s = 0.0

    def received(chunk: bytes) -> None:
        nonlocal last_s
        now_s = clock.steady_s()
        if now_s - last_s > RTU_GAP_S:
            pending.clear()  # a silence ends a frame (Modbus over Serial Line 2.5.1.1)
        last_s = now_s
        pending.extend(chunk)
        while (request := take_rtu_request(pending)) is not None:
            asked, pdu = request
            bank = unit.sample() if asked == number else None
            error = unit.error() if bank is not None else BusError.TIMEOUT
            if bank is None or error is BusError.TIMEOUT:
                continue
            reply = rtu_reply(asked, answer(pdu, bank))
            if error is BusError.CRC:
                port.write(reply[:-1] + bytes((reply[-1] ^ 0xFF,)))
            elif error is BusError.LATE:
                asyncio.get_running_loop().call_later(LATE_S, port.write, reply)
            else:
                unit.sent()
                port.write(reply)

    port.on_bytes(received, hung_up=pending.clear)
