"""Prices in: judged by the rules, stored."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.ids import InstrumentId
from backend.market.errors import NotHeldError, PriceContradictsError
from backend.market.rules import (
    PRICE_ABS_MAX,
    PRICE_DECIMALS_MAX,
    grade_prices,
    measure_volatility,
    read_price_csv,
)
from backend.market.rules.calendars import reach
from backend.market.store import prices as store
from backend.market.types import (
    Instrument,
    NewPrice,
    Quality,
    Quote,
    Recorded,
)

SOURCES_MAX: Final = 16  # Of one instrument: each is looked at for each valuation.
AHEAD_S_MAX: Final = 60  # A feed's clock may be that much before ours; a later price never ages.


def check_terms(instrument: Instrument, currency: str, unit: str) -> None:
    """Refuse prices in another currency or per another unit than the instrument's.

    Raises:
        InvalidError: They differ: nothing is converted silently.
    """
    if currency != instrument.currency:
        raise InvalidError(
            "currency", currency, f"{instrument.currency}, the currency of {instrument.id}"
        )
    if unit != instrument.unit:
        raise InvalidError("unit", unit, f"{instrument.unit.value}, the unit of {instrument.id}")


def record_prices(
    conn: Conn, instrument: Instrument, prices: Sequence[NewPrice], now: datetime
) -> Recorded:
    """Store prices of one source: accepted, or held when they jump. All of them or none.

    What is stored already is counted as a duplicate.

    Raises:
        InvalidError: A price is out of bounds, from the future, or of one source too many.
        PriceContradictsError: The source already said something else about one of these times.
    """
    if not prices:
        return Recorded(accepted=0, held=0, duplicates=0, promoted=0)
    for price in prices:
        _check_price(price, now)
    store.lock_prices(conn, instrument.id)
    _check_source(conn, instrument.id, prices[0].source)
    stored = store.load_same(conn, instrument.id, prices)
    for price in prices:
        if stored.get(price.at, price.value) != price.value:
            raise PriceContradictsError(price.source, price.at, stored[price.at], price.value)
    new = sorted((price for price in prices if price.at not in stored), key=lambda p: p.at)
    if not new:
        return Recorded(accepted=0, held=0, duplicates=len(prices), promoted=0)
    around = reach(instrument)
    near = store.load_quotes(conn, instrument.id, new[0].at - around, new[-1].at + around)
    anchor = store.load_anchor(conn, instrument.id, new[0].at)
    grading = grade_prices(new, instrument, anchor, near)
    store.append_quotes(conn, instrument.id, grading.graded, now)
    if grading.promoted:
        store.save_accepted(conn, instrument.id, grading.promoted)
    accepted = [quote for quote in grading.graded if quote.quality is Quality.ACCEPTED]
    _measure(conn, instrument.id, [*accepted, *grading.promoted])
    return Recorded(
        accepted=len(accepted),
        held=len(grading.graded) - len(accepted),
        duplicates=len(prices) - len(new),
        promoted=len(grading.promoted),
        quotes=grading.graded,
    )


def _check_price(price: NewPrice, now: datetime) -> None:
    """Refuse a price that is out of bounds.

    Raises:
        InvalidError: It is.
    """
    if not price.value.is_finite() or abs(price.value) >= PRICE_ABS_MAX:
        raise InvalidError("value", str(price.value), f"a number under {PRICE_ABS_MAX} in size")
    exponent = price.value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -PRICE_DECIMALS_MAX:
        raise InvalidError("value", str(price.value), f"of at most {PRICE_DECIMALS_MAX} decimals")
    if price.at > now + timedelta(seconds=AHEAD_S_MAX):
        raise InvalidError("time", price.at.isoformat(), f"not after {now.isoformat()}")


def _check_source(conn: Conn, instrument_id: InstrumentId, source: str) -> None:
    """Refuse one source too many.

    Raises:
        InvalidError: It is new, and there are as many as there may be.
    """
    heads = store.load_heads(conn, [instrument_id]).get(instrument_id, ())
    sources = [head.source for head in heads]
    if source not in sources and len(sources) >= SOURCES_MAX:
        raise InvalidError("source", source, f"one of {', '.join(sources)}: no more are taken")


def _measure(conn: Conn, instrument_id: InstrumentId, accepted: Sequence[Quote]) -> None:
    """Keep the days' prices and measure volatility anew."""
    if not accepted:
        return
    store.save_daily_prices(conn, instrument_id, accepted)
    prices, newest_at = store.load_daily_prices(conn, instrument_id)
    assert newest_at is not None
    store.save_volatility(conn, instrument_id, measure_volatility(prices), newest_at)


def accept_held_price(conn: Conn, instrument_id: InstrumentId, source: str, at: datetime) -> Quote:
    """Let a price that waits count: a person answers for it.

    Raises:
        NotFoundError: There is no such price.
        NotHeldError: It counts already.
    """
    store.lock_prices(conn, instrument_id)
    quote = store.load_quote(conn, instrument_id, source, at)
    if quote is None:
        raise NotFoundError("price", f"{instrument_id} from {source} at {at.isoformat()}")
    if quote.quality is Quality.ACCEPTED:
        raise NotHeldError(source, at)
    store.save_accepted(conn, instrument_id, [quote])
    _measure(conn, instrument_id, [quote])
    return Quote(source=source, at=at, value=quote.value, quality=Quality.ACCEPTED)


def import_price_csv(
    conn: Conn, instrument: Instrument, source: str, content: bytes, now: datetime
) -> Recorded:
    """Store a file of daily prices, each at the beginning of its day in UTC; all or none.

    The beginning, because a price may be taken for older than it is, never for newer.

    Raises:
        InvalidError: A line is not understood.
        RefusedError: The file contradicts itself or what is stored.
    """
    table = read_price_csv(content, today=now.astimezone(UTC).date())
    prices = [
        NewPrice(
            source=source, at=datetime.combine(row.day, time.min, tzinfo=UTC), value=row.value
        )
        for row in table.rows
    ]
    recorded = record_prices(conn, instrument, prices, now)
    return Recorded(
        accepted=recorded.accepted,
        held=recorded.held,
        duplicates=recorded.duplicates,
        promoted=recorded.promoted,
        skipped_lines=table.skipped_lines,
        quotes=recorded.quotes,
    )
