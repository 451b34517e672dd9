"""u-blox receivers: UBX frames beside NMEA sentences on one line.

A frame is ``B5 62 class id length(2) payload checksum(2)``, all little end first; it is found by
its length, and searched for anew behind its sync characters when its checksum is wrong. Everything
else is NMEA. While NAV-PVT comes, positions are taken from it alone: it says what the sentences
say, more exactly, and one epoch must not become two positions.

What the receiver thinks of its signals comes from NAV-STATUS, MON-HW, MON-RF and SEC-SIG, each of
which may say a part; it goes out once a cycle, when one of them repeats or the line pauses.

Deliberately absent: every other message, which is passed over in silence.
Source: u-blox 8 / M8 receiver description including protocol specification (UBX-13003221), "UBX
frame structure" and "UBX checksum"; for the messages see ``gateway.decode.ubx_messages``.
"""

from itertools import accumulate
from typing import Final

from gateway.decode.events import (
    Event,
    FaultWhy,
    GnssIntegrity,
    Jamming,
    Position,
    Spoofing,
    fault,
)
from gateway.decode.nmea import NmeaDecoder
from gateway.decode.ubx_messages import Integrity, decode_message

PAYLOAD_BYTES_MAX: Final = 4_096  # RXM-RAWX with 120 signals has 3,856; longer is a false length.
NMEA_EPOCHS_MAX: Final = 32  # Without a NAV-PVT for so many, the sentences' positions count again.
INTEGRITY_CYCLES_MAX: Final = 32  # What was not said again for so many cycles is unknown.

_SYNC: Final = b"\xb5\x62"
_NMEA_STARTS: Final = b"$!"
_HEADER_BYTES: Final = 6
_CHECKSUM_BYTES: Final = 2
_JAMMING_RANK: Final = (Jamming.UNKNOWN, Jamming.OK, Jamming.WARNING, Jamming.CRITICAL)
_SPOOFING_RANK: Final = (Spoofing.UNKNOWN, Spoofing.NONE, Spoofing.INDICATED, Spoofing.MULTIPLE)


def fletcher(data: bytes) -> bytes:
    """Return the 8-bit Fletcher checksum of ``data`` (RFC 1145, as UBX uses it)."""
    return bytes((sum(data) & 0xFF, sum(accumulate(data)) & 0xFF))


def encode_frame(kind: int, number: int, payload: bytes) -> bytes:
    """Return the frame of the message ``number`` of class ``kind``."""
    body = bytes((kind, number)) + len(payload).to_bytes(2, "little") + payload
    return _SYNC + body + fletcher(body)


class UbxDecoder:
    """Take UBX frames and NMEA sentences out of one byte stream."""

    def __init__(self) -> None:
        self._nmea = NmeaDecoder()
        self._reset()

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        events: list[Event] = []
        place = 0
        while place < len(chunk):
            if not self._bytes:
                sync = chunk.find(_SYNC[:1], place)
                end = len(chunk) if sync < 0 else sync
                self._text(chunk[place:end], events)
                place = end
            if place < len(chunk):  # One by one, so that the result cannot depend on the chunks.
                self._bytes.append(chunk[place])
                self._scan(events)
                place += 1
        return events

    def flush(self) -> list[Event]:
        """Return what was pending when the bytes ended: a cut frame, the open epoch and cycle."""
        events: list[Event] = []
        while self._bytes:
            if len(self._bytes) >= len(_SYNC):
                self._break(FaultWhy.TRUNCATED, events)
            else:
                self._pass_front(events)
            self._scan(events)
        self._keep(self._nmea.flush(), events)
        if self._told:
            events.append(self._merged())
        self._reset()
        return events

    def _reset(self) -> None:
        self._bytes = bytearray()
        self._length = 0  # Of the frame in front, 0 until its header is complete.
        self._pvt_epochs = 0
        self._parts: dict[str, tuple[Integrity, int]] = {}
        self._told: set[str] = set()
        self._cycle = 0

    def _scan(self, events: list[Event]) -> None:
        while self._bytes:
            data = self._bytes
            if not _SYNC.startswith(data[: len(_SYNC)]):
                self._pass_front(events)
                continue
            if not self._length:
                if len(data) < _HEADER_BYTES:
                    return
                payload_bytes = int.from_bytes(data[4:6], "little")
                if payload_bytes > PAYLOAD_BYTES_MAX:
                    self._break(FaultWhy.BAD_LENGTH, events)
                    continue
                self._length = _HEADER_BYTES + payload_bytes + _CHECKSUM_BYTES
            if len(data) < self._length:
                return
            self._take(bytes(data[: self._length]), events)

    def _take(self, frame: bytes, events: list[Event]) -> None:
        """Take the frame at the front, if its checksum is right."""
        if fletcher(frame[2:-2]) != frame[-2:]:
            self._break(FaultWhy.BAD_CHECKSUM, events)
            return
        del self._bytes[: self._length]
        self._length = 0
        self._text(b"\n", events)  # A frame ends a sentence or noise that did not end itself.
        found = decode_message(frame)
        if isinstance(found, Integrity):
            self._add(found, events)
        elif found is not None:
            if isinstance(found, Position):
                self._pvt_epochs = NMEA_EPOCHS_MAX
            events.append(found)

    def _break(self, why: FaultWhy, events: list[Event]) -> None:
        """Report what is in front as no frame, and go on where something may begin within it."""
        end = self._length or len(self._bytes)
        data = bytes(self._bytes[:end])
        events.append(fault(why, data))
        starts = (data.find(start, 2) for start in (_SYNC[:1], b"$", b"!"))
        begin = min((start for start in starts if start >= 0), default=end)
        del self._bytes[:begin]
        self._length = 0

    def _pass_front(self, events: list[Event]) -> None:
        """Give the byte in front, and what follows up to a possible frame, to the sentences."""
        end = self._bytes.find(_SYNC[:1], 1)
        text = bytes(self._bytes if end < 0 else self._bytes[:end])
        del self._bytes[: len(text)]
        self._text(text, events)

    def _text(self, text: bytes, events: list[Event]) -> None:
        self._keep(self._nmea.feed(text), events)

    def _keep(self, found: list[Event], events: list[Event]) -> None:
        """Keep what the sentences said, but no position beside those of NAV-PVT."""
        for event in found:
            if isinstance(event, Position) and self._pvt_epochs:
                self._pvt_epochs -= 1
            else:
                events.append(event)

    def _add(self, part: Integrity, events: list[Event]) -> None:
        if part.source in self._told:
            events.append(self._merged())
            self._told.clear()
            self._cycle += 1
        self._told.add(part.source)
        self._parts[part.source] = (part, self._cycle)

    def _merged(self) -> GnssIntegrity:
        """Return the worst of what the messages of the last cycles say."""
        parts = [
            part
            for part, cycle in self._parts.values()
            if self._cycle - cycle < INTEGRITY_CYCLES_MAX
        ]
        indicators = [part.cw_indicator for part in parts if part.cw_indicator is not None]
        return GnssIntegrity(
            jamming=max((part.jamming for part in parts), key=_JAMMING_RANK.index),
            spoofing=max((part.spoofing for part in parts), key=_SPOOFING_RANK.index),
            cw_indicator=max(indicators, default=None),
        )
