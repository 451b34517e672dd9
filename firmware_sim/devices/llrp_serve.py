"""An LLRP reader on a TCP port: one client at a time, rounds over its antennas, events.

What can go wrong with a reader can be made to: keepalives that stop, antennas that are unplugged,
a clock that is off, segments of one byte, a client too many.

Source: EPCglobal Low Level Reader Protocol 1.0.1, chapters on reader operation and connections.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from firmware_sim.clock import Clock, ticks
from firmware_sim.devices import llrp_messages as m
from firmware_sim.devices.listener import Listener
from firmware_sim.devices.rfid import TagSeen

CONNECTIONS_MAX: Final = 4  # one client, and others for as long as it takes to refuse them
PASS_S: Final = 0.1  # one pass over an antenna's field; a round of a second has ten
REFUSAL_S_MAX: Final = 5.0

Field = Callable[[], Sequence[TagSeen]]

# Types of events that a client can switch on.
_ROSPEC, _EXCEPTION, _BUFFER, _AISPEC, _ANTENNA = 2, 4, 3, 6, 8


@dataclass(slots=True, kw_only=True)
class Whims:
    """What this reader does wrong at the moment."""

    keepalives: bool = True
    one_byte_segments: bool = False
    clock_skew_us: int = 0
    refuse: bool = False  # every client, as if another were there
    mute_about_antennas: bool = False


@dataclass(slots=True, kw_only=True)
class _Session:
    """One accepted client and what it asked for."""

    writer: asyncio.StreamWriter
    group: asyncio.TaskGroup
    events: dict[int, bool] = field(default_factory=dict[int, bool])
    rospec: m.Rospec | None = None
    enabled: bool = False
    active: asyncio.Task[None] | None = None
    keepalives: asyncio.Task[None] | None = None
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)


class LlrpReader:
    """The reader; ``antennas`` gives what each one sees in one pass."""

    def __init__(
        self,
        antennas: Mapping[int, Field],
        clock: Clock,
        *,
        sent: Callable[[int, int], None] = lambda _antenna, _unix_us: None,
    ) -> None:
        """Prepare; ``sent`` is told of each antenna whose round is over, and the time before."""
        self._antennas = antennas
        self._clock = clock
        self._sent = sent
        self._numbers = count(1)
        self._session: _Session | None = None
        self.unplugged: set[int] = set()
        self.whims = Whims()
        self.acknowledged = 0
        self.listener = Listener(self._serve, CONNECTIONS_MAX)

    @property
    def connected(self) -> bool:
        """Whether a client is connected."""
        return self._session is not None

    def drop(self) -> None:
        """Reset the client's connection, as a reader that loses its power does."""
        if self._session is not None:
            self._session.writer.transport.abort()

    async def plug(self, antenna: int, *, connected: bool) -> None:
        """Plug an antenna in or out, and tell the client."""
        (self.unplugged.discard if connected else self.unplugged.add)(antenna)
        await self._tell(_ANTENNA, m.antenna_event(antenna, connected=connected))

    async def complain(self, text: str, antenna: int | None = None) -> None:
        """Tell the client of an exception in the reader."""
        await self._tell(_EXCEPTION, m.exception_event(text, antenna))

    async def overflow(self) -> None:
        """Tell the client that reports were lost."""
        await self._tell(_BUFFER, m.overflow_event())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._session is not None or self.whims.refuse:
            await self._refuse(reader, writer)
            return
        try:
            async with asyncio.TaskGroup() as group:
                session = self._session = _Session(writer=writer, group=group)
                await self._send(session, self._notification(m.connection_attempt(0)))
                while await self._one(reader, session):
                    pass
                for task in (session.active, session.keepalives):
                    if task is not None:
                        task.cancel()
        except* (OSError, EOFError):
            pass  # the client left
        finally:
            self._session = None

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._notification(m.connection_attempt(2)))
        writer.write_eof()
        if self._session is not None:
            await self._send(self._session, self._notification(m.connection_attempt(4)))
        async with asyncio.timeout(REFUSAL_S_MAX):
            await reader.read(1)  # until the client has read why, and leaves

    async def _one(self, reader: asyncio.StreamReader, session: _Session) -> bool:
        """Answer one request; tell whether to go on."""
        header = await reader.readexactly(m.HEADER_BYTES)
        length = m.request_length(header)
        if length is None:
            return False  # not LLRP: there is no way to find the next message
        request = m.take_request(header + await reader.readexactly(length - m.HEADER_BYTES))
        if request.kind == m.KEEPALIVE_ACK:
            self.acknowledged += 1
            return True
        if request.kind == m.ENABLE_EVENTS_AND_REPORTS:
            return True  # this reader has held nothing back; there is no answer
        if (answer := m.RESPONSES.get(request.kind)) is None:
            text = f"message {request.kind} is not supported"
            await self._send(session, m.error(request.number, m.UNSUPPORTED_MESSAGE, text))
            return True
        try:
            body = m.status() + self._obey(session, request)
        except m.BadRequestError as refusal:
            body = m.status(refusal.status, str(refusal))
        except IndexError:
            body = m.status(m.FIELD_ERROR, "a field is missing")
        await self._send(session, m.message(answer, request.number, body))
        return request.kind != m.CLOSE_CONNECTION

    def _obey(self, session: _Session, request: m.Request) -> bytes:
        """Do what ``request`` wants; return what follows the status."""
        match request.kind:
            case m.GET_CAPABILITIES:
                return m.capabilities(max(self._antennas))
            case m.GET_CONFIG if self.whims.mute_about_antennas:
                raise m.BadRequestError(m.UNSUPPORTED_PARAMETER, "antenna properties")
            case m.GET_CONFIG:
                return b"".join(
                    m.antenna_properties(n, connected=n not in self.unplugged)
                    for n in self._antennas
                )
            case m.SET_CONFIG:
                self._configure(session, m.take_settings(request.body))
            case m.ADD_ROSPEC:
                self._add(session, m.take_rospec(request.body))
            case m.CLOSE_CONNECTION | m.DELETE_ACCESSSPEC:
                pass
            case _:
                self._operate(session, request.kind, int.from_bytes(request.body[:4]))
        return b""

    def _configure(self, session: _Session, settings: m.Settings) -> None:
        session.events |= settings.events
        if settings.keepalive_ms is None:
            return
        if session.keepalives is not None:
            session.keepalives.cancel()
            session.keepalives = None
        if settings.keepalive_ms:
            job = self._keep_alive(session, settings.keepalive_ms / 1_000)
            session.keepalives = session.group.create_task(job)

    def _add(self, session: _Session, rospec: m.Rospec) -> None:
        if session.rospec is not None:
            raise m.BadRequestError(m.FIELD_ERROR, "this reader holds one ROSpec")
        unknown = set(rospec.antennas) - set(self._antennas) - {0}
        if unknown or not rospec.antennas:
            raise m.BadRequestError(m.OUT_OF_RANGE, f"antennas {sorted(unknown)} do not exist")
        session.rospec = rospec

    def _operate(self, session: _Session, kind: int, number: int) -> None:
        if kind == m.DELETE_ROSPEC and number == 0:
            self._halt(session)
            session.rospec, session.enabled = None, False
            return
        if session.rospec is None or session.rospec.number != number:
            raise m.BadRequestError(m.FIELD_ERROR, f"there is no ROSpec {number}")
        match kind:
            case m.ENABLE_ROSPEC:
                session.enabled = True
                if session.rospec.immediate:
                    self._begin(session, session.rospec)
            case m.START_ROSPEC:
                if not session.enabled:
                    raise m.BadRequestError(m.FIELD_ERROR, f"ROSpec {number} is disabled")
                self._begin(session, session.rospec)
            case m.STOP_ROSPEC:
                self._halt(session)
            case m.DISABLE_ROSPEC:
                self._halt(session)
                session.enabled = False
            case _:
                self._halt(session)
                session.rospec, session.enabled = None, False

    def _begin(self, session: _Session, rospec: m.Rospec) -> None:
        if session.active is None or session.active.done():
            session.active = session.group.create_task(self._inventory(session, rospec))

    def _halt(self, session: _Session) -> None:
        if session.active is not None:
            session.active.cancel()
            session.active = None

    async def _keep_alive(self, session: _Session, period_s: float) -> None:
        async for _ in ticks(self._clock, period_s):
            if self.whims.keepalives:
                await self._send(session, m.keepalive(next(self._numbers)))

    async def _inventory(self, session: _Session, rospec: m.Rospec) -> None:
        """Run one ROSpec: one AISpec until its duration is over, then all is reported."""
        await self._tell(_ROSPEC, m.rospec_event(0, rospec.number))
        seen: dict[tuple[bytes, int], m.TagSummary] = {}
        elapsed_s = 0.0
        async for dt_s in ticks(self._clock, PASS_S):
            elapsed_s += dt_s
            if rospec.duration_ms and elapsed_s >= rospec.duration_ms / 1_000:
                break
            self._look(rospec, seen)
            if rospec.tags_a_report and len(seen) >= rospec.tags_a_report:
                await self._report(session, rospec, seen)
        unix_us = self._clock.unix_us()
        if seen:
            await self._report(session, rospec, seen)
        for antenna in self._used(rospec):
            self._sent(antenna, unix_us)
        await self._tell(_AISPEC, m.aispec_event(rospec.number))
        await self._tell(_ROSPEC, m.rospec_event(1, rospec.number))

    def _look(self, rospec: m.Rospec, seen: dict[tuple[bytes, int], m.TagSummary]) -> None:
        for antenna in self._used(rospec):
            for tag in self._antennas[antenna]():
                now_us = self._unix_us()
                known = seen.get((tag.epc, antenna))
                seen[tag.epc, antenna] = m.TagSummary(
                    epc=tag.epc,
                    antenna=antenna,
                    rssi_dbm=max(tag.rssi_dbm, known.rssi_dbm) if known else tag.rssi_dbm,
                    first_us=known.first_us if known else now_us,
                    last_us=now_us,
                    count=known.count + 1 if known else 1,
                )

    def _used(self, rospec: m.Rospec) -> list[int]:
        wanted = self._antennas if 0 in rospec.antennas else rospec.antennas
        return [antenna for antenna in wanted if antenna not in self.unplugged]

    async def _report(
        self, session: _Session, rospec: m.Rospec, seen: dict[tuple[bytes, int], m.TagSummary]
    ) -> None:
        size = rospec.tags_a_report or len(seen)
        tags = list(seen.values())
        seen.clear()
        for start in range(0, len(tags), size):
            part = tags[start : start + size]
            await self._send(session, m.report(next(self._numbers), rospec.number, part))

    async def _tell(self, kind: int, event: bytes) -> None:
        session = self._session
        if session is not None and session.events.get(kind, False):
            await self._send(session, self._notification(event))

    def _notification(self, event: bytes) -> bytes:
        return m.notification(next(self._numbers), self._unix_us(), event)

    def _unix_us(self) -> int:
        return self._clock.unix_us() + self.whims.clock_skew_us

    async def _send(self, session: _Session, data: bytes) -> None:
        async with session.sending:  # One message after another, also byte by byte.
            size = 1 if self.whims.one_byte_segments else len(data)
            sent = 0
            try:
                while sent < len(data):
                    session.writer.write(data[sent : sent + size])
                    sent += size
                    await session.writer.drain()
                    await asyncio.sleep(0)
            finally:
                session.writer.write(data[sent:])  # a job that ends leaves no half message behind
