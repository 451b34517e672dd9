"""What would be if prices, goods or money were others: computed, and nothing of it written."""

from uuid import UUID

from fastapi import APIRouter

from backend.deps import Db, Now
from backend.facility.http.loan_views import SuppositionBody, SuppositionView
from backend.facility.http.parties import AsParty
from backend.facility.http.views import facility_view, reason_view
from backend.facility.rules.supposing import AddedLot, Supposition
from backend.facility.service import facilities
from backend.ids import FacilityId, InstrumentId, LotId
from backend.money import Minor

router = APIRouter(prefix="/api/facilities/{facility_id}/preview", tags=["facility"])


@router.post("")
def preview_supposition(
    facility_id: UUID, body: SuppositionBody, db: Db, actor: AsParty, now: Now
) -> SuppositionView:
    """Return how a facility would stand, and what would be said; nothing is written."""
    wish = Supposition(
        price_changes=tuple(
            (
                None if change.instrument_id is None else InstrumentId(change.instrument_id),
                change.change_bps,
            )
            for change in body.price_changes
        ),
        release_lots=tuple(LotId(lot_id) for lot_id in body.release_lots),
        add_lots=tuple(
            AddedLot(instrument_id=InstrumentId(added.instrument_id), mass_g=added.mass_g)
            for added in body.add_lots
        ),
        draw_minor=Minor(body.draw_minor or 0),
        repay_minor=Minor(body.repay_minor or 0),
    )
    with db.acting(actor) as conn:
        found = facilities.suppose(conn, FacilityId(facility_id), wish, now)
    return SuppositionView(
        allowed=not found.reasons,
        reasons=[reason_view(reason) for reason in found.reasons],
        now=facility_view(found.before),
        then=facility_view(found.after),
    )
