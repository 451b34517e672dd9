"""Prices in: judged by the rules, stored."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Final

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.ids import InstrumentId
from backend.market.errors import NotHeldError, PriceContradictsError
from backend.market.rules import (
    PRICE_ABS_MAX,
    PRICE_DECIMALS_MAX,
    Past,
    grade_quotes,
    read_price_csv,
)
from backend.market.rules.calendars import day_of, reach
from backend.market.rules.jumps import HISTORY_CALENDAR_DAYS_MAX, measure_days
from backend.market.store import prices as store
from backend.market.types import (
    Day,
    Decision,
    Graded,
    Instrument,
    NewPrice,
    PriceEvent,
    Quality,
    Quote,
    Recorded,
)

SOURCES_MAX: Final = 16  # Of one instrument: each is looked at for each valuation.
JUDGED_MAX: Final = 50_000  # At once, in seconds: of a century of days, or three days of 5 s.
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
    conn: Conn, instrument: Instrument, prices: Sequence[NewPrice], now: datetime, actor: str = ""
) -> Recorded:
    """Store prices of one source: accepted, or held when they jump. All of them or none.

    What is stored already is counted as a duplicate. A price that comes late is put in its place,
    and those after it are judged anew: the order of arrival decides nothing.

    Args:
        conn: Holds the instrument's prices until the transaction ends.
        instrument: Whose prices they are.
        prices: Of one source.
        now: When they came in.
        actor: Who is named in the history; the source if nobody.

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
    known = store.load_same(conn, instrument.id, prices)
    said = dict(known)
    for price in prices:
        if said.setdefault(price.at, price.value) != price.value:
            raise PriceContradictsError(price.source, price.at, said[price.at], price.value)
    new = [
        Quote(source=prices[0].source, at=at, value=value, quality=Quality.HELD)
        for at, value in sorted(said.items())
        if at not in known
    ]
    if not new:
        return Recorded(accepted=0, held=0, duplicates=len(prices), promoted=0)
    graded, promoted = _judge(conn, instrument, new, new[0].at, now, actor or new[0].source)
    keys = {quote.at for quote in new}
    quotes = tuple(
        each.quote
        for each in graded
        if each.quote.source == new[0].source and each.quote.at in keys
    )
    accepted = sum(quote.quality is Quality.ACCEPTED for quote in quotes)
    return Recorded(
        accepted=accepted,
        held=len(quotes) - accepted,
        duplicates=len(prices) - len(new),
        promoted=promoted,
        quotes=quotes,
    )


def _judge(
    conn: Conn,
    instrument: Instrument,
    new: Sequence[Quote],
    since: datetime,
    now: datetime,
    actor: str,
) -> tuple[Sequence[Graded], int]:
    """Judge quotes anew from a time on, store what changed; return them and how many then count.

    Raises:
        InvalidError: There are too many quotes after that time.
    """
    window = reach(instrument)
    # What waits and could be confirmed by the new ones is judged again, and all that follows it.
    start = store.find_first_held(conn, instrument.id, since - window, since) or since
    stored = store.load_quotes(conn, instrument.id, start - window, JUDGED_MAX + 1)
    if len(stored) > JUDGED_MAX:
        raise InvalidError(
            "time", since.isoformat(), f"later: {JUDGED_MAX} newer quotes or more are stored"
        )
    first_day = day_of(start)
    past = Past(
        anchor=store.load_anchor(conn, instrument.id, start),
        days=store.load_days(
            conn,
            instrument.id,
            first_day - timedelta(days=HISTORY_CALENDAR_DAYS_MAX + 1),
            first_day,
        ),
    )
    quotes = sorted([*stored, *new], key=lambda quote: (quote.at, quote.source))
    graded, days = grade_quotes(quotes, instrument, past, start)
    before = {(quote.source, quote.at): quote for quote in stored}
    fresh = [each.quote for each in graded if (each.quote.source, each.quote.at) not in before]
    changed = [
        each
        for each in graded
        if (old := before.get((each.quote.source, each.quote.at))) is not None
        and old.quality is not each.quote.quality
    ]
    store.append_quotes(conn, instrument.id, fresh, now)
    if changed:
        store.save_qualities(conn, instrument.id, [each.quote for each in changed])
    known = {(quote.source, quote.at) for quote in fresh if quote.quality is Quality.HELD}
    held = [each for each in graded if (each.quote.source, each.quote.at) in known]
    store.append_price_events(conn, instrument.id, _events([*held, *changed], now, actor))
    store.save_days(
        conn, instrument.id, first_day, [each for each in days if each.day >= first_day]
    )
    if days:
        _measure(conn, instrument.id, days)
    return graded, sum(each.quote.quality is Quality.ACCEPTED for each in changed)


def _events(graded: Sequence[Graded], now: datetime, actor: str) -> Sequence[PriceEvent]:
    return [
        PriceEvent(
            source=each.quote.source,
            at=each.quote.at,
            value=each.quote.value,
            happened_at=now,
            actor=actor,
            what="held" if each.quote.quality is Quality.HELD else "confirmed",
            reason=each.why or "another quote, or what a person decided, makes it no jump",
        )
        for each in graded
    ]


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


def _measure(conn: Conn, instrument_id: InstrumentId, days: Sequence[Day]) -> None:
    """Measure volatility anew."""
    volatility = measure_days(days, days[-1].day + timedelta(days=1))
    store.save_volatility(conn, instrument_id, volatility, days[-1].at)


def decide_held_price(
    conn: Conn,
    instrument: Instrument,
    key: tuple[str, datetime],
    quality: Quality,
    decision: Decision,
) -> Quote:
    """Let a price that waits count, or never: a person answers for it.

    Those after it are judged anew: what waited because it was near a price that was not believed
    need not be decided one by one.

    Args:
        conn: Holds the instrument's prices until the transaction ends.
        instrument: Whose price it is.
        key: Its source and time.
        quality: Accepted or rejected.
        decision: Who, when, and why.

    Raises:
        NotFoundError: There is no such price.
        NotHeldError: It does not wait.
    """
    source, at = key
    store.lock_prices(conn, instrument.id)
    quote = store.load_quote(conn, instrument.id, source, at)
    if quote is None:
        raise NotFoundError("price", f"{instrument.id} from {source} at {at.isoformat()}")
    if quote.quality is not Quality.HELD:
        raise NotHeldError(source, at, quote.quality)
    decided = replace(quote, quality=quality, decided=True)
    actor = f"api:{decision.login}"
    store.append_decision(conn, instrument.id, decided, decision)
    store.save_qualities(conn, instrument.id, [decided])
    event = PriceEvent(
        source=source,
        at=at,
        value=quote.value,
        happened_at=decision.at,
        actor=actor,
        what=quality.value,
        reason=decision.reason,
    )
    store.append_price_events(conn, instrument.id, [event])
    _judge(conn, instrument, (), at, decision.at, actor)
    return decided


def import_price_csv(
    conn: Conn,
    instrument: Instrument,
    source: str,
    content: bytes,
    now: datetime,
    actor: str = "",
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
    recorded = record_prices(conn, instrument, prices, now, actor)
    return replace(recorded, skipped_lines=table.skipped_lines)
