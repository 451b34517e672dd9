"""The EPC schemes' tables: headers, fields and partitions.

Source: GS1 EPC Tag Data Standard 1.13, tables 14-1 (headers) to 14-40.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """A number; with ``digits`` it has leading zeros."""

    bits: int
    digits: int = 0
    values: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One partition: a company prefix, and a reference with the digits left (-1: none left)."""

    company_bits: int
    company_digits: int
    bits: int
    digits: int
    text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioned:
    """A company prefix and a reference that share their bits as a partition number says."""

    rows: tuple[Row, ...]
    values: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Characters of ``bits`` each, zeros after the last; ``fixed`` fills with spaces in front."""

    chars: int
    bits: int = 7
    spare: int = 0
    fixed: bool = False
    values: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """6-bit characters up to a zero."""

    chars_max: int
    chars_min: int = 0
    values: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Padding:
    """Reserved zero bits."""

    bits: int
    values: int = 0


Part: TypeAlias = Numeric | Partitioned | Text | Variable | Padding


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One way to write a GS1 key, or a foreign one, in bits."""

    name: str
    header: int
    parts: tuple[Part, ...]
    filtered: bool = True

    @property
    def id_name(self) -> str:
        """The scheme's name in a pure identity URI, which knows no binary length."""
        return self.name.rpartition("-")[0]

    @property
    def values(self) -> int:
        """How many values a tag URI of this scheme has."""
        return sum(part.values for part in self.parts)


# Company prefix: 12 to 6 digits in 40 to 20 bits, the same in all GS1 schemes.
_COMPANY: Final = ((40, 12), (37, 11), (34, 10), (30, 9), (27, 8), (24, 7), (20, 6))


def _partitioned(
    bits: tuple[int, ...], digits: tuple[int, ...], *, text: bool = False
) -> Partitioned:
    rows = zip(_COMPANY, bits, digits, strict=True)
    return Partitioned(
        rows=tuple(
            Row(company_bits=c_bits, company_digits=c_digits, bits=b, digits=d, text=text)
            for (c_bits, c_digits), b, d in rows
        )
    )


_FILTER: Final = Numeric(bits=3)
_GTIN: Final = _partitioned((4, 7, 10, 14, 17, 20, 24), (1, 2, 3, 4, 5, 6, 7))
_SERIAL_18: Final = _partitioned((18, 21, 24, 28, 31, 34, 38), (5, 6, 7, 8, 9, 10, 11))
_PLACE: Final = _partitioned((1, 4, 7, 11, 14, 17, 21), (-1, 1, 2, 3, 4, 5, 6))
_RETURNABLE: Final = _partitioned((4, 7, 10, 14, 17, 20, 24), (-1, 1, 2, 3, 4, 5, 6))
_ASSET: Final = _partitioned((42, 45, 48, 52, 55, 58, 62), (0,) * 7)
_ASSET_TEXT: Final = _partitioned((148, 151, 154, 158, 161, 164, 168), (0,) * 7, text=True)

_ALL: Final = (
    Scheme(name="gdti-96", header=0x2C, parts=(_FILTER, _PLACE, Numeric(bits=41))),
    Scheme(name="gsrn-96", header=0x2D, parts=(_FILTER, _SERIAL_18, Padding(bits=24))),
    Scheme(name="gsrnp-96", header=0x2E, parts=(_FILTER, _SERIAL_18, Padding(bits=24))),
    Scheme(name="sgtin-96", header=0x30, parts=(_FILTER, _GTIN, Numeric(bits=38))),
    Scheme(name="sscc-96", header=0x31, parts=(_FILTER, _SERIAL_18, Padding(bits=24))),
    Scheme(name="sgln-96", header=0x32, parts=(_FILTER, _PLACE, Numeric(bits=41))),
    Scheme(name="grai-96", header=0x33, parts=(_FILTER, _RETURNABLE, Numeric(bits=38))),
    Scheme(name="giai-96", header=0x34, parts=(_FILTER, _ASSET)),
    Scheme(
        name="gid-96",
        header=0x35,
        parts=(Numeric(bits=28), Numeric(bits=24), Numeric(bits=36)),
        filtered=False,
    ),
    Scheme(name="sgtin-198", header=0x36, parts=(_FILTER, _GTIN, Text(chars=20))),
    Scheme(name="grai-170", header=0x37, parts=(_FILTER, _RETURNABLE, Text(chars=16))),
    Scheme(name="giai-202", header=0x38, parts=(_FILTER, _ASSET_TEXT)),
    Scheme(name="sgln-195", header=0x39, parts=(_FILTER, _PLACE, Text(chars=20))),
    Scheme(
        name="adi-var",
        header=0x3B,
        parts=(
            Numeric(bits=6),
            Text(chars=6, bits=6, fixed=True),
            Variable(chars_max=32),
            Variable(chars_max=30, chars_min=1),
        ),
    ),
    Scheme(name="gdti-174", header=0x3E, parts=(_FILTER, _PLACE, Text(chars=17))),
    Scheme(
        name="itip-110",
        header=0x40,
        parts=(
            _FILTER,
            _GTIN,
            Numeric(bits=7, digits=2),
            Numeric(bits=7, digits=2),
            Numeric(bits=38),
        ),
    ),
    Scheme(
        name="itip-212",
        header=0x41,
        parts=(
            _FILTER,
            _GTIN,
            Numeric(bits=7, digits=2),
            Numeric(bits=7, digits=2),
            Text(chars=20),
        ),
    ),
)

SCHEMES: Final = {scheme.header: scheme for scheme in _ALL}
SCHEMES_BY_NAME: Final = {scheme.name: scheme for scheme in _ALL}
