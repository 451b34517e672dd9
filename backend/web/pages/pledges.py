"""Pledges: what is proposed, active and over; proposing one, and the lender's answer."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request, Response
from pydantic import BaseModel, Field

from backend.collateral.http import pledges as collateral
from backend.deps import AsBorrower, AsLender, CurrentPrincipal, Db, Now
from backend.facility.http import pledges as facility
from backend.facility.http.loan_views import RegistrationBody, SubstituteBody
from backend.parties.types import Role
from backend.web.console import AskedPage, done, new_router, render
from backend.web.store import facilities as store
from backend.web.store import lots
from backend.web.types import PAGE_ROWS

router = new_router()


class RegistrationFields(BaseModel):
    """Where a pledge is registered, as a person types it."""

    registry: Annotated[str, Field(min_length=1, max_length=120)]
    number: Annotated[str, Field(min_length=1, max_length=120)]
    registered_on: date


@router.get("/pledges")
def list_pledges(request: Request, db: Db, who: CurrentPrincipal, pager: AskedPage) -> Response:
    """Show pledges, proposals first, with the form to propose or to take one."""
    role = who.actor.role
    with db.acting(who.actor) as conn:
        pledges = store.list_pledges(conn, window=pager.window)
        facilities = store.list_open_facilities(conn) if role is Role.LENDER else ()
        free = lots.list_free_lots(conn) if role is Role.BORROWER else ()
        lenders = store.list_lenders(conn) if role is Role.BORROWER else ()
    own = str(who.actor.party_id)
    return render(
        request,
        who,
        "pledges.html",
        pledges=pledges[:PAGE_ROWS],
        pager=pager,
        more=len(pledges) > PAGE_ROWS,
        facilities=facilities,
        free=free,
        lenders=[lender for lender in lenders if lender.id != own],
    )


@router.post("/pledges")
def propose_pledge(
    request: Request,
    db: Db,
    actor: AsBorrower,
    now: Now,
    lender_party: Annotated[UUID, Form()],
    lot_ids: Annotated[list[UUID], Form()],
) -> Response:
    """Propose to pledge lots to a lender."""
    body = collateral.PledgeBody(lender_party=lender_party, lot_ids=lot_ids)
    collateral.propose_pledge(body, db, actor, now)
    return done(request, "Pledge proposed. The lender decides.", "/pledges")


@router.post("/pledges/{pledge_id}/accept")
def accept_pledge(
    pledge_id: UUID,
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    facility_id: Annotated[UUID, Form()],
) -> Response:
    """Accept a pledge under a facility."""
    body = collateral.AcceptBody(facility_id=facility_id)
    collateral.accept_pledge(pledge_id, body, db, actor, now)
    return done(request, "Pledge accepted: its lots back the facility now.", "/pledges")


@router.post("/pledges/{pledge_id}/reject")
def reject_pledge(
    pledge_id: UUID, request: Request, db: Db, actor: AsLender, now: Now
) -> Response:
    """Reject a proposal."""
    collateral.reject_pledge(pledge_id, db, actor, now)
    return done(request, "Proposal rejected.", "/pledges")


@router.post("/pledges/{pledge_id}/release")
def release_pledge(
    pledge_id: UUID, request: Request, db: Db, actor: AsLender, now: Now
) -> Response:
    """Release a pledge's lots."""
    facility.release_pledge(pledge_id, db, actor, now)
    return done(request, "Pledge released: its lots back nothing now.", "/pledges")


@router.post("/pledges/{pledge_id}/substitute")
def substitute_pledge(
    pledge_id: UUID,
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    new_id: Annotated[UUID, Form()],
) -> Response:
    """Exchange a pledge for a proposed one: both, or neither."""
    facility.substitute_pledge(pledge_id, SubstituteBody(pledge_id=new_id), db, actor, now)
    return done(request, "Pledge exchanged.", "/pledges")


@router.post("/pledges/{pledge_id}/registration")
def register_pledge(
    pledge_id: UUID,
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    form: Annotated[RegistrationFields, Form()],
) -> Response:
    """Note where a pledge is registered."""
    body = RegistrationBody(**form.model_dump())
    facility.register_pledge(pledge_id, body, db, actor, now)
    return done(request, "Registration noted.", "/pledges")
