"""Modbus frames for reading: requests out, replies in, over TCP and over a serial line.

One request is on its way at a time. A reply counts only if it is the answer to that request: on
TCP by its transaction number, on a serial line, which has none, by unit, function, length and CRC.
Everything else - late answers, other units, noise - is thrown away, never taken for the answer.

Source: Modbus application protocol 1.1b3, 4.1, 6.1-6.4, 7; Modbus messaging on TCP/IP 1.0b, 3.1.3;
Modbus over serial line 1.02, 2.5.1, 6.2.2.
"""

import struct
from dataclasses import dataclass
from typing import Final

REPLY_BYTES_MAX: Final = 254  # Unit and PDU: the application protocol's 253 bytes and one.
RTU_BUFFER_BYTES_MAX: Final = 1_024  # Four frames: more on the line at once is noise.
READ_COILS: Final = 1
READ_DISCRETE_INPUTS: Final = 2
READ_HOLDING_REGISTERS: Final = 3
READ_INPUT_REGISTERS: Final = 4
NO_ANSWER: Final = "no_answer"
_REFUSED: Final = 0x80  # Set in the function code of an exception response.
_MBAP: Final = struct.Struct(">HHHB")
_PDU: Final = struct.Struct(">BHH")
_UNIT_PDU: Final = struct.Struct(">BBHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Read ``count`` registers or bits from ``start`` on; ``answer_bytes`` is what they take."""

    unit: int
    function: int
    start: int
    count: int
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of exactly what was asked for."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """The device's exception code."""

    code: int


@dataclass(frozen=True, slots=True)
class WrongReply:
    """A reply to this request that cannot be its answer; ``why`` names what differs."""

    why: str


Reply = Answer | Refusal | WrongReply


class LostFramesError(Exception):
    """What comes is not Modbus: there is no way to find the next frame."""


def make_request(unit: int, function: int, start: int, count: int) -> Request:
    """Return the request for ``count`` registers or bits from ``start`` on."""
    bits = function in (READ_COILS, READ_DISCRETE_INPUTS)
    answer_bytes = (count + 7) // 8 if bits else 2 * count
    return Request(
        unit=unit, function=function, start=start, count=count, answer_bytes=answer_bytes
    )


class TcpFrames:
    """One TCP connection's frames; each request has a number, which its answer repeats."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transaction = 0
        self._request: Request | None = None
        self.discarded = 0  # Answers that came too late, or were asked for by nobody.

    def encode(self, request: Request) -> bytes:
        """Return the frame of ``request``, from now on the one whose answer is waited for."""
        self._request = request
        self._transaction = self._transaction % 0xFFFF + 1  # Never 0, which some take for any.
        head = _MBAP.pack(self._transaction, 0, 1 + _PDU.size, request.unit)
        return head + _PDU.pack(request.function, request.start, request.count)

    def expire(self) -> str:
        """Wait no longer; return why there is no answer."""
        self._request = None
        return NO_ANSWER

    def feed(self, data: bytes) -> Reply | None:
        """Return the reply to the request on its way, if ``data`` completes it.

        Raises:
            LostFramesError: No frame of Modbus can begin so.
        """
        buffer = self._buffer + data if self._buffer else data
        found: Reply | None = None
        while len(buffer) >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(buffer)
            if protocol != 0 or not 2 < length <= REPLY_BYTES_MAX:
                raise LostFramesError(f"protocol {protocol}, length {length}")
            end = 6 + length
            if len(buffer) < end:
                break
            pdu = buffer[_MBAP.size : end]
            buffer = buffer[end:]
            if self._request is None or transaction != self._transaction:
                self.discarded += 1
                continue
            found = check_reply(self._request, unit, pdu)
            self._request = None
        self._buffer = buffer
        return found


class RtuFrames:
    """The frames on one serial line, found by what was asked and by their CRC."""

    def __init__(self) -> None:
        self._buffer = b""
        self._request: Request | None = None
        self._heard = False
        self.discarded = 0  # Bytes that were part of no answer.

    def encode(self, request: Request) -> bytes:
        """Return the frame of ``request``; whatever came before it is thrown away."""
        self.discarded += len(self._buffer)
        self._buffer = b""
        self._heard = False
        self._request = request
        frame = _UNIT_PDU.pack(request.unit, request.function, request.start, request.count)
        return frame + crc16(frame)

    def expire(self) -> str:
        """Wait no longer; return why there is no answer."""
        self._request = None
        return "garbled_answer" if self._heard else NO_ANSWER

    def feed(self, data: bytes) -> Reply | None:
        """Return the reply to the request on its way, wherever in the noise it begins."""
        request = self._request
        if request is None:
            self.discarded += len(data)
            return None
        self._heard = True
        buffer = self._buffer = (self._buffer + data)[-RTU_BUFFER_BYTES_MAX:]
        at = buffer.find(request.unit)
        while at >= 0:
            reply = _rtu_reply(request, buffer[at:])
            if reply is not None:
                self._buffer = b""
                self._request = None
                return reply
            at = buffer.find(request.unit, at + 1)
        return None


def check_reply(request: Request, unit: int, pdu: bytes) -> Reply:
    """Return what ``unit``'s ``pdu`` says in answer to ``request``."""
    if unit != request.unit:
        return WrongReply("wrong_unit")
    if len(pdu) == 2 and pdu[0] == request.function | _REFUSED:
        return Refusal(pdu[1])
    if pdu[0] != request.function:
        return WrongReply("wrong_function")
    if pdu[1] != request.answer_bytes or len(pdu) != 2 + request.answer_bytes:
        return WrongReply("short_answer")
    return Answer(pdu[2:])


def crc16(data: bytes) -> bytes:
    """Return the CRC of ``data`` as it stands on the line, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def _rtu_reply(request: Request, frame: bytes) -> Reply | None:
    """Return the reply that begins ``frame``; None: it is none, or not yet whole."""
    if len(frame) < 5:
        return None
    if frame[1] == request.function | _REFUSED:
        return Refusal(frame[2]) if crc16(frame[:3]) == frame[3:5] else None
    end = 3 + request.answer_bytes
    if frame[1] != request.function or frame[2] != request.answer_bytes or len(frame) < end + 2:
        return None
    return Answer(frame[3:end]) if crc16(frame[:end]) == frame[end : end + 2] else None


def _crc_row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


_CRC_TABLE: Final = tuple(_crc_row(value) for value in range(256))
