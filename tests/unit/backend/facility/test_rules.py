"""What a facility's money and collateral allow; the lessons that lending taught others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.collateral.types import Condition, Custody, QuantityState, Surveillance
from backend.facility.rules.lines import line_of, margin_call_minor, move_line
from backend.facility.rules.locks import diff_locks
from backend.facility.rules.money import (
    decide_drawdown,
    decide_position,
    exposure_minor,
    split_repayment,
)
from backend.facility.rules.standing import decide_standing
from backend.facility.types import (
    Allow,
    DrawdownDecision,
    Holding,
    LineStanding,
    LineState,
    Lock,
    LockReason,
    Refuse,
    Standing,
    StoredValuation,
)
from backend.ids import InstrumentId, ValuationId
from backend.market.types import (
    InstrumentQuote,
    Unusable,
    UnusableReason,
    Volatility,
)
from backend.money import Minor
from backend.valuation.types import LotFacts, Valuation
from tests.unit.backend.facility.facts import (
    COPPER,
    FACILITY,
    NOW,
    lots,
    make_alert,
    make_facility,
    make_holding,
    make_instrument,
    make_lines,
    make_lot,
    make_open_lock,
    make_pending,
    make_quote,
    prices,
    sound_lots,
    volatilities,
)

amounts = st.integers(0, 10**12).map(Minor)
SOUND = make_holding()  # Ten tonnes at 9,000: worth 90,000.00, half of it lent against.


def stand(holding: Holding) -> Standing:
    """Return how a facility stands now."""
    return decide_standing(holding, NOW)


def ask(standing: Standing, amount: int) -> DrawdownDecision:
    """Ask for a drawdown."""
    return decide_drawdown(
        standing.holding.facility, standing.position, standing.locks, Minor(amount)
    )


def codes(decision: DrawdownDecision) -> list[str]:
    """Return the codes of a refusal, in order; none when it is allowed."""
    return [reason.code for reason in decision.reasons] if isinstance(decision, Refuse) else []


def reasons(standing: Standing) -> set[LockReason]:
    """Return why a facility is locked."""
    return {lock.reason for lock in standing.locks}


def drawable(standing: Standing) -> int:
    """Return the most that a drawdown may take: what monotonicity is about."""
    return 0 if standing.locks else max(0, standing.position.availability_minor)


def valued(coverage_bps: int | None, *, complete: bool = True) -> Valuation:
    """Return a valuation that covers an exposure so far."""
    valuation = stand(SOUND).valuation
    return replace(valuation, coverage_bps=coverage_bps, complete=complete)


def stored(valuation: Valuation, age_s: int = 1) -> StoredValuation:
    """Return a valuation as stored so many seconds ago."""
    at = valuation.at - timedelta(seconds=age_s)
    return StoredValuation(
        id=ValuationId(UUID(int=5)),
        at=at,
        expires_at=at + timedelta(seconds=60),
        exposure_minor=valuation.exposure_minor,
        content_sha256=valuation.content_sha256,
    )


def test_a_sound_facility_has_no_lock_and_lends_its_base() -> None:
    """Availability = min(limit, base) - exposure - pending."""
    standing = stand(SOUND)

    assert standing.locks == ()
    assert standing.position.base_minor == 4_500_000
    assert isinstance(ask(standing, 4_500_000), Allow)
    assert codes(ask(standing, 4_500_001)) == ["OVER_BASE"]


def test_without_a_price_the_facility_locks() -> None:
    """Lending lesson 1: no price is a lock, never value 0, ratio 0 and "no shortfall"."""
    owing = make_facility(principal_minor=Minor(100))
    standing = stand(make_holding(facility=owing, quotes={COPPER: make_quote(None)}))

    assert reasons(standing) == {LockReason.PRICE_STALE, LockReason.UNEVALUATED}
    assert not standing.valuation.complete
    assert "lot-1" in standing.locks[0].detail
    assert "LME-CU" in standing.locks[0].detail


@given(paid=st.integers(0, 5_000_000))
def test_a_margin_call_ends_by_full_recomputation_only(paid: int) -> None:
    """Lending lesson 2: a call is closed by coverage on a new valuation, not by an amount."""
    called = make_facility(
        principal_minor=Minor(8_000_000 - paid),
        standing=LineStanding(state=LineState.CALL, recovered_valuations=2),
    )
    standing = stand(make_holding(facility=called))

    coverage = standing.valuation.coverage_bps
    assert coverage is not None
    recovered = coverage >= 13_500
    assert (standing.line.state in (LineState.ABOVE, LineState.WARNING)) == recovered
    assert (LockReason.BELOW_CALL_LINE in reasons(standing)) == (not recovered)


def test_a_facility_without_pledged_lots_is_worth_nothing_and_locked() -> None:
    """Lending lesson 3: released pledges count for nothing; draw after release fails."""
    standing = stand(make_holding(lots=()))

    assert standing.valuation.value_minor == 0
    assert LockReason.UNEVALUATED in reasons(standing)
    assert codes(ask(standing, 1)) == ["UNEVALUATED", "OVER_BASE"]


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


def test_locks_are_derived_anew_each_time() -> None:
    """Lending lesson 10: a lock without a cause is lifted by what opened it; a person's stays."""
    opened = (make_open_lock(), replace(make_open_lock(LockReason.RELOCATED, "x"), id=2))
    standing = stand(make_holding(opened=opened))

    to_open, reworded, to_lift = diff_locks(opened, standing.locks)

    assert reasons(standing) == {LockReason.MANUAL}
    assert (list(to_open), dict(reworded), list(to_lift)) == ([], {}, [opened[1]])


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

    split = split_repayment(facility, amount)

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


