"""What is done with instruments and prices: loaded, decided by the rules, stored."""

from backend.market.service.instruments import add_instrument, load_instrument
from backend.market.service.prices import (
    AHEAD_S_MAX,
    SOURCES_MAX,
    check_terms,
    decide_held_price,
    import_price_csv,
    record_prices,
)
from backend.market.service.quotes import load_quotes

__all__ = [
    "AHEAD_S_MAX",
    "SOURCES_MAX",
    "add_instrument",
    "check_terms",
    "decide_held_price",
    "import_price_csv",
    "load_instrument",
    "load_quotes",
    "record_prices",
]
