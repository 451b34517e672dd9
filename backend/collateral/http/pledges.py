"""Routes of pledges; how they leave a facility is the facility's."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from backend.collateral.service import registry as service
from backend.collateral.store import registry as store
from backend.collateral.types import Pledge
from backend.deps import AsBorrower, AsLender, CurrentActor, Db, Now
from backend.ids import FacilityId, LotId, PartyId, PledgeId

router = APIRouter(prefix="/api", tags=["collateral"])


class Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class PledgeBody(Body):
    """Lots that the caller proposes to pledge."""

    lender_party: UUID
    lot_ids: Annotated[list[UUID], Field(min_length=1, max_length=service.LOTS_PER_PLEDGE_MAX)]


class AcceptBody(Body):
    """The facility under which a pledge is accepted."""

    facility_id: UUID


class PledgeView(BaseModel):
    """A pledge."""

    id: UUID
    kind: str
    lender_party: UUID
    pledgor_party: UUID
    facility_id: UUID | None
    state: str
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None
    lot_ids: list[UUID]
    registry: str | None
    registry_number: str | None
    registered_on: date | None


@router.post("/pledges", status_code=201)
def propose_pledge(body: PledgeBody, db: Db, actor: AsBorrower, now: Now) -> PledgeView:
    """Propose to pledge lots to a lender."""
    new = service.NewPledge(
        lender_party=PartyId(body.lender_party),
        lot_ids=tuple(LotId(lot_id) for lot_id in body.lot_ids),
    )
    with db.acting(actor) as conn:
        return pledge_view(service.propose_pledge(conn, actor, new, now))


@router.get("/pledges")
def list_pledges(db: Db, actor: CurrentActor) -> list[PledgeView]:
    """Return the pledges that concern the caller, newest first."""
    with db.acting(actor) as conn:
        return [pledge_view(pledge) for pledge in store.fetch_pledges(conn)]


@router.post("/pledges/{pledge_id}/accept")
def accept_pledge(
    pledge_id: UUID, body: AcceptBody, db: Db, actor: AsLender, now: Now
) -> PledgeView:
    """Accept a pledge under a facility; a lot that is pledged already is refused."""
    facility_id = FacilityId(body.facility_id)
    with db.acting(actor) as conn:
        pledge = service.accept_pledge(conn, actor, PledgeId(pledge_id), facility_id, now)
    return pledge_view(pledge)


@router.post("/pledges/{pledge_id}/reject")
def reject_pledge(pledge_id: UUID, db: Db, actor: AsLender, now: Now) -> PledgeView:
    """Reject a proposed pledge."""
    with db.acting(actor) as conn:
        return pledge_view(service.reject_pledge(conn, actor, PledgeId(pledge_id), now))


def pledge_view(pledge: Pledge) -> PledgeView:
    """Return a pledge."""
    return PledgeView(
        id=pledge.id,
        kind=pledge.kind,
        lender_party=pledge.lender_party,
        pledgor_party=pledge.pledgor_party,
        facility_id=pledge.facility_id,
        state=pledge.state,
        created_at=pledge.created_at,
        activated_at=pledge.activated_at,
        ended_at=pledge.ended_at,
        lot_ids=list(pledge.lot_ids),
        registry=pledge.registry,
        registry_number=pledge.registry_number,
        registered_on=pledge.registered_on,
    )
