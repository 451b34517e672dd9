"""A GNSS receiver behind gpsd: its reports over TCP.

gpsd answers with its own greeting and goes on by itself while a receiver talks. When the receiver
is unplugged the connection stays, silent: that is an error here, so that it shows.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final
from urllib.parse import urlsplit

from gateway.clock import SystemClock
from gateway.config.gpsd import GpsdSection
from gateway.decode.events import Position
from gateway.decode.gpsd import LINE_BYTES_MAX, WATCH, GpsdDecoder
from gateway.drivers.convert import arrival_of
from gateway.errors import DeviceError
from gateway.reading import Arrival

PORT: Final = 2947
CONNECT_S_MAX: Final = 10.0  # A host that drops packets must not hold the driver.
SILENCE_S_MAX: Final = 60.0  # Without a report of the receiver for so long, connected anew.
CHUNK_BYTES_MAX: Final = 4_096  # What one wake-up takes; more waits for the next.


async def read_gpsd(
    config: GpsdSection, clock: SystemClock
) -> AsyncGenerator[Sequence[Arrival], None]:
    """Yield what gpsd says of the receiver, until the connection is gone.

    Raises:
        DeviceError: gpsd cannot be reached, is gone, or has told of no position for too long.
    """
    reader, writer = await _connect(config)
    decoder = GpsdDecoder(config.device)
    try:
        writer.write(WATCH)
        heard_s = clock.monotonic_s()
        while (left_s := heard_s + SILENCE_S_MAX - clock.monotonic_s()) > 0:
            chunk = await _read(reader, config, left_s)
            time_unix_us = clock.unix_us()
            events = decoder.feed(chunk)
            if any(isinstance(event, Position) for event in events):
                heard_s = clock.monotonic_s()
            arrivals = [arrival_of(config.sensor, event, time_unix_us) for event in events]
            if arrivals := [arrival for arrival in arrivals if arrival]:
                yield arrivals
    finally:
        writer.close()
    raise DeviceError(
        f"{config.sensor}: {config.url} has told of no position for {SILENCE_S_MAX:g} s"
    )


async def _connect(config: GpsdSection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(config.url)
    try:
        async with asyncio.timeout(CONNECT_S_MAX):
            return await asyncio.open_connection(
                address.hostname, address.port or PORT, limit=LINE_BYTES_MAX
            )
    except (OSError, TimeoutError) as error:
        raise DeviceError(f"{config.sensor}: cannot reach {config.url}: {error}") from error


async def _read(reader: asyncio.StreamReader, config: GpsdSection, wait_s: float) -> bytes:
    try:
        async with asyncio.timeout(wait_s):
            chunk = await reader.read(CHUNK_BYTES_MAX)
    except TimeoutError:
        return b""
    except OSError as error:
        raise DeviceError(f"{config.sensor}: {config.url}: {error}") from error
    if not chunk:
        raise DeviceError(f"{config.sensor}: {config.url}: gpsd is gone")
    return chunk
