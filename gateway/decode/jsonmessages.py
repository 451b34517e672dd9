"""Captured MQTT messages as JSON objects ``{"topic": ..., "payload": ...}``.

One object a line, or an array of them, indented or not: a capture tool's choice. Objects are
found by their braces; an object that starts a line while another is still open means that the
other was torn.
"""

import json
import math
from collections.abc import Callable
from typing import Final, TypeGuard

from gateway.decode.events import Event, FaultWhy, fault

MESSAGE_BYTES_MAX: Final = (
    262_144  # Frigate's events are under 10 kB; thumbnails travel elsewhere.
)
TEXT_CHARS_MAX: Final = 1_024  # Frigate's longest is a description of a few sentences.
TEXTS_MAX: Final = 64  # Zones of one camera; a person draws them by hand.

_OPEN, _CLOSE, _QUOTE, _BACKSLASH = b'{}"\\'
_LF: Final = 0x0A
_BETWEEN: Final = frozenset(b" \t\r\n,[]")


def _refuse_constant(name: str) -> object:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)


def load_json(text: bytes) -> object:
    """Return the JSON value in ``text``.

    Raises:
        ValueError: ``text`` is no JSON, nests too deeply, or holds NaN or an infinity.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error
    return value


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether ``value`` is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Return whether ``value`` is a JSON array."""
    return isinstance(value, list)


def text_of(value: object) -> str:
    """Return ``value`` if it is text of a bearable length, else nothing."""
    return value if isinstance(value, str) and len(value) <= TEXT_CHARS_MAX else ""


def texts_of(value: object) -> tuple[str, ...]:
    """Return the texts in the array ``value``, as many as are bearable."""
    texts = (text_of(item) for item in value) if is_array(value) else ()
    return tuple(text for text in texts if text)[:TEXTS_MAX]


def number_of(value: object) -> float | None:
    """Return ``value`` if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def micros_of(value: object) -> int | None:
    """Return ``value``, seconds since 1970, in microseconds; None when it is no plausible time."""
    seconds = number_of(value)
    # 2**33 s is the year 2242: beyond it the device counts in other units.
    return round(seconds * 1_000_000) if seconds is not None and 0 <= seconds < 2**33 else None


class MessageDecoder:
    """Find the messages in a capture and let ``decode`` say what each means."""

    def __init__(self, decode: Callable[[str, bytes], list[Event]]) -> None:
        self._decode = decode
        self._reset()
        self._noise = bytearray()
        self._line_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what ``chunk`` completes, oldest first."""
        events: list[Event] = []
        for byte in chunk:
            if self._depth:
                self._inside(byte, events)
            else:
                self._outside(byte, events)
            self._line_start = byte == _LF
        return events

    def flush(self) -> list[Event]:
        """Return what was pending when the bytes ended."""
        events: list[Event] = []
        self._end_noise(events)
        if self._depth:
            events.append(fault(FaultWhy.TRUNCATED, self._message))
        self._reset()
        self._line_start = True
        return events

    def _reset(self) -> None:
        self._message = bytearray()
        self._depth = 0
        self._in_text = False
        self._escaped = False

    def _outside(self, byte: int, events: list[Event]) -> None:
        if byte == _OPEN:
            self._end_noise(events)
            self._message.append(byte)
            self._depth = 1
        elif byte == _LF:
            self._end_noise(events)
        elif byte not in _BETWEEN or self._noise:
            self._noise.append(byte)
            if len(self._noise) >= MESSAGE_BYTES_MAX:
                self._end_noise(events)

    def _inside(self, byte: int, events: list[Event]) -> None:
        torn = self._in_text and byte == _LF  # RFC 8259, 7: a string holds no raw line feed.
        if torn or (self._line_start and byte == _OPEN):
            events.append(fault(FaultWhy.TRUNCATED, self._message))
            self._reset()
            self._outside(byte, events)
            return
        self._message.append(byte)
        if self._in_text:
            self._text(byte)
        elif byte == _QUOTE:
            self._in_text = True
        elif byte == _OPEN:
            self._depth += 1
        elif byte == _CLOSE:
            self._depth -= 1
        if not self._depth:
            events.extend(_decode_message(bytes(self._message), self._decode))
            self._reset()
        elif len(self._message) >= MESSAGE_BYTES_MAX:
            events.append(fault(FaultWhy.TOO_LONG, self._message))
            self._reset()

    def _text(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
        elif byte == _BACKSLASH:
            self._escaped = True
        elif byte == _QUOTE:
            self._in_text = False

    def _end_noise(self, events: list[Event]) -> None:
        if self._noise:
            events.append(fault(FaultWhy.NOISE, self._noise))
            self._noise.clear()


def _decode_message(text: bytes, decode: Callable[[str, bytes], list[Event]]) -> list[Event]:
    try:
        message = load_json(text)
    except ValueError:
        return [fault(FaultWhy.MALFORMED, text)]
    topic = text_of(message.get("topic")) if is_object(message) else ""
    if not is_object(message) or "payload" not in message or not topic:
        return [fault(FaultWhy.MALFORMED, text)]
    payload = message["payload"]
    body = payload if isinstance(payload, str) else json.dumps(payload)
    return decode(topic, body.encode("utf-8", "replace"))
