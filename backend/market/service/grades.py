"""Grades: how much more or less they cost than what is quoted, and on which days."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.ids import InstrumentId
from backend.market.rules.calendars import day_of
from backend.market.store import grades as store
from backend.market.types import Differential, DifferentialKind, Instrument
from backend.parties.types import Actor

PERCENT_MIN, PERCENT_MAX = Decimal(-100), Decimal(1_000)  # As the database has it.


def add_differential(
    conn: Conn, actor: Actor, instrument: Instrument, differential: Differential, now: datetime
) -> Differential:
    """Set a grade's differential for the days of a window.

    Raises:
        InvalidError: The instrument is a rate, the window ends before it begins, or begins in the
            past: what was valued then is not valued anew.
        DifferentialOverlapError: Another one is in force on one of the days.
    """
    if instrument.fx_base is not None:
        raise InvalidError("instrument", instrument.id, "of goods: a rate has no grades")
    today = day_of(now)
    if differential.first_day < today:
        raise InvalidError("first_day", differential.first_day.isoformat(), f"{today} or later")
    _check_window(differential.first_day, differential.last_day)
    percent = differential.kind is DifferentialKind.PERCENT
    if percent and not PERCENT_MIN <= differential.amount <= PERCENT_MAX:
        raise InvalidError("amount", f"{differential.amount:f}", "-100 to 1000 per cent")
    key = store.add_differential(conn, instrument.id, differential, actor.account_id, now)
    return replace(differential, id=key)


def end_differential(
    conn: Conn, instrument_id: InstrumentId, differential_id: int, last_day: date, now: datetime
) -> Differential:
    """Let a differential end with a day of today or later; never with one that is over.

    Raises:
        NotFoundError: There is no such differential.
        InvalidError: The day is past, before its first day, or after its last one.
    """
    found = store.load_differential(conn, instrument_id, differential_id)
    if found is None:
        raise NotFoundError("differential", f"{differential_id} of {instrument_id}")
    today = day_of(now)
    if last_day < today:
        raise InvalidError("last_day", last_day.isoformat(), f"{today} or later")
    if found.last_day is not None and last_day > found.last_day:
        raise InvalidError("last_day", last_day.isoformat(), f"at most {found.last_day}")
    _check_window(found.first_day, last_day)
    store.save_last_day(conn, differential_id, last_day)
    return replace(found, last_day=last_day)


def _check_window(first_day: date, last_day: date | None) -> None:
    if last_day is not None and last_day < first_day:
        raise InvalidError("last_day", last_day.isoformat(), f"{first_day} or later")
