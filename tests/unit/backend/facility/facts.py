"""Builders and strategies of everything that a facility's standing is decided on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from backend.collateral.types import (
    Condition,
    Custody,
    LotState,
    QuantityState,
    Surveillance,
)
from backend.facility.rules.money import decide_drawdown
from backend.facility.rules.standing import decide_standing
from backend.facility.types import (
    CriticalAlert,
    Drawdown,
    DrawdownDecision,
    DrawdownState,
    Facility,
    Holding,
    Lines,
    LineStanding,
    LineState,
    LockReason,
    OpenLock,
    Refuse,
    Standing,
    StoredValuation,
)
from backend.ids import (
    AccountId,
    AlertId,
    DrawdownId,
    FacilityId,
    InstrumentId,
    LotId,
    PartyId,
    ValuationId,
)
from backend.market.rules import decide_price
from backend.market.types import (
    Instrument,
    InstrumentQuote,
    Quality,
    Quote,
    SourceHead,
    Unit,
    Volatility,
)
from backend.money import Minor
from backend.valuation.types import LendingPolicy, LotFacts, Valuation

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FACILITY = FacilityId(UUID(int=1))
COPPER = InstrumentId("LME-CU")


def make_state(lot_id: LotId, **overrides: object) -> LotState:
    """Return the state of a lot that nothing is wrong with."""
    values: dict[str, Any] = {
        "custody": Custody.IN_ZONE,
        "quantity": QuantityState.WHOLE,
        "surveillance": Surveillance.LIVE,
        "evaluated": True,
        **overrides,
    }
    return LotState(lot_id=lot_id, **values)


def make_lot(
    number: int = 1,
    pledged_mass_g: int = 10_000_000,
    instrument_id: InstrumentId = COPPER,
    releasing_mass_g: int = 0,
    **state: object,
) -> LotFacts:
    """Return a pledged lot, measured whole; keywords change its state."""
    lot_id = LotId(UUID(int=number))
    return LotFacts(
        lot_id=lot_id,
        name=f"lot-{number}",
        instrument_id=instrument_id,
        pledged_mass_g=pledged_mass_g,
        state=make_state(lot_id, **{"measured_mass_g": pledged_mass_g, **state}),
        releasing_mass_g=releasing_mass_g,
    )


def make_instrument(**overrides: object) -> Instrument:
    """Return copper in dollars a tonne."""
    values: dict[str, Any] = {
        "id": COPPER,
        "name": "Copper",
        "unit": Unit.TNE,
        "currency": "USD",
        "max_price_age_s": 3_600,
        "jump_max_bps": 5_000,
        "haircut_floor_bps": 1_000,
        "short_history_haircut_bps": 5_000,
        **overrides,
    }
    return Instrument(**values)


def make_quote(
    price: Decimal | str | None = "9000",
    age_s: int = 0,
    volatility: Volatility | None = None,
    **instrument: object,
) -> InstrumentQuote:
    """Return an instrument with a price of so many seconds ago; None: never quoted."""
    quoted = make_instrument(**instrument)
    heads: list[SourceHead] = []
    if price is not None:
        quote = Quote(
            source="feed",
            at=NOW - timedelta(seconds=age_s),
            value=Decimal(price),
            quality=Quality.ACCEPTED,
        )
        heads.append(SourceHead(source="feed", accepted=quote, held=None))
    return InstrumentQuote(
        instrument=quoted, decision=decide_price(heads, quoted, NOW), volatility=volatility
    )


def make_policy(**overrides: object) -> LendingPolicy:
    """Return the policy of a facility without one: twenty days, nothing limited."""
    values: dict[str, Any] = {
        "version": 0,
        "reserve_minor": Minor(0),
        "ttl_s": 60,
        "liquidation_horizon_days": 20,
        **overrides,
    }
    return LendingPolicy(**values)


def make_lines(**overrides: int) -> Lines:
    """Return the default lines."""
    values = {
        "warning_bps": 15_000,
        "call_bps": 13_000,
        "liquidation_bps": 11_000,
        "recovery_margin_bps": 500,
        "recovery_valuations": 3,
        **overrides,
    }
    return Lines(**values)


def make_facility(**overrides: object) -> Facility:
    """Return a facility of 100,000.00 dollars under which nothing is owed."""
    values: dict[str, Any] = {
        "id": FACILITY,
        "name": "metals",
        "lender_party": PartyId(UUID(int=2)),
        "borrower_party": PartyId(UUID(int=3)),
        "currency": "USD",
        "limit_minor": Minor(10_000_000),
        "principal_minor": Minor(0),
        "interest_minor": Minor(0),
        "fees_minor": Minor(0),
        "reserve_minor": Minor(0),
        "lines": make_lines(),
        "standing": LineStanding(state=LineState.ABOVE, recovered_valuations=0),
        "cure_by": None,
        "cure_hours": 48,
        "valuation_ttl_s": 60,
        "liquidation_horizon_days": 20,
        "open": True,
        **overrides,
    }
    return Facility(**values)


def make_holding(**overrides: object) -> Holding:
    """Return a sound facility with one lot of ten tonnes of copper."""
    values: dict[str, Any] = {
        "facility": make_facility(),
        "newest": None,
        "lots": (make_lot(),),
        "quotes": {COPPER: make_quote()},
        "alerts": (),
        "pending": (),
        "opened": (),
        **overrides,
    }
    return Holding(**values)


def make_pending(number: int = 1, amount_minor: int = 100, **overrides: object) -> Drawdown:
    """Return a promised drawdown."""
    values: dict[str, Any] = {
        "id": DrawdownId(UUID(int=number)),
        "facility_id": FACILITY,
        "amount_minor": Minor(amount_minor),
        "state": DrawdownState.PENDING,
        "body_sha256": bytes(32),
        "requested_by": AccountId(UUID(int=9)),
        "requested_at": NOW,
        "decided_by": "api:lender",
        "decided_at": NOW,
        "valuation_id": None,
        "expires_at": NOW + timedelta(hours=1),
        "ended_at": None,
        "reasons": (),
        **overrides,
    }
    return Drawdown(**values)


def make_alert(kind: str = "relocation", lot: int = 1) -> CriticalAlert:
    """Return an unresolved critical alert."""
    return CriticalAlert(
        id=AlertId(UUID(int=77)), kind=kind, lot_id=LotId(UUID(int=lot)), summary="a finding"
    )


def make_open_lock(reason: LockReason = LockReason.MANUAL, detail: str = "audit") -> OpenLock:
    """Return a lock that holds."""
    return OpenLock(
        id=1, facility_id=FACILITY, reason=reason, detail=detail, opened_at=NOW, opened_by="x"
    )


prices = st.decimals(min_value=-1_000, max_value=100_000, places=2)
masses_g = st.integers(1, 10**11)
volatilities = st.one_of(
    st.none(),
    st.builds(Volatility, sigma_daily=st.floats(0, 2, allow_nan=False), days=st.integers(0, 500)),
)


@st.composite
def lots(draw: st.DrawFn, number: int = 1) -> LotFacts:
    """A lot in any state."""
    pledged = draw(masses_g)
    return make_lot(
        number,
        pledged_mass_g=pledged,
        custody=draw(st.sampled_from(Custody)),
        quantity=draw(st.sampled_from(QuantityState)),
        short_mass_g=draw(st.integers(0, pledged)),
        measured_mass_g=draw(st.none() | st.integers(0, 2 * pledged)),
        condition=draw(st.sampled_from(Condition)),
        surveillance=draw(st.sampled_from(Surveillance)),
        tampered=draw(st.booleans()),
        evaluated=draw(st.booleans()),
        releasing_mass_g=draw(st.just(0) | st.integers(0, 2 * pledged)),
    )


@st.composite
def sound_lots(draw: st.DrawFn, count_max: int = 5) -> Sequence[LotFacts]:
    """Some lots that nothing is wrong with."""
    masses = draw(st.lists(masses_g, min_size=1, max_size=count_max))
    return [make_lot(number, pledged_mass_g=mass) for number, mass in enumerate(masses, 1)]


SOUND = make_holding()  # Ten tonnes at 9,000: worth 90,000.00, half of it lent against.


def stand(holding: Holding) -> Standing:
    """Return how a facility stands now."""
    return decide_standing(holding, NOW)


def ask(standing: Standing, amount: int) -> DrawdownDecision:
    """Ask for a drawdown."""
    return decide_drawdown(
        standing.holding.facility, standing.position, standing.locks, Minor(amount)
    )


def codes(decision: DrawdownDecision) -> list[str]:
    """Return the codes of a refusal, in order; none when it is allowed."""
    return [reason.code for reason in decision.reasons] if isinstance(decision, Refuse) else []


def reasons(standing: Standing) -> set[LockReason]:
    """Return why a facility is locked."""
    return {lock.reason for lock in standing.locks}


def drawable(standing: Standing) -> int:
    """Return the most that a drawdown may take: what monotonicity is about."""
    return 0 if standing.locks else max(0, standing.position.availability_minor)


def valued(coverage_bps: int | None, *, complete: bool = True) -> Valuation:
    """Return a valuation that covers an exposure so far."""
    valuation = stand(SOUND).valuation
    return replace(valuation, coverage_bps=coverage_bps, complete=complete)


def stored(valuation: Valuation, age_s: int = 1) -> StoredValuation:
    """Return a valuation as stored so many seconds ago."""
    at = valuation.at - timedelta(seconds=age_s)
    return StoredValuation(
        id=ValuationId(UUID(int=5)),
        at=at,
        expires_at=at + timedelta(seconds=60),
        exposure_minor=valuation.exposure_minor,
        content_sha256=valuation.content_sha256,
    )
