"""Routes of facilities: how they stand, their locks, drawdowns and repayments."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Query

from backend.deps import AsBorrower, AsLender, CurrentActor, Db, Now
from backend.facility.errors import DrawdownRefusedError
from backend.facility.http import loans, margin_calls, pledges, policies, previews
from backend.facility.http.money_views import (
    AuthoriseBody,
    DrawdownBody,
    DrawdownView,
    EventView,
    RepaymentBody,
    RepaymentView,
    drawdown_view,
    event_view,
    repayment_view,
)
from backend.facility.http.parties import AsParty
from backend.facility.http.views import (
    Amount,
    FacilityBody,
    FacilityView,
    LockBody,
    PreviewView,
    ValuationView,
    facility_view,
    reason_view,
    valuation_view,
)
from backend.facility.service import drawdowns, facilities
from backend.facility.service.drawdowns import FAILED, NewDrawdown, NewRepayment
from backend.facility.service.standings import assess, assess_one
from backend.facility.store import drawdowns as drawdown_store
from backend.facility.store import facilities as facility_store
from backend.facility.types import (
    Drawdown,
    Facility,
    Lines,
    LineStanding,
    LineState,
    Policy,
    Refuse,
)
from backend.ids import DrawdownId, FacilityId, PartyId, RepaymentId
from backend.money import MINOR_MAX, Minor

router = APIRouter()
_routes = APIRouter(prefix="/api", tags=["facility"])


@_routes.post("/facilities", status_code=201)
def open_facility(body: FacilityBody, db: Db, actor: AsLender, now: Now) -> FacilityView:
    """Open an agreed line; it is locked until goods are pledged to it."""
    facility = Facility(
        id=FacilityId(uuid4()),
        name=body.name,
        lender_party=actor.party_id,
        borrower_party=PartyId(body.borrower_party),
        currency=body.currency,
        limit_minor=Minor(body.limit_minor),
        principal_minor=Minor(0),
        interest_minor=Minor(0),
        fees_minor=Minor(0),
        reserve_minor=Minor(body.reserve_minor),
        lines=Lines(
            warning_bps=body.warning_line_bps,
            call_bps=body.call_line_bps,
            liquidation_bps=body.liquidation_line_bps,
            recovery_margin_bps=body.recovery_margin_bps,
            recovery_valuations=body.recovery_valuations,
        ),
        standing=LineStanding(state=LineState.ABOVE, recovered_valuations=0),
        cure_by=None,
        cure_hours=body.cure_hours,
        valuation_ttl_s=body.valuation_ttl_s,
        liquidation_horizon_days=body.liquidation_horizon_days,
        open=True,
        policy=Policy(
            control_value_minor=Minor(body.control_value_minor),
            registry_required=body.registry_required,
            signatures_required=body.signatures_required,
            liquidation_observations=body.liquidation_observations,
            grace_days=body.grace_days,
        ),
    )
    with db.acting(actor) as conn:
        return facility_view(facilities.open_facility(conn, actor, facility, now))


@_routes.get("/facilities")
def list_facilities(db: Db, actor: CurrentActor, now: Now) -> list[FacilityView]:
    """Return the caller's facilities as they stand now."""
    with db.acting(actor) as conn:
        ids = facility_store.list_facility_ids(conn)
        standings = {each.holding.facility.id: each for each in assess(conn, ids, now)}
    return [facility_view(standings[key]) for key in ids]


@_routes.get("/facilities/{facility_id}")
def get_facility(facility_id: UUID, db: Db, actor: CurrentActor, now: Now) -> FacilityView:
    """Return a facility as it stands now: value, coverage, availability, locks."""
    with db.acting(actor) as conn:
        return facility_view(assess_one(conn, FacilityId(facility_id), now))


@_routes.get("/facilities/{facility_id}/valuation")
def get_valuation(facility_id: UUID, db: Db, actor: CurrentActor, now: Now) -> ValuationView:
    """Return what each pledged lot is worth now, and why it is less than nominal."""
    with db.acting(actor) as conn:
        return valuation_view(assess_one(conn, FacilityId(facility_id), now))


@_routes.get("/facilities/{facility_id}/preview")
def preview_drawdown(
    facility_id: UUID, amount_minor: Annotated[Amount, Query()], db: Db, actor: AsParty, now: Now
) -> PreviewView:
    """Return what would be said to a drawdown of so much; nothing is written or promised."""
    with db.acting(actor) as conn:
        standing, decision = facilities.preview_drawdown(
            conn, FacilityId(facility_id), Minor(amount_minor), now
        )
    reasons = decision.reasons if isinstance(decision, Refuse) else ()
    return PreviewView(
        allowed=not reasons,
        reasons=[reason_view(reason) for reason in reasons],
        facility=facility_view(standing),
    )


@_routes.get("/facilities/{facility_id}/events")
def list_facility_events(
    facility_id: UUID,
    db: Db,
    actor: CurrentActor,
    before: Annotated[int, Query(ge=1, le=MINOR_MAX)] = MINOR_MAX,
) -> list[EventView]:
    """Return who did what to a facility, when and why; newest first, before an event."""
    with db.acting(actor) as conn:
        facilities.check_facility(conn, FacilityId(facility_id))
        events = facility_store.list_events(conn, FacilityId(facility_id), before)
    return [event_view(event) for event in events]


