"""What each lot is worth: what is accepted of it, at which price, less what haircut. Pure.

A lot quoted in another currency than its facility's is valued by the price of a tonne in the
facility's, converted and rounded down by the market's rules.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from backend.collateral.types import Condition, QuantityState
from backend.ids import InstrumentId
from backend.market.rules import decide_goods_price
from backend.market.types import GoodsPrice, Quotes, Unusable
from backend.money import BPS, Minor
from backend.valuation.rules.arithmetic import (
    DAMAGED,
    EXACT_MAX,
    INELIGIBLE,
    LESS,
    REFUSED,
    UNKNOWN,
    Column,
    LotColumns,
    Rate,
    ValueColumns,
    empty_columns,
    rate_of,
    value_columns,
)
from backend.valuation.rules.haircuts import haircut_bps
from backend.valuation.rules.policy import ineligible_for
from backend.valuation.types import Ineligible, LotFacts, LotValue, Terms, UsedRate

# A damaged lot backs nothing until its state says otherwise: nobody knows what it would fetch.
DAMAGED_FACTOR_BPS: Final = 0


Goods = tuple[InstrumentId, str]  # An instrument and a grade of it; without one: as quoted.


def _goods(lot: LotFacts) -> Goods:
    return lot.instrument_id, lot.grade or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """What lots of one grade are valued at; without a rate they are worth nothing."""

    price: GoodsPrice | None = None
    rate: Rate | None = None
    haircut_bps: int = BPS
    reasons: tuple[str, ...] = ()
    price_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graded:
    """A lot with what is accepted of it, before the arithmetic."""

    lot: LotFacts
    mass_g: int
    factor_bps: int
    flags: int
    complete: bool
    reasons: tuple[str, ...]
    ineligible: tuple[Ineligible, ...]


def accept_mass(lot: LotFacts) -> tuple[int, bool, tuple[str, ...]]:
    """Return the grams of a lot that count, whether that is known, and why they are fewer.

    Never more than was pledged and may not leave by order, than was measured, or than is left
    after what is short. What was never measured counts for nothing.
    """
    state = lot.state
    if not state.evaluated:
        return 0, False, ("its state could not be evaluated",)
    if state.quantity is QuantityState.UNKNOWN:
        return 0, False, ("its quantity is unknown",)
    if state.measured_mass_g is None:
        return 0, False, ("its quantity was never measured",)
    staying_g = lot.pledged_mass_g - lot.releasing_mass_g
    there_g = lot.pledged_mass_g - state.short_mass_g
    mass_g = max(0, min(staying_g, state.measured_mass_g, there_g))
    if mass_g == lot.pledged_mass_g:
        return mass_g, True, ()
    reasons = (f"{mass_g} g of {lot.pledged_mass_g} g pledged are accepted",)
    if lot.releasing_mass_g:
        reasons += (f"{lot.releasing_mass_g} g may leave by release orders",)
    return mass_g, True, reasons


def value_lots(
    lots: Sequence[LotFacts], quotes: Quotes, terms: Terms, now: datetime
) -> tuple[LotValue, ...]:
    """Return each lot's value, in the lots' order; what cannot be valued is worth nothing."""
    columns = {key: _column(key, quotes, terms) for key in sorted({_goods(lot) for lot in lots})}
    graded = [_grade(lot, columns[_goods(lot)], terms, now) for lot in lots]
    order = sorted(range(len(graded)), key=lambda at: _goods(graded[at].lot))
    accepted = _worth([graded[at] for at in order], columns, [graded[at].mass_g for at in order])
    pledged = [graded[at].lot.pledged_mass_g for at in order]
    gross = _worth([graded[at] for at in order], columns, pledged)
    values: dict[int, LotValue] = {}
    for row, at in enumerate(order):
        values[at] = _line(
            graded[at],
            columns[_goods(graded[at].lot)],
            accepted=_Worth.of(accepted, row),
            gross=_Worth.of(gross, row),
        )
    return tuple(values[at] for at in range(len(lots)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worth:
    """One row of value columns, as Python's integers."""

    minor: int
    lendable_minor: int
    refused: bool

    @classmethod
    def of(cls, values: ValueColumns, row: int) -> "_Worth":
        return cls(
            minor=int(values.value_minor[row]),
            lendable_minor=int(values.lendable_minor[row]),
            refused=bool(values.flags[row] & REFUSED),
        )


def _worth(
    graded: Sequence[_Graded], columns: Mapping[Goods, _Priced], masses_g: Sequence[int]
) -> ValueColumns:
    """Return what masses are worth, of lots that are in the order of their goods."""
    keys = list(columns)
    counts = Counter(_goods(each.lot) for each in graded)
    starts = [0, *accumulate(counts[key] for key in keys)]
    values = empty_columns(len(graded))
    book = LotColumns(
        mass_g=np.array(masses_g, dtype=np.float64),
        flags=np.array([each.flags for each in graded], dtype=np.uint8),
        starts=starts,
        mass_g_max=[max(masses_g[start:end], default=0) for start, end in pairwise(starts)],
    )
    prices = [Column(rate=columns[key].rate, haircut_bps=columns[key].haircut_bps) for key in keys]
    value_columns(book, prices, values, range(len(keys)))
    return values


