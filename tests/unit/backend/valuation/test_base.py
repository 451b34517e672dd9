"""From gross collateral to the base: every line counts, and nothing worse ever lends more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from backend.collateral.types import Condition, Surveillance
from backend.facility.rules.standing import decide_standing
from backend.ids import CommodityId, InstrumentId, PartyId, SiteId, StockTakeId
from backend.money import BPS, Minor
from backend.valuation.types import (
    BorrowingBase,
    DeductionCode,
    EvidenceKind,
    LendingPolicy,
    LotFacts,
    Stage,
)
from tests.unit.backend.facility.facts import (
    COPPER,
    NOW,
    drawable,
    lots,
    make_alert,
    make_facility,
    make_holding,
    make_lot,
    make_policy,
    make_quote,
    stand,
)

TIN = InstrumentId("LME-SN")

policies = st.builds(
    make_policy,
    version=st.integers(1, 9),
    reserve_minor=st.integers(0, 10**7).map(Minor),
    reserve_bps=st.integers(0, BPS),
    haircut_floor_bps=st.integers(0, BPS),
    revaluation_days=st.integers(1, 30),
    commodities=st.none() | st.just((CommodityId("copper"),)),
    stock_take_age_s_max=st.none() | st.integers(1, 10**6),
    surveillance_worst=st.sampled_from(Surveillance),
    condition_worst=st.sampled_from(Condition),
    obligor_bps_max=st.integers(100, BPS),
    commodity_bps_max=st.integers(100, BPS),
    warehouse_bps_max=st.integers(100, BPS),
)


@st.composite
def baskets(draw: st.DrawFn) -> Sequence[LotFacts]:
    """Some lots in any state, of few owners, commodities and warehouses."""
    few = st.integers(1, 3)
    return [
        replace(
            draw(lots(number)),
            instrument_id=draw(st.sampled_from((COPPER, TIN))),
            owner_party=PartyId(UUID(int=draw(few))),
            site_id=SiteId(UUID(int=draw(few))),
            commodity_id=draw(st.sampled_from((CommodityId("copper"), CommodityId("tin"), None))),
            stock_take_id=StockTakeId(UUID(int=5)),
            stock_take_at=NOW - timedelta(seconds=draw(st.integers(0, 10**6))),
        )
        for number in range(1, draw(st.integers(2, 7)))
    ]


def base_of(
    basket: Sequence[LotFacts], policy: LendingPolicy, copper: Decimal | str = "9000"
) -> BorrowingBase:
    """Return the base of lots under a policy."""
    quotes = {COPPER: make_quote(copper), TIN: make_quote("25000", id=TIN)}
    holding = make_holding(lots=tuple(basket), quotes=quotes, lending_policy=policy)
    return decide_standing(holding, NOW).valuation.base


@given(basket=baskets(), policy=policies)
def test_the_lines_add_up_from_gross_to_the_base(
    basket: Sequence[LotFacts], policy: LendingPolicy
) -> None:
    """No line is negative, they stand in the order of their stages, and nothing is left over."""
    base = base_of(basket, policy)
    stages = [list(Stage).index(line.stage) for line in base.lines]

    assert base.gross_minor - sum(line.amount_minor for line in base.lines) == base.base_minor
    assert all(line.amount_minor >= 0 for line in base.lines)
    assert all(line.evidence for line in base.lines)
    assert base.base_minor >= 0
    assert stages == sorted(stages)


@given(basket=baskets(), policy=policies, data=st.data())
def test_the_order_of_lots_changes_nothing(
    basket: Sequence[LotFacts], policy: LendingPolicy, data: st.DataObject
) -> None:
    """The same lots in another order make the same base, line by line."""
    assert base_of(data.draw(st.permutations(basket)), policy) == base_of(basket, policy)


@given(basket=baskets(), policy=policies, data=st.data())
def test_nothing_worse_ever_raises_the_base(
    basket: Sequence[LotFacts], policy: LendingPolicy, data: st.DataObject
) -> None:
    """A lower price, less of a lot, a worse state, an older stock-take; limits included."""
    at = data.draw(st.integers(0, len(basket) - 1))
    lot, before = basket[at], base_of(basket, policy).base_minor
    taken = lot.stock_take_at
    assert taken is not None
    less = data.draw(st.integers(0, lot.pledged_mass_g))
    worse = [
        replace(lot, pledged_mass_g=lot.pledged_mass_g - less),
        replace(lot, releasing_mass_g=lot.releasing_mass_g + less),
        replace(lot, state=replace(lot.state, short_mass_g=lot.state.short_mass_g + less)),
        replace(lot, state=replace(lot.state, condition=Condition.DAMAGED)),
        replace(lot, state=replace(lot.state, surveillance=Surveillance.DARK)),
        replace(lot, state=replace(lot.state, evaluated=False)),
        replace(lot, stock_take_at=taken - timedelta(days=10)),
    ]

    for each in worse:
        assert base_of([*basket[:at], each, *basket[at + 1 :]], policy).base_minor <= before
    fallen = data.draw(st.decimals(-100, 9000, places=2))
    assert base_of(basket, policy, fallen).base_minor <= before


@given(basket=baskets(), policy=policies, data=st.data())
def test_a_stricter_policy_never_lends_more(
    basket: Sequence[LotFacts], policy: LendingPolicy, data: st.DataObject
) -> None:
    """Each rule of a policy only ever takes off."""
    before = base_of(basket, policy).base_minor
    lower = {
        name: data.draw(st.integers(100, getattr(policy, name)))
        for name in ("obligor_bps_max", "commodity_bps_max", "warehouse_bps_max")
    }
    stricter = [
        *(replace(policy, **{name: bound}) for name, bound in lower.items()),
        replace(policy, reserve_minor=Minor(policy.reserve_minor + 1_000)),
        replace(policy, reserve_bps=BPS),
        replace(policy, haircut_floor_bps=BPS),
        replace(policy, revaluation_days=policy.revaluation_days + 5),
        replace(policy, surveillance_worst=Surveillance.LIVE),
        replace(policy, condition_worst=Condition.SOUND),
        replace(policy, commodities=(CommodityId("zinc"),)),
    ]

    for each in stricter:
        assert base_of(basket, each).base_minor <= before


@given(basket=baskets(), policy=policies)
def test_an_older_price_or_one_more_alert_never_lets_more_be_drawn(
    basket: Sequence[LotFacts], policy: LendingPolicy
) -> None:
    """What may be drawn now is never more with worse news than without."""
    quotes = {COPPER: make_quote(), TIN: make_quote("25000", id=TIN)}
    holding = make_holding(
        facility=make_facility(), lots=tuple(basket), quotes=quotes, lending_policy=policy
    )
    before = drawable(stand(holding))

    older = {**quotes, COPPER: make_quote(age_s=10**6)}
    assert drawable(stand(replace(holding, quotes=older))) <= before
    assert drawable(stand(replace(holding, alerts=(make_alert(),)))) <= before


@given(masses=st.lists(st.integers(1, 10**9), min_size=2, max_size=5), policy=policies)
def test_cutting_a_lot_in_pieces_changes_the_base_by_rounding_at_most(
    masses: list[int], policy: LendingPolicy
) -> None:
    """Pieces of one owner's lot in one place lend what the whole does, but for a unit each."""
    whole = base_of([make_lot(1, pledged_mass_g=sum(masses))], policy).base_minor
    pieces = [make_lot(at, pledged_mass_g=mass) for at, mass in enumerate(masses, 1)]

    assert abs(base_of(pieces, policy).base_minor - whole) <= 2 * len(masses) + 3


