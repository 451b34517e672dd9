"""Forms made from a declaration, and what they are read as."""

import pytest

from backend.applications.rules.movable import MOVABLE
from backend.errors import InvalidError
from backend.web.applications import parse_goods, parse_values, state_words, told

APPROVE = {
    "limit_minor": ["6,000.00"],
    "rate_bps": ["6.5 %"],
    "term_days": ["90"],
    "warning_line_bps": ["150"],
    "call_line_bps": ["130.00"],
    "liquidation_line_bps": ["110,5"],
    "cure_hours": ["48"],
    "offer_days": ["7"],
}


def test_a_form_is_read_in_the_units_of_the_rules() -> None:
    """Amounts in minor units, percentages in basis points, numbers as they are."""
    step = MOVABLE.step("approve")
    assert step is not None
    assert parse_values(step.fields, APPROVE, "EUR") == {
        "limit_minor": 600_000,
        "rate_bps": 650,
        "term_days": 90,
        "warning_line_bps": 15_000,
        "call_line_bps": 13_000,
        "liquidation_line_bps": 11_050,
        "cure_hours": 48,
        "offer_days": 7,
    }


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("rate_bps", "six"),
        ("rate_bps", "6.555"),
        ("rate_bps", "Infinity"),
        ("term_days", "-1"),
        ("term_days", "\N{SUPERSCRIPT TWO}"),
        ("limit_minor", "1.234"),
    ],
)
def test_what_is_no_number_is_named(name: str, typed: str) -> None:
    """A word, too many digits, what only looks like a digit."""
    step = MOVABLE.step("approve")
    assert step is not None
    with pytest.raises(InvalidError):
        parse_values(step.fields, {**APPROVE, name: [typed]}, "EUR")


def test_goods_are_rows_with_a_mass() -> None:
    """A row without one is left out; one without a name has its commodity's; grams are whole."""
    rows = parse_goods(["", "tin", "x"], ["copper", "tin", "tin"], ["2,000", "", "0.5"])
    assert rows == [
        {"name": "copper", "commodity_id": "copper", "mass_g": 2_000_000},
        {"name": "x", "commodity_id": "tin", "mass_g": 500},
    ]
    for mass in ("much", "0.0005", "NaN"):
        with pytest.raises(InvalidError):
            parse_goods(["x"], ["tin"], [mass])


def test_a_step_is_told_in_words() -> None:
    """Money and percentages as people write them; what stands elsewhere is not repeated."""
    values = {"limit_minor": 600_000, "rate_bps": 650, "lots": ["x"], "goods": [], "reason": "why"}
    assert told({"values": values}, "EUR") == ["limit 6,000.00 EUR", "rate 6.5 %", "1 lot", "why"]
    assert told({}, "EUR") == ()
    assert state_words("signed") == "signed by the borrower"
