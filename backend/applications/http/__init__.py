"""Routes of applications: opening one, its steps by the same verb for all kinds, its documents."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from backend.applications import service
from backend.applications.http.views import (
    ApplicationBody,
    ApplicationDetail,
    ApplicationKindView,
    ApplicationStepBody,
    ApplicationSummary,
    DocumentView,
    FreeLotView,
    detail_view,
    document_view,
    free_lot_view,
    kind_view,
    summary_view,
)
from backend.applications.service import ApplicationView, NewApplication, NewStep
from backend.applications.service.kinds import RUNNING
from backend.applications.store import applications as store
from backend.applications.store import goods
from backend.applications.types.machine import Seat
from backend.applications.types.record import DocumentKind
from backend.deps import AsBorrower, AsLogistics, CurrentActor, Db, Now, require
from backend.errors import NotFoundError
from backend.ids import ApplicationId, PartyId
from backend.parties.types import Actor, Role

router = APIRouter(prefix="/api", tags=["applications"])

AsSeated = Annotated[Actor, Depends(require(Role.LENDER, Role.BORROWER, Role.LOGISTICS))]


@router.get("/application-kinds")
def list_application_kinds(actor: CurrentActor) -> list[ApplicationKindView]:
    """Return the kinds of applications there are, each with its steps and a diagram."""
    return [kind_view(running.kind) for running in RUNNING.values()]


@router.post("/applications", status_code=201)
def open_application(
    body: ApplicationBody, db: Db, actor: AsBorrower, now: Now
) -> ApplicationDetail:
    """Apply for a loan; the same sent again is answered as before."""
    new = NewApplication(
        id=body.id,
        kind=body.kind,
        seats={seat: PartyId(party) for seat, party in body.seats.items()},
        values=body.values,
        note=body.note,
    )

    def opened() -> ApplicationView:
        with db.acting(actor) as conn:
            return service.open_application(conn, actor, new, now)

    return detail_view(db.retrying(opened))


@router.get("/applications")
def list_applications(
    db: Db, actor: CurrentActor, *, waiting: bool = False
) -> list[ApplicationSummary]:
    """Return the applications that concern the caller, or only those that wait for it."""
    with db.acting(actor) as conn:
        views = service.load_views(conn, actor)
    return [summary_view(view) for view in views if view.waits_for_viewer or not waiting]


@router.get("/applications/{application_id}")
def get_application(
    application_id: UUID, db: Db, actor: CurrentActor, now: Now
) -> ApplicationDetail:
    """Return an application with all that was done, and what the caller may do now."""
    with db.acting(actor) as conn:
        return detail_view(service.load_view(conn, actor, ApplicationId(application_id), now))


@router.post("/applications/{application_id}/steps")
def take_step(
    application_id: UUID, body: ApplicationStepBody, db: Db, actor: AsSeated, now: Now
) -> ApplicationDetail:
    """Do a step; refused with 409, every reason and its numbers, when it may not be done now."""
    new = NewStep(
        id=body.id,
        application_id=ApplicationId(application_id),
        step=body.step,
        values=body.values,
        note=body.note,
        message=body.message,
    )

    def advanced() -> ApplicationView:
        with db.acting(actor) as conn:
            return service.advance(conn, actor, new, now)

    return detail_view(db.retrying(advanced))


@router.get("/applications/{application_id}/documents/{document}")
def get_application_document(
    application_id: UUID, document: DocumentKind, db: Db, actor: CurrentActor
) -> DocumentView:
    """Return the newest document of a kind: its bytes, and what they say."""
    with db.acting(actor) as conn:
        found = store.load_document(conn, ApplicationId(application_id), document)
    if found is None:
        raise NotFoundError(document.value, application_id)
    return document_view(found)


@router.get("/applications/{application_id}/free-lots")
def list_free_lots(application_id: UUID, db: Db, actor: AsLogistics) -> list[FreeLotView]:
    """Return the borrower's lots at the caller's sites that are not pledged."""
    key = ApplicationId(application_id)
    with db.acting(actor) as conn:
        application = store.load_application(conn, key)
        if application is None:
            raise NotFoundError("application", application_id)
        found = goods.fetch_free_lots(conn, key, application.seats[Seat.BORROWER])
    return [free_lot_view(lot) for lot in found]
