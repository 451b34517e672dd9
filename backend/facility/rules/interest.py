"""What accrues each day: interest, commitment fee, penalty; exact, rounded once. Pure.

A day's amount is the exact sum of all days so far, rounded up to a whole minor unit, less what was
booked before: so the sum of the amounts is never a whole unit off, however many days there are.
Days are days of UTC, balances those at their close.

Source: 2006 ISDA Definitions, section 4.16: (d) Actual/365 (Fixed), (e) Actual/360,
(g) 30E/360 (Eurobond basis, ICMA rule 251). 30/360 of 4.16(f) is not offered: its days do not add
up (from the 29th over the 30th to the 31st they count 1, over both days 2), so no daily accrual
agrees with it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from backend.facility.rules.dues import split_owed
from backend.facility.types import (
    Accrual,
    AccrualKind,
    Component,
    DayCount,
    Ledger,
    Movement,
    Parts,
    Rate,
    Schedule,
)
from backend.money import BPS, Minor

DAY: Final = timedelta(days=1)
_YEAR_DAYS: Final = {DayCount.ACT_360: 360, DayCount.ACT_365F: 365, DayCount.E30_360: 360}
_YEARS: Final = 26_280  # The least common multiple of 360 and 365.
UNITS: Final = BPS * _YEARS  # Parts of a minor unit in which every day's accrual is whole.
DAYS_MAX: Final = 400  # In one go: a facility is held for it; what is left is booked next time.


def count_days(day: date, day_count: DayCount) -> int:
    """Return how many days a convention counts from a day to the next: 1, or 0 to 3 in 30E/360."""
    return 1 if day_count is not DayCount.E30_360 else _eurobond(day + DAY) - _eurobond(day)


def _eurobond(day: date) -> int:
    return 360 * day.year + 30 * day.month + min(day.day, 30)


def exact_units(base_minor: int, annual_bps: int, days: int, day_count: DayCount) -> int:
    """Return what accrues over some days, exactly, in parts of a minor unit (``UNITS``)."""
    return base_minor * annual_bps * days * (_YEARS // _YEAR_DAYS[day_count])


def rate_on(rates: Sequence[Rate], day: date) -> Rate | None:
    """Return the rate of a day, of rates in the order of their days."""
    at = bisect_right(rates, day, key=lambda rate: rate.from_day)
    return rates[at - 1] if at else None


def accrue(ledger: Ledger, through: date) -> Sequence[Accrual]:
    """Return what is not booked yet, up to and with a day, in the order of the days.

    The whole of it follows from the entries: of a ledger without accruals it is all of them again.
    """
    if not ledger.rates:
        return []
    booked = list(ledger.accruals)
    ahead = {accrual.kind: accrual.ahead_units for accrual in booked}
    begin = max((accrual.day for accrual in booked), default=ledger.rates[0].from_day - DAY) + DAY
    found: list[Accrual] = []
    for number in range(min(DAYS_MAX, (through - begin).days + 1)):
        day = begin + number * DAY
        rate = rate_on(ledger.rates, day)
        assert rate is not None, "the first rate is not after the first day"
        close = _balance(ledger, booked, day)
        drawn = close.principal_minor
        late = _past_due(ledger, booked, close, day)
        for kind, base, bps in (
            (AccrualKind.INTEREST, drawn, rate.annual_bps),
            (AccrualKind.COMMITMENT, max(0, ledger.limit_minor - drawn), rate.commitment_bps),
            (AccrualKind.PENALTY, late, rate.penalty_bps),
        ):
            accrual = _accrue_one(
                kind, day, Minor(base), (bps, rate.day_count), ahead.get(kind, 0)
            )
            ahead[kind] = accrual.ahead_units
            found.append(accrual)
            booked.append(accrual)
    return found


def _accrue_one(
    kind: AccrualKind, day: date, base: Minor, rate: tuple[int, DayCount], ahead: int
) -> Accrual:
    annual_bps, day_count = rate
    days = count_days(day, day_count)
    exact = exact_units(base, annual_bps, days, day_count)
    amount = max(0, -((ahead - exact) // UNITS))
    return Accrual(
        kind=kind,
        day=day,
        base_minor=base,
        annual_bps=annual_bps,
        day_count=day_count,
        days=days,
        amount_minor=Minor(amount),
        ahead_units=ahead + amount * UNITS - exact,
    )


def close_of(day: date) -> datetime:
    """Return the moment at which a day is over."""
    return datetime.combine(day + DAY, time(), tzinfo=UTC)


def _balance(ledger: Ledger, booked: Iterable[Accrual], day: date) -> Parts:
    """Return what is owed at the close of a day, after what accrued before that day."""
    moved = [each for each in ledger.movements if each.at < close_of(day)]
    paid = sum_settled(moved)
    sums = sum_accrued(booked)
    charged = sum(amount for charged_on, _, amount in ledger.charges if charged_on <= day)
    return Parts(
        penalty_minor=Minor(sums[AccrualKind.PENALTY] - paid.penalty_minor),
        fees_minor=Minor(sums[AccrualKind.COMMITMENT] + charged - paid.fees_minor),
        interest_minor=Minor(sums[AccrualKind.INTEREST] - paid.interest_minor),
        principal_minor=Minor(sum(each.drawn_minor for each in moved) - paid.principal_minor),
    )


def _past_due(ledger: Ledger, booked: Sequence[Accrual], close: Parts, day: date) -> int:
    """Return what is past due at the close of a day, without penalties: none on a penalty."""
    moved = [each for each in ledger.movements if each.at < close_of(day)]
    schedule = Schedule(
        dues=ledger.dues,
        accrued={
            due.due_on: accrued_before(booked, due.due_on)
            for due in ledger.dues
            if due.component is Component.INTEREST and due.due_on <= day
        },
        charges=tuple((due_on, amount) for on, due_on, amount in ledger.charges if on <= day),
        settled=sum_settled(moved),
        payments=tuple((each.at, each.settled.principal_minor) for each in moved),
    )
    owed = replace(close, penalty_minor=Minor(0))
    return split_owed(owed, schedule, ledger.grace_days, day).past_due.total_minor


def accrued_before(accruals: Iterable[Accrual], day: date) -> tuple[Minor, Minor]:
    """Return the interest and the commitment fee that accrued before a day."""
    sums = sum_accrued(each for each in accruals if each.day < day)
    return Minor(sums[AccrualKind.INTEREST]), Minor(sums[AccrualKind.COMMITMENT])


def sum_accrued(accruals: Iterable[Accrual]) -> dict[AccrualKind, int]:
    """Return the sums of accruals by kind."""
    sums = dict.fromkeys(AccrualKind, 0)
    for each in accruals:
        sums[each.kind] += each.amount_minor
    return sums


def sum_settled(movements: Iterable[Movement]) -> Parts:
    """Return all that was repaid or written off, by parts."""
    moved = list(movements)
    return Parts(
        penalty_minor=Minor(sum(each.settled.penalty_minor for each in moved)),
        fees_minor=Minor(sum(each.settled.fees_minor for each in moved)),
        interest_minor=Minor(sum(each.settled.interest_minor for each in moved)),
        principal_minor=Minor(sum(each.settled.principal_minor for each in moved)),
    )
