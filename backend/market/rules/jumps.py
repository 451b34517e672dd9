"""Which prices count and which wait for a second source or a person. Pure.

A quote's quality follows from all quotes of its instrument in the order of their own times, and
from what people decided: never from the order in which they came in. So a quote that comes late is
put in its place, and those after it are judged anew.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from backend.market.rules.calendars import count_trading_days, day_of, reach, stale_at
from backend.market.rules.volatility import measure_volatility
from backend.market.types import Day, Graded, Instrument, Quality, Quote, Volatility
from backend.money import BPS

AGREEMENT_BPS_MAX: Final = 500  # Two sources agree when they differ by no more: 5 %.
# Fewer daily prices say too little of how much a price moves; then only the greatest move waits.
HISTORY_DAYS_MIN: Final = 60
# A year of trading days has about 252: 500 of them fit into 750 days of the calendar.
HISTORY_CALENDAR_DAYS_MAX: Final = 750
GAP_DAYS_MAX: Final = 25  # A longer silence lets a price move no further without a question.


def move_bps(before: Decimal, after: Decimal) -> Decimal:
    """Return how far a price moved, in basis points of its size before; infinite from zero."""
    if before == after:
        return Decimal(0)
    if before == 0:
        return Decimal("Infinity")
    return abs(after - before) / abs(before) * BPS


def agree(one: Quote, other: Quote, instrument: Instrument) -> bool:
    """Return whether another source says about the same, and neither is stale for the other."""
    if one.source == other.source:
        return False
    older, newer = sorted((one.at, other.at))
    if newer > stale_at(older, instrument):
        return False
    larger = max(abs(one.value), abs(other.value))
    return abs(one.value - other.value) * BPS <= larger * AGREEMENT_BPS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was accepted before the first quote that is judged: the last one, and each day's last.

    ``days`` are in order, and none is later than the anchor's.
    """

    anchor: Quote | None = None
    days: Sequence[Day] = ()


class _Book:
    """What has been accepted so far, as the judging goes on."""

    def __init__(self, past: Past) -> None:
        self.anchor = past.anchor
        self.days = list(past.days)
        if self.anchor is not None:
            self.add(self.anchor)
        self._measured: tuple[date, Volatility] | None = None

    def add(self, quote: Quote) -> None:
        day = Day(day=day_of(quote.at), at=quote.at, value=quote.value)
        if self.days and self.days[-1].day == day.day:
            self.days[-1] = day
        else:
            self.days.append(day)
        self.anchor = quote

    def volatility(self, day: date) -> Volatility:
        """Return how much the price moved on the days before one."""
        if self._measured is None or self._measured[0] != day:
            self._measured = (day, measure_days(self.days, day))
        return self._measured[1]


def measure_days(days: Sequence[Day], before: date) -> Volatility:
    """Return the daily volatility of the prices of some two years before a day."""
    first = before - timedelta(days=HISTORY_CALENDAR_DAYS_MAX)
    values = [float(each.value) for each in days if first <= each.day < before]
    return measure_volatility(np.array(values, dtype=np.float64))


def grade_quotes(
    quotes: Sequence[Quote], instrument: Instrument, past: Past, start: datetime
) -> tuple[tuple[Graded, ...], tuple[Day, ...]]:
    """Return the quotes from ``start`` on, judged, and each day's last accepted price.

    Accepted is what moved no further than the guard lets it, what another source confirms, and
    what a person accepted. What a person rejected neither counts nor confirms.

    Args:
        quotes: In the order of time and source; those before ``start`` only confirm others.
        instrument: Whose they are.
        past: What was accepted before ``start``.
        start: From when on they are judged.
    """
    times = [quote.at for quote in quotes]
    window = reach(instrument)
    book = _Book(past)
    graded: list[Graded] = []
    for quote in quotes[bisect_left(times, start) :]:
        quality, why = quote.quality, None
        if not quote.decided:
            why = _why_it_waits(quote, instrument, book)
            if why is not None:
                near = quotes[
                    bisect_left(times, quote.at - window) : bisect_right(times, quote.at + window)
                ]
                if any(_confirms(other, quote, instrument) for other in near):
                    why = None
            quality = Quality.ACCEPTED if why is None else Quality.HELD
        judged = replace(quote, quality=quality)
        if quality is Quality.ACCEPTED:
            book.add(judged)
        graded.append(Graded(quote=judged, why=why))
    return tuple(graded), tuple(book.days)


def _confirms(other: Quote, quote: Quote, instrument: Instrument) -> bool:
    rejected = other.decided and other.quality is Quality.REJECTED
    return not rejected and agree(quote, other, instrument)


def _why_it_waits(quote: Quote, instrument: Instrument, book: _Book) -> str | None:
    """Return why a quote must wait, or None: it moved no further than it may."""
    anchor = book.anchor
    if anchor is None:
        return None
    move = move_bps(anchor.value, quote.value)
    if move <= instrument.jump_floor_bps:
        return None
    limit, why = _limit_bps(quote, instrument, anchor, book)
    if move <= limit:
        return None
    moved = f"{move:.0f} bps" if move.is_finite() else "a move from zero"
    return (
        f"from {anchor.value:f} of {anchor.at:%Y-%m-%d %H:%M:%S} UTC ({anchor.source}) to"
        f" {quote.value:f}: {moved}, over {limit} bps, {why}"
    )


def _limit_bps(
    quote: Quote, instrument: Instrument, anchor: Quote, book: _Book
) -> tuple[int, str]:
    """Return how far the price may move without a question, and what says so."""
    day = day_of(quote.at)
    volatility = book.volatility(day)
    most = instrument.jump_max_bps
    if volatility.days < HISTORY_DAYS_MIN:
        return most, f"the most that ever passes; {volatility.days} daily prices are known"
    gap = count_trading_days(instrument.calendar, day_of(anchor.at), day, count_max=GAP_DAYS_MAX)
    sigma = volatility.sigma_daily * math.sqrt(max(1, gap))
    logarithm = min(instrument.jump_sigmas * sigma, 100.0)  # Beyond, everything may pass.
    rises = quote.value > anchor.value
    share = math.expm1(logarithm) if rises else -math.expm1(-logarithm)
    own = min(most, math.floor(share * BPS))
    if own == most:
        return most, "the most that ever passes"
    words = f"{instrument.jump_sigmas} standard deviations of {max(1, gap)} trading days"
    return max(own, instrument.jump_floor_bps), words
