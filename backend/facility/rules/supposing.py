"""How a facility would stand if prices, goods or money were others. Pure: nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from backend.collateral.types import Custody, LotState, QuantityState, Surveillance
from backend.errors import InvalidError
from backend.facility.rules.dues import decide_owed
from backend.facility.rules.money import split_repayment
from backend.facility.types import Facility, Holding
from backend.ids import InstrumentId, LotId
from backend.market.types import InstrumentQuote, Quotes, Usable
from backend.money import BPS, ZERO_MINOR, Minor
from backend.valuation.types import LotFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedLot:
    """Goods that might be pledged: sound, whole and watched."""

    instrument_id: InstrumentId
    mass_g: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposition:
    """What might be otherwise.

    ``price_changes``: an instrument, or None for all, and its price's change in basis points.
    """

    price_changes: tuple[tuple[InstrumentId | None, int], ...] = ()
    release_lots: tuple[LotId, ...] = ()
    add_lots: tuple[AddedLot, ...] = ()
    draw_minor: Minor = ZERO_MINOR
    repay_minor: Minor = ZERO_MINOR


def suppose(holding: Holding, wish: Supposition, quotes: Quotes, now: datetime) -> Holding:
    """Return a holding as it would be before anything is drawn.

    Args:
        holding: as it is.
        wish: what is otherwise; its drawdown is left to the caller.
        quotes: of all instruments concerned.
        now: when.

    Raises:
        InvalidError: A lot to release is not pledged to the facility.
    """
    pledged = {lot.lot_id for lot in holding.lots}
    for lot_id in wish.release_lots:
        if lot_id not in pledged:
            raise InvalidError("release_lots", str(lot_id), "lots pledged to this facility")
    return replace(
        holding,
        facility=_repaid(holding, wish.repay_minor, now),
        lots=(
            *(lot for lot in holding.lots if lot.lot_id not in wish.release_lots),
            *_added(wish),
        ),
        quotes={key: _moved(key, quote, wish.price_changes) for key, quote in quotes.items()},
        alerts=tuple(alert for alert in holding.alerts if alert.lot_id not in wish.release_lots),
        pledges=tuple(
            replace(each, doubled=tuple(d for d in each.doubled if d not in wish.release_lots))
            for each in holding.pledges
        ),
    )


def draw(holding: Holding, amount_minor: Minor) -> Holding:
    """Return a holding after money was paid out."""
    principal = Minor(holding.facility.principal_minor + amount_minor)
    return replace(holding, facility=replace(holding.facility, principal_minor=principal))


def _repaid(holding: Holding, amount_minor: Minor, now: datetime) -> Facility:
    facility = holding.facility
    owed = decide_owed(facility, holding.schedule, now)
    split = split_repayment(facility, owed, amount_minor)
    return replace(
        facility,
        penalty_minor=Minor(facility.penalty_minor - split.penalty_minor),
        fees_minor=Minor(facility.fees_minor - split.fees_minor),
        interest_minor=Minor(facility.interest_minor - split.interest_minor),
        principal_minor=Minor(facility.principal_minor - split.principal_minor),
    )


def _added(wish: Supposition) -> Sequence[LotFacts]:
    """Return the supposed lots, under ids that no lot has."""
    found: list[LotFacts] = []
    for number, added in enumerate(wish.add_lots, 1):
        lot_id = LotId(UUID(int=number))
        state = LotState(
            lot_id=lot_id,
            custody=Custody.IN_ZONE,
            quantity=QuantityState.WHOLE,
            measured_mass_g=added.mass_g,
            surveillance=Surveillance.LIVE,
            evaluated=True,
        )
        found.append(
            LotFacts(
                lot_id=lot_id,
                name=f"supposed lot {number}",
                instrument_id=added.instrument_id,
                pledged_mass_g=added.mass_g,
                state=state,
            )
        )
    return found


def _moved(
    key: InstrumentId,
    quote: InstrumentQuote,
    changes: Sequence[tuple[InstrumentId | None, int]],
) -> InstrumentQuote:
    """Return a quote at another price; one that may not be used stays unusable."""
    if not isinstance(quote.decision, Usable):
        return quote
    price = quote.decision.price
    for instrument_id, change_bps in changes:
        if instrument_id in (None, key):
            price = price * (BPS + change_bps) / Decimal(BPS)
    return replace(quote, decision=replace(quote.decision, price=price))
