"""Contract v1: what a lender and a borrower agree on, signed by both with keys of their own.

Each signature is a COSE_Sign1 message (``schemas.cose``) over the very same payload, under a key
of its party. ``render_contract`` is the contract in words: from the signed bytes and nothing else,
so whoever holds a message reads what was signed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

import cbor2

from schemas.cose import Sign1, check_content_type, decode_cbor
from schemas.envelope import NUMBER_MAX
from schemas.errors import Malformation, MalformedError
from schemas.fields import bytes_field, enum_field, list_field, uint_field

CONTRACT_TYPE: Final = "application/pledgewatch-contract+cbor"
VERSION: Final = 1
CONTRACT_BYTES_MAX: Final = 65_536
MESSAGE_BYTES_MAX: Final = CONTRACT_BYTES_MAX + 512  # Header, signature and framing.
GOODS_MAX: Final = 200  # As many lots as one pledge may have.
TEXT_CHARACTERS_MAX: Final = 250  # A site's name and its zone's, with what stands between.
MINOR_MAX: Final = 10**15
MASS_G_MAX: Final = 10**15
BPS_MAX: Final = 1_000_000
RATE_BPS_MAX: Final = 10_000  # A hundred percent a year: more is a slip of the pen, or usury.
TERM_DAYS_MAX: Final = 3_660
CURE_HOURS_MAX: Final = 8_760
DIGITS_MAX: Final = 4
_UUID_BYTES: Final = 16
_SHA256_BYTES: Final = 32
_FIELDS: Final = 18


class DayCount(StrEnum):
    """How days of interest are counted."""

    ACT_360 = "act/360"
    ACT_365F = "act/365f"
    E30_360 = "30e/360"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """A party by its id, and its name as it stood when the contract was drawn up."""

    party: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """A lot that is pledged."""

    lot: UUID
    name: str
    commodity: str
    place: str
    mass_g: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """The value certificate that the contract rests on, by its digest, with its sums."""

    sha256: bytes
    value_minor: int
    lendable_minor: int
    at_unix_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A loan against goods.

    ``minor_digits``: how many digits of an amount stand after the point. ``rate_bps``: a year.
    The lines are coverages at which the borrower is warned, called, and the goods may be sold.
    ``pledge``: the pledge that it gives the lender. ``ends_unix_us``: until when it can be signed.
    """

    id: UUID
    application: UUID
    lender: Signatory
    borrower: Signatory
    keeper: Signatory
    currency: str
    minor_digits: int
    limit_minor: int
    rate_bps: int
    day_count: DayCount
    term_days: int
    lines_bps: tuple[int, int, int]
    cure_hours: int
    goods: tuple[Goods, ...]
    certified: Certified
    pledge: UUID
    offered_unix_us: int
    ends_unix_us: int


def contract_content_type() -> str:
    """Return the protected content type of a contract of this version."""
    return f"{CONTRACT_TYPE};v={VERSION}"


def encode_contract(contract: Contract) -> bytes:
    """Return the CBOR bytes of a contract, the same for the same value."""
    return cbor2.dumps(
        [
            contract.id.bytes,
            contract.application.bytes,
            *(
                [each.party.bytes, each.name]
                for each in (contract.lender, contract.borrower, contract.keeper)
            ),
            contract.currency,
            contract.minor_digits,
            contract.limit_minor,
            contract.rate_bps,
            contract.day_count.value,
            contract.term_days,
            list(contract.lines_bps),
            contract.cure_hours,
            [[g.lot.bytes, g.name, g.commodity, g.place, g.mass_g] for g in contract.goods],
            [
                contract.certified.sha256,
                contract.certified.value_minor,
                contract.certified.lendable_minor,
                contract.certified.at_unix_us,
            ],
            contract.pledge.bytes,
            contract.offered_unix_us,
            contract.ends_unix_us,
        ]
    )


def decode_signed_contract(message: Sign1) -> Contract:
    """Return the contract inside a COSE_Sign1 message; says nothing about its signature.

    Raises:
        MalformedError: Another content type or version, or any field out of its bounds.
    """
    check_content_type(message.content_type, CONTRACT_TYPE, VERSION)
    return decode_contract(message.payload)


