"""What is past due, due, and not due yet. Pure. Days are days of UTC.

Dues are cumulative: what was repaid before, also ahead of its day, counts for the oldest first.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

from backend.facility.types import Component, Facility, Owed, Parts, Schedule
from backend.money import Minor


def outstanding(facility: Facility) -> Parts:
    """Return what is owed by parts: the only place where it is read off a facility."""
    return Parts(
        penalty_minor=facility.penalty_minor,
        fees_minor=facility.fees_minor,
        interest_minor=facility.interest_minor,
        principal_minor=facility.principal_minor,
    )


def decide_owed(facility: Facility, schedule: Schedule, now: datetime) -> Owed:
    """Return everything that is owed, by when it is to be paid; the three add up to all of it."""
    return split_owed(outstanding(facility), schedule, facility.policy.grace_days, now.date())


def split_owed(owed: Parts, schedule: Schedule, grace_days: int, today: date) -> Owed:
    """Return an amount owed by when it is to be paid, on a day.

    What is due on a day is past due once that day and the days of grace are over. A penalty is
    past due as soon as it is owed: it is for being late.
    """
    settled = replace(schedule.settled, principal_minor=paid_of_dues(schedule))
    past = _cut(_due_before(schedule, today - timedelta(days=grace_days)), settled, owed)
    to_pay = _cut(_due_before(schedule, today + timedelta(days=1)), settled, owed)
    return Owed(past_due=past, due=_less(to_pay, past), in_advance=_less(owed, to_pay))


def paid_of_dues(schedule: Schedule) -> Minor:
    """Return how much was paid of the dues of principal.

    A payment counts for the dues that were set when it came, also ahead of their days. What is
    more than they are is no payment of dues set later: it made room to draw again.
    """
    principal = [due for due in schedule.dues if due.component is Component.PRINCIPAL]
    paid = 0
    for at, amount in schedule.payments:
        known = sum(due.amount_minor or 0 for due in principal if due.set_at <= at)
        paid += min(amount, max(0, known - paid))
    return Minor(paid)


def _due_before(schedule: Schedule, day: date) -> Parts:
    """Return all that ever fell due before a day, without penalties."""
    principal = sum(
        due.amount_minor or 0
        for due in schedule.dues
        if due.component is Component.PRINCIPAL and due.due_on < day
    )
    interest, commitment = max(
        (sums for due_on, sums in schedule.accrued.items() if due_on < day), default=(0, 0)
    )
    charged = sum(amount for due_on, amount in schedule.charges if due_on < day)
    return Parts(
        fees_minor=Minor(commitment + charged),
        interest_minor=Minor(interest),
        principal_minor=Minor(principal),
    )


def _cut(fallen_due: Parts, settled: Parts, owed: Parts) -> Parts:
    """Return what is still open of what fell due: never more than is owed."""

    def cut(due: int, paid: int, most: int) -> Minor:
        return Minor(min(most, max(0, due - paid)))

    return Parts(
        penalty_minor=owed.penalty_minor,
        fees_minor=cut(fallen_due.fees_minor, settled.fees_minor, owed.fees_minor),
        interest_minor=cut(fallen_due.interest_minor, settled.interest_minor, owed.interest_minor),
        principal_minor=cut(
            fallen_due.principal_minor, settled.principal_minor, owed.principal_minor
        ),
    )


def _less(parts: Parts, taken: Parts) -> Parts:
    return Parts(
        penalty_minor=Minor(parts.penalty_minor - taken.penalty_minor),
        fees_minor=Minor(parts.fees_minor - taken.fees_minor),
        interest_minor=Minor(parts.interest_minor - taken.interest_minor),
        principal_minor=Minor(parts.principal_minor - taken.principal_minor),
    )
