"""What the command line shows of the decoders; the only module here that opens a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.decode.events import Fault
from gateway.decode.families import FAMILIES, Family, family
from gateway.decode.lines import JsonLine, json_line
from gateway.decode.modbus import (
    REGISTERS_MAX,
    RegisterType,
    WordOrder,
    decode_text,
    probe,
    probe_bits,
)

CHUNK_BYTES: Final = 65_536  # A capture may be larger than memory: it is never read whole.
_HEX_SEPARATORS: Final = str.maketrans("", "", " \t\r\n:-_,")


class CaptureError(ValueError):
    """A capture that cannot be read; says which and why."""


class ProbeError(ValueError):
    """Bytes that are no register block; says what is wrong and what is allowed."""


def list_families() -> list[Family]:
    """Return every family, as the registry orders them."""
    return list(FAMILIES.values())


def decode_file(name: str, path: Path, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[JsonLine]:
    """Yield the JSON lines of the capture at ``path``, decoded as the family called ``name``.

    The family and the file are checked at once, before the first line is asked for.

    Raises:
        UnknownFamilyError: There is no such family.
        CaptureError: The file cannot be read.
        ValueError: ``chunk_bytes`` is below 1.
    """
    decoder = family(name).make()
    if chunk_bytes < 1:
        msg = f"chunk_bytes: {chunk_bytes} is below 1"
        raise ValueError(msg)
    if not path.is_file() and not path.is_fifo() and not path.is_char_device():
        msg = f"file: {path} is not a readable file"
        raise CaptureError(msg)

    def lines() -> Iterator[JsonLine]:
        try:
            with path.open("rb") as capture:
                while chunk := capture.read(chunk_bytes):
                    yield from map(json_line, decoder.feed(chunk))
        except OSError as error:
            msg = f"file: {path}: {error.strerror}"
            raise CaptureError(msg) from error
        yield from map(json_line, decoder.flush())

    return lines()


def probe_rows(hex_text: str) -> Iterator[JsonLine]:
    """Yield what the register block ``hex_text`` means in every type and word order.

    Bits are shown from the most significant on. Spaces, colons, hyphens, commas and a leading 0x
    are allowed. A row holds ``value``, or ``fault`` where the bytes are no number in that type.

    Raises:
        ProbeError: The text is no hex, or no whole number of registers, or too long.
    """
    digits = hex_text.strip().lower().removeprefix("0x").translate(_HEX_SEPARATORS)
    try:
        data = bytes.fromhex(digits)
    except ValueError as error:
        msg = f"hex: {hex_text!r} is no hexadecimal text of whole bytes"
        raise ProbeError(msg) from error
    if not data or len(data) % 2 or len(data) > 2 * REGISTERS_MAX:
        msg = f"hex: {len(data)} bytes, need 1..{REGISTERS_MAX} registers of 2 bytes"
        raise ProbeError(msg)
    return _probe_lines(data)


def _probe_lines(data: bytes) -> Iterator[JsonLine]:
    for row in probe(data):
        yield _probe_line(row.register, row.type, row.order, row.value)
    for register, bits in probe_bits(data):
        yield _probe_line(register, RegisterType.BIT, WordOrder.ABCD, bits)
    for order in (WordOrder.ABCD, WordOrder.BADC):
        yield _probe_line(0, RegisterType.STRING, order, decode_text(data, order))


def _probe_line(
    register: int, kind: RegisterType, order: WordOrder, value: float | str | Fault
) -> JsonLine:
    place: JsonLine = {"register": register, "type": kind.value, "order": order.value}
    return place | ({"fault": value.why.value} if isinstance(value, Fault) else {"value": value})
