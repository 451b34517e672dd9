"""Routes of release orders."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from backend.collateral.types.releases import ReleaseState
from backend.deps import AsLender, AsLogistics, CurrentActor, Db, Now
from backend.ids import LotId, ReleaseId
from backend.party_keys.rules import MESSAGE_HEX_MAX
from backend.releases import service, store
from backend.releases.errors import OrderRefusedError
from backend.releases.service import OrderView
from backend.releases.types import OrderRecord

router = APIRouter(prefix="/api/release-orders", tags=["release orders"])

Hex = Annotated[str, StringConstraints(max_length=MESSAGE_HEX_MAX)]


class ReleaseOrderBody(BaseModel):
    """An order: a release-order message of schemas/release-v1.cddl, in hexadecimal."""

    model_config = ConfigDict(extra="forbid")

    message: Hex


class ReleaseOrderSummary(BaseModel):
    """A lender's signed permission that goods leave a lot.

    ``items``: which; none: whichever go first, up to ``mass_g`` net. ``zone_id``: where they must
    arrive; null: they leave the site. ``into_lot``: which lot they join; null: they are pledged no
    more. ``going`` is under way now; ``released`` has left, by ``released_mass_g``, once it is
    settled. An order that was revoked is settled by what had left before.
    """

    id: UUID
    lot_id: UUID
    lender_party: UUID
    executor_party: UUID
    state: ReleaseState
    items: list[UUID]
    mass_g: int
    begins_at: datetime
    ends_at: datetime
    zone_id: UUID | None
    into_lot: UUID | None
    issued_at: datetime
    received_at: datetime
    acknowledged_at: datetime | None
    revoked_at: datetime | None
    going: list[UUID]
    going_mass_g: int
    settled_at: datetime | None
    released: list[UUID]
    released_mass_g: int | None


class ReleaseEventView(BaseModel):
    """Something that happened to an order; what the goods did is told by the sensors."""

    at: datetime
    actor: str
    what: str
    detail: dict[str, Any]


class ReleaseOrderDetail(ReleaseOrderSummary):
    """An order with its history, and the message as it was signed, in hexadecimal."""

    message: str
    key_id: str
    events: list[ReleaseEventView]


@router.post("", status_code=201)
def issue_release_order(
    body: ReleaseOrderBody, db: Db, actor: AsLender, now: Now
) -> ReleaseOrderDetail:
    """Issue a signed order: refused unless the goods are the caller's pledge and can be spared."""

    def issue() -> OrderView:
        with db.acting(actor) as conn:
            return service.issue(conn, actor, body.message, now)

    try:
        return _detail(db.retrying(issue))
    except OrderRefusedError as error:
        with db.acting(actor) as conn:
            service.note_refused(conn, actor, error, now)
        raise


@router.get("")
def list_release_orders(
    db: Db, actor: CurrentActor, lot: UUID | None = None
) -> list[ReleaseOrderSummary]:
    """Return the orders that concern the caller, open ones first, then the newest."""
    with db.acting(actor) as conn:
        found = store.fetch_orders(conn, None if lot is None else LotId(lot))
    return [ReleaseOrderSummary.model_validate(_summary(order)) for order in found]


@router.get("/{order_id}")
def get_release_order(order_id: UUID, db: Db, actor: CurrentActor) -> ReleaseOrderDetail:
    """Return an order with its history."""
    with db.acting(actor) as conn:
        return _detail(service.load_view(conn, ReleaseId(order_id)))


@router.post("/{order_id}/acknowledge")
def acknowledge_release_order(
    order_id: UUID, db: Db, actor: AsLogistics, now: Now
) -> ReleaseOrderDetail:
    """Say that one begins to execute an order; what is done is shown by the sensors."""

    def acknowledge() -> OrderView:
        with db.acting(actor) as conn:
            return service.acknowledge(conn, actor, ReleaseId(order_id), now)

    return _detail(db.retrying(acknowledge))


@router.post("/{order_id}/revoke")
def revoke_release_order(order_id: UUID, db: Db, actor: AsLender, now: Now) -> ReleaseOrderDetail:
    """Let nothing more leave by an order; what has left before stays released."""

    def revoke() -> OrderView:
        with db.acting(actor) as conn:
            return service.revoke(conn, actor, ReleaseId(order_id), now)

    return _detail(db.retrying(revoke))


def _summary(order: OrderRecord) -> dict[str, object]:
    return {name: getattr(order, name) for name in ReleaseOrderSummary.model_fields}


def _detail(view: OrderView) -> ReleaseOrderDetail:
    events = [
        ReleaseEventView(at=each.at, actor=each.actor, what=each.what, detail=dict(each.detail))
        for each in view.events
    ]
    return ReleaseOrderDetail.model_validate(
        {
            **_summary(view.order),
            "message": view.order.message.hex(),
            "key_id": view.order.key_id.hex(),
            "events": events,
        }
    )
