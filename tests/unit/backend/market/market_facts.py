"""Builders of instruments, quotes and rates, with keyword overrides."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from backend.ids import CalendarId, InstrumentId
from backend.market.rules import decide_price
from backend.market.types import (
    Calendar,
    Differential,
    DifferentialKind,
    Instrument,
    InstrumentQuote,
    Quality,
    Quote,
    Quotes,
    SourceHead,
    Unit,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # A Monday.
WEEKDAYS = Calendar(
    id=CalendarId("WEEKDAYS"), name="x", week=(True, True, True, True, True, False, False)
)


def make_instrument(**overrides: object) -> Instrument:
    """Return copper in dollars a tonne, quoted on weekdays, good for one trading day."""
    values: dict[str, Any] = {
        "id": InstrumentId("LME-CU"),
        "name": "Copper",
        "unit": Unit.TNE,
        "currency": "USD",
        "max_price_age_s": None,
        "max_price_age_days": 1,
        "calendar": WEEKDAYS,
        "jump_max_bps": 5_000,
        "haircut_floor_bps": 1_000,
        "short_history_haircut_bps": 5_000,
        **overrides,
    }
    return Instrument(**values)


def make_quote(value: str | None, at: datetime = NOW, **overrides: object) -> InstrumentQuote:
    """Return an instrument with a price of one source; None: never quoted."""
    instrument = make_instrument(**overrides)
    heads: list[SourceHead] = []
    if value is not None:
        quote = Quote(source="feed", at=at, value=Decimal(value), quality=Quality.ACCEPTED)
        heads.append(SourceHead(source="feed", accepted=quote, held=None))
    return InstrumentQuote(
        instrument=instrument, decision=decide_price(heads, instrument, NOW), volatility=None
    )


def make_rate(pair: str, value: str | None, at: datetime = NOW) -> InstrumentQuote:
    """Return a rate of exchange, as USD/EUR: euros for a dollar."""
    base, quote = pair.split("/")
    return make_quote(
        value,
        at,
        id=InstrumentId(f"{base}-{quote}"),
        unit=Unit.C62,
        currency=quote,
        fx_base=base,
        haircut_floor_bps=0,
    )


def book(*quotes: InstrumentQuote) -> Quotes:
    """Return quotes by their instruments."""
    return {each.instrument.id: each for each in quotes}


def make_differential(**overrides: object) -> Differential:
    """Return a discount of 50 a unit on grade B, from today on."""
    values: dict[str, Any] = {
        "id": 1,
        "grade": "B",
        "kind": DifferentialKind.ABSOLUTE,
        "amount": Decimal(-50),
        "first_day": NOW.date(),
        "last_day": None,
        **overrides,
    }
    return Differential(**values)


def days_ago(count: int) -> datetime:
    """Return a moment so many days ago."""
    return NOW - timedelta(days=count)


def day(text: str) -> date:
    """Return a day."""
    return date.fromisoformat(text)