def test_after_an_outage_draws_lock_at_once_and_lines_wait() -> None:
    """Lending lesson 12: a facility is not called on a valuation that lacks a price."""
    owing = make_facility(principal_minor=Minor(8_000_000))
    standing = stand(make_holding(facility=owing, quotes={COPPER: make_quote(age_s=3_601)}))

    assert standing.line.state is LineState.ABOVE
    assert LockReason.PRICE_STALE in reasons(standing)
    assert LockReason.BELOW_CALL_LINE not in reasons(standing)


@pytest.mark.parametrize("price", ["0", "-36.98"])
def test_a_price_of_zero_or_below_locks_and_calls(price: str) -> None:
    """WTI at -36.98: value 0, locked, liquidation line; no division, no NaN."""
    owing = make_facility(principal_minor=Minor(1))
    standing = stand(make_holding(facility=owing, quotes={COPPER: make_quote(price)}))

    assert standing.valuation.value_minor == 0
    assert standing.line.state is LineState.LIQUIDATION
    assert reasons(standing) == {LockReason.PRICE_STALE, LockReason.BELOW_CALL_LINE}


@pytest.mark.parametrize(
    ("lot", "reason"),
    [
        (make_lot(evaluated=False), LockReason.UNEVALUATED),
        (make_lot(custody=Custody.MISSING), LockReason.QUANTITY_SHORT),
        (make_lot(custody=Custody.RELOCATED), LockReason.RELOCATED),
        (make_lot(quantity=QuantityState.SHORT, short_mass_g=1), LockReason.QUANTITY_SHORT),
        (make_lot(quantity=QuantityState.UNKNOWN), LockReason.UNEVALUATED),
        (make_lot(condition=Condition.AT_RISK), LockReason.DAMAGED),
        (make_lot(condition=Condition.DAMAGED), LockReason.DAMAGED),
        (make_lot(surveillance=Surveillance.DARK), LockReason.SENSOR_LOST),
        (make_lot(surveillance=Surveillance.DEGRADED, tampered=True), LockReason.TAMPERED),
    ],
)
def test_each_state_that_is_not_sound_locks_and_says_which_lot(
    lot: LotFacts, reason: LockReason
) -> None:
    """Whatever is wrong with one lot locks the facility, in words with the lot's name."""
    standing = stand(make_holding(lots=(lot, make_lot(2))))

    assert reason in reasons(standing)
    detail = next(lock.detail for lock in standing.locks if lock.reason is reason)
    assert "lot-1" in detail
    assert "lot-2" not in detail


def test_moving_under_a_release_order_and_degraded_watch_do_not_lock() -> None:
    """An authorised movement and one lost sensor of several are no locks by themselves."""
    lot = make_lot(custody=Custody.MOVING, surveillance=Surveillance.DEGRADED)

    assert stand(make_holding(lots=(lot,))).locks == ()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("relocation", LockReason.RELOCATED),
        ("shortfall", LockReason.QUANTITY_SHORT),
        ("damage", LockReason.DAMAGED),
        ("tamper", LockReason.TAMPERED),
        ("surveillance_lost", LockReason.SENSOR_LOST),
    ],
)
def test_an_unresolved_critical_alert_locks(kind: str, reason: LockReason) -> None:
    """A lot that looks sound again stays locked until a person has resolved what was found."""
    standing = stand(make_holding(alerts=(make_alert(kind),)))

    assert reasons(standing) == {reason}
    assert str(make_alert(kind).id) in standing.locks[0].detail


def test_an_alert_of_a_lot_that_is_not_pledged_here_does_not_lock() -> None:
    """Only what backs this facility can lock it."""
    assert stand(make_holding(alerts=(make_alert(lot=42),))).locks == ()


def test_a_fall_that_waits_for_a_second_source_locks() -> None:
    """A held fall is not ignored."""
    held = Unusable(reason=UnusableReason.HELD_FALL, detail="a fall waits")
    quote = InstrumentQuote(instrument=make_instrument(), decision=held, volatility=None)

    standing = stand(make_holding(quotes={COPPER: quote}))

    assert LockReason.PRICE_STALE in reasons(standing)


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
        replace(base, lots=tuple(basket[1:])),
        replace(base, facility=make_facility(reserve_minor=Minor(5_000))),
    ]

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


