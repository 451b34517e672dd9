"""One open Modbus connection, TCP or serial: ask, and get the answer or why there is none.

Own requests and framing instead of a library's client: see docs/adr/0011-own-modbus-reading.md.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import serial
import serial_asyncio_fast

from gateway.clock import SystemClock
from gateway.config.modbus import ModbusSection
from gateway.decode.modbus_frames import (
    LostFramesError,
    Reply,
    Request,
    RtuFrames,
    TcpFrames,
    WrongReply,
)
from gateway.errors import DeviceError

TCP_PORT: Final = 502
CONNECT_S_MAX: Final = 5.0
# Modbus over serial line 1.02, 2.5.1.1: 3.5 characters of silence between frames, and 1.75 ms
# above 19,200 baud.
GAP_CHARACTERS: Final = 3.5
CHARACTER_BITS: Final = 11
GAP_S_MIN: Final = 0.001_75
FLUSH_GAP_S: Final = 0.02  # After an error: as long as an adapter holds bytes back (16 ms).
FLUSH_S_MAX: Final = 1.0  # A line that is never quiet is asked nevertheless.


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A reply, and the wall clock when its last byte had arrived."""

    reply: Reply
    time_unix_us: int


class Link(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, name: str, frames: TcpFrames | RtuFrames, clock: SystemClock) -> None:
        self._name = name
        self._frames = frames
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[Heard] | None = None
        self._lost = ""
        self._gap_s = 0.0
        self._quiet_since_s = 0.0
        self._garbled = False

    def pace(self, baud: int) -> None:
        """Leave the silence between frames that a serial line at ``baud`` needs."""
        self._gap_s = max(GAP_CHARACTERS * CHARACTER_BITS / baud, GAP_S_MIN)

    async def ask(self, request: Request, timeout_s: float) -> Heard:
        """Return the reply to ``request``; a ``WrongReply`` also when none came in time.

        Raises:
            DeviceError: The connection is lost.
        """
        if self._gap_s:
            await self._await_silence()
        transport = self._transport
        if self._lost or transport is None:
            raise DeviceError(f"{self._name}: the connection is lost: {self._lost}")
        waiting = self._waiting = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._expire)
        transport.write(self._frames.encode(request))
        try:
            return await waiting
        finally:
            timer.cancel()
            self._waiting = None

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes off the connection."""
        self._quiet_since_s = self._loop.time()
        try:
            reply = self._frames.feed(data)
        except LostFramesError as error:
            self._lose(f"it speaks no Modbus: {error}")
            return
        if reply is not None:
            self._settle(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._lose(str(exc or "closed by the other side"))

    def _expire(self) -> None:
        self._garbled = True
        self._settle(WrongReply(self._frames.expire()))

    def _settle(self, reply: Reply) -> None:
        if self._waiting is not None and not self._waiting.done():
            heard = Heard(reply=reply, time_unix_us=self._clock.unix_us())
            self._waiting.set_result(heard)

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(
                DeviceError(f"{self._name}: the connection is lost: {why}")
            )

    async def _await_silence(self) -> None:
        """Wait until the serial line is quiet; longer after an error, so that all is flushed."""
        gap_s = max(self._gap_s, FLUSH_GAP_S) if self._garbled else self._gap_s
        self._garbled = False
        until_s = self._loop.time() + FLUSH_S_MAX
        while True:
            now_s = self._loop.time()
            wait_s = min(self._quiet_since_s + gap_s, until_s) - now_s
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)


async def open_link(config: ModbusSection, clock: SystemClock) -> Link:
    """Return the open connection of a bus.

    Raises:
        DeviceError: It cannot be opened.
    """
    try:
        async with asyncio.timeout(CONNECT_S_MAX):
            return await (_open_serial if config.url is None else _open_tcp)(config, clock)
    except (TimeoutError, OSError, ValueError, serial.SerialException) as error:
        where = config.url or config.port
        raise DeviceError(f"{config.name}: cannot connect to {where}: {error}") from error


async def _open_tcp(config: ModbusSection, clock: SystemClock) -> Link:
    address = urlsplit(config.url or "")
    _, link = await asyncio.get_running_loop().create_connection(
        lambda: Link(config.name, TcpFrames(), clock),
        address.hostname or "",
        address.port or TCP_PORT,
    )
    return link


async def _open_serial(config: ModbusSection, clock: SystemClock) -> Link:
    _, link = await serial_asyncio_fast.create_serial_connection(
        asyncio.get_running_loop(),
        lambda: Link(config.name, RtuFrames(), clock),
        config.port or "",
        baudrate=config.baud,
        bytesize=config.bytesize,
        parity=config.parity,
        stopbits=config.stopbits,
        exclusive=True,
    )
    assert isinstance(link, Link)
    await asyncio.sleep(0)  # The library calls connection_made in the loop's next round.
    link.pace(config.baud)
    return link
