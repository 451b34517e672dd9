"""Commands off the uplink: verified, in order, each executed once, answered in the stream.

The backend sends a command again until the answer is committed, so nothing here needs a reply of
the broker's: what is dropped comes again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import structlog

from gateway.clock import SystemClock
from gateway.commands.ledger import Entry, Ledger
from gateway.commands.signed_time import SignedTime
from gateway.errors import GatewayError, StateError, UntrustedError
from gateway.signing import CommandVerifier
from schemas.bodies import encode_body
from schemas.command import Command, CommandType
from schemas.cose import decode_cbor
from schemas.envelope import ClockState
from schemas.quantities import EventType

WAITING_MAX: Final = 8  # More are no use: the backend sends one at a time, again and again.
WHY_CHARACTERS_MAX: Final = 300
LEEWAY_US: Final = 300_000_000  # A disciplined clock is right within five minutes.
DONE: Final = "done"
REFUSED: Final = "refused"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"

Body = Mapping[str, object]
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said in the stream, and what is done after it was said."""

    type: EventType
    body: Body
    then: Callable[[], Awaitable[None]] | None = None


Handler = Callable[[Command], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorParts:
    """What an executor works with; a handler's GatewayError is a refusal, with its reason."""

    ledger: Ledger
    clock: SystemClock
    announce: Callable[[EventType, Body], None]
    handlers: Mapping[CommandType, Handler]


def done(command: Command, outcome: str = DONE, why: str = "") -> Answer:
    """Return the plain answer to ``command``."""
    body = {
        "number": command.number,
        "type": command.type.value,
        "outcome": outcome,
        "why": why[:WHY_CHARACTERS_MAX],
    }
    return Answer(type=EventType.COMMAND_DONE, body=body)


class Executor:
    """Executes what one backend asks of this gateway."""

    def __init__(self, parts: ExecutorParts, verifier: CommandVerifier) -> None:
        self.verifier = verifier
        self._parts = parts
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MAX)
        self._time = SignedTime()
        self._time.note(parts.ledger.last.signed_unix_us, parts.clock.monotonic_s())
        self.refused = 0  # Commands that were none of the backend's.

    def take(self, message: bytes) -> None:
        """Let a message wait to be executed; one too many is dropped, and comes again."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            _log.warning("command_dropped")

    def note_time(self, issued_unix_us: int) -> None:
        """Note a time under the backend's signature."""
        self._time.note(issued_unix_us, self._parts.clock.monotonic_s())

    async def run(self) -> None:
        """Execute what comes, for ever."""
        last = self._parts.ledger.last
        if last.type is not None and last.answer_type is None:
            _log.warning("command_interrupted", number=last.number, type=last.type)
            await self._answer(
                last,
                EventType.COMMAND_DONE,
                {
                    "number": last.number,
                    "type": last.type.value,
                    "outcome": INTERRUPTED,
                    "why": "the gateway was stopped in the middle",
                },
            )
        while True:
            message = await self._waiting.get()
            try:
                await self._execute(self.verifier.verify(message))
            except UntrustedError as error:
                self._count_refused(str(error))
            except StateError as error:
                # Not noted, so not executed: it comes again when the disk may have room.
                _log.error("command_not_noted", error=str(error))

    async def _execute(self, command: Command) -> None:
        last = self._parts.ledger.last
        if command.number == last.number and last.answer_type is not None:
            body = decode_cbor(bytes.fromhex(last.answer), "answer")
            self._parts.announce(last.answer_type, cast("Body", body))
            return
        if command.number <= last.number:
            _log.info("command_old", number=command.number, last=last.number)
            return
        self.note_time(command.issued_unix_us)
        entry = Entry(
            number=command.number, type=command.type, signed_unix_us=command.issued_unix_us
        )
        await asyncio.to_thread(self._parts.ledger.save, entry)
        answer = await self._handle(command)
        _log.info("command_executed", number=command.number, type=command.type, **_shown(answer))
        await self._answer(entry, answer.type, answer.body)
        if answer.then is not None:
            await answer.then()

    async def _handle(self, command: Command) -> Answer:
        if self._is_over(command):
            return done(command, REFUSED, "it has expired")
        try:
            return await self._parts.handlers[command.type](command)
        except GatewayError as error:
            return done(command, REFUSED, str(error))

    def _is_over(self, command: Command) -> bool:
        """Tell whether ``command`` has expired, by what can be believed of the time."""
        clock = self._parts.clock
        if command.expires_unix_us <= self._time.floor_unix_us(clock.monotonic_s()):
            return True
        disciplined = clock.state() is not ClockState.FREE_RUNNING
        return disciplined and command.expires_unix_us <= clock.unix_us() - LEEWAY_US

    async def _answer(self, entry: Entry, kind: EventType, body: Body) -> None:
        """Note the answer, then say it: after a power cut between the two it is said again."""
        noted = Entry(
            number=entry.number,
            type=entry.type,
            signed_unix_us=entry.signed_unix_us,
            answer_type=kind,
            answer=encode_body(body).hex(),
        )
        await asyncio.to_thread(self._parts.ledger.save, noted)
        self._parts.announce(kind, body)

    def _count_refused(self, why: str) -> None:
        self.refused += 1
        if self.refused.bit_count() == 1:  # The 1st, 2nd, 4th ...: a flood must not fill logs.
            _log.warning("command_refused", why=why, count=self.refused)


def _shown(answer: Answer) -> dict[str, object]:
    return {name: answer.body[name] for name in ("outcome", "why") if name in answer.body}
