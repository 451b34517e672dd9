"""Cut a serial byte stream into lines, and take the parity bit off when a port was opened as 8N1.

Deliberately ignorant of what a line means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.decode.events import Event, Fault, FaultWhy, fault

LINE_BYTES_MAX: Final = 64  # The longest line of a known indicator has 33; longer is noise.

_CR, _LF = 0x0D, 0x0A
_ENDS: Final = frozenset({_CR, _LF})
_FILLERS: Final = frozenset({0x00, 0x7F})  # NUL and DEL pad some indicators' streams at power-on.
_PARITY_BIT: Final = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line without its terminator; ``whole`` is false when its beginning may be missing."""

    text: bytes
    whole: bool


class LineFramer:
    """Cut a stream at CR, LF or both; blank lines and padding bytes are skipped.

    With ``parity`` a terminator or a padding byte counts with its eighth bit set too, as it
    arrives from a 7-bit device with parity on a port opened for 8 bits. A line of more than
    ``bytes_max`` is a fault.
    """

    def __init__(self, *, parity: bool = True, bytes_max: int = LINE_BYTES_MAX) -> None:
        both = (0, _PARITY_BIT) if parity else (0,)
        self._ends = frozenset(end | bit for end in _ENDS for bit in both)
        self._fillers = frozenset(filler | bit for filler in _FILLERS for bit in both)
        self._bytes_max = bytes_max
        self._line = bytearray()
        self._whole = False
        self._overlong = False

    def feed(self, chunk: bytes) -> list[Line | Fault]:
        """Return the lines that ``chunk`` completes, oldest first."""
        lines: list[Line | Fault] = []
        for byte in chunk:
            if byte in self._ends:
                lines.extend(self._end())
                self._whole = True
            elif byte in self._fillers:
                continue
            elif len(self._line) < self._bytes_max:
                self._line.append(byte)
            else:
                self._overlong = True
        return lines

    def flush(self) -> list[Line | Fault]:
        """Return a fault for a line that never ended, and begin anew."""
        cut = [fault(FaultWhy.TRUNCATED, self._line)] if self._line.strip() else []
        self._line.clear()
        self._whole = self._overlong = False
        return [*cut]

    def _end(self) -> list[Line | Fault]:
        text = bytes(self._line)
        overlong, self._overlong = self._overlong, False
        self._line.clear()
        if overlong:
            return [fault(FaultWhy.TOO_LONG, text)]
        return [Line(text=text, whole=self._whole)] if text.strip() else []


class LineDecoder:
    """A decoder for formats whose every line stands alone: ``parse`` turns one into an event."""

    def __init__(self, parse: Callable[[bytes], Event]) -> None:
        self._parse = parse
        self._framer = LineFramer()

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        return [self._decode(line) for line in self._framer.feed(chunk)]

    def flush(self) -> list[Event]:
        """Return a fault for a line that never ended."""
        return [self._decode(line) for line in self._framer.flush()]

    def _decode(self, line: Line | Fault) -> Event:
        if isinstance(line, Fault):
            return line
        if (text := strip_parity(line.text)) is None:
            return fault(FaultWhy.BAD_PARITY, line.text)
        return self._parse(text)


def strip_parity(line: bytes) -> bytes | None:
    """Return ``line`` as 7-bit characters, or None if its eighth bits are no parity.

    A line with an eighth bit set is accepted only when every byte of it agrees on even, odd or
    mark parity: a foreign device's 8-bit characters, or a flipped bit, do not.
    """
    if not any(byte & _PARITY_BIT for byte in line):
        return line
    odd_bits = {byte.bit_count() % 2 for byte in line}
    if len(odd_bits) > 1 and not all(byte & _PARITY_BIT for byte in line):
        return None
    return bytes(byte & ~_PARITY_BIT for byte in line)
