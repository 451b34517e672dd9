"""Find frames in a serial byte stream by their length, never by a delimiter.

A payload may hold the bytes that start or end a frame, so a frame is measured, checked, and
searched for anew one byte further on when it proves to be none. What a frame means is its
family's part: ``FrameForm``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.decode.events import Event, FaultWhy, fault

NOISE_BYTES_MAX: Final = 256  # A run of noise is reported at least this often.


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameForm:
    """How a family's frames are recognised.

    ``measure`` returns the length of the frame that may begin with the bytes given, 0 while more
    bytes must tell, None where none begins; ``bytes_max`` bounds it. ``check`` returns None for a
    sound frame, what is broken of one that is not, or NOISE where the bytes were no frame at all.
    """

    bytes_max: int
    measure: Callable[[bytearray], int | None]
    check: Callable[[bytes], FaultWhy | None]
    decode: Callable[[bytes], list[Event]]


class FrameDecoder:
    """Find the frames of one form in a byte stream; one instance for each open port."""

    def __init__(self, form: FrameForm) -> None:
        self._form = form
        self._bytes = bytearray()
        self._length: int | None = 0  # What measure said of the bytes in front; 0: ask again.
        self._noise = bytearray()
        self._reported = 0  # Leading bytes of _bytes that a fault has already shown.

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        events: list[Event] = []
        for byte in chunk:  # Byte by byte, so that the result cannot depend on the chunks.
            self._bytes.append(byte)
            self._scan(events)
        return events

    def flush(self) -> list[Event]:
        """Return what was pending when the bytes ended, or the line fell silent in a frame."""
        events: list[Event] = []
        if self._bytes:
            self._end_noise(events)
            if not self._reported:
                events.append(fault(FaultWhy.TRUNCATED, self._bytes))
                self._reported = len(self._bytes)
        while self._bytes:
            self._skip(events)
            self._scan(events)
        self._end_noise(events)
        return events

    def _scan(self, events: list[Event]) -> None:
        while self._bytes:
            if self._length == 0:
                self._length = self._form.measure(self._bytes)
            if self._length is None or self._length > self._form.bytes_max:
                self._skip(events)
            elif self._length == 0 or len(self._bytes) < self._length:
                return
            elif not self._take(self._length, events):
                self._skip(events)

    def _take(self, length: int, events: list[Event]) -> bool:
        """Take the frame at the front, if it is one."""
        frame = bytes(self._bytes[:length])
        why = self._form.check(frame)
        if why is FaultWhy.NOISE:
            return False
        if why is not None:
            if not self._reported:  # What begins within a broken frame is not told again.
                self._end_noise(events)
                events.append(fault(why, frame))
                self._reported = length
            return False
        self._end_noise(events)
        events.extend(self._form.decode(frame))
        del self._bytes[:length]
        self._length = 0
        self._reported = max(0, self._reported - length)
        return True

    def _skip(self, events: list[Event]) -> None:
        byte = self._bytes.pop(0)
        self._length = 0
        if self._reported:
            self._reported -= 1
            return
        self._noise.append(byte)
        if len(self._noise) >= NOISE_BYTES_MAX:
            self._end_noise(events)

    def _end_noise(self, events: list[Event]) -> None:
        if self._noise:
            events.append(fault(FaultWhy.NOISE, self._noise))
            self._noise.clear()
