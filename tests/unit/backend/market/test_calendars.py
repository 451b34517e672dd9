"""Staleness in trading days: weekends do not age a price, missed trading days do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidError
from backend.ids import CalendarId
from backend.market.rules import decide_price
from backend.market.rules.calendar_file import read_calendar_csv, read_ical
from backend.market.rules.calendars import age_days, retired_at, stale_at
from backend.market.types import Calendar, Instrument, Quality, Quote, SourceHead, Unusable, Usable
from tests.unit.backend.market.market_facts import NOW, WEEKDAYS, day, make_instrument, make_quote

MONTH_BEFORE = NOW - timedelta(days=30)
PRICE = Decimal(9_000)
FRIDAY = datetime(2026, 2, 27, tzinfo=UTC)
calendars = st.builds(
    Calendar,
    id=st.just(CalendarId("X")),
    name=st.just("x"),
    week=st.tuples(*[st.booleans()] * 7),
    exceptions=st.dictionaries(st.dates(day("2026-02-01"), day("2026-03-31")), st.booleans()),
)
instruments = st.builds(
    make_instrument,
    calendar=calendars,
    max_price_age_days=st.integers(0, 5),
    max_price_age_s=st.none() | st.integers(1, 10 * 86_400),
)


@pytest.mark.parametrize(
    ("age_days_max", "now", "usable"),
    [
        (1, "2026-03-01T23:59:59", True),  # Sunday
        (1, "2026-03-02T23:59:59", True),  # Monday, before its settlement is published
        (1, "2026-03-03T00:00:00", False),  # Tuesday: Monday was missed
        (0, "2026-03-01T23:59:59", True),
        (0, "2026-03-02T00:00:00", False),
        (2, "2026-03-03T23:59:59", True),
    ],
)
def test_fridays_price_is_good_over_the_weekend_and_no_longer_than_its_days(
    age_days_max: int, now: str, usable: bool
) -> None:
    """Only days on which something should have been quoted make a price old."""
    instrument = make_instrument(max_price_age_days=age_days_max)
    quote = Quote(source="a", at=FRIDAY, value=PRICE, quality=Quality.ACCEPTED)
    head = SourceHead(source="a", accepted=quote, held=None)

    decision = decide_price([head], instrument, datetime.fromisoformat(f"{now}+00:00"))

    assert isinstance(decision, Usable) is usable
    if isinstance(decision, Unusable):
        assert "of WEEKDAYS" in decision.detail


def test_a_holiday_does_not_age_a_price_and_a_special_session_does() -> None:
    """Both are days that differ from the week."""
    closed = replace(WEEKDAYS, exceptions={day("2026-03-02"): False})
    opened = replace(WEEKDAYS, exceptions={day("2026-02-28"): True})

    assert stale_at(FRIDAY, make_instrument(calendar=closed)).date() == day("2026-03-03")
    assert stale_at(FRIDAY, make_instrument(calendar=WEEKDAYS)).date() == day("2026-03-02")
    assert stale_at(FRIDAY, make_instrument(calendar=opened)).date() == day("2026-03-01")
    assert age_days(FRIDAY, NOW, closed) == 0
    assert age_days(FRIDAY, NOW, WEEKDAYS) == 1
    assert age_days(FRIDAY, NOW, opened) == 2


def test_where_nobody_ever_trades_every_price_is_stale() -> None:
    """A calendar closed for more than a year is a mistake, and locks."""
    never = Calendar(id=CalendarId("X"), name="x", week=(False,) * 7)

    assert stale_at(FRIDAY, make_instrument(calendar=never)) == FRIDAY


def test_with_both_bounds_the_earlier_counts() -> None:
    """An intraday feed of an exchange that closes: seconds while it trades, days across a gap."""
    both = make_instrument(max_price_age_s=3_600)

    assert stale_at(FRIDAY, both) == FRIDAY + timedelta(hours=1)
    assert isinstance(make_quote("1", FRIDAY, max_price_age_s=3_600).decision, Unusable)


@given(
    instrument=instruments,
    at=st.datetimes(MONTH_BEFORE.replace(tzinfo=None), NOW.replace(tzinfo=None)),
    later_s=st.integers(0, 30 * 86_400),
)
def test_staleness_is_monotone(instrument: Instrument, at: datetime, later_s: int) -> None:
    """A newer price is never stale before an older one, and none retires before it is stale."""
    older = at.replace(tzinfo=UTC)
    newer = older + timedelta(seconds=later_s)

    assert older <= stale_at(older, instrument) <= stale_at(newer, instrument)
    assert stale_at(older, instrument) <= retired_at(older, instrument)


@given(instrument=instruments, age_s=st.integers(0, 40 * 86_400), more_s=st.integers(0, 86_400))
def test_what_is_stale_stays_stale(instrument: Instrument, age_s: int, more_s: int) -> None:
    """Time alone never makes a price usable again."""
    at = NOW - timedelta(seconds=age_s)
    quote = Quote(source="a", at=at, value=PRICE, quality=Quality.ACCEPTED)
    head = SourceHead(source="a", accepted=quote, held=None)

    before = decide_price([head], instrument, NOW)
    after = decide_price([head], instrument, NOW + timedelta(seconds=more_s))

    assert isinstance(before, Usable) or isinstance(after, Unusable)


def test_holidays_are_read_from_csv_and_icalendar() -> None:
    """The same days from both; DTEND is not included; folded lines are one."""
    csv = b"Date,Name,Trades\r\n2026-12-25,Christmas Day,no\r\n2026-12-26,Second day,no\r\n"
    ical = (
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261225\r\n"
        b"DTEND;VALUE=DATE:20261227\r\nSUMMARY:Christ\r\n mas\\, both days\r\nEND:VEVENT\r\n"
        b"END:VCALENDAR\r\n"
    )

    assert [(d.day.day, d.trades) for d in read_calendar_csv(csv)] == [(25, False), (26, False)]
    assert [(d.day.day, d.name) for d in read_ical(ical)] == [
        (25, "Christmas, both days"),
        (26, "Christmas, both days"),
    ]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"Day,Name\n", "line 1"),
        (b"Date,Name\n2026-02-30,x\n", "line 2: Date"),
        (b"Date,Name,Trades\n2026-02-03,x,perhaps\n", "line 2: Trades"),
        (b"Date,Name\n2026-02-03,\n", "line 2"),
        (b"Date,Name\n\xff\n", "file"),
    ],
)
def test_a_bad_calendar_file_is_refused_by_its_line(content: bytes, field: str) -> None:
    """Nothing of it is taken."""
    with pytest.raises(InvalidError) as caught:
        read_calendar_csv(content)

    assert caught.value.detail["field"] == field


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (b"DTSTART:20261225T000000Z\r\n", "DTSTART"),
        (b"DTSTART;VALUE=DATE:20261225\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:x\r\n", "RRULE"),
        (b"DTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20270225\r\nSUMMARY:x\r\n", "DTEND"),
        (b"DTSTART;VALUE=DATE:20261325\r\nSUMMARY:x\r\n", "DTSTART"),
        (b"SUMMARY:x\r\n", "DTSTART"),
    ],
)
def test_an_event_that_is_no_plain_whole_day_refuses_the_file(event: bytes, field: str) -> None:
    """Which days it closes would be a guess."""
    content = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + event + b"END:VEVENT\r\nEND:VCALENDAR\r\n"
    with pytest.raises(InvalidError) as caught:
        read_ical(content)

    assert caught.value.detail["field"] == field
