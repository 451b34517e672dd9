"""TFO1 weighing terminals: twelve labelled fields, each ended by CR, the last by CR LF.

``F H Q X`` are set points, ``A`` is the gross weight, ``0`` the net, ``4`` the tare, ``1`` and
``2`` counters, ``B`` a status byte, ``C`` date and time, ``V`` the scale's number.

Source: captures of TFO1 and of its sibling TFO3, which prints the same fields with words ("GROSS
WEIGHT", "NET WEIGHT", "TARE", "STATUS"; NSerialCommTools, MIT). The captures do not say the unit,
which is a parameter here, nor what the status byte means, so no weight counts as stable.
"""

import re
from typing import Final

from gateway.decode.events import Basis, Event, Fault, FaultWhy, fault
from gateway.decode.framing import Line, LineFramer
from gateway.decode.scale import weigh

_NUMBER: Final = rb" {1,8}-?\d{1,7}\.\d"
_FIELDS: Final = (
    *(re.compile(label + _NUMBER) for label in (b"F", b"H", b"Q", b"X", b"A", b"0", b"4", b"1")),
    re.compile(rb"2 {1,8}\d{1,7}"),
    re.compile(rb"B[\x80-\xff]"),
    re.compile(rb"C\d{2}\xf4 \d{2}\xf3 \d{4}\xf2 [A-Z]{3} \d{2}:\d{2}[AP]M"),
    re.compile(rb"V\d"),
)
_GROSS: Final = 4


def make() -> "TfoDecoder":
    """Return a decoder for one port; the captured machine weighs in kilograms."""
    return TfoDecoder(unit=b"kg")


class TfoDecoder:
    """Collect the fields in their order; anything out of order is one fault and starts anew."""

    def __init__(self, *, unit: bytes) -> None:
        self._unit = unit
        self._framer = LineFramer(parity=False)  # Fields B and C carry 8-bit characters.
        self._fields: list[bytes] = []
        self._lost = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        return [e for line in self._framer.feed(chunk) for e in self._field(line)]

    def flush(self) -> list[Event]:
        """Return a fault for a frame that never ended."""
        cut = [event for line in self._framer.flush() for event in self._field(line)]
        if self._fields:
            cut.insert(0, fault(FaultWhy.TRUNCATED, b"\r".join(self._fields)))
        self._fields.clear()
        self._lost = False
        return cut

    def _field(self, line: Line | Fault) -> list[Event]:
        if isinstance(line, Fault):
            self._fields.clear()
            self._lost = True
            return [line]
        events: list[Event] = []
        if not _FIELDS[len(self._fields)].fullmatch(line.text):
            events = self._lose(line.text)
            if not _FIELDS[0].fullmatch(line.text):
                return events
        self._lost = False
        self._fields.append(line.text)
        return events + (self._whole() if len(self._fields) == len(_FIELDS) else [])

    def _lose(self, text: bytes) -> list[Event]:
        """Report the fields so far, once for each run of fields out of order."""
        evidence = b"\r".join([*self._fields, text])
        had, self._lost = self._lost, True
        fresh_start = bool(_FIELDS[0].fullmatch(text)) and not self._fields
        self._fields.clear()
        return [] if had or fresh_start else [fault(FaultWhy.MALFORMED, evidence)]

    def _whole(self) -> list[Event]:
        gross = self._fields[_GROSS][1:].strip()
        evidence = b"\r".join(self._fields)
        self._fields.clear()
        minus = gross.startswith(b"-")
        return [
            weigh(
                evidence,
                gross.lstrip(b"-"),
                self._unit,
                minus=minus,
                stable=False,
                basis=Basis.GROSS,
            )
        ]
