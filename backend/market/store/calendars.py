"""Trading calendars in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Final

from backend.db import Conn
from backend.ids import CalendarId, PartyId
from backend.market.types import Calendar, CalendarDay

CALENDARS_MAX: Final = 500  # A list for people; an installation has tens.

_CALENDARS: Final = """
SELECT c.id, c.name, c.week, array_agg(d.day) FILTER (WHERE d.day IS NOT NULL),
  array_agg(d.trades) FILTER (WHERE d.day IS NOT NULL)
FROM calendar c LEFT JOIN calendar_day d ON d.calendar_id = c.id
WHERE c.id = ANY(%s) GROUP BY c.id
"""


def add_calendar(conn: Conn, calendar: Calendar, owner: PartyId | None) -> bool:
    """Store a calendar without exceptions; return false when its id is taken."""
    statement = (
        "INSERT INTO calendar (id, name, week, owner_party) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING"
    )
    week = "".join("1" if trades else "0" for trades in calendar.week)
    return conn.execute(statement, [calendar.id, calendar.name, week, owner]).rowcount == 1


def list_calendar_ids(conn: Conn) -> Sequence[CalendarId]:
    """Return every calendar's id, in order."""
    query = "SELECT id FROM calendar ORDER BY id LIMIT %s"
    return [CalendarId(row[0]) for row in conn.execute(query, [CALENDARS_MAX])]


def load_calendars(conn: Conn, ids: Collection[CalendarId]) -> Mapping[CalendarId, Calendar]:
    """Return calendars with the days that differ from their weeks."""
    return {
        CalendarId(key): Calendar(
            id=CalendarId(key),
            name=name,
            week=tuple(each == "1" for each in week),
            exceptions=dict(zip(days or (), trades or (), strict=True)),
        )
        for key, name, week, days, trades in conn.execute(_CALENDARS, [list(ids)])
    }


def load_owner(conn: Conn, calendar_id: CalendarId) -> PartyId | None:
    """Return whose a calendar is; None: the platform's."""
    row = conn.execute("SELECT owner_party FROM calendar WHERE id = %s", [calendar_id]).fetchone()
    return None if row is None or row[0] is None else PartyId(row[0])


def load_calendar_days(
    conn: Conn, calendar_id: CalendarId, start: date, limit: int
) -> Sequence[CalendarDay]:
    """Return the days from one on that differ from a calendar's week."""
    query = (
        "SELECT day, trades, name FROM calendar_day WHERE calendar_id = %s AND day >= %s"
        " ORDER BY day LIMIT %s"
    )
    rows = conn.execute(query, [calendar_id, start, limit])
    return [CalendarDay(day=day, trades=trades, name=name) for day, trades, name in rows]


def count_calendar_days(conn: Conn, calendar_id: CalendarId) -> int:
    """Return how many days differ from a calendar's week."""
    query = "SELECT count(*) FROM calendar_day WHERE calendar_id = %s"
    row = conn.execute(query, [calendar_id]).fetchone()
    return 0 if row is None else int(row[0])


def save_calendar_days(conn: Conn, calendar_id: CalendarId, days: Sequence[CalendarDay]) -> None:
    """Store days that differ from a calendar's week; what was said of them before is replaced."""
    statement = (
        "INSERT INTO calendar_day (calendar_id, day, trades, name)"
        " SELECT %s, d, t, n FROM unnest(%s::date[], %s::boolean[], %s::text[]) AS u (d, t, n)"
        " ON CONFLICT (calendar_id, day) DO UPDATE SET trades = excluded.trades,"
        " name = excluded.name"
    )
    values = [calendar_id, [d.day for d in days], [d.trades for d in days], [d.name for d in days]]
    conn.execute(statement, values)
