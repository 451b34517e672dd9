"""What goods of a grade cost in a currency: price, differential, rate of exchange. Pure.

The one place where a price becomes one of a lot's goods; valuation and locks both ask here. Each
step rounds down: against the borrower.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from fractions import Fraction
from typing import Final

from backend.ids import InstrumentId
from backend.market.rules.calendars import last_moment_before
from backend.market.types import (
    GRAMS_PER_UNIT,
    Differential,
    DifferentialKind,
    GoodsPrice,
    InstrumentQuote,
    Quotes,
    Rate,
    Unit,
    Unusable,
    UnusableReason,
    Usable,
)

RATE_DIGITS: Final = 16  # Significant ones: the error is below a minor unit of any lot.
PRICE_DECIMALS: Final = 9  # Of a grade's price, as many as any price has.
CONVERTED_DECIMALS: Final = 6  # Of a tonne's price, as the valuation's arithmetic takes it.
_WIDE: Final = Context(prec=60, rounding=ROUND_FLOOR)  # Wider than any product here.


def decide_goods_price(
    quotes: Quotes, instrument_id: InstrumentId, grade: str | None, currency: str
) -> GoodsPrice | Unusable:
    """Return what goods of a grade cost in a currency, or why nobody can say.

    A grade without a differential in force, and a rate that is missing or stale, leave no price.
    """
    quote = quotes.get(instrument_id)
    if quote is None:
        return _none(f"{instrument_id} is not known")
    if quote.instrument.fx_base is not None:
        return _none(f"{instrument_id} is a rate of exchange, no price of goods")
    if isinstance(quote.decision, Unusable):
        return quote.decision
    differential = None if grade is None else quote.differentials.get(grade)
    if grade is not None and differential is None:
        detail = f"{instrument_id} has no differential for grade {grade} in force"
        return Unusable(reason=UnusableReason.GRADE, detail=detail)
    price = _graded(quote.decision.price, differential)
    stale = [quote.decision.stale_at]
    if differential is not None and differential.last_day is not None:
        stale.append(last_moment_before(differential.last_day + timedelta(days=1)))
    instrument = quote.instrument
    converted, unit, rate = price, instrument.unit, None
    if instrument.currency != currency:
        found = find_rate(quotes, instrument.currency, currency)
        if isinstance(found, Unusable):
            return Unusable(reason=found.reason, detail=f"{instrument_id}: {found.detail}")
        converted, unit, rate = _convert(price, instrument.unit, found), Unit.TNE, found
        stale.append(found.stale_at)
    return GoodsPrice(
        instrument=instrument,
        price=price,
        at=quote.decision.at,
        source=quote.decision.source,
        stale_at=min(stale),
        unit=instrument.unit,
        converted=converted,
        converted_unit=unit,
        rate=rate,
        differential=differential,
    )


def find_rate(quotes: Quotes, base: str, quote: str) -> Rate | Unusable:
    """Return how much of ``quote`` one of ``base`` is, or why nobody can say.

    Quoted so or the other way round, or else through one currency that both are quoted against.
    Of several ways each must be usable, and the lowest counts: one that goes stale then never
    makes goods worth more.
    """
    routes = [[leg] for leg in _legs(quotes, base, quote)]
    if not routes:
        pivots = sorted(
            {each.instrument.currency for each in quotes.values()}
            | {each.instrument.fx_base or "" for each in quotes.values()}
        )
        routes = [
            [first, second]
            for pivot in pivots
            if pivot not in (base, quote)
            for first in _legs(quotes, base, pivot)
            for second in _legs(quotes, pivot, quote)
        ]
    if not routes:
        detail = f"no exchange rate {base}/{quote} is known"
        return Unusable(reason=UnusableReason.FX, detail=detail)
    found = [_along(route, base, quote) for route in routes]
    usable = [rate for rate in found if isinstance(rate, Rate)]
    if len(usable) < len(found):
        return next(rate for rate in found if isinstance(rate, Unusable))
    lowest = min(usable, key=lambda rate: (rate.value, rate.source))
    return Rate(
        base=base,
        quote=quote,
        value=lowest.value,
        at=min(rate.at for rate in usable),
        source=lowest.source,
        stale_at=min(rate.stale_at for rate in usable),
    )


Leg = tuple[InstrumentQuote, bool]  # quoted so, or the other way round


def _legs(quotes: Quotes, base: str, quote: str) -> Iterator[Leg]:
    """Yield the rates between two currencies, by id."""
    for key in sorted(quotes):
        each = quotes[key]
        pair = (each.instrument.fx_base, each.instrument.currency)
        if pair == (base, quote):
            yield each, True
        elif pair == (quote, base):
            yield each, False


def _along(route: list[Leg], base: str, quote: str) -> Rate | Unusable:
    """Return the product of a route's rates."""
    value, used, names = Fraction(1), list[Usable](), list[str]()
    for each, straight in route:
        name = each.instrument.id
        if isinstance(each.decision, Unusable):
            detail = f"the exchange rate {base}/{quote} may not be used: {each.decision.detail}"
            return Unusable(reason=UnusableReason.FX, detail=detail)
        if each.decision.price <= 0:
            detail = (
                f"the exchange rate {base}/{quote} may not be used:"
                f" {name} is quoted at {each.decision.price:f}"
            )
            return Unusable(reason=UnusableReason.FX, detail=detail)
        price = Fraction(each.decision.price)
        value *= price if straight else 1 / price
        used.append(each.decision)
        names.append(f"{name}{'' if straight else ' inverted'} from {each.decision.source}")
    with localcontext(Context(prec=RATE_DIGITS, rounding=ROUND_FLOOR)):
        rounded = Decimal(value.numerator) / Decimal(value.denominator)
    return Rate(
        base=base,
        quote=quote,
        value=rounded,
        at=min(each.at for each in used),
        source=", ".join(names),
        stale_at=min(each.stale_at for each in used),
    )


def _graded(price: Decimal, differential: Differential | None) -> Decimal:
    if differential is None:
        return price
    with localcontext(_WIDE):
        match differential.kind:
            case DifferentialKind.ABSOLUTE:
                graded = price + differential.amount
            case DifferentialKind.PERCENT:
                graded = price * (100 + differential.amount) / 100
        return graded.quantize(Decimal(1).scaleb(-PRICE_DECIMALS)).normalize()


def _convert(price: Decimal, unit: Unit, rate: Rate) -> Decimal:
    """Return the price of a tonne in the rate's other currency, rounded down."""
    grams = Fraction(GRAMS_PER_UNIT[Unit.TNE]) / Fraction(GRAMS_PER_UNIT[unit])
    exact = Fraction(price) * Fraction(rate.value) * grams
    with localcontext(_WIDE):
        return Decimal(exact * 10**CONVERTED_DECIMALS // 1).scaleb(-CONVERTED_DECIMALS)


def _none(detail: str) -> Unusable:
    return Unusable(reason=UnusableReason.NONE, detail=detail)
