"""A Modbus slave's protocol: PDUs against register banks, and the RTU and TCP framing around them.

Pure: bytes in, bytes out. Read functions 1 to 4 and device identification 43/14 are served; every
other function is refused with exception 1, as a sensor without writable registers does.
Source: Modbus Application Protocol V1.1b3 (6.1-6.4, 6.21, 7), Modbus over Serial Line V1.02
(2.5.1, CRC in annex B), Modbus Messaging on TCP/IP V1.0b (3.1.3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

RTU_BYTES_MAX = 256  # Modbus over Serial Line 2.5.1
TCP_BYTES_MAX = 260  # Modbus on TCP/IP 4.1: 7 bytes of header and 253 of PDU
_COILS_MAX = 2_000  # V1.1b3 6.1, 6.2
_REGISTERS_MAX = 125  # V1.1b3 6.3, 6.4
_MBAP_BYTES = 6


class ExceptionCode(IntEnum):
    """Why a request was refused."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """What a unit's four tables hold now, by zero-based address; absent tables are refused."""

    coils: Mapping[int, bool] = field(default_factory=dict[int, bool])
    discrete: Mapping[int, bool] = field(default_factory=dict[int, bool])
    holding: Mapping[int, int] = field(default_factory=dict[int, int])
    inputs: Mapping[int, int] = field(default_factory=dict[int, int])
    registers_max: int = _REGISTERS_MAX
    identity: Sequence[str] = ()  # vendor, product, revision


def answer(pdu: bytes, bank: Bank) -> bytes:
    """Return the reply PDU to the request ``pdu``."""
    match pdu[:1]:
        case b"\x01":
            return _read_bits(pdu, bank.coils)
        case b"\x02":
            return _read_bits(pdu, bank.discrete)
        case b"\x03":
            return _read_registers(pdu, bank.holding, bank.registers_max)
        case b"\x04":
            return _read_registers(pdu, bank.inputs, bank.registers_max)
        case b"\x2b" if bank.identity:
            return _identify(pdu, bank.identity)
        case _:
            return _refuse(pdu, ExceptionCode.ILLEGAL_FUNCTION)


def _refuse(pdu: bytes, code: ExceptionCode) -> bytes:
    return bytes([pdu[0] | 0x80, code])


def _range(pdu: bytes) -> tuple[int, int] | None:
    if len(pdu) != 5:
        return None
    return int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")


def _read_bits(pdu: bytes, table: Mapping[int, bool]) -> bytes:
    if not table:
        return _refuse(pdu, ExceptionCode.ILLEGAL_FUNCTION)
    asked = _range(pdu)
    if asked is None or not 1 <= asked[1] <= _COILS_MAX:
        return _refuse(pdu, ExceptionCode.ILLEGAL_VALUE)
    first, count = asked
    if any(address not in table for address in range(first, first + count)):
        return _refuse(pdu, ExceptionCode.ILLEGAL_ADDRESS)
    packed = bytearray((count + 7) // 8)
    for offset in range(count):
        packed[offset // 8] |= table[first + offset] << offset % 8  # first bit lowest
    return bytes([pdu[0], len(packed)]) + bytes(packed)


def _read_registers(pdu: bytes, table: Mapping[int, int], registers_max: int) -> bytes:
    if not table:
        return _refuse(pdu, ExceptionCode.ILLEGAL_FUNCTION)
    asked = _range(pdu)
    if asked is None or not 1 <= asked[1] <= registers_max:
        return _refuse(pdu, ExceptionCode.ILLEGAL_VALUE)
    first, count = asked
    if any(address not in table for address in range(first, first + count)):
        return _refuse(pdu, ExceptionCode.ILLEGAL_ADDRESS)
    words = b"".join(table[first + offset].to_bytes(2, "big") for offset in range(count))
    return bytes([pdu[0], len(words)]) + words


def _identify(pdu: bytes, identity: Sequence[str]) -> bytes:
    # V1.1b3 6.21: MEI type 14, basic identification, stream access (code 1).
    if len(pdu) != 4 or pdu[1] != 0x0E:
        return _refuse(pdu, ExceptionCode.ILLEGAL_FUNCTION)
    if pdu[2] != 1 or pdu[3] != 0:
        return _refuse(pdu, ExceptionCode.ILLEGAL_VALUE)
    objects = b"".join(
        bytes([number, len(text.encode())]) + text.encode() for number, text in enumerate(identity)
    )
    return bytes([0x2B, 0x0E, 1, 1, 0, 0, len(identity)]) + objects


def signed32(value: int) -> tuple[int, int]:
    """Return ``value`` as two registers, two's complement, high word first (order ABCD)."""
    raw = value.to_bytes(4, "big", signed=True)
    return int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:], "big")


def crc16(data: bytes) -> bytes:
    """Return the Modbus CRC-16 of ``data``, low byte first as it travels."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


# Length of a request by function, address and CRC included (V1.1b3 6).
_RTU_REQUEST_BYTES: Final = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 0x2B: 7}


def take_rtu_request(pending: bytearray) -> tuple[int, bytes] | None:
    """Remove and return the first request (unit, PDU) of ``pending``; None if it holds none yet.

    Requests of unknown length, or with a wrong CRC, empty the buffer: on a wire the master waits
    for its time-out, and the silence that follows starts the next frame.
    """
    if len(pending) < 2:
        return None
    size = _RTU_REQUEST_BYTES.get(pending[1])
    if pending[1] in (15, 16):
        size = 9 + pending[6] if len(pending) > 6 else RTU_BYTES_MAX
    if size is None or len(pending) > RTU_BYTES_MAX:
        pending.clear()
        return None
    if len(pending) < size:
        return None
    request = bytes(pending[:size])
    if crc16(request[:-2]) != request[-2:]:
        pending.clear()
        return None
    del pending[:size]
    return request[0], request[1:-2]


def rtu_reply(unit: int, pdu: bytes) -> bytes:
    """Return ``pdu`` framed for a serial line."""
    framed = bytes([unit]) + pdu
    return framed + crc16(framed)


def tcp_length(header: bytes) -> int | None:
    """Return how many bytes follow the 6-byte ``header``; None if it is no Modbus header."""
    length = int.from_bytes(header[4:6], "big")
    if header[2:4] != b"\x00\x00" or not 2 <= length <= TCP_BYTES_MAX - _MBAP_BYTES:
        return None
    return length


def tcp_reply(transaction: bytes, unit: int, pdu: bytes) -> bytes:
    """Return ``pdu`` framed for TCP with the request's two ``transaction`` bytes."""
    return transaction + b"\x00\x00" + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu
