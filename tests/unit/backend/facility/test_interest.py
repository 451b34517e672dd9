"""What accrues: conventions, one rounding, and the same sum however it is booked."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.facility.rules.interest import (
    DAYS_MAX,
    UNITS,
    accrue,
    count_days,
    exact_units,
    rate_on,
    sum_accrued,
)
from backend.facility.types import (
    AccrualKind,
    Component,
    DayCount,
    Due,
    Ledger,
    Movement,
    Parts,
    Rate,
)
from backend.money import Minor

BEGIN = date(2026, 1, 1)
DAY = timedelta(days=1)
YEAR_DAYS = {DayCount.ACT_360: 360, DayCount.ACT_365F: 365, DayCount.E30_360: 360}


def at(day: date, hour: int = 12) -> datetime:
    """Return a time of a day."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def make_ledger(**overrides: object) -> Ledger:
    """Return 1,000,000.00 drawn on the first day at 6 % of actual/360."""
    rate = Rate(from_day=BEGIN, day_count=DayCount.ACT_360, annual_bps=600)
    values: dict[str, object] = {
        "limit_minor": Minor(150_000_000),
        "grace_days": 0,
        "rates": (rate,),
        "movements": (Movement(at=at(BEGIN), drawn_minor=Minor(100_000_000)),),
        **overrides,
    }
    return Ledger(**values)  # type: ignore[arg-type]


def total(ledger: Ledger, through: date, kind: AccrualKind = AccrualKind.INTEREST) -> int:
    """Return the sum of what accrues through a day."""
    return sum_accrued(accrue(ledger, through))[kind]


@pytest.mark.parametrize(
    ("begin", "end", "days"),
    [
        # Source: 2006 ISDA Definitions 4.16(g), by its formula.
        (date(2026, 1, 15), date(2026, 2, 15), 30),
        (date(2026, 1, 30), date(2026, 2, 28), 28),
        (date(2026, 2, 28), date(2026, 3, 31), 32),
        (date(2026, 1, 31), date(2026, 3, 31), 60),
        (date(2024, 2, 29), date(2025, 2, 28), 359),
        (date(2026, 1, 1), date(2027, 1, 1), 360),
    ],
)
def test_30e_360_counts_days_as_the_definition_does(begin: date, end: date, days: int) -> None:
    """And the days between two dates are the sum of the single ones."""
    d1, d2 = min(begin.day, 30), min(end.day, 30)
    formula = 360 * (end.year - begin.year) + 30 * (end.month - begin.month) + d2 - d1

    counted = sum(count_days(begin + n * DAY, DayCount.E30_360) for n in range((end - begin).days))

    assert counted == formula == days


@pytest.mark.parametrize(
    ("day_count", "minor"),
    [
        (DayCount.ACT_360, 6_083_334),  # 1,000,000 x 6 % x 365 / 360, rounded up
        (DayCount.ACT_365F, 6_000_000),
        (DayCount.E30_360, 6_000_000),
    ],
)
def test_a_year_of_interest_is_rounded_once(day_count: DayCount, minor: int) -> None:
    """365 daily amounts add up to the year's exact interest, rounded up once."""
    rate = Rate(from_day=BEGIN, day_count=day_count, annual_bps=600)

    assert total(make_ledger(rates=(rate,)), date(2026, 12, 31)) == minor


def test_the_rate_of_a_day_is_the_last_that_has_begun() -> None:
    """Versioned by date: half a month at 6 %, then at 12 %."""
    rates = (
        Rate(from_day=BEGIN, day_count=DayCount.ACT_360, annual_bps=600),
        Rate(from_day=date(2026, 1, 16), day_count=DayCount.ACT_360, annual_bps=1_200),
    )

    assert rate_on(rates, BEGIN - DAY) is None
    assert total(make_ledger(rates=rates), date(2026, 1, 30)) == 15 * 1_666_667 // 100 + 500_000


def test_a_commitment_fee_is_on_what_is_not_drawn() -> None:
    """500,000.00 of the limit are not drawn: 1 % a year of them."""
    rate = Rate(from_day=BEGIN, day_count=DayCount.ACT_360, annual_bps=0, commitment_bps=100)

    found = total(make_ledger(rates=(rate,)), date(2026, 2, 5), AccrualKind.COMMITMENT)

    assert found == 50_000


def test_a_penalty_is_on_what_is_past_due_and_on_no_penalty() -> None:
    """From the day after the due day and its grace, until it is paid."""
    rate = Rate(from_day=BEGIN, day_count=DayCount.ACT_360, annual_bps=0, penalty_bps=3_600)
    due = Due(
        due_on=date(2026, 1, 10),
        component=Component.PRINCIPAL,
        amount_minor=Minor(10_000_000),
        set_at=at(BEGIN),
    )
    paid = Movement(at=at(date(2026, 1, 20)), settled=Parts(principal_minor=Minor(10_000_000)))
    ledger = make_ledger(
        rates=(rate,), dues=(due,), movements=(*make_ledger().movements, paid), grace_days=2
    )

    late = [
        each.day.day
        for each in accrue(ledger, date(2026, 1, 31))
        if each.kind is AccrualKind.PENALTY and each.amount_minor
    ]

    assert late == list(range(13, 20))
    assert total(ledger, date(2026, 1, 31), AccrualKind.PENALTY) == 7 * 10_000


@given(
    bases=st.lists(st.integers(0, 10**13), min_size=1, max_size=40),
    bps=st.integers(0, 100_000),
    day_count=st.sampled_from(DayCount),
    cuts=st.sets(st.integers(0, 39)),
)
def test_accruals_follow_from_the_entries_alone(
    bases: list[int], bps: int, day_count: DayCount, cuts: set[int]
) -> None:
    """Booked in any pieces, twice or all at once, it is the exact sum rounded up once."""
    balances = [0, *bases]
    moves = tuple(
        Movement(
            at=at(BEGIN + n * DAY),
            drawn_minor=Minor(max(0, new - old)),
            settled=Parts(principal_minor=Minor(max(0, old - new))),
        )
        for n, (old, new) in enumerate(pairwise(balances))
    )
    rate = Rate(from_day=BEGIN, day_count=day_count, annual_bps=bps)
    ledger = make_ledger(rates=(rate,), movements=moves, limit_minor=Minor(10**14))
    last = BEGIN + (len(bases) - 1) * DAY

    whole = accrue(ledger, last)
    pieces = ledger
    for day in sorted(BEGIN + cut * DAY for cut in {*cuts, len(bases) - 1} if cut < len(bases)):
        pieces = replace(pieces, accruals=(*pieces.accruals, *accrue(pieces, day)))
        assert accrue(pieces, day) == []

    assert list(pieces.accruals) == list(whole)
    exact = Fraction(0)
    for n, base in enumerate(bases):
        days = count_days(BEGIN + n * DAY, day_count)
        exact += Fraction(base * bps * days, 10_000 * YEAR_DAYS[day_count])
    assert sum_accrued(whole)[AccrualKind.INTEREST] == -(-exact.numerator // exact.denominator)
    assert all(0 <= each.ahead_units < UNITS for each in whole)


def test_a_timekeeper_that_was_away_goes_on_in_bounded_steps() -> None:
    """No more than so many days in one go; the rest next time."""
    ledger = make_ledger()
    first = accrue(ledger, date(2030, 1, 1))

    assert len(first) == 3 * DAYS_MAX
    then = accrue(replace(ledger, accruals=tuple(first)), date(2030, 1, 1))
    assert then[0].day == first[-1].day + DAY


def test_units_are_whole_for_every_convention() -> None:
    """One unit of money at one basis point for one day is a whole number of parts."""
    assert exact_units(1, 1, 1, DayCount.ACT_360) * 360 == 26_280
    assert exact_units(1, 1, 1, DayCount.ACT_365F) * 365 == 26_280
