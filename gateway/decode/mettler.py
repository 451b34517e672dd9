"""Mettler-Toledo's continuous output: STX, three status bytes, weight, tare, CR and a checksum.

Source: Mettler-Toledo IND560 terminal technical manual, appendix "Continuous output", tables of
status bytes A, B and C. The tare is left alone: the weight says itself whether it is net.
"""

import re
from typing import Final

from gateway.decode.events import Basis, Event, FaultWhy, fault
from gateway.decode.framing import strip_parity
from gateway.decode.scale import weigh

FRAME_BYTES: Final = 17  # STX, SWA, SWB, SWC, 6 digits weight, 6 digits tare, CR.
TAKEN: Final = "taken"
STARTED: Final = "started"

_STX: Final = frozenset({0x02, 0x82})  # 0x82: even parity on a port opened for 8 bits.
_CR: Final = 0x0D
_ALWAYS_SET: Final = 0x20  # Bit 5 of each status byte.
_DIGITS = re.compile(rb" *\d{1,6}")
# Status byte A, bits 0-2: where the decimal point stands; 0 and 1 append zeros.
_DECIMALS: Final = (-2, -1, 0, 1, 2, 3, 4, 5)
# Status byte C, bits 0-2; 0: status byte B, bit 4, says kg or lb.
_UNITS: Final = {1: b"g", 2: b"t", 3: b"oz"}


class ContinuousFramer:
    """Find continuous frames in a byte stream, by their STX and their length."""

    def __init__(self) -> None:
        self._frame = bytearray()

    def feed(self, byte: int) -> tuple[list[Event], str]:
        """Return what ``byte`` completes, and whether it was TAKEN, STARTED a frame, or none."""
        if len(self._frame) == FRAME_BYTES:
            return self._end(byte)
        if self._frame:
            self._frame.append(byte)
            return [], TAKEN
        if byte in _STX:
            self._frame.append(byte)
            return [], STARTED
        return [], ""

    def flush(self) -> list[Event]:
        """Return what was pending when the bytes ended; a whole frame then has no checksum."""
        frame = bytes(self._frame)
        self._frame.clear()
        if not frame:
            return []
        return [
            decode_frame(frame) if len(frame) == FRAME_BYTES else fault(FaultWhy.TRUNCATED, frame)
        ]

    def _end(self, byte: int) -> tuple[list[Event], str]:
        """Judge a whole frame by the byte after it: the next STX, or its checksum."""
        frame = bytes(self._frame)
        self._frame.clear()
        event = decode_frame(frame)
        if frame[-1] & 0x7F != _CR:
            return [event], ""
        if byte in _STX and byte & 0x7F != checksum(frame):
            self._frame.append(byte)
            return [event], STARTED
        if byte & 0x7F == checksum(frame):
            return [event], TAKEN
        return [fault(FaultWhy.BAD_CHECKSUM, frame + bytes((byte,)))], ""


def checksum(frame: bytes) -> int:
    """Return the two's complement of the sum of the 7 low bits of STX to CR, 7 bits."""
    return -sum(byte & 0x7F for byte in frame) & 0x7F


def decode_frame(frame: bytes) -> Event:
    """Return the weight of a frame of ``FRAME_BYTES``, or why it has none."""
    if (text := strip_parity(frame)) is None:
        return fault(FaultWhy.BAD_PARITY, frame)
    status_a, status_b, status_c = text[1:4]
    digits = text[4:10]
    if (
        text[-1] != _CR
        or not all(s & _ALWAYS_SET for s in text[1:4])
        or not _DIGITS.fullmatch(digits)
    ):
        return fault(FaultWhy.MALFORMED, frame)
    if status_b & 0x04:
        return fault(FaultWhy.UNDERLOAD if status_b & 0x02 else FaultWhy.OVERLOAD, frame)
    unit = (
        _UNITS.get(status_c & 0x07, b"?")
        if status_c & 0x07
        else (b"kg" if status_b & 0x10 else b"lb")
    )
    return weigh(
        frame,
        _point(digits.strip(), _DECIMALS[status_a & 0x07]),
        unit,
        minus=bool(status_b & 0x02),
        stable=not status_b & 0x08,
        basis=Basis.NET if status_b & 0x01 else Basis.GROSS,
    )


def _point(digits: bytes, decimals: int) -> bytes:
    """Return ``digits`` with the decimal point in its place."""
    if decimals <= 0:
        return digits + b"0" * -decimals
    padded = digits.rjust(decimals + 1, b"0")
    return padded[:-decimals] + b"." + padded[-decimals:]
