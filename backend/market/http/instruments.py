"""Routes of instruments and rates of exchange."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field, model_validator

from backend.deps import CurrentActor, Db, Now
from backend.ids import CalendarId, InstrumentId
from backend.market import service, store
from backend.market.http.fields import (
    AsFeed,
    Body,
    CalendarKey,
    Currency,
    InstrumentKey,
    MassUnit,
    Name,
)
from backend.market.service.instruments import owner_of
from backend.market.types import EVERY_DAY, Calendar, Instrument, InstrumentQuote, Unit, Usable

router = APIRouter(prefix="/api", tags=["market"])

AGE_DAYS_MAX: Final = 20  # A month without a price: nothing is known by then.


class InstrumentBody(Body):
    """An instrument to register: goods, or with ``fx_base`` a rate of exchange.

    A rate is in ``currency`` for one of ``fx_base``. At least one maximal age is set.
    """

    id: InstrumentKey
    name: Name
    unit: MassUnit = Unit.C62
    currency: Currency
    fx_base: Currency | None = None
    max_price_age_s: Annotated[int, Field(ge=1, le=366 * 86_400)] | None = None
    max_price_age_days: Annotated[int, Field(ge=0, le=AGE_DAYS_MAX)] | None = None
    calendar_id: CalendarKey = EVERY_DAY.id
    jump_floor_bps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    jump_sigmas: Annotated[int, Field(ge=1, le=100)] = 10
    jump_max_bps: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    haircut_floor_bps: Annotated[int, Field(ge=0, le=10_000)] = 0
    short_history_haircut_bps: Annotated[int, Field(ge=0, le=10_000)] = 5_000

    @model_validator(mode="after")
    def check_goods(self) -> Self:
        """Ask of goods for what a rate of exchange does not have."""
        if self.fx_base is None and not {"unit", "haircut_floor_bps"} <= self.model_fields_set:
            message = "unit and haircut_floor_bps are required, unless fx_base is set"
            raise ValueError(message)
        return self


class InstrumentView(Body):
    """An instrument with the price that is used now, or why there is none."""

    id: str
    name: str
    unit: Unit
    currency: str
    fx_base: str | None
    max_price_age_s: int | None
    max_price_age_days: int | None
    calendar_id: str
    jump_floor_bps: int
    jump_sigmas: int
    jump_max_bps: int
    haircut_floor_bps: int
    short_history_haircut_bps: int
    owner_party: UUID | None
    usable: bool
    price: Decimal | None
    price_time: datetime | None
    price_source: str | None
    stale_at: datetime | None
    unusable_because: str | None
    sigma_daily: float | None
    history_days: int


@router.post("/instruments", status_code=201)
def add_instrument(body: InstrumentBody, db: Db, actor: AsFeed, now: Now) -> InstrumentView:
    """Register what is quoted; the caller's party sets its prices, an operator the platform's."""
    floor_bps = 1_000 if body.jump_floor_bps is None else body.jump_floor_bps
    instrument = Instrument(
        id=InstrumentId(body.id),
        name=body.name,
        unit=body.unit,
        currency=body.currency,
        max_price_age_s=body.max_price_age_s,
        jump_max_bps=body.jump_max_bps,
        haircut_floor_bps=body.haircut_floor_bps,
        short_history_haircut_bps=body.short_history_haircut_bps,
        max_price_age_days=body.max_price_age_days,
        calendar=_named(body.calendar_id),
        jump_floor_bps=min(floor_bps, body.jump_max_bps)
        if body.jump_floor_bps is None
        else floor_bps,
        jump_sigmas=body.jump_sigmas,
        fx_base=body.fx_base,
        owner_party=owner_of(actor),
    )
    with db.acting(actor) as conn:
        service.add_instrument(conn, instrument)
        return instrument_view(service.load_quotes(conn, [instrument.id], now)[instrument.id])


@router.get("/instruments")
def list_instruments(db: Db, actor: CurrentActor, now: Now) -> list[InstrumentView]:
    """Return every instrument with the price that is used now."""
    with db.acting(actor) as conn:
        ids = store.list_instrument_ids(conn)
        quotes = service.load_quotes(conn, ids, now)
    return [instrument_view(quotes[key]) for key in ids]


@router.get("/instruments/{instrument_id}")
def get_instrument(
    instrument_id: InstrumentKey, db: Db, actor: CurrentActor, now: Now
) -> InstrumentView:
    """Return an instrument with the price that is used now."""
    with db.acting(actor) as conn:
        key = service.load_instrument(conn, InstrumentId(instrument_id)).id
        return instrument_view(service.load_quotes(conn, [key], now)[key])


def _named(calendar_id: str) -> Calendar:
    """Return a calendar of which only the id counts: it is looked up when it is stored."""
    return Calendar(id=CalendarId(calendar_id), name="", week=EVERY_DAY.week)


def instrument_view(quote: InstrumentQuote) -> InstrumentView:
    """Return an instrument as it is shown."""
    instrument, decision, volatility = quote.instrument, quote.decision, quote.volatility
    usable = decision if isinstance(decision, Usable) else None
    return InstrumentView(
        id=instrument.id,
        name=instrument.name,
        unit=instrument.unit,
        currency=instrument.currency,
        fx_base=instrument.fx_base,
        max_price_age_s=instrument.max_price_age_s,
        max_price_age_days=instrument.max_price_age_days,
        calendar_id=instrument.calendar.id,
        jump_floor_bps=instrument.jump_floor_bps,
        jump_sigmas=instrument.jump_sigmas,
        jump_max_bps=instrument.jump_max_bps,
        haircut_floor_bps=instrument.haircut_floor_bps,
        short_history_haircut_bps=instrument.short_history_haircut_bps,
        owner_party=instrument.owner_party,
        usable=usable is not None,
        price=None if usable is None else usable.price,
        price_time=None if usable is None else usable.at,
        price_source=None if usable is None else usable.source,
        stale_at=None if usable is None else usable.stale_at,
        unusable_because=None if isinstance(decision, Usable) else decision.detail,
        sigma_daily=None if volatility is None else volatility.sigma_daily,
        history_days=0 if volatility is None else volatility.days,
    )
