"""Which price may be used, which must wait, and how much prices move. Pure.

A price is never carried forward silently: past the instrument's age it is stale. Age is counted in
seconds of all days; trading calendars are not known here yet, so that an instrument quoted on
working days needs a maximal age that spans its weekend.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.errors import InvalidError, RefusedError
from backend.market.types import (
    Grading,
    Instrument,
    NewPrice,
    PriceDecision,
    PriceRow,
    PriceTable,
    Quality,
    Quote,
    SourceHead,
    Unusable,
    UnusableReason,
    Usable,
    Volatility,
)
from backend.money import BPS

AGREEMENT_BPS_MAX: Final = 500  # Two sources agree when they differ by no more: 5 %.
RETIRED_AFTER_AGES: Final = 10  # A source silent for so many maximal ages has left the market.

EWMA_DECAY: Final = 0.94  # Source: RiskMetrics Technical Document, 4th edition, 1996, 5.3.2.
VOLATILITY_DAYS_MAX: Final = 500  # Returns that are looked back on (domain.md 2).
RETURN_TO_NOTHING: Final = -float(np.log(10.0))  # A fall to zero or below counts as one of 90 %.

FILE_BYTES_MAX: Final = 8 * 1024 * 1024  # A century of days is a tenth of it.
ROWS_MAX: Final = 100_000
CSV_HEADER: Final = "Date,Price"
PRICE_ABS_MAX: Final = 10**9  # The database refuses more, and no commodity costs it.
PRICE_DECIMALS_MAX: Final = 9
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_PRICE: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


def move_bps(before: Decimal, after: Decimal) -> Decimal:
    """Return how far a price moved, in basis points of its size before; infinite from zero."""
    if before == after:
        return Decimal(0)
    if before == 0:
        return Decimal("Infinity")
    return abs(after - before) / abs(before) * BPS


def agree(one: Quote | NewPrice, other: Quote, *, within_s: int) -> bool:
    """Return whether another source says about the same at about the same time."""
    if one.source == other.source:
        return False
    if abs(one.at - other.at) > timedelta(seconds=within_s):
        return False
    larger = max(abs(one.value), abs(other.value))
    return abs(one.value - other.value) * BPS <= larger * AGREEMENT_BPS_MAX


def grade_prices(
    new: Sequence[NewPrice],
    instrument: Instrument,
    anchor: Quote | None,
    others: Sequence[Quote],
) -> Grading:
    """Return each new price as accepted or held, and the held ones of others that it confirms.

    Args:
        new: Of one source, in time order.
        instrument: Whose prices they are.
        anchor: The last accepted quote before the first of them.
        others: What is stored around that time, in time order; the source's own confirm nothing.
    """
    graded: list[Quote] = []
    promoted: dict[tuple[str, datetime], Quote] = {}
    times = [quote.at for quote in others]
    window = timedelta(seconds=instrument.max_price_age_s)
    seen = 0
    for price in new:
        until = bisect_right(times, price.at)
        anchor = _newest_accepted(anchor, others[seen:until])
        seen = until
        near = others[
            bisect_left(times, price.at - window) : bisect_right(times, price.at + window)
        ]
        agreeing = [q for q in near if agree(price, q, within_s=instrument.max_price_age_s)]
        jumps = (
            anchor is not None and move_bps(anchor.value, price.value) > instrument.jump_max_bps
        )
        quality = Quality.HELD if jumps and not agreeing else Quality.ACCEPTED
        quote = Quote(source=price.source, at=price.at, value=price.value, quality=quality)
        graded.append(quote)
        if quality is Quality.ACCEPTED:
            anchor = quote
            promoted |= {(q.source, q.at): q for q in agreeing if q.quality is Quality.HELD}
    return Grading(graded=tuple(graded), promoted=tuple(promoted.values()))


def _newest_accepted(anchor: Quote | None, quotes: Iterable[Quote]) -> Quote | None:
    """Return the newest accepted quote of ``quotes``, or the anchor."""
    for quote in quotes:
        if quote.quality is Quality.ACCEPTED and (anchor is None or quote.at >= anchor.at):
            anchor = quote
    return anchor


def decide_price(
    heads: Sequence[SourceHead], instrument: Instrument, now: datetime
) -> PriceDecision:
    """Return the price to value at now, or why there is none.

    The median of all fresh sources. A source that has just gone stale still weighs when it would
    lower the price: silence must not make goods worth more. A fall that waits for a second source
    leaves no usable price, and goes on doing so when its source falls silent; a rise that waits is
    simply not believed yet.
    """
    age_max = timedelta(seconds=instrument.max_price_age_s)
    known = [head.accepted for head in heads if head.accepted is not None]
    if not known:
        return Unusable(
            reason=UnusableReason.NONE, detail=f"{instrument.id} has no accepted price"
        )
    fresh = [quote for quote in known if now - quote.at <= age_max]
    if not fresh:
        newest = max(known, key=lambda quote: quote.at)
        return Unusable(
            reason=UnusableReason.STALE,
            detail=f"{instrument.id}: the newest price is {newest.value:f} of"
            f" {newest.at:%Y-%m-%d %H:%M:%S} UTC from {newest.source},"
            f" older than {instrument.max_price_age_s} s",
        )
    silent = [quote for quote in known if age_max < now - quote.at <= RETIRED_AFTER_AGES * age_max]
    price = _lowest_median(fresh, silent)
    falls = [
        head.held
        for head in heads
        if head.held is not None
        and head.held.value < price
        and now - head.held.at <= RETIRED_AFTER_AGES * age_max
    ]
    if falls:
        lowest = min(falls, key=lambda quote: quote.value)
        return Unusable(
            reason=UnusableReason.HELD_FALL,
            detail=f"{instrument.id}: a fall from {price:f} to {lowest.value:f} at"
            f" {lowest.at:%Y-%m-%d %H:%M:%S} UTC from {lowest.source} is over"
            f" {instrument.jump_max_bps} bps and waits for a second source or a lender",
        )
    oldest = min(quote.at for quote in fresh)
    sources = sorted(quote.source for quote in fresh)
    return Usable(
        price=price,
        at=oldest,
        source=sources[0] if len(sources) == 1 else f"median of {', '.join(sources)}",
        stale_at=oldest + age_max,
    )


def _lowest_median(fresh: Sequence[Quote], silent: Sequence[Quote]) -> Decimal:
    """Return the least median of all fresh quotes and any of the silent ones.

    The least over every choice, so that one more silent source can only add a choice.
    """
    values = [quote.value for quote in fresh]
    lowest = sorted(quote.value for quote in silent)
    return min(median([*values, *lowest[:count]]) for count in range(len(lowest) + 1))


def log_returns(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log returns of prices in time order; shape (n - 1,) or less.

    Zero and negative prices have no logarithm. A fall to one counts as a loss of nine tenths, so
    that it raises the haircut; the way back up tells nothing of losses and is left out.
    """
    positive = prices > 0
    logarithms = np.log(np.where(positive, prices, 1.0))
    returns = np.where(positive[1:], np.diff(logarithms), RETURN_TO_NOTHING)
    return returns[positive[:-1]]


