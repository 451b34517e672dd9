"""What the routes of facilities take and return, as OpenAPI describes it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.facility.rules.calls import decide_cure
from backend.facility.types import (
    CallState,
    LineState,
    LockReason,
    Reason,
    Standing,
)
from backend.valuation.types import DeductionCode, EvidenceKind, Stage

AMOUNT_MINOR_MAX: Final = 10**15  # Ten trillion in cents: sums of thousands of them fit a bigint.

Amount = Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)]
LineBps = Annotated[int, Field(ge=10_000, le=1_000_000)]


class _Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class FacilityBody(_Body):
    """A line to open; what is left out is the house's default."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    borrower_party: UUID
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    limit_minor: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]
    reserve_minor: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] = 0
    warning_line_bps: LineBps = 15_000
    call_line_bps: LineBps = 13_000
    liquidation_line_bps: LineBps = 11_000
    recovery_margin_bps: Annotated[int, Field(ge=0, le=100_000)] = 500
    recovery_valuations: Annotated[int, Field(ge=1, le=1_000)] = 3
    cure_hours: Annotated[int, Field(ge=1, le=8_760)] = 48
    valuation_ttl_s: Annotated[int, Field(ge=1, le=86_400)] = 60
    liquidation_horizon_days: Annotated[int, Field(ge=1, le=500)] = 20
    control_value_minor: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)] = 0
    registry_required: bool = False
    signatures_required: bool = False
    liquidation_observations: Annotated[int, Field(ge=1, le=1_000)] = 3
    grace_days: Annotated[int, Field(ge=0, le=365)] = 0


class LockBody(_Body):
    """Why a lender locks."""

    detail: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class LockView(BaseModel):
    """Why no drawdown may be made; without opener and time while it is not stored yet."""

    reason: LockReason
    detail: str
    opened_at: datetime | None
    opened_by: str | None


class FacilityView(BaseModel):
    """A facility as it stands now; amounts in minor units of its currency.

    ``availability_minor`` = min(limit, base) - exposure - pending, below zero when too much is
    out; ``drawable_minor`` is what a drawdown may take: nothing under a lock. ``state`` is open,
    liquidatable (a margin call was not met), defaulted or closed; ``margin_call_minor`` what would
    have to be repaid now for coverage to come back.
    """

    id: UUID
    name: str
    lender_party: UUID
    borrower_party: UUID
    currency: str
    state: str
    limit_minor: int
    principal_minor: int
    interest_minor: int
    fees_minor: int
    penalty_minor: int
    past_due_minor: int
    exposure_minor: int
    pending_minor: int
    value_minor: int
    reserve_minor: int
    base_minor: int
    availability_minor: int
    drawable_minor: int
    coverage_bps: int | None
    complete: bool
    valued_at: datetime
    line_state: LineState
    recovered_valuations: int
    warning_line_bps: int
    call_line_bps: int
    liquidation_line_bps: int
    margin_call_minor: int
    cure_by: datetime | None
    control_value_minor: int
    registry_required: bool
    signatures_required: bool
    liquidation_observations: int
    grace_days: int
    locks: list[LockView]


class LotValueView(BaseModel):
    """What one lot is worth, and why it is less than nominal."""

    lot_id: UUID
    name: str
    instrument_id: str
    accepted_mass_g: int
    price: Decimal | None
    price_time: datetime | None
    price_source: str | None
    haircut_bps: int
    value_minor: int
    lendable_minor: int
    complete: bool
    reasons: list[str]


class EvidenceRefView(BaseModel):
    """A piece of evidence: a lot, price, alert, stock-take or policy by its id."""

    kind: EvidenceKind
    id: str


class DeductionView(BaseModel):
    """One line from gross collateral to the base."""

    stage: Stage
    code: DeductionCode
    detail: str
    amount_minor: int
    numbers: dict[str, int]
    evidence: list[EvidenceRefView]


class ValuationView(BaseModel):
    """What a facility's lots are worth together; the id is None until it is stored.

    ``base_minor`` = ``gross_minor`` - the sum of the deductions.
    """

    id: UUID | None
    facility_id: UUID
    at: datetime
    expires_at: datetime
    value_minor: int
    base_minor: int
    exposure_minor: int
    coverage_bps: int | None
    complete: bool
    model: str
    policy_version: int
    gross_minor: int
    deductions: list[DeductionView]
    lots: list[LotValueView]


class ReasonView(BaseModel):
    """Why something was refused: the rule, in words, and with numbers."""

    code: str
    detail: str
    numbers: dict[str, int]


