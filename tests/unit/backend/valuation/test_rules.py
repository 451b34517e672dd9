"""What lots are worth, and how much of it may be lent against."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.collateral.types import Condition, QuantityState
from backend.ids import InstrumentId
from backend.market.types import GRAMS_PER_UNIT, InstrumentQuote, Unit, Usable, Volatility
from backend.money import BPS, Minor
from backend.valuation.rules import coverage_bps, sum_valuation, value_lots
from backend.valuation.rules.arithmetic import share_down
from backend.valuation.rules.haircuts import HISTORY_DAYS_MIN, haircut_bps
from backend.valuation.rules.lots import accept_mass
from backend.valuation.types import LotFacts, LotValue, Terms, Valuation
from tests.unit.backend.facility.facts import (
    COPPER,
    FACILITY,
    NOW,
    lots,
    make_instrument,
    make_lot,
    make_policy,
    make_quote,
    masses_g,
    prices,
    sound_lots,
    volatilities,
)

TERMS = Terms(currency="USD", policy=make_policy())


def value(lot: LotFacts, price: Decimal | str | InstrumentQuote = "9000") -> LotValue:
    """Value one lot of copper at a price or quote."""
    quote = price if isinstance(price, InstrumentQuote) else make_quote(price)
    return value_lots([lot], {COPPER: quote}, TERMS, NOW)[0]


def total(basket: list[LotFacts], price: Decimal | str = "9000", exposure: int = 0) -> Valuation:
    """Value lots of copper together."""
    quotes = {COPPER: make_quote(price)}
    lines = value_lots(basket, quotes, TERMS, NOW)
    return sum_valuation(FACILITY, lines, TERMS, Minor(exposure), NOW, quotes)


@pytest.mark.parametrize(
    ("unit", "price", "mass_g", "value_minor"),
    [
        (Unit.TNE, "9123.45", 10_000_000, 9_123_450),
        (Unit.KGM, "4.57", 800_000, 365_600),
        (Unit.LBR, "4.1385", 453_592_370, 413_850_000),  # a million pounds
        (Unit.LBR, "4.1385", 1_000, 912),  # 9.1238 dollars: rounded down
    ],
)
def test_a_price_per_tonne_kilogram_or_pound_is_converted(
    unit: Unit, price: str, mass_g: int, value_minor: int
) -> None:
    """Copper is quoted in three units: the same goods, the same money."""
    assert (
        value(make_lot(pledged_mass_g=mass_g), make_quote(price, unit=unit)).value_minor
        == value_minor
    )


@given(
    mass_g=masses_g,
    price=prices.filter(lambda p: p > 0),
    unit=st.sampled_from(list(GRAMS_PER_UNIT)),
)
def test_value_is_the_exact_product_rounded_down(mass_g: int, price: Decimal, unit: Unit) -> None:
    """Rounded once, down, whatever the size; what is more than anything can be is refused."""
    exact = Fraction(mass_g) * Fraction(price) * 100 / Fraction(GRAMS_PER_UNIT[unit])

    got = value(make_lot(pledged_mass_g=mass_g), make_quote(price, unit=unit)).value_minor

    assert got == (math.floor(exact) if exact < 2**53 else 0)


@given(lot=lots(), low=prices, high=prices)
def test_a_lower_price_is_never_worth_more(lot: LotFacts, low: Decimal, high: Decimal) -> None:
    """Monotone in the price, whatever the lot's state."""
    low, high = min(low, high), max(low, high)

    assert value(lot, low).value_minor <= value(lot, high).value_minor
    assert value(lot, low).lendable_minor <= value(lot, high).lendable_minor


@given(lot=lots(), less=st.integers(0, 10**11))
def test_a_lower_quantity_is_never_worth_more(lot: LotFacts, less: int) -> None:
    """More short, less measured or less pledged never adds value."""
    state = lot.state
    measured = None if state.measured_mass_g is None else max(0, state.measured_mass_g - less)
    lesser = [
        replace(lot, state=replace(state, short_mass_g=state.short_mass_g + less)),
        replace(lot, state=replace(state, measured_mass_g=measured)),
        replace(lot, state=replace(state, measured_mass_g=None)),
        replace(lot, pledged_mass_g=max(1, lot.pledged_mass_g - less)),
        replace(lot, state=replace(state, quantity=QuantityState.UNKNOWN)),
        replace(lot, state=replace(state, evaluated=False)),
        replace(lot, state=replace(state, condition=Condition.DAMAGED)),
    ]

    for worse in lesser:
        assert value(worse).value_minor <= value(lot).value_minor
        assert value(worse).complete <= value(lot).complete


