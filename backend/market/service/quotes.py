"""Quotes out: which price may be used now, of each instrument."""

from collections.abc import Sequence
from datetime import datetime

from backend.db import Conn
from backend.ids import InstrumentId
from backend.market.rules import decide_price
from backend.market.rules.calendars import day_of
from backend.market.store import instruments
from backend.market.store.prices import load_heads
from backend.market.types import InstrumentQuote, Quotes


def load_quotes(conn: Conn, ids: Sequence[InstrumentId], now: datetime) -> Quotes:
    """Return each instrument that exists with the decision on its price and its volatility.

    With every rate of exchange beside them: whoever values in another currency needs it.
    """
    known = instruments.load_instruments(conn, ids, day_of(now))
    heads = load_heads(conn, [*known])
    return {
        key: InstrumentQuote(
            instrument=instrument,
            decision=decide_price(heads.get(key, ()), instrument, now),
            volatility=volatility,
            differentials=differentials,
        )
        for key, (instrument, volatility, differentials) in known.items()
    }
