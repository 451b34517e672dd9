"""Mettler-Toledo balances and scales that answer in SICS: ``S S     100.00 g`` CR LF.

Source: Mettler-Toledo, MT-SICS Reference Manual for balances, commands S, SI, SIR and error
messages. The weight of ``S`` is the net weight. Answers to other commands are faults here: they
are no weight.
"""

import re
from typing import Final

from gateway.decode.events import Basis, Event, FaultWhy, fault
from gateway.decode.framing import LineDecoder
from gateway.decode.scale import NUMBER, UNIT, weigh

_WEIGHT = re.compile(
    rb"S (?P<state>[SD]) +(?P<sign>[+-]?) *(?P<number>" + NUMBER + rb")"
    rb"(?: +(?P<unit>" + UNIT + rb"))? *"
)
_REFUSALS: Final = {
    b"S I": FaultWhy.NOT_EXECUTABLE,
    b"S L": FaultWhy.LOGICAL_ERROR,
    b"S +": FaultWhy.OVERLOAD,
    b"S -": FaultWhy.UNDERLOAD,
    b"ES": FaultWhy.SYNTAX_ERROR,
    b"ET": FaultWhy.TRANSMISSION_ERROR,
    b"EL": FaultWhy.LOGICAL_ERROR,
}


def make() -> LineDecoder:
    """Return a decoder for one port."""
    return LineDecoder(decode_line)


def decode_line(line: bytes) -> Event:
    """Return the weight in ``line``, or why it is none."""
    if (why := _REFUSALS.get(line.rstrip(b" "))) is not None:
        return fault(why, line)
    if (match := _WEIGHT.fullmatch(line)) is None:
        return fault(FaultWhy.MALFORMED, line)
    return weigh(
        line,
        match["number"],
        match["unit"] or b"",
        minus=match["sign"] == b"-",
        stable=match["state"] == b"S",
        basis=Basis.NET,
    )
