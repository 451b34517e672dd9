"""Which price may be used. Pure.

A price is never carried forward silently: past the instrument's age it is stale.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Final

from backend.market.rules.calendars import age_bound, retired_at, stale_at
from backend.market.types import (
    Instrument,
    PriceDecision,
    Quote,
    SourceHead,
    Unusable,
    UnusableReason,
    Usable,
)

PRICE_ABS_MAX: Final = 10**9  # The database refuses more, and no commodity costs it.
PRICE_DECIMALS_MAX: Final = 9


def decide_price(
    heads: Sequence[SourceHead], instrument: Instrument, now: datetime
) -> PriceDecision:
    """Return the price to value at now, or why there is none.

    The median of all fresh sources of the first priority that has any. A source that has just
    gone stale still weighs when it would lower the price: silence must not make goods worth more.
    A fall that waits for a second source
    leaves no usable price, and goes on doing so when its source falls silent; a rise that waits is
    simply not believed yet.
    """
    known = [head.accepted for head in heads if head.accepted is not None]
    if not known:
        return Unusable(
            reason=UnusableReason.NONE, detail=f"{instrument.id} has no accepted price"
        )
    fresh = [quote for quote in known if now <= stale_at(quote.at, instrument)]
    if not fresh:
        newest = max(known, key=lambda quote: quote.at)
        return Unusable(
            reason=UnusableReason.STALE,
            detail=f"{instrument.id}: the newest price is {newest.value:f} of"
            f" {newest.at:%Y-%m-%d %H:%M:%S} UTC from {newest.source},"
            f" older than {age_bound(instrument)}",
        )
    tier = min(head.priority for head in heads if head.accepted in fresh)
    price = _price_of_tier(heads, tier, instrument, now)
    falls = [
        head.held
        for head in heads
        if head.held is not None
        and head.held.value < price
        and now <= retired_at(head.held.at, instrument)
    ]
    if falls:
        lowest = min(falls, key=lambda quote: quote.value)
        return Unusable(
            reason=UnusableReason.HELD_FALL,
            detail=f"{instrument.id}: a fall from {price:f} to {lowest.value:f} at"
            f" {lowest.at:%Y-%m-%d %H:%M:%S} UTC from {lowest.source} is"
            " a jump that waits for a second source or a person",
        )
    used = [
        head.accepted
        for head in heads
        if head.priority == tier and head.accepted is not None and head.accepted in fresh
    ]
    oldest = min(quote.at for quote in used)
    sources = sorted(quote.source for quote in used)
    return Usable(
        price=price,
        at=oldest,
        source=sources[0] if len(sources) == 1 else f"median of {', '.join(sources)}",
        stale_at=min(stale_at(quote.at, instrument) for quote in used),
    )


def _price_of_tier(
    heads: Sequence[SourceHead], tier: int, instrument: Instrument, now: datetime
) -> Decimal:
    """Return the price of one priority's fresh sources, and no more than silent ones said.

    Those of a better priority that have just gone stale bound it: what stands in for them may
    not raise the price.
    """
    fresh: list[Quote] = []
    silent: list[Quote] = []
    better: list[Decimal] = []
    for head in heads:
        if (quote := head.accepted) is None or head.priority > tier:
            continue
        if now > retired_at(quote.at, instrument):
            continue
        if head.priority < tier:
            better.append(quote.value)
        elif now <= stale_at(quote.at, instrument):
            fresh.append(quote)
        else:
            silent.append(quote)
    return min([_lowest_median(fresh, silent), *better])


def _lowest_median(fresh: Sequence[Quote], silent: Sequence[Quote]) -> Decimal:
    """Return the least median of all fresh quotes and any of the silent ones.

    The least over every choice, so that one more silent source can only add a choice.
    """
    values = [quote.value for quote in fresh]
    lowest = sorted(quote.value for quote in silent)
    return min(median([*values, *lowest[:count]]) for count in range(len(lowest) + 1))