class PreviewView(BaseModel):
    """What would be said to a drawdown, and on what."""

    allowed: bool
    reasons: list[ReasonView]
    facility: FacilityView


def lock_views(standing: Standing) -> list[LockView]:
    """Return the locks that hold and those that everything known now asks for besides."""
    stored = {lock.reason for lock in standing.holding.opened}
    return [
        LockView(
            reason=lock.reason,
            detail=lock.detail,
            opened_at=lock.opened_at,
            opened_by=lock.opened_by,
        )
        for lock in standing.holding.opened
    ] + [
        LockView(reason=lock.reason, detail=lock.detail, opened_at=None, opened_by=None)
        for lock in standing.locks
        if lock.reason not in stored
    ]


def state_of(standing: Standing) -> str:
    """Return open, liquidatable, defaulted, or closed."""
    if not standing.holding.facility.open:
        return "closed"
    call = standing.call
    if call is not None and call.state in (CallState.LIQUIDATABLE, CallState.DEFAULTED):
        return call.state.value
    return "open"


def facility_view(standing: Standing) -> FacilityView:
    """Return a facility as it stands."""
    facility, position, valuation = (
        standing.holding.facility,
        standing.position,
        standing.valuation,
    )
    locks = lock_views(standing)
    drawable = 0 if locks or not facility.open else max(0, position.availability_minor)
    called = standing.cure_by is not None
    return FacilityView(
        id=facility.id,
        name=facility.name,
        lender_party=facility.lender_party,
        borrower_party=facility.borrower_party,
        currency=facility.currency,
        state=state_of(standing),
        limit_minor=facility.limit_minor,
        principal_minor=facility.principal_minor,
        interest_minor=facility.interest_minor,
        fees_minor=facility.fees_minor,
        penalty_minor=facility.penalty_minor,
        past_due_minor=standing.owed.past_due.total_minor,
        exposure_minor=position.exposure_minor,
        pending_minor=position.pending_minor,
        value_minor=valuation.value_minor,
        reserve_minor=facility.reserve_minor,
        base_minor=position.base_minor,
        availability_minor=position.availability_minor,
        drawable_minor=drawable,
        coverage_bps=valuation.coverage_bps,
        complete=valuation.complete,
        valued_at=valuation.at,
        line_state=standing.line.state,
        recovered_valuations=standing.line.recovered_valuations,
        warning_line_bps=facility.lines.warning_bps,
        call_line_bps=facility.lines.call_bps,
        liquidation_line_bps=facility.lines.liquidation_bps,
        margin_call_minor=decide_cure(valuation, facility.lines).cash_minor if called else 0,
        cure_by=standing.cure_by,
        control_value_minor=facility.policy.control_value_minor,
        registry_required=facility.policy.registry_required,
        signatures_required=facility.policy.signatures_required,
        liquidation_observations=facility.policy.liquidation_observations,
        grace_days=facility.policy.grace_days,
        locks=locks,
    )


def valuation_view(standing: Standing) -> ValuationView:
    """Return what a facility's lots are worth."""
    valuation, newest = standing.valuation, standing.holding.newest
    return ValuationView(
        id=None if newest is None or standing.is_new else newest.id,
        facility_id=valuation.facility_id,
        at=valuation.at,
        expires_at=valuation.expires_at,
        value_minor=valuation.value_minor,
        base_minor=valuation.base_minor,
        exposure_minor=valuation.exposure_minor,
        coverage_bps=valuation.coverage_bps,
        complete=valuation.complete,
        model=valuation.model,
        policy_version=valuation.policy_version,
        gross_minor=valuation.base.gross_minor,
        deductions=[
            DeductionView(
                stage=line.stage,
                code=line.code,
                detail=line.detail,
                amount_minor=line.amount_minor,
                numbers=dict(line.numbers),
                evidence=[EvidenceRefView(kind=each.kind, id=each.id) for each in line.evidence],
            )
            for line in valuation.base.lines
        ],
        lots=[
            LotValueView(
                lot_id=lot.lot_id,
                name=lot.name,
                instrument_id=lot.instrument_id,
                accepted_mass_g=lot.accepted_mass_g,
                price=lot.price,
                price_time=lot.price_at,
                price_source=lot.price_source,
                haircut_bps=lot.haircut_bps,
                value_minor=lot.value_minor,
                lendable_minor=lot.lendable_minor,
                complete=lot.complete,
                reasons=list(lot.reasons),
            )
            for lot in valuation.lots
        ],
    )


def reason_view(reason: Reason) -> ReasonView:
    """Return why something was refused."""
    return ReasonView(code=reason.code, detail=reason.detail, numbers=dict(reason.numbers))
