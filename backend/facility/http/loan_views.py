"""What the routes of margin calls, charges, dues, refusals and pledges take and return."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.facility.http.views import Amount, FacilityView, ReasonView, reason_view
from backend.facility.service.loans import DUES_MAX
from backend.facility.store.loans import Charge, WriteOff
from backend.facility.types import (
    Accrual,
    AccrualKind,
    CallState,
    Component,
    DayCount,
    Due,
    MarginCall,
    Owed,
    Parts,
    Rate,
    Refusal,
)

BPS_MAX: Final = 100_000  # A thousand per cent a year.
SUPPOSED_MAX: Final = 200  # Of each kind; a pledge has no more lots.
MASS_G_MAX: Final = 10**15

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
RateBps = Annotated[int, Field(ge=0, le=BPS_MAX)]


class _Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ReasonBody(_Body):
    """Why a lender acts."""

    reason: Text


class ExtendBody(_Body):
    """Until when a margin call is extended, and why."""

    deadline_at: datetime
    reason: Text


class RateBody(_Body):
    """What is charged from a day on, in basis points a year.

    ``commitment_bps`` on what is not drawn, ``penalty_bps`` on what is past due.
    """

    from_day: date
    day_count: DayCount
    annual_bps: RateBps
    commitment_bps: RateBps = 0
    penalty_bps: RateBps = 0


class ChargeBody(_Body):
    """A fee; the id is the caller's."""

    id: UUID
    kind: Literal["arrangement", "other"]
    name: Name
    amount_minor: Amount
    due_on: date


class DueBody(_Body):
    """What falls due on a day; interest without an amount: all that has accrued before it."""

    due_on: date
    component: Component
    amount_minor: Amount | None = None


class DuesBody(_Body):
    """What falls due when."""

    dues: Annotated[list[DueBody], Field(min_length=1, max_length=DUES_MAX)]


class PartsView(BaseModel):
    """An amount by what it is owed for."""

    penalty_minor: int
    fees_minor: int
    interest_minor: int
    principal_minor: int


class WriteOffBody(_Body):
    """What to give up; the id is the caller's."""

    id: UUID
    penalty_minor: Annotated[int, Field(ge=0)] = 0
    fees_minor: Annotated[int, Field(ge=0)] = 0
    interest_minor: Annotated[int, Field(ge=0)] = 0
    principal_minor: Annotated[int, Field(ge=0)] = 0
    reason: Text


class RegistrationBody(_Body):
    """Where a pledge is registered."""

    registry: Name
    number: Name
    registered_on: date


class SubstituteBody(_Body):
    """The proposed pledge that takes the place of another one."""

    pledge_id: UUID


class PriceChangeBody(_Body):
    """A price that moves; without an instrument all of them do."""

    instrument_id: Annotated[str, StringConstraints(max_length=120)] | None = None
    change_bps: Annotated[int, Field(ge=-20_000, le=1_000_000)]


class AddedLotBody(_Body):
    """Goods that might be pledged: sound, whole and watched."""

    instrument_id: Annotated[str, StringConstraints(max_length=120)]
    mass_g: Annotated[int, Field(ge=1, le=MASS_G_MAX)]


class SuppositionBody(_Body):
    """What might be otherwise: prices, goods, money."""

    price_changes: Annotated[list[PriceChangeBody], Field(max_length=SUPPOSED_MAX)] = []
    release_lots: Annotated[list[UUID], Field(max_length=SUPPOSED_MAX)] = []
    add_lots: Annotated[list[AddedLotBody], Field(max_length=SUPPOSED_MAX)] = []
    draw_minor: Amount | None = None
    repay_minor: Amount | None = None


class SuppositionView(BaseModel):
    """How a facility stands, how it would, and what would be said; nothing is written."""

    allowed: bool
    reasons: list[ReasonView]
    now: FacilityView
    then: FacilityView


class MarginCallView(BaseModel):
    """A margin call: what it asked for, until when, and what came of it.

    Either ``cash_minor`` repaid, or collateral added that is worth ``collateral_minor``
    (``lendable_minor`` after haircut), would have brought coverage back when it was opened. It is
    cured by new valuations alone.
    """

    id: int | None
    state: CallState
    opened_at: datetime
    deadline_at: datetime
    valuation_id: UUID | None
    coverage_bps: int | None
    value_minor: int
    exposure_minor: int
    cash_minor: int
    collateral_minor: int
    lendable_minor: int
    observations: int
    liquidatable_at: datetime | None
    defaulted_at: datetime | None
    ended_at: datetime | None
    ended_valuation_id: UUID | None


