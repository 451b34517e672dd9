"""A&D weighing indicators and what imitates them: ``ST,GS,+0012.34kg`` CR LF.

Source: A&D AD-4329A manual (OP-02), section 11.1.1, format 1; A&D balances' standard format has no
gross or net field: ``ST,+00123.45  g``.
"""

import re

from gateway.decode.events import Event, FaultWhy, fault
from gateway.decode.framing import LineDecoder
from gateway.decode.scale import NUMBER, UNIT, weigh_marked

_WEIGHT = re.compile(
    rb"(?P<state>ST|US),(?:(?P<mark>GS|NT|TR),)?(?P<sign>[+-]?) *"
    rb"(?P<number>" + NUMBER + rb") *(?P<unit>" + UNIT + rb")? *"
)
_OVERLOAD = re.compile(rb"OL,(?:(?:GS|NT|TR),)?(?P<sign>[+-]?).*")


def make() -> LineDecoder:
    """Return a decoder for one port."""
    return LineDecoder(decode_line)


def decode_line(line: bytes) -> Event:
    """Return the weight in ``line``, or why it is none."""
    if (over := _OVERLOAD.fullmatch(line)) is not None:
        return fault(FaultWhy.UNDERLOAD if over["sign"] == b"-" else FaultWhy.OVERLOAD, line)
    return weigh_marked(line, _WEIGHT.fullmatch(line))