@_routes.post("/facilities/{facility_id}/locks", status_code=201)
def lock_facility(
    facility_id: UUID, body: LockBody, db: Db, actor: AsLender, now: Now
) -> FacilityView:
    """Lock a facility for the lender's own reason; promised drawdowns are voided."""
    key = FacilityId(facility_id)

    def lock() -> FacilityView:
        with db.acting(actor) as conn:
            return facility_view(facilities.lock_manually(conn, actor, key, body.detail, now))

    return db.retrying(lock)


@_routes.delete("/facilities/{facility_id}/locks/MANUAL")
def lift_manual_lock(facility_id: UUID, db: Db, actor: AsLender, now: Now) -> FacilityView:
    """Lift the lender's own lock; the others hold on."""

    def lift() -> FacilityView:
        with db.acting(actor) as conn:
            return facility_view(
                facilities.lift_manual_lock(conn, actor, FacilityId(facility_id), now)
            )

    return db.retrying(lift)


@_routes.post("/facilities/{facility_id}/drawdowns", status_code=201)
def request_drawdown(
    facility_id: UUID, body: DrawdownBody, db: Db, actor: AsBorrower, now: Now
) -> DrawdownView:
    """Ask for money; refused with 409 and the reasons, and kept, when it may not be drawn.

    The id is the caller's: the same request sent again is answered as before.
    """
    new = NewDrawdown(
        id=DrawdownId(body.id),
        facility_id=FacilityId(facility_id),
        amount_minor=Minor(body.amount_minor),
        message=body.message,
    )

    def request() -> Drawdown:
        with db.acting(actor) as conn:
            return drawdowns.request_drawdown(conn, actor, new, now)

    return _answer(db.retrying(request))


@_routes.get("/facilities/{facility_id}/drawdowns")
def list_drawdowns(facility_id: UUID, db: Db, actor: CurrentActor) -> list[DrawdownView]:
    """Return the drawdowns of a facility, newest first."""
    with db.acting(actor) as conn:
        facilities.check_facility(conn, FacilityId(facility_id))
        found = drawdown_store.list_drawdowns(conn, FacilityId(facility_id))
    return [drawdown_view(drawdown) for drawdown in found]


@_routes.post("/drawdowns/{drawdown_id}/authorise")
def authorise_drawdown(
    drawdown_id: UUID, db: Db, actor: AsLender, now: Now, body: AuthoriseBody | None = None
) -> DrawdownView:
    """Promise a requested drawdown on a valuation made now, or refuse it with 409 and reasons."""
    message = None if body is None else body.message

    def authorise() -> Drawdown:
        with db.acting(actor) as conn:
            return drawdowns.authorise_drawdown(conn, actor, DrawdownId(drawdown_id), now, message)

    return _answer(db.retrying(authorise))


@_routes.post("/drawdowns/{drawdown_id}/disburse")
def disburse_drawdown(drawdown_id: UUID, db: Db, actor: AsLender, now: Now) -> DrawdownView:
    """Pay out a promised drawdown; voided with 409 and reasons when a lock came between."""

    def disburse() -> Drawdown:
        with db.acting(actor) as conn:
            return drawdowns.disburse_drawdown(conn, actor, DrawdownId(drawdown_id), now)

    return _answer(db.retrying(disburse))


@_routes.post("/drawdowns/{drawdown_id}/void")
def void_drawdown(drawdown_id: UUID, db: Db, actor: AsParty, now: Now) -> DrawdownView:
    """End a drawdown that is requested or promised."""

    def void() -> Drawdown:
        with db.acting(actor) as conn:
            return drawdowns.void_drawdown(conn, actor, DrawdownId(drawdown_id), now)

    return drawdown_view(db.retrying(void))


@_routes.post("/facilities/{facility_id}/repayments", status_code=201)
def add_repayment(
    facility_id: UUID, body: RepaymentBody, db: Db, actor: AsParty, now: Now
) -> RepaymentView:
    """Pay back: fees, then interest, then principal. Never refused because of a lock."""
    new = NewRepayment(
        id=RepaymentId(body.id),
        facility_id=FacilityId(facility_id),
        amount_minor=Minor(body.amount_minor),
    )

    def repay() -> RepaymentView:
        with db.acting(actor) as conn:
            return repayment_view(drawdowns.repay(conn, actor, new, now))

    return db.retrying(repay)


@_routes.get("/facilities/{facility_id}/repayments")
def list_repayments(facility_id: UUID, db: Db, actor: CurrentActor) -> list[RepaymentView]:
    """Return the repayments of a facility, newest first."""
    with db.acting(actor) as conn:
        facilities.check_facility(conn, FacilityId(facility_id))
        found = drawdown_store.list_repayments(conn, FacilityId(facility_id))
    return [repayment_view(repayment) for repayment in found]


def _answer(drawdown: Drawdown) -> DrawdownView:
    """Return a drawdown, or refuse: its row is committed by now either way.

    Raises:
        DrawdownRefusedError: It was refused, voided or has expired.
    """
    if drawdown.state in FAILED:
        raise DrawdownRefusedError(
            drawdown.id, [reason_view(reason).model_dump() for reason in drawdown.reasons]
        )
    return drawdown_view(drawdown)


_routes.include_router(policies.router)
router.include_router(_routes)
router.include_router(loans.router)
router.include_router(margin_calls.router)
router.include_router(pledges.router)
router.include_router(previews.router)

__all__ = [
    "AsParty",
    "add_repayment",
    "authorise_drawdown",
    "disburse_drawdown",
    "lift_manual_lock",
    "lock_facility",
    "request_drawdown",
    "router",
    "void_drawdown",
]
