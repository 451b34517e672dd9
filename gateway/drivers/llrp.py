"""RFID readers on the network: one connection, one ROSpec, round after round.

A round ends by itself and is started again when the reader says so: an inventory that stopped for
whatever reason shows as rounds that do not come, which silence behind keepalives would not. Tags
are stamped with the gateway's clock; the reader's own serves only to compare the two.

Source: EPCglobal Low Level Reader Protocol 1.0.1, chapters on connections, reader operation and
keepalives. LLRP over TLS: the same on port 5085.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import structlog

from gateway.clock import SystemClock
from gateway.config.llrp import LlrpSection
from gateway.decode import llrp_commands as commands
from gateway.decode.events import (
    Event,
    Fault,
    ReaderCapabilities,
    ReaderEvent,
    ReaderWhat,
)
from gateway.decode.llrp import OK, decode_antennas, decode_message, decode_status
from gateway.decode.llrp_wire import LlrpFramer, Message, MessageType, WireError
from gateway.drivers.llrp_rounds import Rounds
from gateway.errors import DeviceError
from gateway.reading import Arrival

PORT: Final = 5084
TLS_PORT: Final = 5085
CONNECT_S_MAX: Final = 5.0
REPLY_S_MAX: Final = 10.0  # A reader that sets up its radio may take some seconds.
CLOSE_S_MAX: Final = 1.0
CHUNK_BYTES_MAX: Final = 65_536
KEEPALIVES_MISSED_MAX: Final = 3
ROUNDS_MISSED_MAX: Final = 3
ROUND_SPARE_S: Final = 5.0  # What a loaded reader may take beside the rounds themselves.
HELD_MAX: Final = 1_000  # Messages that come while a reply is awaited; a sane reader sends a few.

_log = structlog.get_logger()


async def read_llrp(
    config: LlrpSection, clock: SystemClock
) -> AsyncGenerator[Sequence[Arrival], None]:
    """Yield tags, rounds and events of one reader, until it is gone.

    Raises:
        DeviceError: The reader cannot be reached, refuses, falls silent, or no longer looks.
    """
    link = await _connect(config, clock)
    try:
        await link.greet()
        antennas = await link.prepare()
        rounds = Rounds(config)
        link.start()
        if news := rounds.begin(antennas, clock.unix_us()):
            yield news
        while True:
            events, time_unix_us = await link.hear(rounds.ended)
            arrivals = rounds.take(events, time_unix_us)
            if rounds.over:
                rounds.over = False
                link.start()
            if arrivals:
                yield arrivals
    except WireError as error:
        raise DeviceError(f"{config.sensor}: {config.url}: {error}") from error
    finally:
        await link.close()


async def _connect(config: LlrpSection, clock: SystemClock) -> "_Link":
    address = urlsplit(config.url)
    tls = address.scheme == "tls"
    host = address.hostname or ""
    try:
        context = _tls(config) if tls else None
        async with asyncio.timeout(CONNECT_S_MAX):
            reader, writer = await asyncio.open_connection(
                host,
                address.port or (TLS_PORT if tls else PORT),
                ssl=context,
                server_hostname=(config.server_name or host) if tls else None,
                limit=CHUNK_BYTES_MAX,
            )
    except (OSError, TimeoutError) as error:
        why = str(error) or "no answer"
        raise DeviceError(f"{config.sensor}: cannot connect to {config.url}: {why}") from error
    return _Link(config, clock, reader, writer)


def _tls(config: LlrpSection) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ca_file)
    if config.cert_file is not None:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context


class _Link:
    """One connection: requests and their replies, keepalives, and the watch on both."""

    def __init__(
        self,
        config: LlrpSection,
        clock: SystemClock,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._config = config
        self._clock = clock
        self._reader = reader
        self._writer = writer
        self._framer = LlrpFramer()
        self._number = 0
        self._held: list[Message] = []
        self._alive_s = self._round_s = clock.monotonic_s()
        self._rounds = 0

    async def greet(self) -> None:
        """Wait for the reader to take this client.

        Raises:
            DeviceError: It refuses, or says something else, or nothing.
        """
        due_s = self._clock.monotonic_s() + REPLY_S_MAX
        while not self._held:
            self._held += await self._receive(due_s, "greeting")
        first = decode_message(self._held.pop(0))[0]
        if not isinstance(first, ReaderEvent):
            raise self._error(f"expected a connection attempt, got {type(first).__name__}")
        if first.what is not ReaderWhat.CONNECTED:
            raise self._error(f"the reader refuses the connection: {first.text}")

    async def prepare(self) -> dict[int, bool]:
        """Set the reader up; return which of its antennas are connected.

        Raises:
            DeviceError: It refuses a request, does not answer, or lacks an antenna.
        """
        config = self._config
        reader = self._check(await self._ask(commands.get_capabilities))
        keepalive_ms = round(config.keepalive_s * 1_000)
        await self._ask(
            lambda n: commands.set_config(
                n, keepalive_ms=keepalive_ms, warns=reader.warns, holds=reader.holds
            )
        )
        # Not every reader knows; of one that refuses to say, none is known to be lost.
        antennas = decode_antennas(await self._ask(commands.get_antennas, refusable=True))
        await self._ask(commands.delete_rospecs)
        await self._ask(commands.delete_access_specs)
        await self._ask(
            lambda n: commands.add_rospec(
                n,
                antennas=config.numbers,
                round_ms=config.round_ms,
                per_tag=config.report_ms == 0,
            )
        )
        await self._ask(commands.enable_rospec)
        if reader.holds:
            self._writer.write(commands.enable_events(self._next()))
        self._alive_s = self._round_s = self._clock.monotonic_s()
        return antennas

    def start(self) -> None:
        """Begin a round; a refusal comes as a message."""
        self._writer.write(commands.start_rospec(self._next()))

    async def hear(self, rounds: int) -> tuple[list[Event], int]:
        """Return what the reader says next, and when it came; ``rounds`` have ended so far.

        Raises:
            DeviceError: It is gone, refused a request, or keepalives or rounds do not come.
        """
        if rounds != self._rounds:
            self._rounds = rounds
            self._round_s = self._clock.monotonic_s()
        patience_s = KEEPALIVES_MISSED_MAX * self._config.keepalive_s
        round_s = ROUNDS_MISSED_MAX * self._config.round_ms / 1_000 + ROUND_SPARE_S
        messages = self._held
        if messages:
            self._held = []
        elif self._alive_s + patience_s <= self._round_s + round_s:
            what = f"keepalive for {patience_s:g} s"
            messages = await self._receive(self._alive_s + patience_s, what)
        else:
            what = f"round for {round_s:g} s"
            messages = await self._receive(self._round_s + round_s, what)
        time_unix_us = self._clock.unix_us()
        for message in messages:
            self._refuse_errors(message)
        return [event for message in messages for event in decode_message(message)], time_unix_us

    async def close(self) -> None:
        """Take leave, so that the reader takes the next client at once."""
        self._writer.write(commands.close_connection(self._next()))
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_S_MAX):
                with suppress(OSError):
                    await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()

    async def _ask(self, request: Callable[[int], bytes], *, refusable: bool = False) -> Message:
        """Send a request and return its reply; hold what comes before it.

        Raises:
            DeviceError: None comes, or a refusal where the request is not ``refusable``.
        """
        number = self._next()
        data = request(number)
        kind = MessageType(int.from_bytes(data[:2], "big") & 0x3FF)
        answers = (f"{kind.name}_RESPONSE", MessageType.ERROR_MESSAGE.name)
        self._writer.write(data)
        due_s = self._clock.monotonic_s() + REPLY_S_MAX
        while True:
            messages = await self._receive(due_s, f"reply to {kind.name}")
            reply: Message | None = None
            for message in messages:
                ours = message.id == number and message.name in answers
                if not (ours and refusable):
                    self._refuse_errors(message)
                if ours:
                    reply = message
                else:
                    self._held.append(message)
            if len(self._held) > HELD_MAX:
                raise self._error(f"more than {HELD_MAX} messages instead of a reply")
            if reply is not None:
                return reply

    async def _receive(self, due_s: float, what: str) -> list[Message]:
        """Return the messages of the next bytes, keepalives acknowledged; at least one."""
        messages: list[Message] = []
        while not messages:
            wait_s = due_s - self._clock.monotonic_s()
            try:
                if wait_s <= 0:  # Also where bytes never cease.
                    raise TimeoutError
                async with asyncio.timeout(wait_s):
                    chunk = await self._reader.read(CHUNK_BYTES_MAX)
            except TimeoutError:
                raise self._error(f"no {what}") from None
            except OSError as error:
                raise self._error(str(error)) from error
            if not chunk:
                raise self._error("the reader closed the connection")
            for part in self._framer.feed(chunk):
                if isinstance(part, Fault):
                    raise self._error(f"not LLRP ({part.why.value}): {part.bytes.hex()}")
                if part.type == MessageType.KEEPALIVE:
                    self._alive_s = self._clock.monotonic_s()
                    self._writer.write(commands.keepalive_ack(part.id))
                messages.append(part)
        return messages

    def _refuse_errors(self, message: Message) -> None:
        """Raise if ``message`` says that a request failed."""
        if message.type != MessageType.ERROR_MESSAGE and not message.name.endswith("_RESPONSE"):
            return
        status, text = decode_status(message)
        if status != OK:
            raise self._error(f"{message.name}: status {status}: {text}")

    def _check(self, answer: Message) -> ReaderCapabilities:
        """Return what the reader can do, which is enough."""
        events = decode_message(answer)
        reader = next((e for e in events if isinstance(e, ReaderCapabilities)), None)
        if reader is None:
            raise self._error("the reader does not say what it can do")
        _log.info(
            "llrp_reader",
            sensor=self._config.sensor,
            antennas=reader.antennas,
            manufacturer=reader.manufacturer,
            model=reader.model,
            firmware=reader.firmware,
        )
        beyond = [n for n in self._config.numbers if n > reader.antennas]
        if beyond:
            raise self._error(f"antennas {beyond} do not exist: it has {reader.antennas}")
        return reader

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _error(self, what: str) -> DeviceError:
        return DeviceError(f"{self._config.sensor}: {self._config.url}: {what}")