def decode_contract(payload: bytes) -> Contract:
    """Return the contract that bytes are.

    Raises:
        MalformedError: They are none, or any field is out of its bounds.
    """
    if len(payload) > CONTRACT_BYTES_MAX:
        raise MalformedError(
            Malformation.OVERSIZED,
            "payload",
            f"{len(payload)} bytes",
            f"at most {CONTRACT_BYTES_MAX} bytes",
        )
    fields = list_field(decode_cbor(payload, "payload"), "payload", _FIELDS)
    contract = _contract(fields)
    if encode_contract(contract) != payload:
        raise MalformedError(
            Malformation.BAD_FIELD, "payload", payload, "the shortest encoding (RFC 8949, 4.2.1)"
        )
    return contract


def contract_digest(payload: bytes) -> bytes:
    """Return what names a contract's bytes: their SHA-256."""
    return sha256(payload).digest()


def _contract(fields: Sequence[object]) -> Contract:
    offered_unix_us = uint_field(fields[16], "offered_unix_us", at_most=NUMBER_MAX)
    ends = uint_field(fields[17], "ends_unix_us", at_least=offered_unix_us + 1, at_most=NUMBER_MAX)
    return Contract(
        id=_uuid(fields[0], "id"),
        application=_uuid(fields[1], "application"),
        lender=_signatory(fields[2], "lender"),
        borrower=_signatory(fields[3], "borrower"),
        keeper=_signatory(fields[4], "keeper"),
        currency=_currency(fields[5]),
        minor_digits=uint_field(fields[6], "minor_digits", at_most=DIGITS_MAX),
        limit_minor=uint_field(fields[7], "limit_minor", at_least=1, at_most=MINOR_MAX),
        rate_bps=uint_field(fields[8], "rate_bps", at_most=RATE_BPS_MAX),
        day_count=enum_field(fields[9], "day_count", DayCount),
        term_days=uint_field(fields[10], "term_days", at_least=1, at_most=TERM_DAYS_MAX),
        lines_bps=_lines(fields[11]),
        cure_hours=uint_field(fields[12], "cure_hours", at_least=1, at_most=CURE_HOURS_MAX),
        goods=_goods(fields[13]),
        certified=_certified(fields[14]),
        pledge=_uuid(fields[15], "pledge"),
        offered_unix_us=offered_unix_us,
        ends_unix_us=ends,
    )


def _signatory(item: object, field: str) -> Signatory:
    parts = list_field(item, field, 2)
    return Signatory(party=_uuid(parts[0], field), name=_text(parts[1], f"{field}'s name"))


def _lines(item: object) -> tuple[int, int, int]:
    parts = list_field(item, "lines_bps", 3)
    warning, call, liquidation = (
        uint_field(part, "lines_bps", at_least=10_000, at_most=BPS_MAX) for part in parts
    )
    if not warning >= call >= liquidation:
        raise MalformedError(
            Malformation.BAD_FIELD, "lines_bps", item, "warning >= call >= liquidation"
        )
    return warning, call, liquidation


def _goods(item: object) -> tuple[Goods, ...]:
    """Return the lots, each once, in order."""
    found: list[Goods] = []
    for each in list_field(item, "goods"):
        parts = list_field(each, "goods", 5)
        found.append(
            Goods(
                lot=_uuid(parts[0], "goods"),
                name=_text(parts[1], "goods: name"),
                commodity=_text(parts[2], "goods: commodity"),
                place=_text(parts[3], "goods: place"),
                mass_g=uint_field(parts[4], "goods: mass_g", at_least=1, at_most=MASS_G_MAX),
            )
        )
    if not 1 <= len(found) <= GOODS_MAX:
        raise MalformedError(
            Malformation.BAD_FIELD, "goods", f"{len(found)} lots", f"1 to {GOODS_MAX}"
        )
    lots = [each.lot for each in found]
    if lots != sorted(set(lots)):
        raise MalformedError(Malformation.BAD_FIELD, "goods", item, "ascending, each lot once")
    return tuple(found)


