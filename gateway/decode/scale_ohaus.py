"""Ohaus column lines (``-  1.640 kg   ?N`` CR LF), and Mettler-Toledo's continuous output.

Source: Ohaus Defender 3000 (T32) manual, serial output format, and captures of it
(NSerialCommTools, MIT). A line has no start mark and no checksum, only fixed columns: a line that
lost bytes, in front when the port was opened or in the middle when the machine was slow, can
still look like a weight. So a line counts only at the width of its neighbours.
"""

import re
from typing import Final

from gateway.decode import mettler
from gateway.decode.events import Event, Fault, FaultWhy, Weight, fault
from gateway.decode.framing import Line, LineFramer, strip_parity
from gateway.decode.scale import NUMBER, UNIT, basis_of, weigh

COLUMNS_MIN: Final = 16  # Weight 8, space, unit 5, stability mark, gross or net mark.

_WEIGHT = re.compile(
    rb" *(?P<sign>[+-]?) *(?P<number>" + NUMBER + rb") +(?P<unit>" + UNIT + rb") +"
    rb"(?P<moving>\??) *(?P<mark>[GNT]) *"
)
_ERROR = re.compile(
    rb" *Err *8\.(?P<number>[34]).*"
)  # Ohaus: 8.3 over, 8.4 under the weighing range.


def make_ohaus() -> "ColumnDecoder":
    """Return a decoder for one port of an Ohaus, or of a Mettler-Toledo in continuous mode."""
    return ColumnDecoder(continuous=True)


def make_spun() -> "ColumnDecoder":
    """Return a decoder for one port of a SPUN indicator: the same columns, never continuous."""
    return ColumnDecoder(continuous=False)


def decode_line(line: bytes) -> Weight | Fault:
    """Return the weight in ``line``, or why it is none; the caller has judged the width."""
    if (error := _ERROR.fullmatch(line)) is not None:
        return fault(FaultWhy.OVERLOAD if error["number"] == b"3" else FaultWhy.UNDERLOAD, line)
    if (match := _WEIGHT.fullmatch(line)) is None:
        return fault(FaultWhy.MALFORMED, line)
    if match["mark"] == b"T":
        return fault(FaultWhy.TARE, line)  # The container's weight, not a load.
    return weigh(
        line,
        match["number"],
        match["unit"],
        minus=match["sign"] == b"-",
        stable=not match["moving"],
        basis=basis_of(match["mark"]),
    )


class ColumnDecoder:
    """Lines of fixed columns; an STX switches to Mettler's continuous frame for its 17 bytes."""

    def __init__(self, *, continuous: bool) -> None:
        self._framer = LineFramer()
        self._continuous = mettler.ContinuousFramer() if continuous else None
        self._first: tuple[bytes, Event] | None = None
        self._width = 0
        self._short = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        if self._continuous is None:
            return self._columns(self._framer.feed(chunk))
        events: list[Event] = []
        for byte in chunk:
            frames, rest = self._continuous.feed(byte)
            events.extend(frames)
            if rest is mettler.STARTED:
                events.extend(self._columns(self._framer.flush()))
            elif rest is not mettler.TAKEN:
                events.extend(self._columns(self._framer.feed(bytes((byte,)))))
        return events

    def flush(self) -> list[Event]:
        """Return what was pending when the bytes ended."""
        frames = [] if self._continuous is None else self._continuous.flush()
        events = self._settle_first(None)
        cut = self._columns(self._framer.flush())
        self._width = self._short = 0
        return [*frames, *events, *cut]

    def _columns(self, lines: list[Line | Fault]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            if isinstance(line, Fault):
                events.append(line)
            elif (text := strip_parity(line.text)) is None:
                events.append(fault(FaultWhy.BAD_PARITY, line.text))
            else:
                events.extend(self._column_line(text, whole=line.whole))
        return events

    def _column_line(self, text: bytes, *, whole: bool) -> list[Event]:
        event = decode_line(text)
        if not isinstance(event, Weight):
            return [event]
        if not whole:
            self._first = (text, event)  # Judged by the line after it.
            return []
        settled = self._settle_first(len(text))
        return [*settled, self._judge(text, event)]

    def _settle_first(self, width: int | None) -> list[Event]:
        """Return the port's first weight if it was complete: as wide as the one after it."""
        if self._first is None:
            return []
        text, event = self._first
        self._first = None
        complete = len(text) >= COLUMNS_MIN if width is None else len(text) == width
        return [event if complete else fault(FaultWhy.PARTIAL, text)]

    def _judge(self, text: bytes, event: Weight) -> Event:
        """Refuse a line shorter than the last one, unless the format itself became shorter."""
        width = len(text)
        if width < self._width and width != self._short:
            self._short = width
            return fault(FaultWhy.PARTIAL, text)
        self._width, self._short = width, 0
        return event
