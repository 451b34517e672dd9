"""What each lot is worth: what is accepted of it, at which price, less what haircut. Pure.

There are no exchange rates yet: a lot quoted in another currency than its facility's has no value.
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
from backend.market.types import InstrumentQuote, Quotes, Unusable, Usable
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
from backend.valuation.types import Ineligible, LotFacts, LotValue, Terms

# A damaged lot backs nothing until its state says otherwise: nobody knows what it would fetch.
DAMAGED_FACTOR_BPS: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priced:
    """What an instrument's lots are valued at; without a rate they are worth nothing."""

    price: Usable | None = None
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
    columns = {
        key: _column(key, quotes.get(key), terms)
        for key in sorted({lot.instrument_id for lot in lots})
    }
    graded = [_grade(lot, columns[lot.instrument_id], terms, now) for lot in lots]
    order = sorted(range(len(graded)), key=lambda at: graded[at].lot.instrument_id)
    accepted = _worth([graded[at] for at in order], columns, [graded[at].mass_g for at in order])
    pledged = [graded[at].lot.pledged_mass_g for at in order]
    gross = _worth([graded[at] for at in order], columns, pledged)
    values: dict[int, LotValue] = {}
    for row, at in enumerate(order):
        values[at] = _line(
            graded[at],
            columns[graded[at].lot.instrument_id],
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
    graded: Sequence[_Graded], columns: Mapping[InstrumentId, _Priced], masses_g: Sequence[int]
) -> ValueColumns:
    """Return what masses are worth, of lots that are in the order of their instruments."""
    keys = list(columns)
    counts = Counter(each.lot.instrument_id for each in graded)
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
    )


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


def _column(key: InstrumentId, quote: InstrumentQuote | None, terms: Terms) -> _Priced:
    """Return what lots of an instrument are valued at, or why they are worth nothing."""
    if quote is None:
        return _Priced(reasons=(f"{key} is not known",))
    if quote.instrument.currency != terms.currency:
        return _Priced(
            reasons=(
                f"{key} is quoted in {quote.instrument.currency}, the facility is in"
                f" {terms.currency}, and no exchange rate is known",
            )
        )
    haircut, why = haircut_bps(quote.instrument, quote.volatility, terms.policy)
    reasons = () if why is None else (why,)
    match quote.decision:
        case Usable() as price:
            if price.price <= 0:
                reasons += (f"{key} is quoted at {price.price:f}",)
            return _Priced(
                price=price,
                rate=rate_of(price.price, quote.instrument.unit, terms.currency),
                haircut_bps=haircut,
                reasons=reasons,
                price_ids=(f"{key}@{price.source}@{price.at.astimezone(UTC).isoformat()}",),
            )
        case Unusable(detail=detail):
            return _Priced(haircut_bps=haircut, reasons=(*reasons, detail))
