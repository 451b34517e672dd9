"""What a lender does on a facility's page: margin calls, rates, fees, and its end."""

from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from fastapi import Form, Query, Request, Response
from pydantic import BaseModel, Field

from backend.db import Conn
from backend.deps import AsLender, Db, Now
from backend.errors import NotFoundError, RefusedError
from backend.facility.errors import CallRefusedError, NotAllowedError
from backend.facility.http import loans, margin_calls, previews
from backend.facility.http.loan_views import (
    ChargeBody,
    ExtendBody,
    PriceChangeBody,
    RateBody,
    ReasonBody,
    SuppositionBody,
)
from backend.facility.http.parties import AsParty
from backend.facility.rules.dues import decide_owed
from backend.facility.store import accruals, calls, refusals
from backend.facility.store import loans as store
from backend.facility.types import DayCount, Facility, Schedule
from backend.ids import FacilityId
from backend.money import MINOR_MAX
from backend.web.console import done, new_router
from backend.web.format import money, parse_amount, percent, reason_text
from backend.web.store.facilities import list_cards
from backend.web.types import FacilityCard

router = new_router()
ROWS_SHOWN: Final = 20
Reason = Annotated[str, Form(max_length=500)]


class ChargeFields(BaseModel):
    """A fee as a person types it."""

    id: UUID
    name: Annotated[str, Field(max_length=120)]
    amount: Annotated[str, Field(max_length=40)]
    due_on: date


class ExtendFields(BaseModel):
    """By how much a margin call is extended, and why."""

    hours: Annotated[int, Field(ge=1, le=8_760)]
    reason: Annotated[str, Field(max_length=500)]


class SupposeFields(BaseModel):
    """What might be otherwise, as a person types it."""

    price_percent: Annotated[float, Field(ge=-200, le=10_000, allow_inf_nan=False)] = 0
    draw: Annotated[str, Field(max_length=40)] = ""
    repay: Annotated[str, Field(max_length=40)] = ""
    release_lot: UUID | Literal[""] = ""


class RateFields(BaseModel):
    """A rate as a person types it."""

    from_day: date
    day_count: DayCount
    annual_bps: int
    commitment_bps: int = 0
    penalty_bps: int = 0


def load_loan(conn: Conn, facility: Facility, now: Now) -> dict[str, Any]:
    """Return what a facility's page shows of its margin calls, charges, dues and refusals."""
    found = calls.list_calls(conn, facility.id)
    schedules = store.load_schedules(conn, [facility.id], now)
    return {
        "calls": found,
        "ended_calls": [call for call in found if call.ended_at is not None][:ROWS_SHOWN],
        "rates": accruals.load_rates(conn, facility.id),
        "charges": store.list_charges(conn, facility.id)[:ROWS_SHOWN],
        "dues": store.list_dues(conn, facility.id),
        "write_offs": store.list_write_offs(conn, facility.id)[:ROWS_SHOWN],
        "owed": decide_owed(facility, schedules.get(facility.id, Schedule()), now),
        "refusals": refusals.list_refusals(conn, facility.id, MINOR_MAX)[:ROWS_SHOWN],
        "charge_id": uuid4(),
    }


@router.get("/facilities/{facility_id}/suppose")
def suppose(
    facility_id: UUID,
    request: Request,
    db: Db,
    actor: AsParty,
    now: Now,
    form: Annotated[SupposeFields, Query()],
) -> Response:
    """Say what would be available if; nothing is written."""
    with db.acting(actor) as conn:
        currency = _card(conn, facility_id).facility.currency
    change = PriceChangeBody(change_bps=round(form.price_percent * 100))
    body = SuppositionBody(
        price_changes=[change] if change.change_bps else [],
        release_lots=[form.release_lot] if form.release_lot else [],
        draw_minor=parse_amount(form.draw, currency) if form.draw else None,
        repay_minor=parse_amount(form.repay, currency) if form.repay else None,
    )
    found = previews.preview_supposition(facility_id, body, db, actor, now)
    then = found.then
    coverage = "nothing owed" if then.coverage_bps is None else percent(then.coverage_bps)
    said = (
        f"Value {money(then.value_minor, currency)}, borrowing base"
        f" {money(then.base_minor, currency)}, coverage {coverage}, available to draw"
        f" {money(then.drawable_minor, currency)}."
    )
    reasons = [reason_text(each.model_dump(), currency) for each in found.reasons]
    answer = "It would be allowed." if found.allowed else "Refused: " + "; ".join(reasons)
    return done(request, f"{said} {answer}", f"/facilities/{facility_id}", keep=True)


@router.post("/facilities/{facility_id}/margin-call/extend")
def extend_call(
    facility_id: UUID,
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    form: Annotated[ExtendFields, Form()],
) -> Response:
    """Give the borrower longer."""
    with db.acting(actor) as conn:
        call = calls.load_calls(conn, [FacilityId(facility_id)]).get(FacilityId(facility_id))
    if call is None:
        raise CallRefusedError("no_margin_call", f"facility {facility_id} has no margin call")
    deadline_at = max(call.deadline_at, now) + timedelta(hours=form.hours)
    body = ExtendBody(deadline_at=deadline_at, reason=form.reason)
    margin_calls.extend_margin_call(facility_id, body, db, actor, now)
    return done(request, "Margin call extended.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/margin-call/default")
def declare_default(
    facility_id: UUID, request: Request, db: Db, actor: AsLender, now: Now, reason: Reason
) -> Response:
    """Declare a default."""
    margin_calls.declare_default(facility_id, ReasonBody(reason=reason), db, actor, now)
    return done(request, "Default declared.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/margin-call/close")
def close_call(
    facility_id: UUID, request: Request, db: Db, actor: AsLender, now: Now, reason: Reason
) -> Response:
    """End a default after recovery."""
    margin_calls.close_margin_call(facility_id, ReasonBody(reason=reason), db, actor, now)
    return done(request, "Margin call closed.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/rates")
def set_rate(
    facility_id: UUID,
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    form: Annotated[RateFields, Form()],
) -> Response:
    """Charge another rate from a day on."""
    loans.set_rate(facility_id, RateBody(**form.model_dump()), db, actor, now)
    return done(request, "Rate set.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/charges")
def add_charge(
    facility_id: UUID,
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    form: Annotated[ChargeFields, Form()],
) -> Response:
    """Charge a fee."""
    with db.acting(actor) as conn:
        currency = _card(conn, facility_id).facility.currency
    body = ChargeBody(
        id=form.id,
        kind="other",
        name=form.name,
        amount_minor=parse_amount(form.amount, currency),
        due_on=form.due_on,
    )
    loans.add_charge(facility_id, body, db, actor, now)
    return done(request, "Fee charged.", f"/facilities/{facility_id}")


@router.post("/facilities/{facility_id}/close")
def close_facility(
    facility_id: UUID, request: Request, db: Db, actor: AsLender, now: Now, reason: Reason
) -> Response:
    """Close a facility for ever."""
    with db.acting(actor) as conn:
        currency = _card(conn, facility_id).facility.currency
    try:
        loans.close_facility(facility_id, ReasonBody(reason=reason), db, actor, now)
    except NotAllowedError as error:
        found: Any = error.detail["reasons"]
        said = "; ".join(reason_text(each, currency) for each in found)
        raise RefusedError("not_allowed", f"Refused. {said}") from error
    return done(request, "Facility closed.", f"/facilities/{facility_id}")


def _card(conn: Conn, facility_id: UUID) -> FacilityCard:
    for card in list_cards(conn, facility_id):
        return card
    raise NotFoundError("facility", facility_id)
