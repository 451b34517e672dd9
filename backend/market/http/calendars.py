"""Routes of trading calendars."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Body
from pydantic import Field

from backend.deps import CurrentActor, Db, Now
from backend.ids import CalendarId
from backend.market.http import fields
from backend.market.http.fields import AsFeed, CalendarKey, Name
from backend.market.rules.calendar_file import DAYS_MAX, read_calendar_csv, read_ical
from backend.market.rules.calendars import day_of
from backend.market.service import calendars as service
from backend.market.service.instruments import owner_of
from backend.market.store import calendars as store
from backend.market.types import Calendar, CalendarDay
from backend.parties.types import Actor

router = APIRouter(prefix="/api", tags=["market"])

Week = Annotated[list[bool], Field(min_length=7, max_length=7)]
_PAGE_MAX: Final = service.DAYS_MAX


class CalendarBody(fields.Body):
    """A calendar to make; ``week`` tells from Monday on which days are traded."""

    id: CalendarKey
    name: Name
    week: Week


class CalendarDayBody(fields.Body):
    """A day of UTC that differs from the week: a holiday, or a special session."""

    day: date
    trades: bool = False
    name: Name


class CalendarDaysBody(fields.Body):
    """Days that differ from the week; what was said of them before is replaced."""

    days: Annotated[list[CalendarDayBody], Field(min_length=1, max_length=DAYS_MAX)]


class CalendarView(CalendarBody):
    """A calendar with how many days differ from its week, and those to come."""

    exceptions: int
    to_come: list[CalendarDayBody]


@router.post("/calendars", status_code=201)
def add_calendar(body: CalendarBody, db: Db, actor: AsFeed, now: Now) -> CalendarView:
    """Make a trading calendar."""
    calendar = Calendar(id=CalendarId(body.id), name=body.name, week=tuple(body.week))
    with db.acting(actor) as conn:
        service.add_calendar(conn, calendar, owner_of(actor))
    return _view(calendar, [], day_of(now))


@router.get("/calendars")
def list_calendars(db: Db, actor: CurrentActor) -> list[CalendarBody]:
    """Return every calendar."""
    with db.acting(actor) as conn:
        ids = store.list_calendar_ids(conn)
        found = store.load_calendars(conn, ids)
    return [CalendarBody(id=key, name=found[key].name, week=list(found[key].week)) for key in ids]


@router.get("/calendars/{calendar_id}")
def get_calendar(calendar_id: CalendarKey, db: Db, actor: CurrentActor, now: Now) -> CalendarView:
    """Return a calendar with the days to come that differ from its week."""
    with db.acting(actor) as conn:
        calendar = service.load_calendar(conn, CalendarId(calendar_id))
        days = store.load_calendar_days(conn, calendar.id, day_of(now), _PAGE_MAX)
    return _view(calendar, days, day_of(now))


@router.post("/calendars/{calendar_id}/days", status_code=201)
def add_calendar_days(
    calendar_id: CalendarKey, body: CalendarDaysBody, db: Db, actor: AsFeed, now: Now
) -> CalendarView:
    """Add holidays and special sessions."""
    days = [CalendarDay(day=d.day, trades=d.trades, name=d.name) for d in body.days]
    return _import(calendar_id, days, db, actor, day_of(now))


@router.post("/calendars/{calendar_id}/days.csv", status_code=201)
def import_calendar_csv(
    calendar_id: CalendarKey,
    content: Annotated[bytes, Body(media_type="text/csv")],
    db: Db,
    actor: AsFeed,
    now: Now,
) -> CalendarView:
    """Add the days of a CSV file: Date,Name or Date,Name,Trades; all of them or none."""
    return _import(calendar_id, read_calendar_csv(content), db, actor, day_of(now))


@router.post("/calendars/{calendar_id}/days.ics", status_code=201)
def import_calendar_ical(
    calendar_id: CalendarKey,
    content: Annotated[bytes, Body(media_type="text/calendar")],
    db: Db,
    actor: AsFeed,
    now: Now,
) -> CalendarView:
    """Add the whole-day events of an iCalendar file as holidays; all of them or none."""
    return _import(calendar_id, read_ical(content), db, actor, day_of(now))


def _import(
    calendar_id: str, days: Sequence[CalendarDay], db: Db, actor: Actor, today: date
) -> CalendarView:
    with db.acting(actor) as conn:
        key = CalendarId(calendar_id)
        calendar = service.import_days(conn, actor, key, days)
        to_come = store.load_calendar_days(conn, key, today, _PAGE_MAX)
    return _view(calendar, to_come, today)


def _view(calendar: Calendar, days: Sequence[CalendarDay], today: date) -> CalendarView:
    return CalendarView(
        id=calendar.id,
        name=calendar.name,
        week=list(calendar.week),
        exceptions=len(calendar.exceptions),
        to_come=[
            CalendarDayBody(day=d.day, trades=d.trades, name=d.name)
            for d in days
            if d.day >= today
        ],
    )