def measure_volatility(prices: NDArray[np.float64]) -> Volatility:
    """Return the daily volatility of daily prices in time order: the greater of two measures.

    The one forgets (weights falling by 0.94 a day), the other does not (500 days, all alike): the
    first sees a storm, the second remembers it. Measured on five commodities, the first alone
    fails the Basel traffic-light test (domain.md 2).
    """
    returns = log_returns(prices)[-VOLATILITY_DAYS_MAX:]
    if len(returns) < 2:
        return Volatility(sigma_daily=0.0, days=len(prices))
    weights = EWMA_DECAY ** np.arange(len(returns) - 1, -1, -1, dtype=np.float64)
    ewma = np.sqrt(np.sum(weights * returns**2) / np.sum(weights))
    deviation = np.std(returns, ddof=1)
    return Volatility(sigma_daily=float(max(ewma, deviation)), days=len(prices))


def read_price_csv(content: bytes, *, today: date) -> PriceTable:
    """Return the rows of a price file in time order; identical repeated rows only once.

    The header is ``Date,Price``, then one row a day. A cell without a price is skipped and
    reported: a day on which nothing was quoted, not a price of zero. Zero and below are real.
    Anything else that is not understood refuses the whole file.

    Raises:
        InvalidError: A line is not understood; names the line, the field, the value and the bound.
        RefusedError: Two lines give one day different prices.
    """
    if len(content) > FILE_BYTES_MAX:
        raise InvalidError("file", f"{len(content)} bytes", f"at most {FILE_BYTES_MAX} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError("file", f"byte {error.start}", "text in UTF-8") from error
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if lines[0] != CSV_HEADER:
        raise InvalidError("line 1", lines[0], f"the header {CSV_HEADER}")
    if len(lines) - 1 > ROWS_MAX:
        raise InvalidError("file", f"{len(lines) - 1} rows", f"at most {ROWS_MAX} rows")
    by_day: dict[date, PriceRow] = {}
    skipped: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        row = _read_row(number, line, today)
        if row is None:
            skipped.append(number)
        elif by_day.setdefault(row.day, row).value != row.value:
            first = by_day[row.day]
            raise RefusedError(
                "price_contradicts",
                f"line {number}: Price of {row.day} is {row.value}, but line {first.line} says"
                f" {first.value}",
                line=number,
                day=row.day.isoformat(),
            )
    rows = tuple(by_day[day] for day in sorted(by_day))
    return PriceTable(rows=rows, skipped_lines=tuple(skipped))


def _read_row(number: int, line: str, today: date) -> PriceRow | None:
    """Return one line's price, or None when it has none.

    Raises:
        InvalidError: The line is not understood.
    """
    cells = line.split(",")
    if len(cells) != 2:
        raise InvalidError(f"line {number}", line, "two cells, Date and Price")
    day = _read_day(number, cells[0], today)
    if cells[1] == "":
        return None
    if not _PRICE.fullmatch(cells[1]):
        raise InvalidError(
            f"line {number}: Price",
            cells[1],
            "a decimal number with at most 9 digits either side of the point, or empty",
        )
    return PriceRow(line=number, day=day, value=Decimal(cells[1]))


def _read_day(number: int, cell: str, today: date) -> date:
    """Return a line's day.

    Raises:
        InvalidError: It is none, or in the future.
    """
    field = f"line {number}: Date"
    if not _DAY.fullmatch(cell):
        raise InvalidError(field, cell, "a day as YYYY-MM-DD")
    try:
        day = date.fromisoformat(cell)
    except ValueError as error:
        raise InvalidError(field, cell, "a day of the calendar") from error
    if day > today:
        raise InvalidError(field, cell, f"not after today, {today}")
    return day
