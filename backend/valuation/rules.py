"""The value of lots, and how much of it may be lent against. Pure.

float64 only in ``value_columns``: masses are integers of grams, prices integers of millionths, so
that a product is exact up to 2**53, and rounding happens once, in ``round_down_minor_columns``.
There are no exchange rates yet: a lot quoted in another currency than its facility's has no value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.collateral.types import Condition, QuantityState
from backend.ids import FacilityId
from backend.market.types import (
    GRAMS_PER_UNIT,
    Instrument,
    InstrumentQuote,
    Quotes,
    Unit,
    Unusable,
    Usable,
    Volatility,
)
from backend.money import BPS, MINOR_MAX, Minor, minor_digits
from backend.valuation.types import (
    LotFacts,
    LotValue,
    Terms,
    Valuation,
)

PRICE_MICRO: Final = 1_000_000
# A lot worth more is a mistake in its mass or price; beyond it float64 has no exact integers.
VALUE_MINOR_MAX: Final = 2**53 - 1
MODEL: Final = "t4-99-ewma94-500d/1"

# 99 % quantile of Student's t with 4 degrees of freedom, scaled to unit variance by
# sqrt((4 - 2) / 4). Source: domain.md 2: with the normal quantile (2.326) nine of ten backtests
# failed, with this one none.
T4_QUANTILE_99: Final = 3.746947
LOSS_QUANTILE: Final = T4_QUANTILE_99 * math.sqrt((4 - 2) / 4)

HISTORY_DAYS_MIN: Final = 60  # Fewer daily prices say too little of a commodity's storms.

# A damaged lot backs nothing until its state says otherwise: nobody knows what it would fetch.
DAMAGED_FACTOR_BPS: Final = 0

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotColumns:
    """One row a lot; all of shape (n,)."""

    mass_g: Ints  # accepted
    price_micro: Floats  # whole millionths per unit; zero and below are worth nothing
    minor_divisor: Floats  # from ``minor_divisor``
    factor_bps: Ints  # of condition
    haircut_bps: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueColumns:
    """One row a lot, in the same order; shape (n,)."""

    value_minor: Ints
    lendable_minor: Ints


def price_micro(price: Decimal) -> int:
    """Return a price in millionths of its currency, rounded down: against the borrower."""
    return int((price * PRICE_MICRO).to_integral_value(ROUND_FLOOR))


def minor_divisor(unit: Unit, currency: str) -> float:
    """Return what grams times millionths per unit are divided by to be minor units."""
    grams_micro = GRAMS_PER_UNIT[unit] * PRICE_MICRO
    return float(grams_micro / Decimal(10) ** minor_digits(currency))


def value_columns(lots: LotColumns) -> ValueColumns:
    """Return each lot's value and the part of it that may be lent against, in minor units."""
    nominal = lots.mass_g * np.maximum(lots.price_micro, 0.0) / lots.minor_divisor
    weighted = np.where(lots.factor_bps == BPS, nominal, nominal * lots.factor_bps / BPS)
    value = round_down_minor_columns(weighted)
    return ValueColumns(
        value_minor=value, lendable_minor=share_down(value, BPS - lots.haircut_bps)
    )


def round_down_minor_columns(amounts: Floats) -> Ints:
    """Return amounts in minor units rounded down: the one place where value is rounded.

    Down is against the borrower. What is no number becomes nothing.
    """
    whole = np.floor(np.nan_to_num(amounts, nan=0.0, posinf=VALUE_MINOR_MAX, neginf=0.0))
    return np.clip(whole, 0.0, float(VALUE_MINOR_MAX)).astype(np.int64)


def share_down(amounts: Ints, bps: Ints) -> Ints:
    """Return so many basis points of each amount, rounded down, without leaving int64."""
    return amounts // BPS * bps + amounts % BPS * bps // BPS


def haircut_bps(
    instrument: Instrument, volatility: Volatility | None, horizon_days: int
) -> tuple[int, str | None]:
    """Return the haircut in basis points, rounded up, and why if it is a default.

    Args:
        instrument: With the least haircut of its class, and the one for a short history.
        volatility: As measured; None when nothing was.
        horizon_days: Trading days that selling the goods may take.
    """
    if volatility is None or volatility.days < HISTORY_DAYS_MIN:
        days = 0 if volatility is None else volatility.days
        default = max(instrument.haircut_floor_bps, instrument.short_history_haircut_bps)
        return default, (
            f"{days} daily prices of {instrument.id} are known, fewer than {HISTORY_DAYS_MIN}:"
            f" default haircut of {default} bps"
        )
    loss = 1.0 - math.exp(-LOSS_QUANTILE * volatility.sigma_daily * math.sqrt(horizon_days))
    return min(BPS, max(instrument.haircut_floor_bps, math.ceil(loss * BPS))), None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graded:
    """A lot with what is accepted of it and at which price, before the arithmetic."""

    lot: LotFacts
    mass_g: int
    price: Usable | None
    unit: Unit
    factor_bps: int
    haircut_bps: int
    complete: bool
    reasons: tuple[str, ...]


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


