"""Trading days, and until when a price may be used. Pure.

A day is a day of UTC: prices of a file stand at the beginning of theirs. A day that a calendar
does not except is decided by its week, so that a holiday nobody entered makes prices stale early.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from backend.market.types import Calendar, Instrument

RETIRED_AFTER_AGES: Final = 10  # A source silent for so many maximal ages has left the market.
CLOSED_DAYS_MAX: Final = 366  # Longer closed, and nobody trades there: prices are stale at once.
_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)


def is_trading_day(calendar: Calendar, day: date) -> bool:
    """Return whether something is quoted on a day."""
    return calendar.exceptions.get(day, calendar.week[day.weekday()])


def trading_day_after(calendar: Calendar, day: date, count: int) -> date | None:
    """Return the ``count``-th trading day after a day; None: too many are closed in a row."""
    closed = 0
    while count > 0:
        day += _DAY
        if is_trading_day(calendar, day):
            count, closed = count - 1, 0
        elif (closed := closed + 1) > CLOSED_DAYS_MAX:
            return None
    return day


def count_trading_days(calendar: Calendar, start: date, end: date, *, count_max: int) -> int:
    """Return how many trading days come after ``start`` up to ``end``; no more than a maximum."""
    count = 0
    while start < end and count < count_max:
        start += _DAY
        count += is_trading_day(calendar, start)
    return count


def day_of(at: datetime) -> date:
    """Return the day of UTC of a moment."""
    return at.astimezone(UTC).date()


def last_moment_before(day: date) -> datetime:
    """Return the last moment of the day before, in UTC."""
    return datetime.combine(day, time.min, tzinfo=UTC) - _INSTANT


def stale_at(at: datetime, instrument: Instrument) -> datetime:
    """Return the last moment at which a price of ``at`` may be used.

    With an age in trading days, as many may begin without a new price; the next one makes it
    stale. So Friday's price is good over the weekend, and with an age of one day on Monday too.
    """
    bounds: list[datetime] = []
    if instrument.max_price_age_s is not None:
        bounds.append(at + timedelta(seconds=instrument.max_price_age_s))
    if instrument.max_price_age_days is not None:
        bounds.append(_days_after(at, instrument, instrument.max_price_age_days + 1))
    return min(bounds, default=at)


def retired_at(at: datetime, instrument: Instrument) -> datetime:
    """Return the moment after which a source that was silent since ``at`` has no say any more."""
    bounds: list[datetime] = []
    if instrument.max_price_age_s is not None:
        age_s = RETIRED_AFTER_AGES * instrument.max_price_age_s
        bounds.append(at + timedelta(seconds=age_s))
    if instrument.max_price_age_days is not None:
        days = RETIRED_AFTER_AGES * (instrument.max_price_age_days + 1)
        bounds.append(_days_after(at, instrument, days))
    return max(bounds, default=at)


def _days_after(at: datetime, instrument: Instrument, count: int) -> datetime:
    day = trading_day_after(instrument.calendar, day_of(at), count)
    return at if day is None else max(at, last_moment_before(day))


def reach(instrument: Instrument) -> timedelta:
    """Return how far apart two quotes can be of which the older one is not stale yet.

    An upper bound, for what is read from the database: weeks of one day and a long holiday.
    """
    spans: list[timedelta] = []
    if instrument.max_price_age_s is not None:
        spans.append(timedelta(seconds=instrument.max_price_age_s))
    if instrument.max_price_age_days is not None:
        spans.append(timedelta(weeks=instrument.max_price_age_days + 1, days=31))
    return min(spans, default=timedelta(0))


def age_days(at: datetime, now: datetime, calendar: Calendar) -> int:
    """Return how many trading days have begun since the day of a price; 99 at most."""
    return count_trading_days(calendar, day_of(at), day_of(now), count_max=99)


def age_bound(instrument: Instrument) -> str:
    """Return an instrument's maximal age, for a person."""
    words: list[str] = []
    if instrument.max_price_age_s is not None:
        words.append(f"{instrument.max_price_age_s} s")
    if (days := instrument.max_price_age_days) is not None:
        words.append(f"{days} trading day{'' if days == 1 else 's'} of {instrument.calendar.id}")
    return " or ".join(words) or "none"
