"""What goods of a grade cost in a currency: units, differentials, rates of exchange."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ids import InstrumentId
from backend.market.rules import decide_goods_price, find_rate
from backend.market.types import (
    GRAMS_PER_UNIT,
    Differential,
    DifferentialKind,
    GoodsPrice,
    InstrumentQuote,
    Rate,
    Unit,
    Unusable,
    UnusableReason,
)
from tests.unit.backend.market.market_facts import (
    NOW,
    book,
    day,
    days_ago,
    make_differential,
    make_quote,
    make_rate,
)

COPPER = InstrumentId("LME-CU")
positive = st.decimals(min_value="0.000001", max_value=1_000_000, places=6)


def rate(*pairs: tuple[str, str], base: str = "USD", quote: str = "EUR") -> Rate:
    """Return the rate between two currencies that quoted pairs make."""
    found = find_rate(book(*(make_rate(*pair) for pair in pairs)), base, quote)
    assert isinstance(found, Rate), found
    return found


def graded(differential: Differential, price: str = "9000") -> GoodsPrice:
    """Return what grade B costs."""
    quote = replace(make_quote(price), differentials={differential.grade: differential})
    found = decide_goods_price(book(quote), COPPER, "B", "USD")
    assert isinstance(found, GoodsPrice), found
    return found


def test_copper_in_three_units_and_currencies_is_worth_the_same() -> None:
    """Dollars a pound, euros a tonne, yuan a kilogram: the same euros a tonne, to rounding."""
    rates = (make_rate("EUR/USD", "1.0845"), make_rate("USD/CNY", "7.2013"))
    euros = Decimal("8412.07")
    dollars = euros * Decimal("1.0845") * Decimal("453.59237") / 1_000_000
    yuan = euros * Decimal("1.0845") * Decimal("7.2013") / 1_000
    quoted = (
        (euros, Unit.TNE, "EUR"),
        (dollars.quantize(Decimal("1e-9")), Unit.LBR, "USD"),
        (yuan.quantize(Decimal("1e-9")), Unit.KGM, "CNY"),
    )

    for value, unit, currency in quoted:
        copper = make_quote(str(value), unit=unit, currency=currency)
        price = decide_goods_price(book(copper, *rates), COPPER, None, "EUR")
        assert isinstance(price, GoodsPrice)
        per_tonne = price.converted * 1_000_000 / GRAMS_PER_UNIT[price.converted_unit]
        assert abs(per_tonne - euros) < Decimal("0.00001"), unit


def test_every_unit_of_mass_is_exact() -> None:
    """Ounces, tons and hundredweights are what the pound makes of them."""
    pound = GRAMS_PER_UNIT[Unit.LBR]

    assert GRAMS_PER_UNIT[Unit.ONZ] * 16 == pound
    assert GRAMS_PER_UNIT[Unit.APZ] * 7_000 == pound * 480
    assert GRAMS_PER_UNIT[Unit.CWA] == pound * 100
    assert GRAMS_PER_UNIT[Unit.CWI] == pound * 112
    assert GRAMS_PER_UNIT[Unit.STN] == pound * 2_000
    assert GRAMS_PER_UNIT[Unit.LTN] == pound * 2_240
    assert set(Unit) - set(GRAMS_PER_UNIT) == {Unit.C62}


def test_a_rate_is_taken_straight_inverted_or_across() -> None:
    """Quoted so, the other way round, or both against a third currency."""
    assert rate(("USD/EUR", "0.9")).value == Decimal("0.9")
    assert rate(("EUR/USD", "1.25")).value == Decimal("0.8")
    assert rate(("GBP/USD", "1.25"), ("GBP/EUR", "1.15")).value == Decimal("0.92")
    assert rate(("EUR/USD", "3")).value == Decimal("0.3333333333333333")
    assert "EUR-USD inverted" in rate(("EUR/USD", "1.25")).source


@given(value=positive)
def test_there_and_back_never_makes_more(value: Decimal) -> None:
    """A rate is rounded down each way: nobody gains by changing twice."""
    quoted = ("EUR/USD", f"{value:f}")

    there, back = rate(quoted), rate(quoted, base="EUR", quote="USD")

    assert Fraction(there.value) * Fraction(back.value) <= 1


def test_of_two_ways_the_lower_counts_and_both_must_be_usable() -> None:
    """One that goes stale can then not make goods worth more."""
    both = (("USD/EUR", "0.9"), ("EUR/USD", "1.25"))

    assert rate(*both).value == Decimal("0.8")
    stale = book(make_rate("USD/EUR", "0.9"), make_rate("EUR/USD", "1.25", days_ago(9)))
    assert isinstance(find_rate(stale, "USD", "EUR"), Unusable)


@pytest.mark.parametrize(
    ("quotes", "why"),
    [
        ((), "no exchange rate USD/EUR is known"),
        ((make_rate("USD/GBP", "0.8"),), "no exchange rate USD/EUR is known"),
        ((make_rate("USD/EUR", None),), "USD/EUR may not be used: USD-EUR has no accepted price"),
        ((make_rate("USD/EUR", "0.9", days_ago(9)),), "USD/EUR may not be used: USD-EUR: the new"),
        ((make_rate("USD/EUR", "0"),), "USD-EUR is quoted at 0"),
        ((make_rate("EUR/USD", "-1"),), "EUR-USD is quoted at -1"),
    ],
)
def test_a_missing_or_stale_rate_leaves_no_price_and_names_the_pair(
    quotes: tuple[InstrumentQuote, ...], why: str
) -> None:
    """A lot in another currency is then not valued."""
    found = decide_goods_price(
        book(make_quote("9000"), *quotes),
        COPPER,
        None,
        "EUR",
    )

    assert isinstance(found, Unusable)
    assert found.reason is UnusableReason.FX
    assert why in found.detail


def test_a_price_is_good_as_long_as_its_rate() -> None:
    """What a value rests on first goes stale first."""
    quotes = book(make_quote("9000", NOW), make_rate("USD/EUR", "0.9", days_ago(3)))

    found = decide_goods_price(quotes, COPPER, None, "EUR")

    assert isinstance(found, GoodsPrice)
    assert found.stale_at == datetime(2026, 3, 3, tzinfo=UTC) - timedelta(microseconds=1)
    assert found.rate is not None
    assert found.rate.pair == "USD/EUR"


def test_a_differential_is_a_sum_or_a_share_of_the_price() -> None:
    """Rounded down, as every step against the borrower."""
    percent = make_differential(kind=DifferentialKind.PERCENT, amount=Decimal("-2.5"))

    assert graded(make_differential()).price == 8_950
    assert graded(percent).price == 8_775
    assert graded(percent, "0.000000001").price == 0
    assert graded(make_differential(amount=Decimal(-9_001))).price == -1


def test_a_grade_without_a_differential_leaves_no_price() -> None:
    """Nobody lends on what another grade costs."""
    found = decide_goods_price(book(make_quote("9000")), COPPER, "C", "USD")

    assert isinstance(found, Unusable)
    assert found.reason is UnusableReason.GRADE
    assert "grade C" in found.detail


def test_a_differential_ends_with_its_last_day() -> None:
    """The value expires with the day, and no later than the price."""
    ending = make_differential(last_day=day("2026-03-02"))

    assert graded(ending).stale_at == datetime(2026, 3, 3, tzinfo=UTC) - timedelta(microseconds=1)


def test_a_rate_of_exchange_values_no_goods() -> None:
    """A lot can not be valued by a rate."""
    found = decide_goods_price(
        book(make_rate("USD/EUR", "0.9")), InstrumentId("USD-EUR"), None, "EUR"
    )

    assert isinstance(found, Unusable)


@given(low=positive, high=positive, base=positive)
def test_a_lower_price_or_rate_never_makes_goods_dearer(
    low: Decimal, high: Decimal, base: Decimal
) -> None:
    """Monotone in both, through every rounding."""
    low, high = min(low, high), max(low, high)

    def cost(price: Decimal, fx: Decimal) -> Decimal:
        quotes = book(make_quote(f"{price:f}"), make_rate("USD/EUR", f"{fx:f}"))
        found = decide_goods_price(quotes, COPPER, None, "EUR")
        assert isinstance(found, GoodsPrice)
        return found.converted

    assert cost(low, base) <= cost(high, base)
    assert cost(base, low) <= cost(base, high)
