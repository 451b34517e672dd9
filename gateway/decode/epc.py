"""EPC binary codes to tag URIs and back; what is not understood stays raw hex, never refused.

Source: GS1 EPC Tag Data Standard 1.13, section 14 (binary encoding, headers and partition tables)
and section 6 (URI escapes). The newer "+" schemes of TDS 2.0 are not read.
"""

from dataclasses import dataclass
from string import ascii_letters, ascii_uppercase, digits
from typing import Final
from urllib.parse import quote, unquote

from gateway.decode.epc_schemes import (
    SCHEMES,
    SCHEMES_BY_NAME,
    Numeric,
    Padding,
    Partitioned,
    Text,
    Variable,
)

EPC_BYTES_MAX: Final = 62  # The PC's length field counts at most 31 words (Gen2 6.3.2.1.2.2).
WORD_BITS: Final = 16  # Tags store whole words: a code is padded with zero bits.

_TAG_URI: Final = "urn:epc:tag:"
_HEADER_BITS: Final = 8
_FILTER_MAX: Final = 7
# TDS 1.13, 6.3: characters that stand for themselves in a URI component.
_SAFE: Final = "!'()*+,-.:;=_"
# TDS 1.13, appendix A (the GS1 AI encodable characters, 7 bits) and G (6 bits): no others exist.
_CHARS: Final = {
    6: frozenset("#-/" + digits + ascii_uppercase),
    7: frozenset("!\"%&'()*+,-./:;<=>?_" + digits + ascii_letters),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Epc:
    """A code as it was read; ``tag_uri`` and ``id_uri`` None where the code is not understood."""

    hex: str
    scheme: str | None = None
    tag_uri: str | None = None
    id_uri: str | None = None


class _Bits:
    """Read a code from its most significant bit on."""

    def __init__(self, code: bytes) -> None:
        self._value = int.from_bytes(code, "big")
        self._left = 8 * len(code)

    def take(self, count: int) -> int:
        if count > self._left:
            msg = f"{count} bits wanted, {self._left} left"
            raise ValueError(msg)
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def rest_is_zero(self) -> bool:
        return self._value & ((1 << self._left) - 1) == 0


def decode_epc(code: bytes) -> Epc:
    """Return what ``code`` says; its hex in any case."""
    raw = Epc(hex=code.hex().upper())
    scheme = SCHEMES.get(code[0]) if code else None
    if scheme is None or len(code) > EPC_BYTES_MAX:
        return raw
    bits = _Bits(code)
    bits.take(_HEADER_BITS)
    try:
        parts = [_decode_part(part, bits) for part in scheme.parts]
    except ValueError:
        return raw
    if not bits.rest_is_zero():
        return raw
    values = [value for value in parts if value is not None]
    shown = values[1:] if scheme.filtered else values
    return Epc(
        hex=raw.hex,
        scheme=scheme.name,
        tag_uri=f"{_TAG_URI}{scheme.name}:{'.'.join(values)}",
        id_uri=f"urn:epc:id:{scheme.id_name}:{'.'.join(shown)}",
    )


def encode_epc(tag_uri: str) -> bytes:
    """Return the code of ``urn:epc:tag:<scheme>:<values>``, padded to whole words.

    Raises:
        ValueError: The URI is no tag URI, its scheme is unknown, or a value does not fit.
    """
    name, _, rest = tag_uri.removeprefix(_TAG_URI).partition(":")
    if (scheme := SCHEMES_BY_NAME.get(name)) is None or not tag_uri.startswith(_TAG_URI):
        msg = f"tag URI: {tag_uri!r} has no scheme of {', '.join(SCHEMES_BY_NAME)}"
        raise ValueError(msg)
    values = rest.split(".", scheme.values - 1)  # A serial number may hold full stops itself.
    if len(values) != scheme.values:
        msg = f"tag URI: {tag_uri!r} has {len(values)} values, {name} has {scheme.values}"
        raise ValueError(msg)
    bits = f"{scheme.header:08b}"
    for part in scheme.parts:
        taken, values = values[: part.values], values[part.values :]
        bits += _encode_part(part, taken)
    bits += "0" * (-len(bits) % WORD_BITS)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _decode_part(part: object, bits: _Bits) -> str | None:
    match part:
        case Numeric():
            return _decimal(bits.take(part.bits), part.digits)
        case Partitioned():
            return _decode_partitioned(part, bits)
        case Text():
            return _decode_text(part, bits)
        case Variable():
            return _decode_variable(part, bits)
        case Padding():
            if bits.take(part.bits):
                msg = "reserved bits are set"
                raise ValueError(msg)
            return None
        case _:
            msg = f"no part: {part!r}"
            raise AssertionError(msg)


def _decode_partitioned(part: Partitioned, bits: _Bits) -> str:
    partition = bits.take(3)
    if partition >= len(part.rows):
        msg = f"partition {partition} does not exist"
        raise ValueError(msg)
    row = part.rows[partition]
    company = _decimal(bits.take(row.company_bits), row.company_digits)
    if row.text:
        return f"{company}.{_decode_text(Text(chars=row.bits // 7, bits=7), bits)}"
    return f"{company}.{_decimal(bits.take(row.bits), row.digits)}"


def _decode_text(part: Text, bits: _Bits) -> str:
    codes = [bits.take(part.bits) for _ in range(part.chars)]
    bits.take(part.spare)
    text = "".join(_char(code, part.bits) for code in codes).rstrip("\0")
    if part.fixed:
        text = text.lstrip(" ")
    return _quote(text, part.bits, chars_min=1)


def _decode_variable(part: Variable, bits: _Bits) -> str:
    """Read 6-bit characters up to a zero; a URI writes "#" as %23."""
    text = ""
    while (code := bits.take(6)) != 0:
        text += _char(code, 6)
        if len(text) > part.chars_max:
            msg = f"more than {part.chars_max} characters"
            raise ValueError(msg)
    return _quote(text, 6, chars_min=part.chars_min)


def _quote(text: str, bits: int, *, chars_min: int) -> str:
    if len(text) < chars_min or not _CHARS[bits].issuperset(text):
        msg = f"{text!r} is not {chars_min} or more characters of {bits} bits"
        raise ValueError(msg)
    return quote(text, safe=_SAFE)


def _char(code: int, bits: int) -> str:
    # TDS 1.13, appendix G: six bits hold A-Z as 1-26 and the ASCII digits and "#-/" as they are.
    return chr(code | 0x40) if bits == 6 and 0 < code < 0x20 else chr(code)


def _decimal(value: int, digits: int) -> str:
    """Return ``value`` with leading zeros up to ``digits`` (0: none; -1: the field is empty)."""
    text = "" if digits < 0 else str(value).rjust(digits, "0") if digits else str(value)
    if (digits < 0 and value) or (digits > 0 and len(text) > digits):
        msg = f"{value} has more than {max(digits, 0)} digits"
        raise ValueError(msg)
    return text


def _encode_part(part: object, values: list[str]) -> str:
    match part:
        case Numeric():
            return _encode_number(values[0], part.bits, part.digits)
        case Partitioned():
            return _encode_partitioned(part, values)
        case Text():
            return _encode_text(values[0], part)
        case Variable():
            return _encode_chars(values[0], part.chars_min, part.chars_max, 6) + "0" * 6
        case Padding():
            return "0" * part.bits
        case _:
            msg = f"no part: {part!r}"
            raise AssertionError(msg)


def _encode_number(text: str, bits: int, digits: int) -> str:
    if digits < 0 and not text:
        return "0" * bits
    fits = text.isascii() and text.isdecimal() and (not digits or len(text) == digits)
    if not fits or (not digits and len(text) > 1 and text[0] == "0") or int(text) >> bits:
        msg = f"value: {text!r} does not fit {digits or 'any'} digits in {bits} bits"
        raise ValueError(msg)
    return f"{int(text):0{bits}b}"


def _encode_partitioned(part: Partitioned, values: list[str]) -> str:
    company, reference = values
    for partition, row in enumerate(part.rows):
        if row.company_digits == len(company):
            bits = f"{partition:03b}" + _encode_number(
                company, row.company_bits, row.company_digits
            )
            if row.text:
                return bits + _encode_text(reference, Text(chars=row.bits // 7, bits=7))
            return bits + _encode_number(reference, row.bits, row.digits)
    msg = f"company prefix: {company!r} has {len(company)} digits, need 6..12"
    raise ValueError(msg)


def _encode_text(value: str, part: Text) -> str:
    bits = _encode_chars(value, 1, part.chars, part.bits)
    if part.fixed:
        bits = f"{ord(' '):0{part.bits}b}" * (part.chars - len(bits) // part.bits) + bits
    return bits.ljust(part.chars * part.bits + part.spare, "0")


def _encode_chars(value: str, chars_min: int, chars_max: int, bits: int) -> str:
    text = unquote(value)
    if not chars_min <= len(text) <= chars_max or not _CHARS[bits].issuperset(text):
        msg = f"value: {value!r} is not {chars_min}..{chars_max} characters of {bits} bits"
        raise ValueError(msg)
    mask = (1 << bits) - 1
    return "".join(f"{ord(char) & mask:0{bits}b}" for char in text)