@pytest.mark.parametrize(
    ("coverage", "state"),
    [
        (None, LineState.ABOVE),
        (15_000, LineState.ABOVE),
        (14_999, LineState.WARNING),
        (13_000, LineState.WARNING),
        (12_999, LineState.CALL),
        (11_000, LineState.CALL),
        (10_999, LineState.LIQUIDATION),
        (0, LineState.LIQUIDATION),
    ],
)
def test_a_line_is_crossed_below_it(coverage: int | None, state: LineState) -> None:
    """On the line is not below it."""
    assert line_of(coverage, make_lines()) is state


def move(standing: LineStanding, *coverages: int | None, observed: bool = True) -> LineStanding:
    """Move through several complete valuations."""
    for coverage in coverages:
        standing = move_line(standing, make_lines(), valued(coverage), is_observation=observed)
    return standing


ABOVE = LineStanding(state=LineState.ABOVE, recovered_valuations=0)


def test_a_line_falls_at_once_and_recovers_after_several_valuations() -> None:
    """Down on one valuation; up only after three above the line and its margin."""
    fallen = move(ABOVE, 12_000)

    assert fallen.state is LineState.CALL
    assert move(fallen, 13_500, 13_500).state is LineState.CALL
    assert move(fallen, 13_500, 13_500, 13_500).state is LineState.WARNING
    assert move(fallen, 16_000, 16_000, 16_000).state is LineState.ABOVE
    assert move(fallen, None, None, None).state is LineState.ABOVE


def test_a_recovery_that_breaks_off_begins_anew() -> None:
    """Two good valuations, a bad one, two good ones: not recovered."""
    fallen = move(ABOVE, 12_000)

    assert move(fallen, 13_500, 13_500, 13_499, 13_500, 13_500).state is LineState.CALL
    incomplete = move_line(
        move(fallen, 13_500, 13_500),
        make_lines(),
        valued(20_000, complete=False),
        is_observation=True,
    )
    assert incomplete == LineStanding(state=LineState.CALL, recovered_valuations=0)


def test_the_same_observation_made_thrice_recovers_nothing() -> None:
    """Three relocks within a second are one observation, not three."""
    fallen = move(ABOVE, 12_000)

    assert move(fallen, 20_000, 20_000, 20_000, 20_000, observed=False).state is LineState.CALL


@given(st.lists(st.none() | st.integers(0, 20_000), max_size=20))
def test_a_facility_never_stands_better_than_its_coverage(coverages: list[int | None]) -> None:
    """Whatever came before, the state is at least as low as the last coverage says."""
    order = list(LineState)

    for n in range(1, len(coverages) + 1):
        standing = move(ABOVE, *coverages[:n])
        assert order.index(standing.state) >= order.index(line_of(coverages[n - 1], make_lines()))


def test_a_margin_call_has_an_amount_and_a_deadline_that_stays() -> None:
    """The deadline is set when the line is crossed, and is not moved by the next valuation."""
    owing = make_facility(principal_minor=Minor(8_000_000))

    first = stand(make_holding(facility=owing))
    later = stand(
        make_holding(facility=replace(owing, standing=first.line, cure_by=first.cure_by))
    )

    assert first.line.state is LineState.CALL
    assert first.cure_by == NOW + timedelta(hours=48)
    assert later.cure_by == first.cure_by
    due = margin_call_minor(first.valuation, owing.lines)
    assert 9_000_000 * 10_000 // (8_000_000 - due) >= 13_000
    assert 9_000_000 * 10_000 // (8_000_001 - due) < 13_000


def test_a_lock_voids_every_promise() -> None:
    """What was promised under sound collateral is not paid out under a lock."""
    holding = make_holding(
        lots=(make_lot(custody=Custody.MISSING),), pending=(make_pending(1), make_pending(2))
    )
    standing = stand(holding)

    assert standing.voided == holding.pending
    assert standing.position.pending_minor == 0


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


def test_repaying_small_amounts_does_not_count_as_recovering() -> None:
    """Three repayments of a cent are no three observations."""
    facility = make_facility(
        principal_minor=Minor(100),
        standing=LineStanding(state=LineState.CALL, recovered_valuations=2),
    )
    before = stand(SOUND).valuation
    standing = stand(make_holding(facility=facility, newest=stored(before)))

    assert standing.is_new
    assert standing.line == LineStanding(state=LineState.CALL, recovered_valuations=2)


def test_locks_are_opened_reworded_and_lifted() -> None:
    """Each reason is one lock; the same reason with other words is the same lock."""
    opened = (make_open_lock(LockReason.DAMAGED, "old"), make_open_lock(LockReason.TAMPERED, "t"))
    derived = (
        Lock(reason=LockReason.DAMAGED, detail="new"),
        Lock(reason=LockReason.RELOCATED, detail="r"),
    )

    to_open, reworded, to_lift = diff_locks(opened, derived)

    assert [lock.reason for lock in to_open] == [LockReason.RELOCATED]
    assert dict(reworded) == {opened[0].id: "new"}
    assert [lock.reason for lock in to_lift] == [LockReason.TAMPERED]
    assert stand(SOUND).holding.facility.id == FACILITY
