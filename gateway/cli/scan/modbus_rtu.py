"""The few Modbus RTU frames that a search needs. Pure.

Source: Modbus application protocol 1.1b3, 6.3 (read holding registers), 6.21 (read device
identification), 7 (exceptions); Modbus over serial line 1.02, 2.5.1.2 (CRC).
"""

from typing import Final

from gateway.decode.modbus_frames import crc16

UNIT_MAX: Final = 247  # Modbus over serial line 1.02, 2.2.
READ_HOLDING: Final = 0x03
ENCAPSULATED: Final = 0x2B
_READ_IDENTITY: Final = 0x0E
_EXCEPTION: Final = 0x80
_TEXT_CHARS_MAX: Final = 60


def encode_read(unit: int, address: int = 0, count: int = 1) -> bytes:
    """Return the request for ``count`` holding registers of ``unit``."""
    return _framed(
        bytes((unit, READ_HOLDING)) + address.to_bytes(2, "big") + count.to_bytes(2, "big")
    )


def encode_identify(unit: int) -> bytes:
    """Return the request for the basic identity of ``unit``: vendor, product, revision."""
    return _framed(bytes((unit, ENCAPSULATED, _READ_IDENTITY, 1, 0)))


def answers(data: bytes, unit: int, function: int) -> bool:
    """Tell whether ``data`` is the whole answer of ``unit``: data, or an exception."""
    if len(data) < 5 or crc16(data[:-2]) != data[-2:]:
        return False
    return data[0] == unit and data[1] in (function, function | _EXCEPTION)


def decode_identity(data: bytes, unit: int) -> str:
    """Return the texts of an identity's answer; empty where it is none.

    After unit, function, type, code, conformity, more, next and count come the objects: number,
    length, text.
    """
    if not answers(data, unit, ENCAPSULATED) or data[1] & _EXCEPTION or len(data) < 10:
        return ""
    texts: list[str] = []
    at = 8
    for _ in range(data[7]):
        if at + 2 > len(data) - 2:
            break
        length = data[at + 1]
        text = data[at + 2 : min(at + 2 + length, len(data) - 2)]
        texts.append("".join(c for c in text.decode("ascii", "replace") if c.isprintable()))
        at += 2 + length
    return " ".join(text for text in texts if text)[:_TEXT_CHARS_MAX]


def _framed(body: bytes) -> bytes:
    return body + crc16(body)
