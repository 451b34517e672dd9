"""What is past due, due and not due yet; and what may be closed or written off."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidError
from backend.facility.rules.closing import Remaining, check_write_off, decide_close
from backend.facility.rules.dues import decide_owed, paid_of_dues, split_owed
from backend.facility.rules.standing import decide_standing
from backend.facility.types import Component, Due, LockReason, Parts, Policy, Schedule
from backend.money import Minor
from tests.unit.backend.facility.facts import NOW, codes, make_facility, make_holding, reasons

TODAY = NOW.date()
amounts = st.integers(0, 10**9).map(Minor)
parts = st.builds(
    Parts,
    penalty_minor=amounts,
    fees_minor=amounts,
    interest_minor=amounts,
    principal_minor=amounts,
)
days = st.integers(-40, 40).map(lambda n: TODAY + timedelta(days=n))


def due(on: date, minor: int | None, set_at: datetime = NOW) -> Due:
    """Return a due of principal, or of interest when there is no amount."""
    component = Component.INTEREST if minor is None else Component.PRINCIPAL
    amount = None if minor is None else Minor(minor)
    return Due(due_on=on, component=component, amount_minor=amount, set_at=set_at)


@given(
    owed=parts,
    settled=parts,
    dues=st.lists(st.builds(due, days, st.none() | st.integers(1, 10**8)), max_size=8),
    charges=st.lists(st.tuples(days, amounts), max_size=4),
    grace=st.integers(0, 10),
)
def test_past_due_due_and_in_advance_add_up_to_what_is_owed(
    owed: Parts,
    settled: Parts,
    dues: list[Due],
    charges: list[tuple[date, Minor]],
    grace: int,
) -> None:
    """To the cent, by parts, none below zero; and a day later no less is past due."""
    schedule = Schedule(
        dues=tuple(dues),
        accrued={each.due_on: (Minor(5_000), Minor(70)) for each in dues},
        charges=tuple(charges),
        settled=settled,
        payments=((NOW, settled.principal_minor),),
    )

    found = split_owed(owed, schedule, grace, TODAY)
    later = split_owed(owed, schedule, grace, TODAY + timedelta(days=1))

    for name in Parts.__slots__:
        tiers = [getattr(each, name) for each in (found.past_due, found.due, found.in_advance)]
        assert sum(tiers) == getattr(owed, name)
        assert min(tiers) >= 0
        assert getattr(later.past_due, name) >= getattr(found.past_due, name)


def test_a_due_is_late_when_its_day_and_the_grace_are_over() -> None:
    """Due on the 2nd with a day of grace: in time on the 3rd, OVERDUE on the 4th, until paid."""
    facility = make_facility(principal_minor=Minor(1_000), policy=Policy(grace_days=1))

    def locked(days_later: int, paid: int = 0) -> bool:
        schedule = Schedule(dues=(due(TODAY, 600),), payments=((NOW, Minor(paid)),))
        now = NOW + timedelta(days=days_later)
        found = decide_standing(make_holding(facility=facility, schedule=schedule), now)
        return LockReason.OVERDUE in reasons(found)

    assert [locked(0), locked(1), locked(2)] == [False, False, True]
    assert locked(2, paid=599)
    assert not locked(2, paid=600)


def test_interest_falls_due_as_far_as_it_had_accrued() -> None:
    """What accrued before the last interest date, less what was paid; the rest is in advance."""
    facility = make_facility(interest_minor=Minor(900), fees_minor=Minor(50))
    schedule = Schedule(
        dues=(due(TODAY - timedelta(days=1), None),),
        accrued={TODAY - timedelta(days=1): (Minor(1_000), Minor(30))},
        charges=((TODAY, Minor(20)),),
        settled=Parts(interest_minor=Minor(400)),
    )

    owed = decide_owed(facility, schedule, NOW)

    assert owed.past_due == Parts(interest_minor=Minor(600), fees_minor=Minor(30))
    assert owed.due == Parts(fees_minor=Minor(20))
    assert owed.in_advance == Parts(interest_minor=Minor(300))


def test_paying_ahead_counts_for_the_dues_that_were_set_by_then() -> None:
    """More than they are makes room to draw again, and pays no due that is set afterwards."""
    first = due(TODAY + timedelta(days=30), 100)
    second = due(TODAY + timedelta(days=60), 100, set_at=NOW + timedelta(days=2))
    early = (NOW + timedelta(days=1), Minor(150))

    assert paid_of_dues(Schedule(dues=(first, second), payments=(early,))) == 100
    again = (NOW + timedelta(days=3), Minor(40))
    assert paid_of_dues(Schedule(dues=(first, second), payments=(early, again))) == 140
    before = (NOW - timedelta(days=1), Minor(500))
    assert paid_of_dues(Schedule(dues=(first,), payments=(before,))) == 0


def test_a_facility_closes_only_when_nothing_is_left() -> None:
    """Owed, promised, pledged, unbooked: each is a reason of its own."""
    owing = make_facility(penalty_minor=Minor(1))
    full = Remaining(drawdowns=1, pledges=2, unbooked=True)
    none = Remaining(drawdowns=0, pledges=0, unbooked=False)

    assert codes(decide_close(owing, full)) == ["OWED", "PROMISED", "PLEDGED", "UNBOOKED"]
    assert codes(decide_close(owing, none)) == ["OWED"]
    assert codes(decide_close(make_facility(), none)) == []


@pytest.mark.parametrize("given_up", [0, -1, 101])
def test_no_more_is_written_off_than_is_owed(given_up: int) -> None:
    """A part outside what is owed of it, or nothing at all, is refused with its bound."""
    facility = make_facility(principal_minor=Minor(100))

    with pytest.raises(InvalidError):
        check_write_off(facility, Parts(principal_minor=Minor(given_up)))
    check_write_off(facility, Parts(principal_minor=Minor(100)))
