"""Prices: what each instrument is valued at now, or why it can not be; and which wait."""

from datetime import datetime
from typing import Annotated

from fastapi import Form, Request, Response
from pydantic import AwareDatetime, BaseModel, StringConstraints

from backend.deps import CurrentPrincipal, Db, Now
from backend.ids import InstrumentId
from backend.market import service, store
from backend.market.http import prices as http
from backend.market.http.fields import AsFeed, InstrumentKey, Source
from backend.market.rules.calendars import age_bound, age_days
from backend.market.service.instruments import owner_of
from backend.market.types import InstrumentQuote, Unusable
from backend.parties.types import Actor, Role
from backend.web.console import go, new_router, render

router = new_router()

HELD_SHOWN_MAX = 100  # More, and somebody's feed is broken: the API has them all.
EVENTS_SHOWN_MAX = 20


class DecisionFields(BaseModel):
    """Which held price is decided, and why."""

    source: Source
    time: AwareDatetime
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


@router.get("/market")
def list_prices(request: Request, db: Db, who: CurrentPrincipal, now: Now) -> Response:
    """Show each instrument with the price in use and its age, and the prices that wait."""
    with db.acting(who.actor) as conn:
        ids = store.list_instrument_ids(conn)
        quotes = service.load_quotes(conn, ids, now)
        held = store.list_held(conn, HELD_SHOWN_MAX)
    own = {key for key in ids if _sets_prices(who.actor, quotes[key])}
    return render(
        request,
        who,
        "market.html",
        rows=[_row(quotes[key], now) for key in ids],
        held=[
            {"instrument": quotes[key].instrument, "event": event, "own": key in own}
            for key, event in held
            if key in quotes
        ],
    )


@router.get("/market/{instrument_id}")
def show_instrument(
    instrument_id: InstrumentKey, request: Request, db: Db, who: CurrentPrincipal, now: Now
) -> Response:
    """Show what happened to an instrument's prices, and its differentials."""
    with db.acting(who.actor) as conn:
        instrument = service.load_instrument(conn, InstrumentId(instrument_id))
        quote = service.load_quotes(conn, [instrument.id], now)[instrument.id]
        events = store.list_price_events(conn, instrument.id, EVENTS_SHOWN_MAX)
    return render(
        request,
        who,
        "instrument.html",
        row=_row(quote, now),
        events=events,
        differentials=sorted(quote.differentials.values(), key=lambda each: each.grade),
    )


@router.post("/market/{instrument_id}/accept")
def accept_price(
    instrument_id: InstrumentKey,
    request: Request,
    db: Db,
    actor: AsFeed,
    now: Now,
    form: Annotated[DecisionFields, Form()],
) -> Response:
    """Let a price that waits count."""
    body = http.HeldPriceBody(source=form.source, time=form.time, reason=form.reason)
    http.accept_held_price(instrument_id, body, db, actor, now)
    return go(request, "/market")


@router.post("/market/{instrument_id}/reject")
def reject_price(
    instrument_id: InstrumentKey,
    request: Request,
    db: Db,
    actor: AsFeed,
    now: Now,
    form: Annotated[DecisionFields, Form()],
) -> Response:
    """Let a price that waits never count."""
    body = http.HeldPriceBody(source=form.source, time=form.time, reason=form.reason)
    http.reject_held_price(instrument_id, body, db, actor, now)
    return go(request, "/market")


def _sets_prices(actor: Actor, quote: InstrumentQuote) -> bool:
    if actor.role not in (Role.LENDER, Role.OPERATOR):
        return False
    return quote.instrument.owner_party in (actor.party_id, owner_of(actor))


def _row(quote: InstrumentQuote, now: datetime) -> dict[str, object]:
    instrument, decision = quote.instrument, quote.decision
    usable = None if isinstance(decision, Unusable) else decision
    return {
        "instrument": instrument,
        "volatility": quote.volatility,
        "usable": usable,
        "unusable": decision if isinstance(decision, Unusable) else None,
        "age_days": None if usable is None else age_days(usable.at, now, instrument.calendar),
        "age_bound": age_bound(instrument),
    }
