"""Banks' messages in every version, and bytes that are none."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidError
from backend.ids import FacilityId
from backend.settlement.rules.camt import read_message
from backend.settlement.rules.references import (
    account_number,
    is_reference,
    reference_of,
    references_in,
)
from backend.settlement.types import Direction
from tests.camt import Pay, camt

IBAN = "DE89370400440532013000"
PAY = Pay(amount="12.34", key="B1", reference="RF18539007547034", end_to_end="E1", text="a & b")


@pytest.mark.parametrize("version", [f"{n:02d}" for n in range(2, 14)])
@pytest.mark.parametrize("kind", ["053", "054"])
def test_every_version_says_the_same(kind: str, version: str) -> None:
    """Elements that moved over the versions are found where each has them."""
    pending = Pay(amount="1.00", key="B2", status="PDNG")
    message = read_message(camt(PAY, pending, number=IBAN, kind=kind, version=version))
    (line,) = message.lines
    assert (line.amount_minor, line.currency, line.direction) == (1234, "EUR", Direction.CREDIT)
    assert (line.reference, line.end_to_end_id, line.remittance) == (PAY.reference, "E1", "a & b")
    assert (line.account_number, line.entry_key, message.not_booked) == (IBAN, "B1", 1)


@pytest.mark.parametrize(
    ("old", "new", "bound"),
    [
        (b"001.08", b"001.14", "001.13"),
        (b"12.34", b"12.345", "whole minor units"),
        (b"12.34", b"-1", "above 0"),
        (b"12.34", b"NaN", "above 0"),
        (b'Ccy="EUR"', b'Ccy="eur"', "4217"),
        (b"CRDT", b"BOTH", "CRDT"),
        (b"2026-01-05<", b"yesterday<", "date"),
        (b"<MsgId>M1</MsgId>", b"", "characters"),
        (IBAN.encode(), b"DE88370400440532013000", "check digits"),
        (b"?>\n", b'?>\n<!DOCTYPE x [<!ENTITY a "b">]>', "XML"),
        (b"</Document>", b"", "XML"),
    ],
)
def test_what_money_needs_is_there_or_nothing_is_taken(old: bytes, new: bytes, bound: str) -> None:
    """A message that lacks something, lies, or carries entities is refused with the bound."""
    with pytest.raises(InvalidError, match=bound):
        read_message(camt(PAY, number=IBAN).replace(old, new, 1))


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    """Never a crash."""
    with pytest.raises(InvalidError):
        read_message(noise)


@given(st.uuids())
def test_a_facilitys_reference_checks_and_one_wrong_digit_does_not(key: UUID) -> None:
    """ISO 11649: every digit or letter taken for another one is found."""
    reference = reference_of(FacilityId(key))
    assert is_reference(reference)
    for place in range(2, len(reference)):
        kind = "12" if reference[place].isdigit() else "AB"
        other = kind[reference[place] == kind[0]]
        assert not is_reference(reference[:place] + other + reference[place + 1 :])
    assert reference in references_in(f"invoice 7, {reference} thank you")


def test_published_references_and_numbers_check() -> None:
    """The examples of the standards themselves."""
    assert is_reference("RF18539007547034")
    assert account_number("de89 3704 0044 0532 0130 00") == IBAN
    assert account_number("6222-0210/01") == "6222-0210/01"
