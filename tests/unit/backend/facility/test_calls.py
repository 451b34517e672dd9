"""Margin calls: how much cures them, when they may be enforced, and what ends them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.alerts.types import AlertKind
from backend.errors import InvalidError
from backend.facility.errors import CallRefusedError
from backend.facility.rules.calls import (
    EXTENSION_MAX,
    close_call,
    decide_cure,
    declare_default,
    extend_call,
)
from backend.facility.rules.standing import alert_steps, decide_standing
from backend.facility.types import (
    CallState,
    Holding,
    LineStanding,
    LineState,
    LockReason,
    MarginCall,
    Policy,
    Standing,
)
from backend.money import Minor
from backend.valuation.rules import coverage_bps
from tests.unit.backend.facility.facts import (
    COPPER,
    NOW,
    make_facility,
    make_holding,
    make_lines,
    make_quote,
    reasons,
    stored,
    valued,
)

DEADLINE = NOW + timedelta(hours=48)
OWING = make_facility(principal_minor=Minor(8_000_000), valuation_ttl_s=3_600)
CALLED = replace(
    OWING, standing=LineStanding(state=LineState.CALL, recovered_valuations=0), cure_by=DEADLINE
)


def follow(holding: Holding, standing: Standing) -> Holding:
    """Return what is stored after a facility was settled."""
    facility = replace(holding.facility, standing=standing.line, cure_by=standing.cure_by)
    call = standing.call
    return replace(
        holding,
        facility=facility,
        newest=stored(standing.valuation, age_s=0) if standing.is_new else holding.newest,
        call=None if call is None or call.ended_at is not None else call,
    )


def watch(holding: Holding, at: datetime, *prices: str | None) -> tuple[Holding, Standing]:
    """Value a facility once for each price, a second apart; None: there is no price."""
    standing = decide_standing(holding, at)
    for number, price in enumerate(prices):
        age = 0 if price is not None else 10**6
        quote = make_quote(price or "9000", age, max_price_age_s=10**5)
        standing = decide_standing(
            replace(holding, quotes={COPPER: quote}), at + timedelta(seconds=number)
        )
        holding = follow(holding, standing)
    return holding, standing


def called(observations: int = 3, state: CallState = CallState.OPEN) -> MarginCall:
    """Return a margin call that was seen unmet so often."""
    standing = decide_standing(make_holding(facility=OWING), NOW)
    assert standing.call is not None
    return replace(standing.call, observations=observations, state=state)


@given(value=st.integers(0, 10**13), exposure=st.integers(1, 10**13))
def test_what_is_named_cures_and_a_cent_less_does_not(value: int, exposure: int) -> None:
    """Cash or collateral, each alone, brings coverage to the call line and its margin, exactly."""
    valuation = replace(valued(0), value_minor=Minor(value), exposure_minor=Minor(exposure))

    cure = decide_cure(valuation, make_lines())

    def covers(value_minor: int, exposure_minor: int) -> bool:
        coverage = coverage_bps(Minor(value_minor), Minor(exposure_minor))
        return coverage is None or coverage >= 13_500

    assert covers(value, exposure - cure.cash_minor)
    assert covers(value + cure.collateral_minor, exposure)
    if cure.cash_minor:
        assert not covers(value, exposure - cure.cash_minor + 1)
        assert not covers(value + cure.collateral_minor - 1, exposure)
    assert cure.lendable_minor <= cure.collateral_minor


def test_a_call_names_cash_and_collateral_in_its_alert() -> None:
    """Worth 90,000.00, owing 80,000.00: repay 13,333.34, or add 18,000.00, half of it lendable."""
    standing = decide_standing(make_holding(facility=OWING), NOW)

    assert standing.call is not None
    cure = standing.call.cure
    assert (cure.cash_minor, cure.collateral_minor) == (1_333_334, 1_800_000)
    assert cure.lendable_minor == 900_000
    found = {each.kind: each.summary for each in alert_steps(standing).findings}
    assert (
        "repay 1333334 or add collateral worth 1800000, 900000 after haircut"
        in (found[AlertKind.BELOW_LINE])
    )


def test_an_unmet_call_may_be_enforced_after_its_deadline_and_not_before() -> None:
    """At the deadline, seen unmet three times: liquidatable, with an alert, and locked."""
    holding = make_holding(facility=CALLED, call=called())

    before = decide_standing(holding, DEADLINE - timedelta(seconds=1)).call
    quote = {COPPER: make_quote("8999", -3 * 86_400, max_price_age_s=10**6)}
    after = decide_standing(replace(holding, quotes=quote), DEADLINE)

    assert before is not None
    assert before.state is CallState.OPEN
    assert after.call is not None
    assert (after.call.state, after.call.liquidatable_at) == (CallState.LIQUIDATABLE, DEADLINE)
    assert LockReason.BELOW_CALL_LINE in reasons(after)
    causes = [each.cause for each in alert_steps(after).findings]
    assert [cause.rsplit(":", 1)[1] for cause in causes] == ["line", "call"]


def test_after_an_outage_several_observations_come_before_enforcing() -> None:
    """Lending lesson 12: an incomplete valuation begins the count anew; draws stay locked."""
    holding = make_holding(facility=CALLED, call=called())
    late = DEADLINE + timedelta(hours=1)

    holding, dark = watch(holding, late, None)
    assert LockReason.PRICE_STALE in reasons(dark)
    assert dark.call is not None
    assert dark.call.observations == 0
    states: list[CallState | None] = []
    for number, price in enumerate(("9001", "9002", "9003"), 1):
        holding, standing = watch(holding, late + timedelta(seconds=number), price)
        states.append(None if standing.call is None else standing.call.state)
        assert LockReason.BELOW_CALL_LINE in reasons(standing)

    assert states == [CallState.OPEN, CallState.OPEN, CallState.LIQUIDATABLE]


def test_observing_the_same_twice_is_one_observation() -> None:
    """Relocking thrice within a second counts once."""
    holding = make_holding(facility=OWING)
    for _ in range(5):
        standing = decide_standing(holding, NOW)
        holding = follow(holding, standing)

    assert holding.call is not None
    assert holding.call.observations == 1


def test_a_late_cure_ends_a_call_until_a_default_is_declared() -> None:
    """Three better valuations cure what was liquidatable; what is in default only its lender."""
    for state, expected in (
        (CallState.LIQUIDATABLE, CallState.CURED),
        (CallState.DEFAULTED, CallState.DEFAULTED),
    ):
        call = replace(called(), state=state, liquidatable_at=NOW, defaulted_at=NOW)

        _, standing = watch(
            make_holding(facility=CALLED, call=call), NOW, "12001", "12002", "12003"
        )

        assert standing.line.state in (LineState.ABOVE, LineState.WARNING)
        assert standing.call is not None
        assert standing.call.state is expected
        locked = LockReason.BELOW_CALL_LINE in reasons(standing)
        assert locked == (expected is CallState.DEFAULTED)


def test_money_that_equals_the_shortfall_cures_nothing_by_itself() -> None:
    """Lending lesson 2: the call stands until valuations after the payment say otherwise."""
    holding = make_holding(facility=CALLED, call=called(), newest=stored(valued(11_250)))
    paid = replace(CALLED, principal_minor=Minor(8_000_000 - called().cure.cash_minor))

    standing = decide_standing(replace(holding, facility=paid), NOW)

    assert standing.valuation.coverage_bps == 13_500
    assert standing.line.state is LineState.CALL
    assert standing.call is not None
    assert standing.call.state is CallState.OPEN


def test_acts_begin_where_they_must() -> None:
    """Extend: later and not for ever. Default: liquidatable. Close: defaulted and recovered."""
    line = decide_standing(make_holding(facility=OWING), NOW).line
    late = replace(called(), state=CallState.LIQUIDATABLE, liquidatable_at=DEADLINE)

    extended = extend_call(late, DEADLINE + timedelta(hours=5), DEADLINE)
    assert (extended.state, extended.liquidatable_at) == (CallState.OPEN, None)
    for wrong in (DEADLINE, DEADLINE + EXTENSION_MAX + timedelta(seconds=1)):
        with pytest.raises(InvalidError, match="deadline_at"):
            extend_call(late, wrong, DEADLINE)
    with pytest.raises(CallRefusedError, match="must be liquidatable"):
        declare_default(called(), NOW)
    failed = declare_default(late, DEADLINE)
    with pytest.raises(CallRefusedError, match="there is no deadline"):
        extend_call(failed, DEADLINE + timedelta(hours=5), DEADLINE)
    with pytest.raises(CallRefusedError, match="must be defaulted"):
        close_call(late, line, Minor(0), NOW)
    with pytest.raises(CallRefusedError, match="8000000 minor units are owed"):
        close_call(failed, line, Minor(8_000_000), NOW)
    assert close_call(failed, line, Minor(0), NOW).state is CallState.CLOSED


def test_one_observation_is_enough_where_the_lender_says_so() -> None:
    """The count is the facility's own."""
    facility = replace(OWING, policy=Policy(liquidation_observations=1), cure_hours=1)
    holding = follow(
        make_holding(facility=facility), decide_standing(make_holding(facility=facility), NOW)
    )

    standing = decide_standing(
        replace(holding, quotes={COPPER: make_quote("8999", -7_200)}), NOW + timedelta(hours=2)
    )

    assert standing.call is not None
    assert standing.call.state is CallState.LIQUIDATABLE
