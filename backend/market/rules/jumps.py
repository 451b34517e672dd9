"""Which prices count and which wait for a second source or a person. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from backend.market.rules.calendars import reach, stale_at
from backend.market.types import Grading, Instrument, NewPrice, Quality, Quote
from backend.money import BPS

AGREEMENT_BPS_MAX: Final = 500  # Two sources agree when they differ by no more: 5 %.


def move_bps(before: Decimal, after: Decimal) -> Decimal:
    """Return how far a price moved, in basis points of its size before; infinite from zero."""
    if before == after:
        return Decimal(0)
    if before == 0:
        return Decimal("Infinity")
    return abs(after - before) / abs(before) * BPS


def agree(one: Quote | NewPrice, other: Quote, instrument: Instrument) -> bool:
    """Return whether another source says about the same, and neither is stale for the other."""
    if one.source == other.source:
        return False
    older, newer = sorted((one.at, other.at))
    if newer > stale_at(older, instrument):
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
    window = reach(instrument)
    seen = 0
    for price in new:
        until = bisect_right(times, price.at)
        anchor = _newest_accepted(anchor, others[seen:until])
        seen = until
        near = others[
            bisect_left(times, price.at - window) : bisect_right(times, price.at + window)
        ]
        agreeing = [q for q in near if agree(price, q, instrument)]
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
