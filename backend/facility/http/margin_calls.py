"""Routes of margin calls: their history, and what a lender does with the one that stands."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter

from backend.db import Conn, Database
from backend.deps import AsLender, CurrentActor, Db, Now
from backend.errors import InvalidError
from backend.facility.http.loan_views import ExtendBody, MarginCallView, ReasonBody, call_view
from backend.facility.service import facilities, margin
from backend.facility.store import calls
from backend.facility.types import MarginCall
from backend.ids import FacilityId
from backend.parties.types import Actor

router = APIRouter(prefix="/api/facilities/{facility_id}/margin-calls", tags=["facility"])


@router.get("")
def list_margin_calls(facility_id: UUID, db: Db, actor: CurrentActor) -> list[MarginCallView]:
    """Return a facility's margin calls, newest first; who did what is among its events."""
    with db.acting(actor) as conn:
        facilities.check_facility(conn, FacilityId(facility_id))
        found = calls.list_calls(conn, FacilityId(facility_id))
    return [call_view(call) for call in found]


@router.post("/extend")
def extend_margin_call(
    facility_id: UUID, body: ExtendBody, db: Db, actor: AsLender, now: Now
) -> MarginCallView:
    """Give the borrower longer; a call that could be enforced is open again."""
    until = _moment(body.deadline_at), body.reason
    key = FacilityId(facility_id)
    return _done(db, actor, lambda conn: margin.extend(conn, actor, key, until, now))


@router.post("/default")
def declare_default(
    facility_id: UUID, body: ReasonBody, db: Db, actor: AsLender, now: Now
) -> MarginCallView:
    """Declare a default on a call that was not met; from now on only the lender ends it."""
    key = FacilityId(facility_id)
    return _done(db, actor, lambda conn: margin.default(conn, actor, key, body.reason, now))


@router.post("/close")
def close_margin_call(
    facility_id: UUID, body: ReasonBody, db: Db, actor: AsLender, now: Now
) -> MarginCallView:
    """End a default after recovery: nothing is owed, or coverage is back."""
    key = FacilityId(facility_id)
    return _done(db, actor, lambda conn: margin.close(conn, actor, key, body.reason, now))


def _done(db: Database, actor: Actor, act: Callable[[Conn], MarginCall]) -> MarginCallView:
    def done() -> MarginCallView:
        with db.acting(actor) as conn:
            return call_view(act(conn))

    return db.retrying(done)


def _moment(at: datetime) -> datetime:
    """Return a time in UTC; one without its zone, or beyond the calendar, is refused."""
    try:
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except OverflowError:
        pass
    raise InvalidError("deadline_at", at.isoformat(), "a time with its zone, of years 1 to 9999")
