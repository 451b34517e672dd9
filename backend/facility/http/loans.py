"""Routes of what a loan is charged, when it is to be paid, and how it ends."""

from collections.abc import Callable
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query

from backend.db import Conn, Database
from backend.deps import AsLender, CurrentActor, Db, Now
from backend.facility.errors import NotAllowedError
from backend.facility.http.loan_views import (
    AccrualView,
    ChargeBody,
    ChargeView,
    DuesBody,
    DuesView,
    RateBody,
    RateView,
    ReasonBody,
    RefusalView,
    WriteOffBody,
    WriteOffView,
    accrual_view,
    charge_view,
    dues_view,
    rate_view,
    refusal_view,
    write_off_view,
)
from backend.facility.http.views import FacilityView, facility_view, reason_view
from backend.facility.service import facilities, loans
from backend.facility.service.loans import NewCharge, NewWriteOff
from backend.facility.service.standings import assess_one
from backend.facility.store import accruals, refusals
from backend.facility.store import loans as store
from backend.facility.types import Parts, Rate, Refuse, Standing
from backend.ids import FacilityId
from backend.money import MINOR_MAX, Minor
from backend.parties.types import Actor

router = APIRouter(prefix="/api/facilities/{facility_id}", tags=["facility"])
T = TypeVar("T")


@router.post("/rates", status_code=201)
def set_rate(
    facility_id: UUID, body: RateBody, db: Db, actor: AsLender, now: Now
) -> list[RateView]:
    """Charge another rate from a day on that is not booked yet, and return all of them."""
    key, rate = FacilityId(facility_id), Rate(**body.model_dump())
    found = _act(db, actor, lambda conn: loans.set_rate(conn, actor, key, rate, now))
    return [rate_view(each) for each in found]


@router.get("/rates")
def list_rates(facility_id: UUID, db: Db, actor: CurrentActor) -> list[RateView]:
    """Return the rates of a facility, oldest first."""
    key = FacilityId(facility_id)
    found = _seen(db, actor, key, lambda conn: accruals.load_rates(conn, key))
    return [rate_view(each) for each in found]


@router.get("/accruals")
def list_accruals(facility_id: UUID, db: Db, actor: CurrentActor) -> list[AccrualView]:
    """Return what accrued each day, newest first, with everything that it follows from."""
    key = FacilityId(facility_id)
    found = _seen(db, actor, key, lambda conn: accruals.list_accruals(conn, key))
    return [accrual_view(each) for each in found]


@router.post("/charges", status_code=201)
def add_charge(
    facility_id: UUID, body: ChargeBody, db: Db, actor: AsLender, now: Now
) -> ChargeView:
    """Charge a fee by its name; the id is the caller's."""
    new = NewCharge(
        id=body.id,
        facility_id=FacilityId(facility_id),
        kind=body.kind,
        name=body.name,
        amount_minor=Minor(body.amount_minor),
        due_on=body.due_on,
    )
    return charge_view(_act(db, actor, lambda conn: loans.charge(conn, actor, new, now)))


@router.get("/charges")
def list_charges(facility_id: UUID, db: Db, actor: CurrentActor) -> list[ChargeView]:
    """Return the fees of a facility, newest first."""
    key = FacilityId(facility_id)
    found = _seen(db, actor, key, lambda conn: store.list_charges(conn, key))
    return [charge_view(each) for each in found]


@router.post("/dues", status_code=201)
def add_dues(facility_id: UUID, body: DuesBody, db: Db, actor: AsLender, now: Now) -> DuesView:
    """Add to the schedule; what is not paid by the end of its day, UTC, locks."""
    key = FacilityId(facility_id)
    wanted = [
        (
            due.due_on,
            due.component,
            None if due.amount_minor is None else Minor(due.amount_minor),
        )
        for due in body.dues
    ]

    def add(conn: Conn) -> DuesView:
        dues = loans.add_dues(conn, actor, key, wanted, now)
        return dues_view(list(dues), assess_one(conn, key, now).owed)

    return _act(db, actor, add)


@router.get("/dues")
def list_dues(facility_id: UUID, db: Db, actor: CurrentActor, now: Now) -> DuesView:
    """Return the schedule, and what is past due, due, and not due yet."""
    key = FacilityId(facility_id)

    def load(conn: Conn) -> DuesView:
        return dues_view(list(store.list_dues(conn, key)), assess_one(conn, key, now).owed)

    return _seen(db, actor, key, load)


@router.post("/write-offs", status_code=201)
def add_write_off(
    facility_id: UUID, body: WriteOffBody, db: Db, actor: AsLender, now: Now
) -> WriteOffView:
    """Give up what is owed; the facility is locked by hand with the reason."""
    new = NewWriteOff(
        id=body.id,
        facility_id=FacilityId(facility_id),
        parts=Parts(
            penalty_minor=Minor(body.penalty_minor),
            fees_minor=Minor(body.fees_minor),
            interest_minor=Minor(body.interest_minor),
            principal_minor=Minor(body.principal_minor),
        ),
        reason=body.reason,
    )
    return write_off_view(_act(db, actor, lambda conn: loans.write_off(conn, actor, new, now)))


@router.get("/write-offs")
def list_write_offs(facility_id: UUID, db: Db, actor: CurrentActor) -> list[WriteOffView]:
    """Return what was given up, newest first."""
    key = FacilityId(facility_id)
    found = _seen(db, actor, key, lambda conn: store.list_write_offs(conn, key))
    return [write_off_view(each) for each in found]


@router.post("/close")
def close_facility(
    facility_id: UUID, body: ReasonBody, db: Db, actor: AsLender, now: Now
) -> FacilityView:
    """Close a facility for ever: refused while anything is owed, promised or pledged."""
    key = FacilityId(facility_id)

    def close(conn: Conn) -> Standing | Refuse:
        return loans.close(conn, actor, key, body.reason, now)

    found = _act(db, actor, close)
    if isinstance(found, Refuse):
        raise NotAllowedError("close", [reason_view(each).model_dump() for each in found.reasons])
    return facility_view(found)


@router.get("/refusals")
def list_refusals(
    facility_id: UUID,
    db: Db,
    actor: CurrentActor,
    before: Annotated[int, Query(ge=1, le=MINOR_MAX)] = MINOR_MAX,
) -> list[RefusalView]:
    """Return what was not allowed, by which rules and numbers, on which evidence; newest first."""
    key = FacilityId(facility_id)
    found = _seen(db, actor, key, lambda conn: refusals.list_refusals(conn, key, before))
    return [refusal_view(each) for each in found]


def _act(db: Database, actor: Actor, act: Callable[[Conn], T]) -> T:
    def acted() -> T:
        with db.acting(actor) as conn:
            return act(conn)

    return db.retrying(acted)


def _seen(db: Database, actor: Actor, key: FacilityId, load: Callable[[Conn], T]) -> T:
    with db.acting(actor) as conn:
        facilities.check_facility(conn, key)
        return load(conn)
