"""Trading calendars: made, and their holidays imported."""

from collections.abc import Sequence
from typing import Final

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.ids import CalendarId, PartyId
from backend.market.errors import CalendarTakenError, NotOwnerError
from backend.market.service.instruments import owner_of
from backend.market.store import calendars as store
from backend.market.types import Calendar, CalendarDay
from backend.parties.types import Actor

DAYS_MAX: Final = 5_000  # Of one calendar: each valuation loads them all; a century of holidays.


def add_calendar(conn: Conn, calendar: Calendar, owner: PartyId | None) -> Calendar:
    """Make a calendar.

    Raises:
        InvalidError: It is closed on every day of the week.
        CalendarTakenError: There is one of that id.
    """
    if len(calendar.week) != 7 or not any(calendar.week):
        raise InvalidError("week", calendar.week, "seven days from Monday on, at least one traded")
    if not store.add_calendar(conn, calendar, owner):
        raise CalendarTakenError(calendar.id)
    return calendar


def load_calendar(conn: Conn, calendar_id: CalendarId) -> Calendar:
    """Return a calendar.

    Raises:
        NotFoundError: There is none of that id.
    """
    found = store.load_calendars(conn, [calendar_id]).get(calendar_id)
    if found is None:
        raise NotFoundError("calendar", calendar_id)
    return found


def import_days(
    conn: Conn, actor: Actor, calendar_id: CalendarId, days: Sequence[CalendarDay]
) -> Calendar:
    """Store days that differ from a calendar's week; what was said of them before is replaced.

    Raises:
        NotFoundError: There is no such calendar.
        NotOwnerError: It is another party's.
        InvalidError: It would have more days than are kept.
    """
    load_calendar(conn, calendar_id)
    if store.load_owner(conn, calendar_id) not in (actor.party_id, owner_of(actor)):
        raise NotOwnerError("calendar", calendar_id)
    if days:
        store.save_calendar_days(conn, calendar_id, days)
    count = store.count_calendar_days(conn, calendar_id)
    if count > DAYS_MAX:
        raise InvalidError("days", count, f"at most {DAYS_MAX} of a calendar")
    return load_calendar(conn, calendar_id)
