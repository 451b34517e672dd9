"""What the market knows, in the database."""

from backend.market.store.instruments import list_instrument_ids, list_instruments
from backend.market.store.prices import (
    list_held,
    list_price_events,
    list_prices,
    load_daily_prices,
    load_heads,
    load_quote,
)

__all__ = [
    "list_held",
    "list_instrument_ids",
    "list_instruments",
    "list_price_events",
    "list_prices",
    "load_daily_prices",
    "load_heads",
    "load_quote",
]