def _line(graded: _Graded, column: _Priced, *, accepted: _Worth, gross: _Worth) -> LotValue:
    """Return a lot's line: nothing of it may be lent against while a rule refuses it."""
    lot, refused = graded.lot, accepted.refused or gross.refused
    sound = graded.factor_bps == BPS
    value = accepted.minor * graded.factor_bps // BPS
    lendable = accepted.lendable_minor if sound else value * (BPS - column.haircut_bps) // BPS
    reasons = graded.reasons
    if refused:
        reasons += ("its mass or price is a mistake: it would be worth more than can be",)
    return LotValue(
        lot_id=lot.lot_id,
        name=lot.name,
        instrument_id=lot.instrument_id,
        accepted_mass_g=graded.mass_g,
        price=None if column.price is None else column.price.price,
        price_at=None if column.price is None else column.price.at,
        price_source=None if column.price is None else column.price.source,
        haircut_bps=column.haircut_bps,
        value_minor=Minor(0 if refused else value),
        lendable_minor=Minor(0 if refused or graded.ineligible else lendable),
        complete=graded.complete and not refused,
        reasons=reasons,
        gross_minor=Minor(0 if refused else gross.minor),
        accepted_minor=Minor(0 if refused else accepted.minor),
        pledged_mass_g=lot.pledged_mass_g,
        ineligible=graded.ineligible,
        commodity_id=lot.commodity_id,
        site_id=lot.site_id,
        owner_party=lot.owner_party,
        alert_ids=lot.alert_ids,
        price_ids=column.price_ids,
        grade=lot.grade,
        rate=None if column.price is None else _used_rate(column.price),
    )


def _used_rate(price: GoodsPrice) -> UsedRate | None:
    if (rate := price.rate) is None:
        return None
    return UsedRate(pair=rate.pair, value=rate.value, at=rate.at, source=rate.source)


def _grade(lot: LotFacts, column: _Priced, terms: Terms, now: datetime) -> _Graded:
    """Return what is accepted of a lot, and each reason why it is less than nominal."""
    mass_g, complete, reasons = accept_mass(lot)
    flags = (LESS if mass_g < lot.pledged_mass_g else 0) | (0 if complete else UNKNOWN)
    factor = DAMAGED_FACTOR_BPS if lot.state.condition is Condition.DAMAGED else BPS
    if factor != BPS:
        flags |= DAMAGED
        reasons += (f"it is damaged: {factor} bps of its value count",)
    ineligible = ineligible_for(lot, terms.policy, now)
    if ineligible:
        flags |= INELIGIBLE
        reasons += tuple(f"not eligible: {each.detail}" for each in ineligible)
    if max(lot.pledged_mass_g, mass_g) > EXACT_MAX:
        message = f"{lot.name}: {lot.pledged_mass_g} g cannot be counted exactly"
        raise OverflowError(message)
    return _Graded(
        lot=lot,
        mass_g=mass_g,
        factor_bps=factor,
        flags=flags,
        complete=complete and column.price is not None,
        reasons=reasons + column.reasons,
        ineligible=ineligible,
    )


def _column(key: Goods, quotes: Quotes, terms: Terms) -> _Priced:
    """Return what lots of some goods are valued at, or why they are worth nothing."""
    instrument_id, grade = key
    haircut, reasons = BPS, ()
    if (quote := quotes.get(instrument_id)) is not None:
        haircut, why = haircut_bps(quote.instrument, quote.volatility, terms.policy)
        reasons = () if why is None else (why,)
    match decide_goods_price(quotes, instrument_id, grade or None, terms.currency):
        case Unusable(detail=detail):
            return _Priced(haircut_bps=haircut, reasons=(*reasons, detail))
        case price:
            if price.price <= 0:
                reasons += (f"{instrument_id} is quoted at {price.price:f}",)
            return _Priced(
                price=price,
                rate=rate_of(price.converted, price.converted_unit, terms.currency),
                haircut_bps=haircut,
                reasons=reasons,
                price_ids=_price_ids(price),
            )


def _price_ids(price: GoodsPrice) -> tuple[str, ...]:
    """Return the prices that a value rests on, each as instrument@source@time."""
    at = price.at.astimezone(UTC).isoformat()
    ids = (f"{price.instrument.id}@{price.source}@{at}",)
    if (rate := price.rate) is not None:
        ids += (f"{rate.pair}@{rate.source}@{rate.at.astimezone(UTC).isoformat()}",)
    return ids