@given(sigma=st.floats(0, 2), more=st.floats(0, 2), horizon=st.integers(1, 250))
def test_a_higher_haircut_never_lends_more(sigma: float, more: float, horizon: int) -> None:
    """More volatile means a higher haircut, and a higher haircut means less lent."""
    calm = Volatility(sigma_daily=sigma, days=500)
    wild = Volatility(sigma_daily=sigma + more, days=500)
    policy = make_policy(liquidation_horizon_days=horizon)
    low, _ = haircut_bps(make_instrument(), calm, policy)
    high, _ = haircut_bps(make_instrument(), wild, policy)

    assert 1_000 <= low <= high <= BPS
    assert (
        value(make_lot(), make_quote(volatility=wild)).lendable_minor
        <= value(make_lot(), make_quote(volatility=calm)).lendable_minor
    )


def test_the_haircut_is_the_students_t_loss_over_the_horizon() -> None:
    """1 - exp(-q sigma sqrt(H)) with q = 3.747 sqrt(1/2), rounded up."""
    sigma = Volatility(sigma_daily=0.02, days=500)

    haircut, why = haircut_bps(make_instrument(), sigma, make_policy())

    assert haircut == math.ceil((1 - math.exp(-2.64949 * 0.02 * math.sqrt(20))) * 10_000)
    assert why is None


def test_a_short_history_gets_the_default_haircut_and_says_so() -> None:
    """Under sixty daily prices nobody knows how much a price moves."""
    days = HISTORY_DAYS_MIN - 1

    haircut, why = haircut_bps(
        make_instrument(), Volatility(sigma_daily=0.001, days=days), make_policy()
    )

    assert haircut == 5_000
    assert why is not None
    assert "59 daily prices" in why


@given(volatility=volatilities)
def test_a_haircut_is_never_under_the_floor_of_its_class(volatility: Volatility | None) -> None:
    """However calm the market was, the class's floor holds."""
    instrument = make_instrument(haircut_floor_bps=2_500, short_history_haircut_bps=0)

    assert 2_500 <= haircut_bps(instrument, volatility, make_policy())[0] <= BPS


@given(parts=st.lists(masses_g, min_size=2, max_size=6), price=prices)
def test_splitting_a_lot_changes_value_by_rounding_at_most(
    parts: list[int], price: Decimal
) -> None:
    """Many small lots are worth what one large lot is, less a minor unit for each cut."""
    whole = total([make_lot(1, pledged_mass_g=sum(parts))], price)
    split = total([make_lot(n, pledged_mass_g=mass) for n, mass in enumerate(parts, 1)], price)

    assert abs(whole.value_minor - split.value_minor) <= len(parts)
    assert abs(whole.base_minor - split.base_minor) <= 2 * len(parts)


@given(basket=sound_lots(), data=st.data())
def test_the_order_of_lots_does_not_matter(basket: list[LotFacts], data: st.DataObject) -> None:
    """The same lots in another order are the same valuation, to its digest."""
    assert total(data.draw(st.permutations(basket))) == total(basket)


@given(basket=sound_lots(), mass_g=masses_g, price=prices)
def test_another_lot_never_lowers_the_base(
    basket: list[LotFacts], mass_g: int, price: Decimal
) -> None:
    """Adding collateral is always safe."""
    more = [*basket, make_lot(99, pledged_mass_g=mass_g)]

    assert total(more, price).base_minor >= total(basket, price).base_minor


@pytest.mark.parametrize("price", ["0", "-36.98"])
def test_goods_at_a_price_of_zero_or_below_are_worth_nothing(price: str) -> None:
    """WTI settled at -36.98: value 0, complete, no NaN and no debt of the goods."""
    line = value(make_lot(), price)

    assert (line.value_minor, line.lendable_minor, line.complete) == (0, 0, True)
    assert line.price == Decimal(price)
    assert any(price in reason for reason in line.reasons)


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        ({"price": None}, "no accepted price"),
        ({"age_s": 3_601}, "older than 3600 s"),
        ({"currency": "CNY"}, "no exchange rate"),
    ],
)
def test_without_a_usable_price_a_lot_is_not_valued(quote: dict[str, Any], why: str) -> None:
    """Worth nothing and incomplete: it can not be taken for a lot that is worth nothing."""
    line = value(make_lot(), make_quote(**quote))

    assert (line.value_minor, line.complete) == (0, False)
    assert any(why in reason for reason in line.reasons)


