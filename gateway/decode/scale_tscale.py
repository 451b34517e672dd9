"""T-Scale indicators, forms NHB (``ST,GS    20.7g  ``) and QHW (``ST,GS,   245.6 g``).

Source: captures of both models (NSerialCommTools, MIT). The form is A&D's, but the field after the
gross or net mark is padded with spaces, and NHB has no second comma.
"""

import re

from gateway.decode.events import Event, FaultWhy, fault
from gateway.decode.framing import LineDecoder
from gateway.decode.scale import NUMBER, UNIT, weigh_marked

_WEIGHT = re.compile(
    rb"(?P<state>ST|US),(?P<mark>GS|NT|TR)(?:,| |(?=[+-])) *(?P<sign>[+-]?) *"
    rb"(?P<number>" + NUMBER + rb") *(?P<unit>" + UNIT + rb")? *"
)
_OVERLOAD = re.compile(rb"(?P<side>OL|UL)(?:,.*)?")


def make() -> LineDecoder:
    """Return a decoder for one port."""
    return LineDecoder(decode_line)


def decode_line(line: bytes) -> Event:
    """Return the weight in ``line``, or why it is none."""
    if (over := _OVERLOAD.fullmatch(line)) is not None:
        return fault(FaultWhy.OVERLOAD if over["side"] == b"OL" else FaultWhy.UNDERLOAD, line)
    return weigh_marked(line, _WEIGHT.fullmatch(line))
