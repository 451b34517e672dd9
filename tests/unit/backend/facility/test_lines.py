"""Where coverage stands against the lines: down at once, up only when it lasts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.alerts.types import AlertKind, Severity
from backend.facility.rules.lines import line_of, move_line
from backend.facility.rules.standing import alert_steps
from backend.facility.types import (
    LineStanding,
    LineState,
    LockReason,
)
from backend.money import Minor
from tests.unit.backend.facility.facts import (
    COPPER,
    FACILITY,
    NOW,
    SOUND,
    make_facility,
    make_holding,
    make_lines,
    make_quote,
    reasons,
    stand,
    stored,
    valued,
)

ABOVE = LineStanding(state=LineState.ABOVE, recovered_valuations=0)


def move(standing: LineStanding, *coverages: int | None, observed: bool = True) -> LineStanding:
    """Move through several complete valuations."""
    for coverage in coverages:
        standing = move_line(standing, make_lines(), valued(coverage), is_observation=observed)
    return standing


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


def test_a_line_falls_at_once_and_recovers_after_several_valuations() -> None:
    """Down on one valuation; up only after three above the line and its margin."""
    fallen = move(ABOVE, 12_000)

    assert fallen.state is LineState.CALL
    assert move(fallen, 13_500, 13_500).state is LineState.CALL
    assert move(fallen, 13_500, 13_500, 13_500).state is LineState.WARNING
    assert move(fallen, 16_000, 16_000, 16_000).state is LineState.ABOVE
    assert move(fallen, None, None, None).state is LineState.ABOVE


def test_a_facility_recovers_to_the_line_that_each_valuation_supports() -> None:
    """Two valuations above the call line and one far above the warning line lift it by one."""
    fallen = move(ABOVE, 12_000)

    assert move(fallen, 13_500, 13_500, 20_000).state is LineState.WARNING
    assert move(fallen, 20_000, 13_500, 20_000).state is LineState.WARNING
    assert move(fallen, 20_000, 20_000, 13_500).state is LineState.WARNING


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
    assert first.call is not None
    due = first.call.cure.cash_minor
    assert 9_000_000 * 10_000 // (8_000_000 - due) >= 13_500
    assert 9_000_000 * 10_000 // (8_000_001 - due) < 13_500


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


def test_after_an_outage_draws_lock_at_once_and_lines_wait() -> None:
    """Lending lesson 12: a facility is not called on a valuation that lacks a price."""
    owing = make_facility(principal_minor=Minor(8_000_000))
    standing = stand(make_holding(facility=owing, quotes={COPPER: make_quote(age_s=3_601)}))

    assert standing.line.state is LineState.ABOVE
    assert LockReason.PRICE_STALE in reasons(standing)
    assert LockReason.BELOW_CALL_LINE not in reasons(standing)


@pytest.mark.parametrize(
    ("price", "age_s", "kind"),
    [("0", 0, AlertKind.PRICE_DROP), ("9000", 3_601, AlertKind.PRICE_STALE)],
)
def test_a_price_that_may_not_be_used_raises_an_alert(
    price: str, age_s: int, kind: AlertKind
) -> None:
    """One cause for each instrument, told apart: fallen to nothing, or old."""
    steps = alert_steps(stand(make_holding(quotes={COPPER: make_quote(price, age_s)})))

    found = [(each.cause, each.kind, each.facility_id) for each in steps.findings]
    assert found == [(f"facility:{FACILITY}:price:LME-CU", kind, FACILITY)]
    facility_causes = ("line", "call", "overdue", "control_value", "double_pledge")
    assert steps.ceased == tuple(f"facility:{FACILITY}:{cause}" for cause in facility_causes)


def test_a_crossed_line_raises_an_alert_as_grave_as_the_line() -> None:
    """The warning line warns, the call line and what is under it are critical."""
    severities = [
        [
            (each.kind, each.severity)
            for each in alert_steps(
                stand(make_holding(facility=make_facility(principal_minor=Minor(principal))))
            ).findings
        ]
        for principal in (5_000_000, 6_500_000, 8_000_000, 9_000_000)
    ]

    assert severities == [
        [],
        [(AlertKind.BELOW_LINE, Severity.WARNING)],
        [(AlertKind.BELOW_LINE, Severity.CRITICAL)],
        [(AlertKind.BELOW_LINE, Severity.CRITICAL)],
    ]