def test_an_unknown_instrument_is_not_valued() -> None:
    """A lot without an instrument is incomplete too."""
    line = value_lots([make_lot(instrument_id=InstrumentId("TIN"))], {}, TERMS, NOW)[0]

    assert (line.value_minor, line.complete) == (0, False)


@given(lot=lots())
def test_never_more_is_accepted_than_pledged_or_measured(lot: LotFacts) -> None:
    """The accepted mass is under each of its bounds."""
    mass_g, complete, reasons = accept_mass(lot)

    assert 0 <= mass_g <= lot.pledged_mass_g
    assert mass_g <= (lot.state.measured_mass_g or 0)
    assert mass_g <= max(0, lot.pledged_mass_g - lot.releasing_mass_g)
    assert complete or mass_g == 0
    assert reasons or mass_g == lot.pledged_mass_g


def test_a_damaged_lot_backs_nothing() -> None:
    """Nobody knows what damaged goods would fetch."""
    assert value(make_lot(condition=Condition.DAMAGED)).value_minor == 0


def test_each_lot_of_a_mixed_basket_has_its_own_haircut() -> None:
    """Lending lesson 6: the haircut is each lot's own, never the basket's first item's."""
    fish = InstrumentId("FISH")
    quotes = {
        COPPER: make_quote("9000", haircut_floor_bps=1_000, short_history_haircut_bps=0),
        fish: make_quote("9000", id=fish, haircut_floor_bps=6_000),
    }

    lines = value_lots([make_lot(1), make_lot(2, instrument_id=fish)], quotes, TERMS, NOW)

    assert [line.haircut_bps for line in lines] == [1_000, 6_000]
    assert [line.lendable_minor for line in lines] == [8_100_000, 3_600_000]


def test_the_reserve_comes_off_the_base_once_and_never_below_zero() -> None:
    """Reserves are the facility's, not each lot's."""
    quotes = {COPPER: make_quote()}
    terms = replace(TERMS, policy=make_policy(reserve_minor=Minor(10**9)))
    lines = value_lots([make_lot()], quotes, terms, NOW)

    assert sum_valuation(FACILITY, lines, terms, Minor(0), NOW, quotes).base_minor == 0


def test_a_valuation_expires_when_its_first_price_goes_stale() -> None:
    """A valuation is not valid longer than any price in it."""
    quotes = {COPPER: make_quote(age_s=3_590)}
    valuation = sum_valuation(
        FACILITY, value_lots([make_lot()], quotes, TERMS, NOW), TERMS, Minor(0), NOW, quotes
    )

    assert valuation.expires_at == NOW + timedelta(seconds=10)


@given(price=prices, other=prices)
def test_the_digest_tells_one_observation_from_another(price: Decimal, other: Decimal) -> None:
    """Two valuations have one digest exactly when their lines say the same."""
    one, two = total([make_lot()], price), total([make_lot()], other, exposure=5)

    assert (one.content_sha256 == two.content_sha256) == (price == other)


def test_coverage_without_exposure_is_not_a_number() -> None:
    """Lending lesson 1: nothing is divided by zero and called covered."""
    assert coverage_bps(Minor(0), Minor(0)) is None
    assert coverage_bps(Minor(0), Minor(1)) == 0
    assert coverage_bps(Minor(299), Minor(200)) == 14_950


@given(amount=st.integers(0, 2**53 - 1), bps=st.integers(0, BPS))
def test_a_share_is_exact_without_leaving_its_type(amount: int, bps: int) -> None:
    """Basis points of any amount, rounded down, as Python's integers have it."""
    shared = share_down(np.array([amount], dtype=np.int64), np.array([bps], dtype=np.int64))

    assert int(shared[0]) == amount * bps // BPS


def test_the_price_of_a_lot_says_where_and_when_it_came_from() -> None:
    """A line keeps the price's source and time: proof needs them later."""
    quote = make_quote(age_s=30)
    assert isinstance(quote.decision, Usable)

    line = value_lots([make_lot()], {COPPER: quote}, TERMS, NOW)[0]

    assert (line.price, line.price_at, line.price_source) == (9000, quote.decision.at, "feed")