def _certified(item: object) -> Certified:
    parts = list_field(item, "certified", 4)
    return Certified(
        sha256=bytes_field(parts[0], "certified: sha256", _SHA256_BYTES),
        value_minor=uint_field(parts[1], "certified: value_minor", at_most=MINOR_MAX),
        lendable_minor=uint_field(parts[2], "certified: lendable_minor", at_most=MINOR_MAX),
        at_unix_us=uint_field(parts[3], "certified: at_unix_us", at_most=NUMBER_MAX),
    )


def _currency(item: object) -> str:
    if not isinstance(item, str) or len(item) != 3 or not (item.isascii() and item.isupper()):
        raise MalformedError(Malformation.BAD_FIELD, "currency", item, "three letters, ISO 4217")
    return item


def _text(item: object, field: str) -> str:
    """Return one line of text: a name must not be able to write a clause of its own."""
    if isinstance(item, str) and _is_line(item):
        return item
    bound = f"1 to {TEXT_CHARACTERS_MAX} printable characters on one line"
    raise MalformedError(Malformation.BAD_FIELD, field, item, bound)


def _is_line(text: str) -> bool:
    return 1 <= len(text) <= TEXT_CHARACTERS_MAX and text.isprintable() and text == text.strip()


def _uuid(item: object, field: str) -> UUID:
    return UUID(bytes=bytes_field(item, field, _UUID_BYTES))


def render_contract(contract: Contract) -> tuple[str, ...]:
    """Return a contract in words, a paragraph each; from its data alone."""
    return tuple(_paragraphs(contract))


def _paragraphs(contract: Contract) -> Iterator[str]:
    lender, borrower, keeper = contract.lender, contract.borrower, contract.keeper
    warning, call, liquidation = (_percent(bps) for bps in contract.lines_bps)
    limit = _amount(contract.limit_minor, contract)
    yield f"Contract {contract.id}, on application {contract.application}."
    yield (
        f"{lender.name} (party {lender.party}, the lender) lends to {borrower.name}"
        f" (party {borrower.party}, the borrower) up to {limit}, for"
        f" {contract.term_days} days from the first drawdown."
    )
    yield (
        f"What is drawn bears interest at {_percent(contract.rate_bps)} a year, counted"
        f" {contract.day_count.value}. Repayments are taken at any time."
    )
    yield (
        f"The borrower pledges to the lender (pledge {contract.pledge}) the goods below, kept by"
        f" {keeper.name} (party {keeper.party}, the keeper) and watched by sensors:"
    )
    for goods in contract.goods:
        yield (
            f"- {goods.name}: {_grouped(goods.mass_g, 3)} kg of {goods.commodity}, at"
            f" {goods.place} (lot {goods.lot})."
        )
    yield (
        f"Certified {_moment(contract.certified.at_unix_us)}: worth"
        f" {_amount(contract.certified.value_minor, contract)}, of which"
        f" {_amount(contract.certified.lendable_minor, contract)} may be lent against"
        f" (certificate SHA-256 {contract.certified.sha256.hex()})."
    )
    yield (
        f"The goods' value must cover what is owed: the borrower is warned under {warning}, must"
        f" bring coverage back within {contract.cure_hours} hours under {call}, and under"
        f" {liquidation} the lender may sell the goods."
    )
    yield (
        "Nothing may be drawn while a lock holds: goods short, moved, damaged or unwatched, a"
        " price that is missing or stale, coverage under the call line. The lender releases the"
        " goods when nothing is owed any more."
    )
    yield (
        f"Offered {_moment(contract.offered_unix_us)}; it can be signed until"
        f" {_moment(contract.ends_unix_us)}, and binds when both parties have."
    )


def _amount(minor: int, contract: Contract) -> str:
    return f"{_grouped(minor, contract.minor_digits)} {contract.currency}"


def _percent(bps: int) -> str:
    return f"{bps // 100}.{bps % 100:02d} %"


def _grouped(number: int, digits: int) -> str:
    """Return a number whose last ``digits`` digits stand after the point."""
    whole, rest = divmod(number, 10**digits)
    return f"{whole:,}.{rest:0{digits}d}" if digits else f"{whole:,}"


def _moment(unix_us: int) -> str:
    at = datetime.fromtimestamp(unix_us // 1_000_000, tz=UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
