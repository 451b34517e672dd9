"""Routes of prices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Body, Query
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from backend.db import Database
from backend.deps import CurrentActor, Db, Now
from backend.ids import InstrumentId
from backend.market import service, store
from backend.market.http import fields
from backend.market.http.fields import AsFeed, Currency, InstrumentKey, MassUnit, Source
from backend.market.rules import PRICE_ABS_MAX, PRICE_DECIMALS_MAX
from backend.market.service.feeds import load_postable
from backend.market.service.instruments import load_own_instrument
from backend.market.types import Decision, FeedKind, NewPrice, PriceEvent, Quality, Quote, Recorded
from backend.parties.types import Actor

router = APIRouter(prefix="/api", tags=["market"])

PAGE_PRICES_MAX: Final = 5_000  # Twenty years of days, or an hour of seconds.
EVENTS_SHOWN_MAX: Final = 500  # For people: older ones are in the database.
QUOTES_SHOWN_MAX: Final = 100  # Of an import: enough to see what waits.


class PriceView(BaseModel):
    """A quote of one source; held ones wait for a second source or a lender."""

    source: str
    time: datetime
    value: Decimal
    quality: Quality


class PriceBody(fields.Body):
    """A price of one source at one time; zero and below are real."""

    time: AwareDatetime
    value: Annotated[
        Decimal, Field(gt=-PRICE_ABS_MAX, lt=PRICE_ABS_MAX, decimal_places=PRICE_DECIMALS_MAX)
    ]
    currency: Currency
    unit: MassUnit
    source: Source


class PriceFileTerms(fields.Body):
    """Whose prices a file holds, and in what."""

    source: Source
    currency: Currency
    unit: MassUnit


class PricePage(fields.Body):
    """Which prices to return: from, included, to before."""

    start: Annotated[AwareDatetime | None, Field(alias="from")] = None
    end: Annotated[AwareDatetime | None, Field(alias="to")] = None
    limit: Annotated[int, Field(ge=1, le=PAGE_PRICES_MAX)] = 500


class HeldPriceBody(fields.Body):
    """Which held price is decided, and why; what is written stays."""

    source: Source
    time: AwareDatetime
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class PriceEventView(BaseModel):
    """What happened to a price after it came in, by whom, and why."""

    source: str
    time: datetime
    value: Decimal
    happened_at: datetime
    actor: str
    what: str
    reason: str


class HeldPriceView(PriceEventView):
    """A price that waits, and why."""

    instrument_id: str


class RecordedView(BaseModel):
    """What became of the prices; the first held ones are listed."""

    accepted: int
    held: int
    duplicates: int
    promoted: int
    skipped_lines: list[int]
    held_prices: list[PriceView]


@router.post("/instruments/{instrument_id}/prices", status_code=201)
def add_price(
    instrument_id: InstrumentKey, body: PriceBody, db: Db, actor: AsFeed, now: Now
) -> RecordedView:
    """Store a price; the same sent again is a duplicate, another for that time is refused."""
    with db.acting(actor) as conn:
        instrument = load_postable(
            conn, actor, InstrumentId(instrument_id), body.source, FeedKind.HTTP_PUSH
        )
        service.check_terms(instrument, body.currency, body.unit)
        price = NewPrice(source=body.source, at=body.time, value=body.value)
        return _recorded_view(
            service.record_prices(conn, instrument, [price], now, f"api:{actor.login}")
        )


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
        instrument = load_postable(
            conn, actor, InstrumentId(instrument_id), terms.source, FeedKind.FILE
        )
        service.check_terms(instrument, terms.currency, terms.unit)
        recorded = service.import_price_csv(
            conn, instrument, terms.source, content, now, f"api:{actor.login}"
        )
    return _recorded_view(recorded)


@router.post("/instruments/{instrument_id}/prices/accept")
def accept_held_price(
    instrument_id: InstrumentKey, body: HeldPriceBody, db: Db, actor: AsFeed, now: Now
) -> PriceView:
    """Let a price that waits count: the instrument's owner answers for it."""
    return _decide(instrument_id, body, Quality.ACCEPTED, db, actor, now)


@router.post("/instruments/{instrument_id}/prices/reject")
def reject_held_price(
    instrument_id: InstrumentKey, body: HeldPriceBody, db: Db, actor: AsFeed, now: Now
) -> PriceView:
    """Let a price that waits never count: the instrument's owner answers for it."""
    return _decide(instrument_id, body, Quality.REJECTED, db, actor, now)


def _decide(
    instrument_id: str,
    body: HeldPriceBody,
    quality: Quality,
    db: Database,
    actor: Actor,
    now: datetime,
) -> PriceView:
    decision = Decision(account_id=actor.account_id, login=actor.login, at=now, reason=body.reason)
    with db.acting(actor) as conn:
        instrument = load_own_instrument(conn, actor, InstrumentId(instrument_id))
        quote = service.decide_held_price(
            conn, instrument, (body.source, body.time), quality, decision
        )
    return _price_view(quote)


@router.get("/instruments/{instrument_id}/price-events")
def list_price_events(
    instrument_id: InstrumentKey, db: Db, actor: CurrentActor
) -> list[PriceEventView]:
    """Return what happened last to an instrument's prices, newest first."""
    with db.acting(actor) as conn:
        key = service.load_instrument(conn, InstrumentId(instrument_id)).id
        events = store.list_price_events(conn, key, EVENTS_SHOWN_MAX)
    return [PriceEventView.model_validate(_event(each)) for each in events]


@router.get("/held-prices")
def list_held_prices(db: Db, actor: CurrentActor) -> list[HeldPriceView]:
    """Return the prices of all instruments that wait, newest first."""
    with db.acting(actor) as conn:
        held = store.list_held(conn, EVENTS_SHOWN_MAX)
    return [HeldPriceView.model_validate(_event(e) | {"instrument_id": key}) for key, e in held]


def _event(event: PriceEvent) -> dict[str, object]:
    return {
        "source": event.source,
        "time": event.at,
        "value": event.value,
        "happened_at": event.happened_at,
        "actor": event.actor,
        "what": event.what,
        "reason": event.reason,
    }


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
