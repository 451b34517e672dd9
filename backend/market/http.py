"""Routes of instruments and their prices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from backend.deps import AsLender, CurrentActor, Db, Now, require
from backend.ids import InstrumentId
from backend.market import service, store
from backend.market.rules import PRICE_ABS_MAX, PRICE_DECIMALS_MAX
from backend.market.types import (
    Instrument,
    InstrumentQuote,
    NewPrice,
    Quality,
    Quote,
    Recorded,
    Unit,
    Usable,
)
from backend.parties.types import Actor, Role

router = APIRouter(prefix="/api", tags=["market"])

PAGE_PRICES_MAX: Final = 5_000  # Twenty years of days, or an hour of seconds.
QUOTES_SHOWN_MAX: Final = 100  # Of an import: enough to see what waits.
INSTRUMENT_PATTERN: Final = r"^[A-Z0-9][A-Z0-9-]{0,31}$"
SOURCE_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,31}$"

AsFeed = Annotated[Actor, Depends(require(Role.LENDER, Role.OPERATOR))]
InstrumentKey = Annotated[str, StringConstraints(pattern=INSTRUMENT_PATTERN)]
Source = Annotated[str, StringConstraints(pattern=SOURCE_PATTERN)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class InstrumentBody(BaseModel):
    """An instrument to register."""

    model_config = ConfigDict(extra="forbid")

    id: InstrumentKey
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    unit: Unit
    currency: Currency
    max_price_age_s: Annotated[int, Field(ge=1, le=366 * 86_400)]
    jump_max_bps: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    haircut_floor_bps: Annotated[int, Field(ge=0, le=10_000)]
    short_history_haircut_bps: Annotated[int, Field(ge=0, le=10_000)] = 5_000


class PriceView(BaseModel):
    """A quote of one source; held ones wait for a second source or a lender."""

    source: str
    time: datetime
    value: Decimal
    quality: Quality


class InstrumentView(InstrumentBody):
    """An instrument with the price that is used now, or why there is none."""

    usable: bool
    price: Decimal | None
    price_time: datetime | None
    price_source: str | None
    unusable_because: str | None
    sigma_daily: float | None
    history_days: int


class PriceBody(BaseModel):
    """A price of one source at one time; zero and below are real."""

    model_config = ConfigDict(extra="forbid")

    time: AwareDatetime
    value: Annotated[
        Decimal, Field(gt=-PRICE_ABS_MAX, lt=PRICE_ABS_MAX, decimal_places=PRICE_DECIMALS_MAX)
    ]
    currency: Currency
    unit: Unit
    source: Source


class PriceFileTerms(BaseModel):
    """Whose prices a file holds, and in what."""

    model_config = ConfigDict(extra="forbid")

    source: Source
    currency: Currency
    unit: Unit


class PricePage(BaseModel):
    """Which prices to return: from, included, to before."""

    model_config = ConfigDict(extra="forbid")

    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    limit: Annotated[int, Field(ge=1, le=PAGE_PRICES_MAX)] = 500


class HeldPriceBody(BaseModel):
    """Which held price a lender answers for."""

    model_config = ConfigDict(extra="forbid")

    source: Source
    time: AwareDatetime


class RecordedView(BaseModel):
    """What became of the prices; the first held ones are listed."""

    accepted: int
    held: int
    duplicates: int
    promoted: int
    skipped_lines: list[int]
    held_prices: list[PriceView]


@router.post("/instruments", status_code=201)
def add_instrument(body: InstrumentBody, db: Db, actor: AsFeed, now: Now) -> InstrumentView:
    """Register what is quoted."""
    instrument = Instrument(
        id=InstrumentId(body.id),
        name=body.name,
        unit=body.unit,
        currency=body.currency,
        max_price_age_s=body.max_price_age_s,
        jump_max_bps=body.jump_max_bps,
        haircut_floor_bps=body.haircut_floor_bps,
        short_history_haircut_bps=body.short_history_haircut_bps,
    )
    with db.acting(actor) as conn:
        service.add_instrument(conn, instrument)
        return _instrument_view(service.load_quotes(conn, [instrument.id], now)[instrument.id])


@router.get("/instruments")
def list_instruments(db: Db, actor: CurrentActor, now: Now) -> list[InstrumentView]:
    """Return every instrument with the price that is used now."""
    with db.acting(actor) as conn:
        ids = [instrument.id for instrument in store.list_instruments(conn)]
        quotes = service.load_quotes(conn, ids, now)
    return [_instrument_view(quotes[key]) for key in ids]


@router.get("/instruments/{instrument_id}")
def get_instrument(
    instrument_id: InstrumentKey, db: Db, actor: CurrentActor, now: Now
) -> InstrumentView:
    """Return an instrument with the price that is used now."""
    with db.acting(actor) as conn:
        key = service.load_instrument(conn, InstrumentId(instrument_id)).id
        return _instrument_view(service.load_quotes(conn, [key], now)[key])


@router.post("/instruments/{instrument_id}/prices", status_code=201)
def add_price(
    instrument_id: InstrumentKey, body: PriceBody, db: Db, actor: AsFeed, now: Now
) -> RecordedView:
    """Store a price; the same sent again is a duplicate, another for that time is refused."""
    with db.acting(actor) as conn:
        instrument = service.load_instrument(conn, InstrumentId(instrument_id))
        service.check_terms(instrument, body.currency, body.unit)
        price = NewPrice(source=body.source, at=body.time, value=body.value)
        return _recorded_view(service.record_prices(conn, instrument, [price], now))


@router.post("/instruments/{instrument_id}/prices.csv", status_code=201)
def import_prices(
    instrument_id: InstrumentKey,
    content: Annotated[bytes, Body(media_type="text/csv")],
    terms: Annotated[PriceFileTerms, Query()],
    db: Db,
    actor: AsFeed,
    now: Now,
) -> RecordedView:
    """Store a file of daily prices (header Date,Price), the whole of it or nothing."""
    with db.acting(actor) as conn:
        instrument = service.load_instrument(conn, InstrumentId(instrument_id))
        service.check_terms(instrument, terms.currency, terms.unit)
        recorded = service.import_price_csv(conn, instrument, terms.source, content, now)
    return _recorded_view(recorded)


@router.post("/instruments/{instrument_id}/prices/accept")
def accept_held_price(
    instrument_id: InstrumentKey, body: HeldPriceBody, db: Db, actor: AsLender
) -> PriceView:
    """Let a price that waits count: the lender answers for it."""
    with db.acting(actor) as conn:
        quote = service.accept_held_price(
            conn, InstrumentId(instrument_id), body.source, body.time
        )
    return _price_view(quote)


@router.get("/instruments/{instrument_id}/prices")
def list_prices(
    instrument_id: InstrumentKey,
    page: Annotated[PricePage, Query()],
    db: Db,
    actor: CurrentActor,
    now: Now,
) -> list[PriceView]:
    """Return the newest quotes, newest first."""
    with db.acting(actor) as conn:
        key = service.load_instrument(conn, InstrumentId(instrument_id)).id
        quotes = store.list_prices(
            conn,
            key,
            page.start or datetime(1, 1, 1, tzinfo=UTC),
            page.end or now + timedelta(seconds=2 * service.AHEAD_S_MAX),
            page.limit,
        )
    return [_price_view(quote) for quote in quotes]


def _instrument_view(quote: InstrumentQuote) -> InstrumentView:
    instrument, decision, volatility = quote.instrument, quote.decision, quote.volatility
    usable = decision if isinstance(decision, Usable) else None
    return InstrumentView(
        id=instrument.id,
        name=instrument.name,
        unit=instrument.unit,
        currency=instrument.currency,
        max_price_age_s=instrument.max_price_age_s,
        jump_max_bps=instrument.jump_max_bps,
        haircut_floor_bps=instrument.haircut_floor_bps,
        short_history_haircut_bps=instrument.short_history_haircut_bps,
        usable=usable is not None,
        price=None if usable is None else usable.price,
        price_time=None if usable is None else usable.at,
        price_source=None if usable is None else usable.source,
        unusable_because=None if isinstance(decision, Usable) else decision.detail,
        sigma_daily=None if volatility is None else volatility.sigma_daily,
        history_days=0 if volatility is None else volatility.days,
    )


def _recorded_view(recorded: Recorded) -> RecordedView:
    held = [quote for quote in recorded.quotes if quote.quality is Quality.HELD]
    return RecordedView(
        accepted=recorded.accepted,
        held=recorded.held,
        duplicates=recorded.duplicates,
        promoted=recorded.promoted,
        skipped_lines=list(recorded.skipped_lines),
        held_prices=[_price_view(quote) for quote in held[:QUOTES_SHOWN_MAX]],
    )


def _price_view(quote: Quote) -> PriceView:
    return PriceView(source=quote.source, time=quote.at, value=quote.value, quality=quote.quality)