class RateView(BaseModel):
    """What is charged from a day on."""

    from_day: date
    day_count: DayCount
    annual_bps: int
    commitment_bps: int
    penalty_bps: int


class AccrualView(BaseModel):
    """What accrued on a day, and from what."""

    kind: AccrualKind
    day: date
    base_minor: int
    annual_bps: int
    day_count: DayCount
    days: int
    amount_minor: int


class ChargeView(BaseModel):
    """A fee that was charged."""

    id: UUID
    kind: str
    name: str
    amount_minor: int
    due_on: date
    charged_at: datetime


class DueView(BaseModel):
    """What falls due on a day."""

    due_on: date
    component: Component
    amount_minor: int | None


class DuesView(BaseModel):
    """The schedule, and what is owed by when it is to be paid."""

    dues: list[DueView]
    past_due: PartsView
    due: PartsView
    in_advance: PartsView


class WriteOffView(PartsView):
    """What was given up, and why."""

    id: UUID
    reason: str
    written_at: datetime
    written_by: UUID


class RefusalView(BaseModel):
    """What was not allowed: which rules with which numbers, on which evidence."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: UUID
    reasons: list[ReasonView]
    evidence: dict[str, Any]


def call_view(call: MarginCall) -> MarginCallView:
    """Return a margin call."""
    return MarginCallView(
        id=call.id,
        state=call.state,
        opened_at=call.opened_at,
        deadline_at=call.deadline_at,
        valuation_id=call.valuation_id,
        coverage_bps=call.coverage_bps,
        value_minor=call.value_minor,
        exposure_minor=call.exposure_minor,
        cash_minor=call.cure.cash_minor,
        collateral_minor=call.cure.collateral_minor,
        lendable_minor=call.cure.lendable_minor,
        observations=call.observations,
        liquidatable_at=call.liquidatable_at,
        defaulted_at=call.defaulted_at,
        ended_at=call.ended_at,
        ended_valuation_id=call.ended_valuation_id,
    )


def rate_view(rate: Rate) -> RateView:
    """Return a rate."""
    return RateView(
        from_day=rate.from_day,
        day_count=rate.day_count,
        annual_bps=rate.annual_bps,
        commitment_bps=rate.commitment_bps,
        penalty_bps=rate.penalty_bps,
    )


def accrual_view(accrual: Accrual) -> AccrualView:
    """Return an accrual."""
    return AccrualView(
        kind=accrual.kind,
        day=accrual.day,
        base_minor=accrual.base_minor,
        annual_bps=accrual.annual_bps,
        day_count=accrual.day_count,
        days=accrual.days,
        amount_minor=accrual.amount_minor,
    )


def charge_view(charge: Charge) -> ChargeView:
    """Return a fee."""
    return ChargeView(
        id=charge.id,
        kind=charge.kind,
        name=charge.name,
        amount_minor=charge.amount_minor,
        due_on=charge.due_on,
        charged_at=charge.charged_at,
    )


def parts_view(parts: Parts) -> PartsView:
    """Return an amount by parts."""
    return PartsView(
        penalty_minor=parts.penalty_minor,
        fees_minor=parts.fees_minor,
        interest_minor=parts.interest_minor,
        principal_minor=parts.principal_minor,
    )


def dues_view(dues: list[Due], owed: Owed) -> DuesView:
    """Return the schedule and what is owed."""
    return DuesView(
        dues=[
            DueView(due_on=due.due_on, component=due.component, amount_minor=due.amount_minor)
            for due in dues
        ],
        past_due=parts_view(owed.past_due),
        due=parts_view(owed.due),
        in_advance=parts_view(owed.in_advance),
    )


def write_off_view(write_off: WriteOff) -> WriteOffView:
    """Return what was given up."""
    return WriteOffView(
        **parts_view(write_off.parts).model_dump(),
        id=write_off.id,
        reason=write_off.reason,
        written_at=write_off.written_at,
        written_by=write_off.written_by,
    )


def refusal_view(refusal: Refusal) -> RefusalView:
    """Return a refusal."""
    return RefusalView(
        id=refusal.id,
        at=refusal.at,
        actor=refusal.actor,
        action=refusal.action,
        subject=refusal.subject,
        reasons=[reason_view(reason) for reason in refusal.reasons],
        evidence=dict(refusal.evidence),
    )
