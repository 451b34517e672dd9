"""Values as people read them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidError
from backend.web import format as fmt
from backend.web.format import Tone

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123_456_789, "USD", "1,234,567.89 USD"),
        (0, "EUR", "0.00 EUR"),
        (-5, "EUR", f"{fmt.MINUS}0.05 EUR"),
        (1_500, "JPY", "1,500 JPY"),
        (1_500, "KWD", "1.500 KWD"),
        (None, "EUR", fmt.NOTHING),
    ],
)
def test_money_has_groups_and_its_currency_s_digits(
    minor: int | None, currency: str, text: str
) -> None:
    """Minor units become an amount with thousands separators and the digits of ISO 4217."""
    assert fmt.money(minor, currency) == text


@given(st.integers(min_value=1, max_value=10**15), st.sampled_from(["USD", "JPY", "KWD"]))
def test_an_amount_that_was_shown_can_be_typed(minor: int, currency: str) -> None:
    """What the console shows is what its forms understand."""
    assert fmt.parse_amount(fmt.amount(minor, currency), currency) == minor


@pytest.mark.parametrize("text", ["", "0", "-1", "1.234", "1e5", "NaN", "٣", "1.2.3", "9" * 30])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Nothing, zero, a sign, too fine, too large or another script is no amount of euros."""
    with pytest.raises(InvalidError):
        fmt.parse_amount(text, "EUR")


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        (1_020_000.0, "mass", "1,020 kg"),
        (2_039_873.2, "mass", "2,039.9 kg"),
        (-18.04, "temperature", f"{fmt.MINUS}18.0 °C"),
        (1.0, "contact", "open"),
        (10.0, "inventory", "10 tags"),
        (3.25, "shock", "3.25 g"),
        (51.95, "latitude", "51.95000 ° lat"),
        (7.0, "unheard-of", "7.0"),
        (None, "mass", fmt.NOTHING),
    ],
)
def test_a_reading_has_its_unit(value: float | None, quantity: str, text: str) -> None:
    """A reading is shown in the unit that people use for it."""
    assert fmt.reading(value, quantity) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (7_200, "2 h ago"), (-30, "in 30 s")],
)
def test_an_age_is_in_the_greatest_unit_that_fits(seconds: float, text: str) -> None:
    """Ages are short, and the future is called so."""
    assert fmt.age(seconds) == text


def test_a_time_is_marked_up_with_the_moment_and_its_age() -> None:
    """Scripts and screen readers find the moment, people the age."""
    shown = fmt.when(NOW - timedelta(minutes=5), NOW)
    assert 'datetime="2026-11-22T11:55:00+00:00"' in shown
    assert ">5 min ago<" in shown


def test_an_unknown_state_is_never_shown_as_good() -> None:
    """A state that the console does not know is neutral, one that is missing is unknown."""
    assert fmt.chip("custody", "teleported").tone is Tone.IDLE
    assert fmt.chip("custody", None).label == "unknown"
    assert fmt.chip("custody", "in_zone").tone is Tone.GOOD


def test_detail_is_escaped_and_bounded() -> None:
    """What sensors and people wrote is text, not markup, and not endless."""
    assert fmt.detail({"a_b": ["<i>", 1, None, True]}) == f"a b: &lt;i&gt;, 1, {fmt.NOTHING}, yes"
    assert len(fmt.detail("x" * 10_000)) == fmt.DETAIL_CHARACTERS_MAX


def test_a_change_of_state_is_told_by_what_changed() -> None:
    """Of a state before and after only the difference is told, and ids are cut short."""
    before = {"custody": "in_zone", "quantity": "whole"}
    after = {"custody": "missing", "quantity": "whole"}
    assert fmt.detail({"before": before, "after": after}) == "custody: in zone to missing"
    assert fmt.detail({"pledge": f"{UUID(int=1)}", "limit_minor": 5}, "EUR") == (
        "pledge: 00000000…; limit: 0.05 EUR"
    )


def test_the_causes_of_a_lock_are_sentences_with_links() -> None:
    """Each cause stands alone, grams become kilograms, an alert a link, and markup stays text."""
    key = UUID(int=1)
    causes = fmt.causes(f"<b>: 1000000 g short of 3000000 g; copper is gone (alert {key})")
    assert causes == [
        "&lt;b&gt;: 1,000 kg short of 3,000 kg",
        f'copper is gone <a href="/alerts/{key}">alert</a>',
    ]


def test_a_refusal_over_a_bound_is_told_in_money() -> None:
    """The numbers of a refused drawdown are shown as money, other reasons by their words."""
    numbers = {"after_minor": 150_000, "bound_minor": 100_000}
    over = {"code": "OVER_BASE", "detail": "150000 minor units", "numbers": numbers}
    assert fmt.reason_text(over, "EUR") == (
        "1,500.00 EUR would be out, over the borrowing base of 1,000.00 EUR"
    )
    lost = {"code": "SENSOR_LOST", "detail": "copper: nothing watches it"}
    assert fmt.reason_text(lost, "EUR") == "Surveillance lost: copper: nothing watches it"


def test_prices_percentages_and_skews() -> None:
    """Prices keep their digits, negative ones their sign; shares are percent."""
    assert fmt.price(Decimal("9650")) == "9,650.00"
    assert fmt.price(Decimal("-36.98")) == f"{fmt.MINUS}36.98"
    assert fmt.percent(15_000) == "150.0 %"
    assert fmt.percent(12_345_678) == "123,456 %"
    assert fmt.skew(-1_500_000) == f"{fmt.MINUS}1.50 s"
