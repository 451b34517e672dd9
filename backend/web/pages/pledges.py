"""Pledges: what is proposed, active and over."""

from fastapi import Request, Response

from backend.deps import CurrentPrincipal, Db
from backend.parties.types import Role
from backend.web.console import new_router, render
from backend.web.store import facilities as store
from backend.web.store import lots

router = new_router()


@router.get("/pledges")
def list_pledges(request: Request, db: Db, who: CurrentPrincipal) -> Response:
    """Show pledges, proposals first, with the form to propose or to take one."""
    role = who.actor.role
    with db.acting(who.actor) as conn:
        pledges = store.list_pledges(conn)
        facilities = store.list_open_facilities(conn) if role is Role.LENDER else ()
        free = (
            [lot for lot in lots.list_lots(conn) if lot.facility_id is None]
            if role is Role.BORROWER
            else []
        )
        lenders = store.list_lenders(conn) if role is Role.BORROWER else ()
    own = str(who.actor.party_id)
    return render(
        request,
        who,
        "pledges.html",
        pledges=pledges,
        facilities=facilities,
        free=free,
        lenders=[lender for lender in lenders if lender.id != own],
    )
