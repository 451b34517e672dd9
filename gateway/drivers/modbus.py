"""One Modbus bus, RTU or TCP: its units polled in turn, each with its own back-off.

A unit that does not answer costs its bus one time-out now and then, never the others' polling.
After a time-out on RTU the line is left alone for as long again, so that a late answer is not
taken for the next request's: RTU has no transaction number to tell them apart.

Source: Modbus application protocol 1.1b3, 6.1-6.4, 7; Modbus over serial line 1.02.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from gateway.clock import SystemClock
from gateway.config.modbus import ModbusSection, UnitSection
from gateway.drivers.convert import fault_of
from gateway.drivers.modbus_blocks import BIT_TABLES, Block, decode_block, plan_blocks
from gateway.errors import DeviceError
from gateway.reading import Arrival

BACKOFF_S_MAX: Final = 15.0  # A unit that comes back is polled again within this.
BUS_SILENT_S: Final = 10.0  # A bus on which nobody answers for so long is opened anew.
TCP_PORT: Final = 502
CONNECT_S_MAX: Final = 5.0
_ILLEGAL_ADDRESS: Final = 2
_NOT_REACHED: Final = frozenset({10, 11})  # A coupler's word that the unit behind it is silent.

Client = AsyncModbusTcpClient | AsyncModbusSerialClient


class _NoAnswerError(Exception):
    """A unit did not answer, or not to this request."""


@dataclass(slots=True, kw_only=True)
class _Unit:
    config: UnitSection
    blocks: list[Block] = field(default_factory=list[Block])
    due_s: float = 0.0
    failures: int = 0


async def read_modbus(
    config: ModbusSection, clock: SystemClock, random: Random
) -> AsyncGenerator[Sequence[Arrival], None]:
    """Yield what the units of one bus answer, until the bus is gone.

    Raises:
        DeviceError: The bus cannot be opened, is gone, or nobody on it answers.
    """
    client = await _connect(config)
    units = [_Unit(config=unit, blocks=plan_blocks(unit.register)) for unit in config.unit]
    answered_s = clock.monotonic_s()
    try:
        while True:
            unit = min(units, key=lambda u: u.due_s)
            await asyncio.sleep(max(unit.due_s - clock.monotonic_s(), 0))
            started_s = clock.monotonic_s()
            arrivals, answered = await _poll(client, config, unit, clock)
            if answered:
                answered_s = clock.monotonic_s()
                unit.failures = 0
                # From the due time, so that polls do not drift; but never two at once.
                unit.due_s = max(unit.due_s + unit.config.poll_s, started_s)
            else:
                unit.failures += 1
                ceiling_s = min(unit.config.poll_s * 2**unit.failures, BACKOFF_S_MAX)
                unit.due_s = clock.monotonic_s() + random.uniform(ceiling_s / 2, ceiling_s)
            if arrivals:
                yield arrivals
            if clock.monotonic_s() - answered_s >= BUS_SILENT_S:
                raise DeviceError(f"{config.name}: no unit answered for {BUS_SILENT_S:g} s")
    finally:
        client.close()


async def _connect(config: ModbusSection) -> Client:
    if config.url is not None:
        address = urlsplit(config.url)
        client: Client = AsyncModbusTcpClient(
            address.hostname or "",
            port=address.port or TCP_PORT,
            timeout=config.timeout_s,
            retries=0,
            reconnect_delay=0,
            name=config.name,
        )
    else:
        client = AsyncModbusSerialClient(
            config.port or "",
            framer=FramerType.RTU,
            baudrate=config.baud,
            bytesize=config.bytesize,
            parity=config.parity,
            stopbits=config.stopbits,
            timeout=config.timeout_s,
            retries=0,
            reconnect_delay=0,
            name=config.name,
        )
    client.set_max_no_responses(1 << 30)  # A dead unit must not cost the others their connection.
    try:
        async with asyncio.timeout(CONNECT_S_MAX):
            connected = await client.connect()
    except (TimeoutError, OSError, ModbusException) as error:
        raise DeviceError(f"{config.name}: cannot connect: {error}") from error
    if not connected:
        raise DeviceError(f"{config.name}: cannot connect to {config.url or config.port}")
    return client


async def _poll(
    client: Client, config: ModbusSection, unit: _Unit, clock: SystemClock
) -> tuple[list[Arrival], bool]:
    """Ask for all blocks of ``unit``; return what came, and whether it answered at all."""
    arrivals: list[Arrival] = []
    for block in list(unit.blocks):
        try:
            response = await _request(client, block, unit.config.unit)
        except _NoAnswerError:
            if not client.connected:
                raise DeviceError(f"{config.name}: the connection is lost") from None
            if config.port is not None:
                await asyncio.sleep(config.timeout_s)
            time_unix_us = clock.unix_us()
            sensors = sorted({r.sensor for r in unit.config.register})
            arrivals += [[fault_of(s, "no_answer", b"", time_unix_us)] for s in sensors]
            return arrivals, False
        time_unix_us = clock.unix_us()
        if isinstance(response, ExceptionResponse):
            if response.exception_code == _ILLEGAL_ADDRESS and len(block.registers) > 1:
                unit.blocks.remove(block)
                unit.blocks += block.split()
            why = f"modbus_exception_{response.exception_code}"
            sensors = sorted({r.sensor for r in block.registers})
            arrivals += [[fault_of(s, why, b"", time_unix_us)] for s in sensors]
            continue
        answer: Sequence[int | bool] = (
            response.bits if block.table in BIT_TABLES else response.registers
        )
        if block.table not in BIT_TABLES and len(answer) != block.count:
            answer = []  # Not the answer to this request: a late one, of another block.
        arrivals += [[reading] for reading in decode_block(block, answer, time_unix_us)]
    return arrivals, True


async def _request(client: Client, block: Block, unit: int) -> ModbusPDU:
    read = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[block.table]
    try:
        response = await read(block.start, count=block.count, device_id=unit)
    except (ModbusException, OSError, TimeoutError) as error:
        raise _NoAnswerError(str(error)) from error
    if isinstance(response, ExceptionResponse) and response.exception_code in _NOT_REACHED:
        raise _NoAnswerError(f"exception {response.exception_code}")
    # pymodbus takes transaction 0 for any; on TCP only the request's own number is its answer.
    tcp = isinstance(client, AsyncModbusTcpClient)
    if tcp and response.transaction_id != client.ctx.request_transaction_id:
        raise _NoAnswerError(f"transaction {response.transaction_id}")
    return response
