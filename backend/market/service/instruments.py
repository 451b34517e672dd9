"""Instruments: registered by a party that sets their prices from then on."""

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.ids import InstrumentId, PartyId
from backend.market.errors import InstrumentTakenError, NotOwnerError
from backend.market.store import calendars
from backend.market.store import instruments as store
from backend.market.types import GRAMS_PER_UNIT, Instrument, Unit
from backend.money import CURRENCIES
from backend.parties.types import Actor, Role


def owner_of(actor: Actor) -> PartyId | None:
    """Return for whom an account registers: its party, or the platform for an operator."""
    return None if actor.role is Role.OPERATOR else actor.party_id


def add_instrument(conn: Conn, instrument: Instrument) -> Instrument:
    """Register an instrument.

    Raises:
        InvalidError: A currency is none, the unit is no mass, or no age bounds its prices.
        InstrumentTakenError: There is one of that id.
    """
    check_currency("currency", instrument.currency)
    if instrument.fx_base is None:
        if instrument.unit not in GRAMS_PER_UNIT:
            raise InvalidError("unit", instrument.unit.value, "a unit of mass for goods")
    else:
        check_currency("fx_base", instrument.fx_base)
        if instrument.fx_base == instrument.currency:
            raise InvalidError("fx_base", instrument.fx_base, "another currency than currency")
        if instrument.unit is not Unit.C62:
            raise InvalidError("unit", instrument.unit.value, "C62, one, for a rate of exchange")
    if instrument.max_price_age_s is None and instrument.max_price_age_days is None:
        raise InvalidError(
            "max_price_age_days", None, "set, or max_price_age_s: no price is good for ever"
        )
    if instrument.jump_floor_bps > instrument.jump_max_bps:
        raise InvalidError(
            "jump_floor_bps",
            instrument.jump_floor_bps,
            f"at most jump_max_bps, {instrument.jump_max_bps}",
        )
    if not calendars.load_calendars(conn, [instrument.calendar.id]):
        raise NotFoundError("calendar", instrument.calendar.id)
    if not store.add_instrument(conn, instrument):
        raise InstrumentTakenError(instrument.id)
    return instrument


def load_instrument(conn: Conn, instrument_id: InstrumentId) -> Instrument:
    """Return an instrument.

    Raises:
        NotFoundError: There is none of that id.
    """
    found = store.load_instrument(conn, instrument_id)
    if found is None:
        raise NotFoundError("instrument", instrument_id)
    return found


def load_own_instrument(conn: Conn, actor: Actor, instrument_id: InstrumentId) -> Instrument:
    """Return an instrument whose prices the actor's party sets.

    Raises:
        NotFoundError: There is none of that id.
        NotOwnerError: It is another party's.
    """
    instrument = load_instrument(conn, instrument_id)
    if instrument.owner_party not in (actor.party_id, owner_of(actor)):
        raise NotOwnerError("instrument", instrument_id)
    return instrument


def check_currency(field: str, code: str) -> None:
    """Refuse what is no currency.

    Raises:
        InvalidError: It is none.
    """
    if code not in CURRENCIES:
        raise InvalidError(field, code, "an active currency of ISO 4217 with a minor unit")