def test_each_line_names_its_rule_its_numbers_and_its_evidence() -> None:
    """A short, damaged basket under a policy: what a person can click on."""
    short = make_lot(1, measured_mass_g=6_000_000)
    damaged = replace(make_lot(2, condition=Condition.DAMAGED), alert_ids=(make_alert(lot=2).id,))
    base = base_of([short, damaged, make_lot(3)], make_policy(version=4, reserve_bps=1_000))

    told = {line.code: line for line in base.lines}
    assert list(told) == [
        DeductionCode.QUANTITY,
        DeductionCode.DAMAGED,
        DeductionCode.HAIRCUT,
        DeductionCode.RESERVE_SHARE,
    ]
    assert base.gross_minor == 27_000_000
    assert told[DeductionCode.QUANTITY].amount_minor == 3_600_000
    assert told[DeductionCode.DAMAGED].amount_minor == 9_000_000
    assert [each.kind for each in told[DeductionCode.DAMAGED].evidence] == [
        EvidenceKind.LOT,
        EvidenceKind.ALERT,
    ]
    price = told[DeductionCode.HAIRCUT].evidence[0]
    assert (price.kind, price.id) == (EvidenceKind.PRICE, f"{COPPER}@feed@{NOW.isoformat()}")
    assert told[DeductionCode.HAIRCUT].numbers["haircut_bps"] == 5_000
    assert told[DeductionCode.RESERVE_SHARE].evidence[0].id == "4"
    assert base.base_minor == (27_000_000 - 12_600_000) // 2 * 9 // 10
