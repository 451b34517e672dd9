"""What a scenario makes of everything that is known of a facility. Pure.

A scenario only changes what is known; what follows is decided by the very rules that lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from backend.collateral.types import Custody, QuantityState, Surveillance
from backend.facility.types import Holding
from backend.ids import PartyId, SiteId
from backend.market.types import InstrumentQuote, Usable
from backend.money import BPS
from backend.valuation.types import LotFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens: prices fall by so much, a warehouse goes dark, an obligor's goods are gone."""

    name: str
    fall_bps: int = 0
    dark_site: SiteId | None = None
    gone_party: PartyId | None = None


def standard_scenarios(
    fall_bps: int, site: SiteId | None, party: PartyId | None
) -> Sequence[Scenario]:
    """Return each shock alone, and all of them at once."""
    combined = Scenario(name="combined", fall_bps=fall_bps, dark_site=site, gone_party=party)
    return [
        Scenario(name=f"prices -{fall_bps / 100:g} %", fall_bps=fall_bps),
        Scenario(name="warehouse dark", dark_site=site),
        Scenario(name="obligor gone", gone_party=party),
        combined,
    ]


def apply_scenario(holding: Holding, scenario: Scenario) -> Holding:
    """Return what would be known of a facility; what it owes and what was promised stays."""
    lots = [_gone(_darkened(lot, scenario.dark_site), scenario.gone_party) for lot in holding.lots]
    quotes = {
        key: _fallen(quote, scenario.fall_bps) if scenario.fall_bps else quote
        for key, quote in holding.quotes.items()
    }
    return replace(holding, lots=tuple(lots), quotes=quotes)


def _darkened(lot: LotFacts, site: SiteId | None) -> LotFacts:
    if site is None or lot.site_id != site:
        return lot
    return replace(lot, state=replace(lot.state, surveillance=Surveillance.DARK))


def _gone(lot: LotFacts, party: PartyId | None) -> LotFacts:
    """Return a lot of which nothing is there: pledged as before, so that it locks."""
    if party is None or lot.owner_party != party:
        return lot
    state = replace(
        lot.state,
        custody=Custody.MISSING,
        quantity=QuantityState.SHORT,
        short_mass_g=max(lot.state.short_mass_g, lot.pledged_mass_g),
    )
    return replace(lot, state=state)


def _fallen(quote: InstrumentQuote, fall_bps: int) -> InstrumentQuote:
    """Return a quote of goods whose usable price has fallen; one below zero falls further.

    Rates of exchange stay: a fallen one would fell its goods twice, or lift those the other way.
    """
    if not isinstance(quote.decision, Usable) or quote.instrument.fx_base is not None:
        return quote
    price = quote.decision.price
    lower = price - abs(price) * Decimal(fall_bps) / BPS
    return replace(quote, decision=replace(quote.decision, price=lower))
