"""What a shock changes of what is known, and what it leaves."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from backend.collateral.types import Surveillance
from backend.ids import InstrumentId, PartyId, SiteId
from backend.market.types import Usable
from backend.risk_cli.scenarios import Scenario, apply_scenario, standard_scenarios
from backend.valuation.types import LotFacts
from tests.unit.backend.facility.facts import (
    COPPER,
    drawable,
    lots,
    make_holding,
    make_lot,
    make_quote,
    stand,
)

HERE, THERE = SiteId(UUID(int=1)), SiteId(UUID(int=2))
OWNER = PartyId(UUID(int=3))
RATE = InstrumentId("EURUSD")


def price_of(holding_price: Decimal | str, fall_bps: int) -> Decimal:
    """Return copper's price after a fall."""
    holding = make_holding(quotes={COPPER: make_quote(holding_price)})
    decision = apply_scenario(holding, Scenario(name="x", fall_bps=fall_bps)).quotes[COPPER]
    assert isinstance(decision.decision, Usable)
    return decision.decision.price


def test_every_price_falls_and_one_below_zero_falls_further() -> None:
    """Thirty per cent off 9,000 are 6,300; off -10 they are -13."""
    assert price_of("9000", 3_000) == 6_300
    assert price_of("-10", 3_000) == -13


def test_a_rate_of_exchange_does_not_fall_with_the_goods() -> None:
    """Else what is quoted in another currency would fall twice."""
    quotes = {COPPER: make_quote(), RATE: make_quote("1.1", id=RATE, fx_base="EUR")}
    after = apply_scenario(make_holding(quotes=quotes), Scenario(name="x", fall_bps=3_000))

    assert after.quotes[RATE] == quotes[RATE]
    assert after.quotes[COPPER] != quotes[COPPER]


def test_only_the_warehouse_that_goes_dark_is_dark() -> None:
    """Lots elsewhere are watched as before."""
    basket = (replace(make_lot(1), site_id=HERE), replace(make_lot(2), site_id=THERE))
    after = apply_scenario(make_holding(lots=basket), Scenario(name="x", dark_site=HERE))

    assert [lot.state.surveillance for lot in after.lots] == [
        Surveillance.DARK,
        Surveillance.LIVE,
    ]


@given(lot=lots(), fall_bps=st.integers(1, 10_000))
def test_no_shock_ever_lets_more_be_drawn(lot: LotFacts, fall_bps: int) -> None:
    """Whatever the lot's state: each shock alone, and all at once, only take."""
    basket = (
        replace(lot, site_id=HERE, owner_party=OWNER),
        replace(make_lot(2), site_id=THERE),
    )
    holding = make_holding(lots=basket)
    before = drawable(stand(holding))

    for scenario in standard_scenarios(fall_bps, HERE, OWNER):
        assert drawable(stand(apply_scenario(holding, scenario))) <= before
