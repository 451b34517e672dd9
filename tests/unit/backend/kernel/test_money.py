"""Money is rounded once, against the borrower."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.money import (
    CURRENCIES as ISO_4217,
)
from backend.money import (
    MINOR_MAX,
    Minor,
    minor_digits,
    round_down_minor,
    round_up_minor,
    share_down_minor,
)

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD"])
AMOUNTS = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=9)


@given(AMOUNTS, CURRENCIES)
def test_rounding_brackets_the_amount(amount: Decimal, currency: str) -> None:
    """Down is at most the amount, up at least, and they are at most one unit apart."""
    down, up = round_down_minor(amount, currency), round_up_minor(amount, currency)
    exact = amount.scaleb(minor_digits(currency))

    assert down <= exact <= up
    assert up - down <= 1


@pytest.mark.parametrize(
    ("amount", "currency", "down", "up"),
    [
        ("1.005", "EUR", 100, 101),
        ("-1.005", "EUR", -101, -100),
        ("1.5", "JPY", 1, 2),
        ("1.0005", "KWD", 1000, 1001),
        ("0.009999999999999999999999999999999999999999", "EUR", 0, 1),
        ("1000000000000000.009999999999999999999999", "EUR", 10**17, 10**17 + 1),
        ("-36.98", "USD", -3698, -3698),
        ("1.00005", "UYW", 10000, 10001),
    ],
)
def test_minor_units_are_the_currencys(amount: str, currency: str, down: int, up: int) -> None:
    """Two digits, none, or three."""
    assert round_down_minor(Decimal(amount), currency) == down
    assert round_up_minor(Decimal(amount), currency) == up


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", str(MINOR_MAX), "1e400"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    """No number that a column can not hold, and none that is no number."""
    with pytest.raises(OverflowError):
        round_down_minor(Decimal(amount), "EUR")


def test_an_amount_that_fits_in_major_units_only_is_refused() -> None:
    """The bound is of the minor units, which are what is stored."""
    with pytest.raises(OverflowError):
        round_down_minor(Decimal(MINOR_MAX - 1), "EUR")


@given(st.integers(0, 10**15), st.integers(0, 10_000))
def test_a_share_is_never_rounded_up(amount: int, bps: int) -> None:
    """Ten thousandths of an amount, in integers."""
    share = share_down_minor(Minor(amount), bps)
    assert share * 10_000 <= amount * bps < (share + 1) * 10_000


@pytest.mark.parametrize("currency", ["XXX", "XAU", "XTS", "BGN", "eur", "EURO", "", "ZZZ"])
def test_an_unknown_currency_has_no_digits(currency: str) -> None:
    """Two digits are never guessed: metals, test codes and withdrawn codes are no currencies."""
    with pytest.raises(LookupError, match="ISO 4217"):
        minor_digits(currency)


def test_the_kept_list_has_every_active_code_once() -> None:
    """165 codes: 17 without a minor unit, 7 with three digits, 2 with four."""
    digits = sorted(ISO_4217.values())

    assert len(ISO_4217) == 165
    assert [digits.count(each) for each in (0, 2, 3, 4)] == [17, 139, 7, 2]
