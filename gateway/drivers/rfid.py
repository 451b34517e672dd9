"""Serial UHF readers: kept in inventory, each round counted.

Each read is an arrival of its own; report by exception makes one sighting of many. Every round
with a sign of life from the reader yields an INVENTORY scalar, also with no tag in the field: the
proof that the reader lives and sees nothing, which silence would not be.

A reader either goes on by itself for minutes (YRM100) or answers one inventory and is asked for
the next (YR903, Chafon); ``PROTOCOLS`` says which. Of the latter a round ends with the answer that
ends an inventory, so that none is counted in halves.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Final

from gateway.clock import SystemClock
from gateway.config.serial import SerialSection
from gateway.decode import chafon, yr903, yrm100
from gateway.decode.events import Decoder, Event, Fault, FaultWhy, ReaderReply, TagRead
from gateway.drivers.convert import arrival_of
from gateway.drivers.serial_line import QUIET_S, SILENCE_S_MAX, open_port, read_chunk
from gateway.errors import DeviceError
from gateway.reading import Arrival, Scalar
from schemas.quantities import Quantity

INVENTORIES: Final = 0xFFFF  # The most that one command asks a YRM100 for: some minutes.
RESTART_S: Final = 60.0  # Asked again before they can have ended.
QUIET_RESTART_S: Final = 2.0  # Asked again when the reader has stopped by itself.
POLL_S_MIN: Final = 0.1  # Between two polls: an empty field is not asked at the line's full rate.
ROUND_S_MAX: Final = 60.0  # An inventory that does not end is counted all the same.
TAGS_MAX: Final = (
    10_000  # More than one antenna reads in a round; a reader gone mad must not grow.
)
_WAIT_S_MIN: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderProtocol:
    """How readers of a family are kept in inventory.

    ``starts`` are the forms of the command that begins it: the next is tried when a reader answers
    with an error. ``stop`` ends what it was doing. Without ``ends_round`` the reader goes on by
    itself, and is asked again each ``keepalive_s``; with it, at the answer that it recognises.
    """

    starts: tuple[bytes, ...]
    stop: bytes = b""
    keepalive_s: float = inf
    ends_round: Callable[[Event], bool] | None = None


PROTOCOLS: Final[Mapping[str, ReaderProtocol]] = MappingProxyType(
    {
        "rfid-yrm100": ReaderProtocol(
            starts=(yrm100.encode_inventory_many(INVENTORIES),),
            stop=yrm100.encode_inventory_stop(),
            keepalive_s=RESTART_S,
        ),
        "rfid-yr903": ReaderProtocol(
            starts=(yr903.encode_inventory(),), ends_round=yr903.ends_round
        ),
        "rfid-chafon": ReaderProtocol(
            starts=(chafon.encode_inventory_18(), chafon.encode_inventory_288()),
            ends_round=chafon.ends_round,
        ),
    }
)


@dataclass(slots=True)
class _Asking:
    """When the reader is asked next, and in which form."""

    protocol: ReaderProtocol
    asked_s: float
    due_s: float = 0.0
    form: int = 0

    def next_s(self, heard_s: float) -> float:
        """Return when the reader is asked next, if it says nothing until then."""
        return min(self.due_s, max(heard_s, self.asked_s) + QUIET_RESTART_S)

    def command(self, now_s: float, heard_s: float) -> bytes:
        """Return what to send now; nothing while the reader is at work."""
        if now_s < self.next_s(heard_s):
            return b""
        self.asked_s = now_s
        self.due_s = now_s + self.protocol.keepalive_s
        return self.protocol.stop + self.protocol.starts[self.form]

    def note(self, events: Sequence[Event], now_s: float) -> bool:
        """Take in what the reader answered; return whether an inventory ended."""
        if any(isinstance(e, Fault) and e.why is FaultWhy.READER_ERROR for e in events):
            self.form = (self.form + 1) % len(self.protocol.starts)
            self.due_s = min(self.due_s, now_s + QUIET_RESTART_S)
        ends_round = self.protocol.ends_round
        if ends_round is None:
            return True
        if not any(map(ends_round, events)):
            return False
        self.due_s = max(now_s, self.asked_s + POLL_S_MIN)
        return True


@dataclass(slots=True)
class _Round:
    """The tags seen since the last count."""

    since_s: float
    tags: set[bytes] = field(default_factory=set[bytes])
    alive: bool = False

    def note(self, events: Sequence[Event]) -> None:
        """Take in what the reader said."""
        for event in events:
            if isinstance(event, TagRead) and len(self.tags) < TAGS_MAX:
                self.tags.add(event.epc)
            self.alive = self.alive or isinstance(event, TagRead | ReaderReply)

    def close(self, now_s: float) -> int | None:
        """Begin a new round; return the tags of the old, None if the reader was silent."""
        count = len(self.tags) if self.alive else None
        self.since_s = now_s
        self.tags.clear()
        self.alive = False
        return count


async def read_rfid(
    config: SerialSection, decoder: Decoder, clock: SystemClock
) -> AsyncGenerator[Sequence[Arrival], None]:
    """Yield reads and a count of distinct tags each round, until the port is gone.

    Raises:
        DeviceError: The port cannot be opened, is gone, or has been silent for too long.
    """
    reader, writer = await open_port(config)
    try:
        now_s = clock.monotonic_s()
        heard_s, flushed = now_s, True
        asking = _Asking(PROTOCOLS[config.family], now_s)
        tags = _Round(now_s)
        while now_s - heard_s < SILENCE_S_MAX:
            if command := asking.command(now_s, heard_s):
                writer.write(command)
            until_s = asking.next_s(heard_s)
            if asking.protocol.ends_round is None:
                until_s = min(until_s, tags.since_s + config.inventory_s)
            if not flushed:
                until_s = min(until_s, now_s + QUIET_S)
            chunk = await read_chunk(reader, config.port, max(until_s - now_s, _WAIT_S_MIN))
            time_unix_us, now_s = clock.unix_us(), clock.monotonic_s()
            events: Sequence[Event] = ()
            if chunk:
                heard_s, flushed = now_s, False
                events = decoder.feed(chunk)
            elif not flushed and now_s - heard_s >= QUIET_S:
                flushed = True
                events = decoder.flush()
            ended = asking.note(events, now_s)
            tags.note(events)
            arrivals = [arrival_of(config.sensor, event, time_unix_us) for event in events]
            over = now_s - tags.since_s >= (config.inventory_s if ended else ROUND_S_MAX)
            if over and (count := tags.close(now_s)) is not None:
                arrivals.append([_inventory(config.sensor, count, time_unix_us)])
            if arrivals := [arrival for arrival in arrivals if arrival]:
                yield arrivals
    finally:
        writer.close()
    raise DeviceError(f"{config.sensor}: {config.port} has been silent for {SILENCE_S_MAX:g} s")


def _inventory(sensor: str, count: int, time_unix_us: int) -> Scalar:
    return Scalar(
        sensor=sensor, quantity=Quantity.INVENTORY, time_unix_us=time_unix_us, value=float(count)
    )
