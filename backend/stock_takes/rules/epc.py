"""Electronic product codes as files write them, and as tags hold them. Pure.

Source: GS1 EPC Tag Data Standard 1.13, 6.3 (pure identity URI), 12 (tag and raw URI), 14.5 and
14.6.1 (SGTIN-96, SSCC-96, their partition tables).
"""

import re
from typing import Final

EPC_BYTES_MAX: Final = 62  # EPC memory of 496 bits.
EPC_TEXT_MAX: Final = 200
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){1,62}")
_RAW: Final = re.compile(r"urn:epc:raw:(\d{1,3})\.x([0-9A-Fa-f]{2,124})")
_IDENTITY: Final = re.compile(r"urn:epc:id:(?:sgtin|sscc):[0-9A-Za-z.%-]{1,120}")
_SGTIN_96: Final = 0x30
_SSCC_96: Final = 0x31
_BITS: Final = 96
# Bits of the company prefix by partition, whose digits are 12 to 6.
_PREFIX_BITS: Final = (40, 37, 34, 30, 27, 24, 20)
_SGTIN_REST: Final = (44, 13)  # Bits of prefix and reference together; their digits.
_SSCC_REST: Final = (58, 17)
_SERIAL_BITS: Final = 38


def parse_epc(text: str) -> bytes | str:
    """Return a code as a tag holds it, or its pure identity where the file gives only that.

    Raises:
        ValueError: It is neither hexadecimal, a raw URI, nor an identity URI of SGTIN or SSCC.
    """
    text = text.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    raw = _RAW.fullmatch(text)
    if raw is not None and int(raw[1]) == 4 * len(raw[2]) and len(raw[2]) % 2 == 0:
        return bytes.fromhex(raw[2])
    if _IDENTITY.fullmatch(text):
        return text
    message = "hexadecimal, urn:epc:raw:..., urn:epc:id:sgtin:... or urn:epc:id:sscc:..."
    raise ValueError(message)


def identity_of(epc: bytes) -> str | None:
    """Return the pure identity of a tag's code; None: it is not of a kind that is known here."""
    if len(epc) * 8 != _BITS:
        return None
    number = int.from_bytes(epc, "big")
    partition = number >> 82 & 7
    if partition >= len(_PREFIX_BITS):
        return None
    if epc[0] == _SGTIN_96:
        pair = _pair(number >> _SERIAL_BITS, partition, _SGTIN_REST)
        serial = number & (1 << _SERIAL_BITS) - 1
        return None if pair is None else f"urn:epc:id:sgtin:{pair}.{serial}"
    if epc[0] == _SSCC_96:
        pair = _pair(number >> 24, partition, _SSCC_REST)
        return None if pair is None else f"urn:epc:id:sscc:{pair}"
    return None


def _pair(number: int, partition: int, rest: tuple[int, int]) -> str | None:
    """Return company prefix and reference; None: their bits say more than their digits can."""
    bits, digits = rest
    prefix_digits = 12 - partition
    reference_bits = bits - _PREFIX_BITS[partition]
    prefix = number >> reference_bits & (1 << _PREFIX_BITS[partition]) - 1
    reference = number & (1 << reference_bits) - 1
    reference_digits = digits - prefix_digits
    if prefix >= 10**prefix_digits or reference >= 10**reference_digits:
        return None
    return f"{prefix:0{prefix_digits}d}.{reference:0{reference_digits}d}"
