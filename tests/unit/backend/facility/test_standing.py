"""What a facility's money and collateral allow; the lessons that lending taught others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backend.facility.rules.dues import outstanding
from backend.facility.rules.money import (
    decide_drawdown,
    decide_position,
    exposure_minor,
    split_repayment,
)
from backend.facility.types import (
    Allow,
    Owed,
    Refuse,
)
from backend.ids import InstrumentId
from backend.market.types import (
    Volatility,
)
from backend.money import Minor
from backend.valuation.types import LotFacts
from tests.unit.backend.facility.facts import (
    COPPER,
    NOW,
    SOUND,
    ask,
    codes,
    drawable,
    lots,
    make_alert,
    make_facility,
    make_holding,
    make_lot,
    make_open_lock,
    make_pending,
    make_quote,
    prices,
    sound_lots,
    stand,
    stored,
    volatilities,
)

amounts = st.integers(0, 10**12).map(Minor)


def test_a_sound_facility_has_no_lock_and_lends_its_base() -> None:
    """Availability = min(limit, base) - exposure - pending."""
    standing = stand(SOUND)

    assert standing.locks == ()
    assert standing.position.base_minor == 4_500_000
    assert isinstance(ask(standing, 4_500_000), Allow)
    assert codes(ask(standing, 4_500_001)) == ["OVER_BASE"]


@given(price=prices)
def test_the_price_of_now_decides(price: Decimal) -> None:
    """Lending lesson 4: no earlier price or valuation has a say in what may be drawn now."""
    before = stand(SOUND)
    standing = stand(
        make_holding(newest=stored(before.valuation), quotes={COPPER: make_quote(price)})
    )

    assert standing.position.base_minor <= max(0, price) * 10 * 100
    assert standing.valuation.expires_at <= NOW + timedelta(seconds=60)


def test_two_prices_for_one_moment_are_nobodys_to_choose() -> None:
    """Lending lesson 5: overlaps are refused on the way in, so one price decides: the median."""
    fish = InstrumentId("FISH")
    quotes = {COPPER: make_quote(), fish: make_quote("1", id=fish)}

    assert stand(make_holding(quotes=quotes)).position == stand(SOUND).position


def test_a_mixed_basket_is_lent_against_lot_by_lot() -> None:
    """Lending lesson 6: a basket's advance rate is not its first item's."""
    fish = InstrumentId("FISH")
    quotes = {COPPER: make_quote(), fish: make_quote(id=fish, haircut_floor_bps=9_000)}
    basket = (make_lot(1), make_lot(2, instrument_id=fish))

    forward = stand(make_holding(quotes=quotes, lots=basket))
    backward = stand(make_holding(quotes=quotes, lots=basket[::-1]))

    assert forward.position.base_minor == 4_500_000 + 900_000
    assert forward.position == backward.position


@given(principal=amounts, interest=amounts, fees=amounts)
def test_exposure_is_principal_interest_and_fees(
    principal: Minor, interest: Minor, fees: Minor
) -> None:
    """Lending lesson 7: one function says what is owed, and everything else asks it."""
    facility = make_facility(principal_minor=principal, interest_minor=interest, fees_minor=fees)
    standing = stand(make_holding(facility=facility))

    assert exposure_minor(facility) == principal + interest + fees
    assert standing.position.exposure_minor == exposure_minor(facility)
    assert standing.valuation.exposure_minor == exposure_minor(facility)


def test_assessing_is_a_function_of_values() -> None:
    """Lending lesson 8: asking changes nothing; the same holding is assessed alike twice."""
    holding = make_holding(pending=(make_pending(),))

    assert stand(holding) == stand(holding)


def test_a_drawdown_is_judged_on_what_is_owed_after_it() -> None:
    """Lending lesson 9: what was paid out before is not what will be owed."""
    owing = make_facility(principal_minor=Minor(4_000_000), limit_minor=Minor(4_200_000))
    standing = stand(make_holding(facility=owing, pending=(make_pending(amount_minor=100_000),)))

    assert isinstance(ask(standing, 100_000), Allow)
    refused = ask(standing, 100_001)
    assert isinstance(refused, Refuse)
    assert refused.reasons[0].code == "OVER_LIMIT"
    assert refused.reasons[0].numbers == {
        "amount_minor": 100_001,
        "exposure_minor": 4_000_000,
        "pending_minor": 100_000,
        "after_minor": 4_200_001,
        "bound_minor": 4_200_000,
    }


@given(
    principal=amounts,
    interest=amounts,
    fees=amounts,
    amount=st.integers(1, 10**13).map(Minor),
)
def test_a_repayment_is_applied_to_the_last_cent(
    principal: Minor, interest: Minor, fees: Minor, amount: Minor
) -> None:
    """Lending lesson 11: repaying asks for no lock or price; not a cent of it is lost."""
    facility = make_facility(
        principal_minor=principal, interest_minor=interest, fees_minor=fees, open=False
    )

    split = split_repayment(facility, Owed(in_advance=outstanding(facility)), amount)

    parts = (
        split.fees_minor,
        split.interest_minor,
        split.principal_minor,
        split.surplus_minor,
    )
    assert sum(parts) == amount
    assert min(parts) >= 0
    assert split.fees_minor == min(fees, amount)
    assert split.interest_minor in (0, min(interest, amount - fees), interest)
    if split.surplus_minor:
        assert parts[:3] == (fees, interest, principal)
    if split.principal_minor:
        assert parts[:2] == (fees, interest)


@given(
    basket=st.tuples(lots(1), lots(2)) | sound_lots(3),
    price=prices,
    lower=prices,
    volatility=volatilities,
    age_s=st.integers(0, 7_200),
)
def test_nothing_worse_ever_lets_more_be_drawn(
    basket: Sequence[LotFacts],
    price: Decimal,
    lower: Decimal,
    volatility: Volatility | None,
    age_s: int,
) -> None:
    """A lower price, an older one, a higher haircut, an alert, a lock: never more to draw."""
    base = make_holding(
        lots=tuple(basket), quotes={COPPER: make_quote(price, volatility=volatility)}
    )
    wild = Volatility(
        sigma_daily=2 * (volatility.sigma_daily if volatility else 1.0),
        days=volatility.days if volatility else 0,
    )
    worse = [
        replace(base, quotes={COPPER: make_quote(min(price, lower), volatility=volatility)}),
        replace(base, quotes={COPPER: make_quote(price, age_s, volatility)}),
        replace(base, quotes={COPPER: make_quote(price, volatility=wild)}),
        replace(
            base,
            quotes={COPPER: make_quote(price, volatility=volatility, haircut_floor_bps=10_000)},
        ),
        replace(base, alerts=(make_alert(),)),
        replace(base, opened=(make_open_lock(),)),
        replace(base, facility=make_facility(reserve_minor=Minor(5_000))),
    ]
    if drawable(stand(base)) > 0:  # Letting go of a lot that locks is no worsening.
        worse.append(replace(base, lots=tuple(basket[1:])))

    for each in worse:
        assert drawable(stand(each)) <= drawable(stand(base))


@given(basket=sound_lots(), data=st.data())
def test_the_order_of_lots_does_not_matter(
    basket: Sequence[LotFacts], data: st.DataObject
) -> None:
    """A facility stands the same whichever lot comes first."""
    shuffled = data.draw(st.permutations(basket))

    one, two = stand(make_holding(lots=tuple(basket))), stand(make_holding(lots=tuple(shuffled)))

    assert (one.position, one.locks, one.line) == (two.position, two.locks, two.line)


@given(
    limit=amounts, base=amounts, principal=amounts, pending=amounts, amount=st.integers(1, 10**12)
)
def test_an_allowed_drawdown_never_leaves_more_out_than_may_be(
    limit: Minor, base: Minor, principal: Minor, pending: Minor, amount: int
) -> None:
    """What is owed and promised after it is under the limit and the base, else it is refused."""
    facility = make_facility(limit_minor=limit, principal_minor=principal)
    position = decide_position(facility, base, pending)

    allowed = isinstance(decide_drawdown(facility, position, (), Minor(amount)), Allow)

    assert allowed == (principal + pending + amount <= min(limit, base))
    assert allowed == (amount <= position.availability_minor)


def test_a_refusal_names_each_rule_in_order() -> None:
    """Closed, then each lock, then the limit, then the base: nobody has to ask four times."""
    closed = make_facility(open=False, limit_minor=Minor(10))
    standing = stand(make_holding(facility=closed, lots=(make_lot(tampered=True),)))

    assert codes(ask(standing, 5_000_000)) == [
        "FACILITY_CLOSED",
        "TAMPERED",
        "OVER_LIMIT",
        "OVER_BASE",
    ]


def test_a_fallen_base_voids_the_newest_promises_first() -> None:
    """Without a lock as many promises are kept as fit, the oldest first."""
    pending = (make_pending(1, 2_000_000), make_pending(2, 2_000_000), make_pending(3, 1_000_000))
    standing = stand(make_holding(pending=pending))

    assert standing.voided == pending[2:]
    assert standing.position.pending_minor == 4_000_000
    assert standing.position.availability_minor == 500_000


def test_a_promise_past_its_time_is_over() -> None:
    """An expired promise reserves nothing."""
    pending = make_pending(expires_at=NOW)
    standing = stand(make_holding(pending=(pending,)))

    assert standing.expired == (pending,)
    assert standing.voided == ()
    assert standing.position.pending_minor == 0


def test_a_valuation_is_kept_while_it_says_the_same_and_is_young() -> None:
    """Stored anew when its content or the exposure differs, or half its time is over."""
    valuation = stand(SOUND).valuation

    assert not stand(make_holding(newest=stored(valuation, 29))).is_new
    assert stand(make_holding(newest=stored(valuation, 30))).is_new
    assert stand(SOUND).is_new
    owing = make_facility(principal_minor=Minor(1))
    assert stand(make_holding(newest=stored(valuation), facility=owing)).is_new
    dearer = {COPPER: make_quote("9001")}
    assert stand(make_holding(newest=stored(valuation), quotes=dearer)).is_new
