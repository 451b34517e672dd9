"""What the routes of drawdowns, repayments and events take and return."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from backend.facility.http.views import Amount, ReasonView, reason_view
from backend.facility.types import Drawdown, DrawdownState, FacilityEvent, Repayment
from schemas.drawdown import MESSAGE_BYTES_MAX

Hex = Annotated[str, StringConstraints(max_length=2 * MESSAGE_BYTES_MAX)]


class _Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class DrawdownBody(_Body):
    """Money to draw; the id is the caller's.

    ``message``: the request as the borrower's key signed it (schemas/drawdown-v1.cddl), in hex.
    """

    id: UUID
    amount_minor: Amount
    message: Hex | None = None


class AuthoriseBody(_Body):
    """The decision as the lender's key signed it (schemas/drawdown-v1.cddl), in hexadecimal."""

    message: Hex | None = None


class RepaymentBody(_Body):
    """Money that comes back; the id is the caller's."""

    id: UUID
    amount_minor: Amount


class DrawdownView(BaseModel):
    """A drawdown, how far it has come, and why."""

    id: UUID
    facility_id: UUID
    amount_minor: int
    state: DrawdownState
    requested_by: UUID
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    valuation_id: UUID | None
    expires_at: datetime | None
    ended_at: datetime | None
    reasons: list[ReasonView]
    signed_by_borrower: bool
    signed_by_lender: bool


class RepaymentView(BaseModel):
    """A repayment and what it was applied to; surplus is the borrower's."""

    id: UUID
    facility_id: UUID
    amount_minor: int
    penalty_minor: int
    fees_minor: int
    interest_minor: int
    principal_minor: int
    surplus_minor: int
    paid_by: UUID | None
    paid_at: datetime


class EventView(BaseModel):
    """Who did what to a facility, when, and why."""

    id: int
    at: datetime
    actor: str
    what: str
    detail: dict[str, Any]


def drawdown_view(drawdown: Drawdown) -> DrawdownView:
    """Return a drawdown."""
    return DrawdownView(
        id=drawdown.id,
        facility_id=drawdown.facility_id,
        amount_minor=drawdown.amount_minor,
        state=drawdown.state,
        requested_by=drawdown.requested_by,
        requested_at=drawdown.requested_at,
        decided_by=drawdown.decided_by,
        decided_at=drawdown.decided_at,
        valuation_id=drawdown.valuation_id,
        expires_at=drawdown.expires_at,
        ended_at=drawdown.ended_at,
        reasons=[reason_view(reason) for reason in drawdown.reasons],
        signed_by_borrower=drawdown.request_key_id is not None,
        signed_by_lender=drawdown.decision_key_id is not None,
    )


def repayment_view(repayment: Repayment) -> RepaymentView:
    """Return a repayment."""
    return RepaymentView(
        id=repayment.id,
        facility_id=repayment.facility_id,
        amount_minor=repayment.amount_minor,
        penalty_minor=repayment.split.penalty_minor,
        fees_minor=repayment.split.fees_minor,
        interest_minor=repayment.split.interest_minor,
        principal_minor=repayment.split.principal_minor,
        surplus_minor=repayment.split.surplus_minor,
        paid_by=repayment.paid_by,
        paid_at=repayment.paid_at,
    )


def event_view(event: FacilityEvent) -> EventView:
    """Return what happened."""
    return EventView(
        id=event.id, at=event.at, actor=event.actor, what=event.what, detail=dict(event.detail)
    )
