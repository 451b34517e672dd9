"""Contracts: one encoding, words from the signed bytes alone, a refusal of everything else."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract import (
    GOODS_MAX,
    TEXT_CHARACTERS_MAX,
    Certified,
    Contract,
    DayCount,
    Goods,
    Signatory,
    contract_content_type,
    contract_digest,
    decode_contract,
    decode_signed_contract,
    encode_contract,
    render_contract,
)
from schemas.cose import Sign1
from schemas.errors import MalformedError
from schemas.release import order_content_type
from tests.conformance.vectors import VECTORS


def goods(lot: int, **overrides: Any) -> Goods:  # noqa: ANN401 - any of its fields
    """Return a lot of copper."""
    values: dict[str, Any] = {
        "lot": UUID(int=lot),
        "name": f"copper {lot}",
        "commodity": "copper",
        "place": "harbour / hall",
        "mass_g": 3_000_000,
        **overrides,
    }
    return Goods(**values)


CONTRACT = Contract(
    id=UUID(int=1),
    application=UUID(int=2),
    lender=Signatory(party=UUID(int=3), name="bank"),
    borrower=Signatory(party=UUID(int=4), name="trader"),
    keeper=Signatory(party=UUID(int=5), name="warehouse"),
    currency="EUR",
    minor_digits=2,
    limit_minor=1_200_000,
    rate_bps=650,
    day_count=DayCount.ACT_360,
    term_days=90,
    lines_bps=(15_000, 13_000, 11_000),
    cure_hours=48,
    goods=(goods(6), goods(7)),
    certified=Certified(
        sha256=bytes(32),
        value_minor=4_800_000,
        lendable_minor=2_400_000,
        at_unix_us=1_795_348_700_000_000,
    ),
    pledge=UUID(int=8),
    offered_unix_us=1_795_348_800_000_000,
    ends_unix_us=1_795_953_600_000_000,
)
# The digest of the bytes of version 1, for ever.
GOLDEN_SHA256 = "9fdf28e5feb28d99e630f87236b4c2a9fb2895d8f56e551889b2f1623b61a700"


def message(payload: bytes, content_type: str = contract_content_type()) -> Sign1:
    """Return a message that nobody signed."""
    return Sign1(
        protected=b"",
        payload=payload,
        signature=bytes(64),
        content_type=content_type,
        key_id=bytes(16),
    )


def test_bytes_of_version_1_stay() -> None:
    """What was signed once is read for ever."""
    payload = encode_contract(CONTRACT)
    assert contract_digest(payload).hex() == GOLDEN_SHA256
    assert decode_signed_contract(message(payload)) == CONTRACT


WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=9)
LINES = st.lists(WORDS, min_size=1, max_size=2).map(" ".join).filter(str.isprintable)


@given(
    names=st.tuples(LINES, LINES, LINES),
    limit_minor=st.integers(min_value=1, max_value=10**15),
    digits=st.integers(min_value=0, max_value=4),
    lots=st.sets(st.integers(min_value=0, max_value=99), min_size=1, max_size=4),
)
def test_a_contract_is_read_as_it_was_written(
    names: tuple[str, str, str], limit_minor: int, digits: int, lots: set[int]
) -> None:
    """Whatever it says; and every name stands in its words."""
    contract = replace(
        CONTRACT,
        lender=Signatory(party=UUID(int=3), name=names[0]),
        borrower=Signatory(party=UUID(int=4), name=names[1]),
        limit_minor=limit_minor,
        minor_digits=digits,
        goods=tuple(goods(lot, name=names[2]) for lot in sorted(lots)),
    )
    assert decode_contract(encode_contract(contract)) == contract
    words = "\n".join(render_contract(contract))
    assert all(name in words for name in names)
    assert len(words.splitlines()) == len(render_contract(contract))


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": "eur"},
        {"currency": "EURO"},
        {"minor_digits": 5},
        {"limit_minor": 0},
        {"rate_bps": 10_001},
        {"term_days": 0},
        {"lines_bps": (13_000, 15_000, 11_000)},
        {"lines_bps": (15_000, 13_000, 9_999)},
        {"cure_hours": 0},
        {"goods": ()},
        {"goods": (goods(7), goods(6))},
        {"goods": (goods(6), goods(6))},
        {"goods": tuple(goods(n) for n in range(GOODS_MAX + 1))},
        {"goods": (goods(6, mass_g=0),)},
        {"goods": (goods(6, name="copper\nand the ship"),)},
        {"goods": (goods(6, place="hall\N{RIGHT-TO-LEFT OVERRIDE}"),)},
        {"goods": (goods(6, commodity=" copper"),)},
        {"lender": Signatory(party=UUID(int=3), name="")},
        {"borrower": Signatory(party=UUID(int=4), name="b" * (TEXT_CHARACTERS_MAX + 1))},
        {"ends_unix_us": CONTRACT.offered_unix_us},
        {"ends_unix_us": 2**53},
    ],
)
def test_what_a_contract_may_not_say_is_refused(changes: dict[str, Any]) -> None:
    """Out of order, twice, too many, nothing, too much, backwards, or more than a line."""
    with pytest.raises(MalformedError):
        decode_contract(encode_contract(replace(CONTRACT, **changes)))


@pytest.mark.parametrize("change", [b"", b"\x00", b"\xff"])
def test_other_bytes_are_refused(change: bytes) -> None:
    """Nothing, more behind, or another type of message."""
    payload = encode_contract(CONTRACT)
    with pytest.raises(MalformedError):
        decode_contract(payload + change if change else b"")
    with pytest.raises(MalformedError):
        decode_signed_contract(message(payload, order_content_type()))


def test_another_encoding_of_the_same_is_refused() -> None:
    """A length in two bytes where one suffices would be another text of the same contract."""
    payload = encode_contract(CONTRACT)
    longer = payload[:1] + b"\x58\x10" + payload[2:]
    assert cbor2.loads(longer) == cbor2.loads(payload)
    with pytest.raises(MalformedError):
        decode_contract(longer)


def test_the_words_name_sums_and_terms() -> None:
    """A person reads limit, rate, term, lines, goods and value as the bytes have them."""
    words = "\n".join(render_contract(CONTRACT))
    for said in (
        "12,000.00 EUR",
        "6.50 % a year",
        "90 days",
        "under 150.00 %",
        "3,000.000 kg of copper, at harbour / hall",
        "worth 48,000.00 EUR, of which 24,000.00 EUR",
        "2026-11-29 12:00:00 UTC",
    ):
        assert said in words, words


def test_grammar_has_the_codecs_words() -> None:
    """Content type, day counts and the number of lots stand in the CDDL as in the codec."""
    text = (VECTORS.parent / "contract-v1.cddl").read_text(encoding="utf-8")
    assert contract_content_type() in text
    assert " / ".join(f'"{count.value}"' for count in DayCount) in text
    assert f"[1*{GOODS_MAX} goods]" in text