def value_lots(lots: Sequence[LotFacts], quotes: Quotes, terms: Terms) -> tuple[LotValue, ...]:
    """Return each lot's value, in the lots' order; what cannot be valued is worth nothing."""
    graded = [_grade(lot, quotes.get(lot.instrument_id), terms) for lot in lots]
    values = value_columns(
        LotColumns(
            mass_g=np.array([g.mass_g for g in graded], dtype=np.int64),
            price_micro=np.array(
                [0 if g.price is None else price_micro(g.price.price) for g in graded],
                dtype=np.float64,
            ),
            minor_divisor=np.array(
                [minor_divisor(g.unit, terms.currency) for g in graded], dtype=np.float64
            ),
            factor_bps=np.array([g.factor_bps for g in graded], dtype=np.int64),
            haircut_bps=np.array([g.haircut_bps for g in graded], dtype=np.int64),
        )
    )
    return tuple(
        LotValue(
            lot_id=g.lot.lot_id,
            name=g.lot.name,
            instrument_id=g.lot.instrument_id,
            accepted_mass_g=g.mass_g,
            price=None if g.price is None else g.price.price,
            price_at=None if g.price is None else g.price.at,
            price_source=None if g.price is None else g.price.source,
            haircut_bps=g.haircut_bps,
            value_minor=Minor(int(value)),
            lendable_minor=Minor(int(lendable)),
            complete=g.complete,
            reasons=g.reasons,
        )
        for g, value, lendable in zip(
            graded, values.value_minor, values.lendable_minor, strict=True
        )
    )


def _grade(lot: LotFacts, quote: InstrumentQuote | None, terms: Terms) -> _Graded:
    """Return what is accepted of a lot, and each reason why it is less than nominal."""
    mass_g, complete, reasons = accept_mass(lot)
    factor = DAMAGED_FACTOR_BPS if lot.state.condition is Condition.DAMAGED else BPS
    if factor != BPS:
        reasons += (f"it is damaged: {factor} bps of its value count",)
    price: Usable | None = None
    unit, haircut = Unit.KGM, BPS
    if quote is None:
        reasons += (f"{lot.instrument_id} is not known",)
    elif quote.instrument.currency != terms.currency:
        reasons += (
            f"{lot.instrument_id} is quoted in {quote.instrument.currency}, the facility is in"
            f" {terms.currency}, and no exchange rate is known",
        )
    else:
        unit = quote.instrument.unit
        haircut, why = haircut_bps(
            quote.instrument, quote.volatility, terms.liquidation_horizon_days
        )
        reasons += () if why is None else (why,)
        match quote.decision:
            case Usable() as price:
                if price.price <= 0:
                    reasons += (f"{lot.instrument_id} is quoted at {price.price:f}",)
            case Unusable(detail=detail):
                reasons += (detail,)
    return _Graded(
        lot=lot,
        mass_g=mass_g,
        price=price,
        unit=unit,
        factor_bps=factor,
        haircut_bps=haircut,
        complete=complete and price is not None,
        reasons=reasons,
    )


def sum_valuation(
    facility_id: FacilityId,
    lots: Sequence[LotValue],
    terms: Terms,
    exposure_minor: Minor,
    now: datetime,
    quotes: Quotes,
) -> Valuation:
    """Return the valuation of a facility's lots; their order does not matter."""
    lines = tuple(sorted(lots, key=lambda lot: lot.lot_id))
    value = min(MINOR_MAX, sum(lot.value_minor for lot in lines))
    lendable = min(MINOR_MAX, sum(lot.lendable_minor for lot in lines))
    base = max(0, lendable - terms.reserve_minor)
    stale = [
        quote.decision.stale_at
        for lot in lines
        if (quote := quotes.get(lot.instrument_id)) is not None
        and isinstance(quote.decision, Usable)
    ]
    return Valuation(
        facility_id=facility_id,
        at=now,
        expires_at=min([now + timedelta(seconds=terms.ttl_s), *stale]),
        value_minor=Minor(value),
        base_minor=Minor(base),
        exposure_minor=exposure_minor,
        coverage_bps=coverage_bps(Minor(value), exposure_minor),
        complete=all(lot.complete for lot in lines),
        model=MODEL,
        content_sha256=sha256(repr([_identity(lot) for lot in lines]).encode()).digest(),
        lots=lines,
    )


def _identity(lot: LotValue) -> tuple[object, ...]:
    """Return all that a lot's line says, in a form whose text is always the same."""
    return (
        str(lot.lot_id),
        lot.accepted_mass_g,
        None if lot.price is None else f"{lot.price:f}",
        None if lot.price_at is None else lot.price_at.astimezone(UTC).isoformat(),
        lot.price_source,
        lot.haircut_bps,
        lot.value_minor,
        lot.lendable_minor,
        lot.complete,
        lot.reasons,
    )


def coverage_bps(value_minor: Minor, exposure_minor: Minor) -> int | None:
    """Return value over exposure in basis points, rounded down; None while nothing is owed."""
    return None if exposure_minor == 0 else min(MINOR_MAX, value_minor * BPS // exposure_minor)
