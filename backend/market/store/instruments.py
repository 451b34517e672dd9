"""Instruments in the database, with their calendars and the differentials in force."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from psycopg.rows import TupleRow

from backend.db import Conn
from backend.ids import CalendarId, InstrumentId, PartyId
from backend.market.store.calendars import load_calendars
from backend.market.store.grades import load_in_force
from backend.market.types import (
    Calendar,
    Differential,
    Instrument,
    Unit,
    Volatility,
)

INSTRUMENTS_MAX: Final = 1_000  # A list for people; an installation has tens.

Known = tuple[Instrument, Volatility | None, Mapping[str, Differential]]

_INSTRUMENT: Final = (
    "SELECT i.id, i.name, i.unit, i.currency, i.max_price_age_s, i.jump_max_bps,"
    " i.haircut_floor_bps, i.short_history_haircut_bps, i.max_price_age_days, i.calendar_id,"
    " i.jump_floor_bps, i.jump_sigmas, i.fx_base, i.owner_party, v.sigma_daily, v.days"
    " FROM instrument i LEFT JOIN volatility v ON v.instrument_id = i.id"
)


def add_instrument(conn: Conn, instrument: Instrument) -> bool:
    """Store an instrument; return false when its id is taken."""
    statement = (
        "INSERT INTO instrument (id, name, unit, currency, max_price_age_s, jump_max_bps,"
        " haircut_floor_bps, short_history_haircut_bps, max_price_age_days, calendar_id,"
        " jump_floor_bps, jump_sigmas, fx_base, owner_party)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO NOTHING"
    )
    values = [
        instrument.id,
        instrument.name,
        instrument.unit,
        instrument.currency,
        instrument.max_price_age_s,
        instrument.jump_max_bps,
        instrument.haircut_floor_bps,
        instrument.short_history_haircut_bps,
        instrument.max_price_age_days,
        instrument.calendar.id,
        instrument.jump_floor_bps,
        instrument.jump_sigmas,
        instrument.fx_base,
        instrument.owner_party,
    ]
    return conn.execute(statement, values).rowcount == 1


def list_instrument_ids(conn: Conn) -> Sequence[InstrumentId]:
    """Return every instrument's id, in order."""
    query = "SELECT id FROM instrument ORDER BY id LIMIT %s"
    return [InstrumentId(row[0]) for row in conn.execute(query, [INSTRUMENTS_MAX])]


def list_instruments(conn: Conn) -> Sequence[Instrument]:
    """Return every instrument, by id."""
    rows = conn.execute(f"{_INSTRUMENT} ORDER BY i.id LIMIT %s", [INSTRUMENTS_MAX]).fetchall()
    calendars = load_calendars(conn, {CalendarId(row[9]) for row in rows})
    return [_instrument(row, calendars) for row in rows]


def load_instruments(
    conn: Conn, ids: Sequence[InstrumentId], today: date
) -> Mapping[InstrumentId, Known]:
    """Return those among ``ids`` that exist, and every rate of exchange.

    Each with what was measured of its prices, and the differentials in force today by grade.
    """
    query = f"{_INSTRUMENT} WHERE i.id = ANY(%s) OR i.fx_base IS NOT NULL"
    rows = conn.execute(query, [list(ids)]).fetchall()
    calendars = load_calendars(conn, {CalendarId(row[9]) for row in rows})
    found = load_in_force(conn, [InstrumentId(row[0]) for row in rows], today)
    return {
        InstrumentId(row[0]): (
            _instrument(row, calendars),
            None if row[14] is None else Volatility(sigma_daily=row[14], days=row[15]),
            found.get(InstrumentId(row[0]), {}),
        )
        for row in rows
    }


def load_instrument(conn: Conn, instrument_id: InstrumentId) -> Instrument | None:
    """Return one instrument."""
    row = conn.execute(f"{_INSTRUMENT} WHERE i.id = %s", [instrument_id]).fetchone()
    if row is None:
        return None
    return _instrument(row, load_calendars(conn, {CalendarId(row[9])}))


def _instrument(row: TupleRow, calendars: Mapping[CalendarId, Calendar]) -> Instrument:
    return Instrument(
        id=InstrumentId(row[0]),
        name=row[1],
        unit=Unit(row[2]),
        currency=row[3],
        max_price_age_s=row[4],
        jump_max_bps=row[5],
        haircut_floor_bps=row[6],
        short_history_haircut_bps=row[7],
        max_price_age_days=row[8],
        calendar=calendars[CalendarId(row[9])],
        jump_floor_bps=row[10],
        jump_sigmas=row[11],
        fx_base=row[12],
        owner_party=None if row[13] is None else PartyId(row[13]),
    )
