"""Routes by which pledges leave a facility, take each other's place, and are registered."""

from typing import TypeVar
from uuid import UUID

from fastapi import APIRouter

from backend.collateral.http.pledges import PledgeView, pledge_view
from backend.deps import AsLender, Db, Now
from backend.facility.errors import NotAllowedError
from backend.facility.http.loan_views import RegistrationBody, SubstituteBody
from backend.facility.http.views import reason_view
from backend.facility.service import pledges
from backend.facility.service.pledges import Registration
from backend.facility.types import Refuse
from backend.ids import PledgeId

router = APIRouter(prefix="/api/pledges/{pledge_id}", tags=["collateral"])
T = TypeVar("T")


@router.post("/release")
def release_pledge(pledge_id: UUID, db: Db, actor: AsLender, now: Now) -> PledgeView:
    """Release an active pledge: refused and kept when the facility can not spare its goods."""

    def release() -> PledgeView | Refuse:
        with db.acting(actor) as conn:
            found = pledges.release(conn, actor, PledgeId(pledge_id), now)
            return found if isinstance(found, Refuse) else pledge_view(found)

    return _allowed("release_pledge", db.retrying(release))


@router.post("/substitute")
def substitute_pledge(
    pledge_id: UUID, body: SubstituteBody, db: Db, actor: AsLender, now: Now
) -> list[PledgeView]:
    """Release an active pledge and accept a proposed one in its place: both, or neither."""
    swap = PledgeId(pledge_id), PledgeId(body.pledge_id)

    def substitute() -> list[PledgeView] | Refuse:
        with db.acting(actor) as conn:
            found = pledges.substitute(conn, actor, swap, now)
            return found if isinstance(found, Refuse) else [pledge_view(each) for each in found]

    return _allowed("substitute_pledge", db.retrying(substitute))


@router.post("/registration")
def register_pledge(
    pledge_id: UUID, body: RegistrationBody, db: Db, actor: AsLender, now: Now
) -> PledgeView:
    """Note in which registry a pledge stands, under which number, since when."""
    where = Registration(
        registry=body.registry, number=body.number, registered_on=body.registered_on
    )

    def register() -> PledgeView:
        with db.acting(actor) as conn:
            return pledge_view(pledges.register(conn, actor, PledgeId(pledge_id), where, now))

    return db.retrying(register)


def _allowed(action: str, found: T | Refuse) -> T:
    """Return what was done, or refuse: the refusal is committed by now.

    Raises:
        NotAllowedError: The rules do not allow it.
    """
    if isinstance(found, Refuse):
        raise NotAllowedError(action, [reason_view(each).model_dump() for each in found.reasons])
    return found
