"""Devices that talk by themselves on a serial line: GNSS receivers and weighing indicators.

Some must be told what to say: they are when the port is opened, and now and then again, because a
receiver that lost its power has forgotten it.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import serial
import serial_asyncio_fast

from gateway.clock import SystemClock
from gateway.config.serial import SerialSection
from gateway.decode.events import Decoder
from gateway.decode.ubx_setup import encode_setup
from gateway.drivers.convert import arrival_of
from gateway.errors import DeviceError
from gateway.reading import Arrival

CHUNK_BYTES_MAX: Final = 4_096  # What one wake-up takes off a line; more waits for the next.
QUIET_S: Final = 0.25  # A line that pauses for so long has ended its sentence or epoch.
SILENCE_S_MAX: Final = 60.0  # A port that says nothing for so long is opened anew.
SETUP_S: Final = 60.0  # How long a receiver that lost its power may say less than it can.
SETUPS: Final[Mapping[str, bytes]] = MappingProxyType({"ubx": encode_setup()})
"""What devices of a family are told, so that they say what is read."""


async def open_port(config: SerialSection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open the serial port of ``config`` for this process alone.

    Raises:
        DeviceError: There is no such port, or it cannot be used.
    """
    try:
        return await serial_asyncio_fast.open_serial_connection(
            url=config.port,
            baudrate=config.baud,
            bytesize=config.bytesize,
            parity=config.parity,
            stopbits=config.stopbits,
            exclusive=True,
        )
    except (serial.SerialException, OSError, ValueError) as error:
        raise DeviceError(f"{config.sensor}: cannot open {config.port}: {error}") from error


async def read_chunk(reader: asyncio.StreamReader, port: str, wait_s: float) -> bytes:
    """Return the bytes that came within ``wait_s``; none if none came.

    Raises:
        DeviceError: The port is gone.
    """
    try:
        async with asyncio.timeout(wait_s):
            chunk = await reader.read(CHUNK_BYTES_MAX)
    except TimeoutError:
        return b""
    except (serial.SerialException, OSError) as error:
        raise DeviceError(f"{port}: {error}") from error
    if not chunk:
        raise DeviceError(f"{port}: the device is gone")
    return chunk


async def read_serial_line(
    config: SerialSection, decoder: Decoder, clock: SystemClock
) -> AsyncGenerator[Sequence[Arrival], None]:
    """Yield what the device on the line says, until the port is gone.

    Raises:
        DeviceError: The port cannot be opened, is gone, or has been silent for too long.
    """
    reader, writer = await open_port(config)
    try:
        quiet_s = 0.0
        flushed = True
        setup = SETUPS.get(config.family)
        setup_s = clock.monotonic_s()
        while quiet_s < SILENCE_S_MAX:
            if setup is not None and clock.monotonic_s() >= setup_s:
                writer.write(setup)
                setup_s += SETUP_S
            chunk = await read_chunk(reader, config.port, QUIET_S if not flushed else 1.0)
            time_unix_us = clock.unix_us()
            if chunk:
                quiet_s = 0.0
                flushed = False
                events = decoder.feed(chunk)
            elif flushed:
                quiet_s += 1.0
                continue
            else:
                flushed = True
                events = decoder.flush()
            arrivals = [arrival_of(config.sensor, event, time_unix_us) for event in events]
            if arrivals:
                yield [arrival for arrival in arrivals if arrival]
    finally:
        writer.close()
    raise DeviceError(f"{config.sensor}: {config.port} has been silent for {SILENCE_S_MAX:g} s")
