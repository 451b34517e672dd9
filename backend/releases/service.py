"""Issuing, acknowledging and revoking release orders; callers open the transaction.

Whoever issues or revokes holds the lot's state, as the worker does who decides by it, and only
then the facility: so no order changes while it is being executed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from backend.collateral.service import hold
from backend.collateral.store import registry
from backend.db import Conn
from backend.errors import ForbiddenError, NotFoundError
from backend.facility import service as facilities
from backend.facility.rules.release import decide_release
from backend.facility.service.refusals import note_refusal
from backend.facility.service.standings import assess_one, opener
from backend.facility.service.standings import hold as hold_facility
from backend.facility.types import Reason, Refuse
from backend.ids import FacilityId, LotId, ReleaseId
from backend.parties.types import Actor
from backend.party_keys import service as party_keys
from backend.party_keys.rules import malformed, parse_message
from backend.releases import store
from backend.releases.errors import OrderRefusedError
from backend.releases.rules import check_open, check_order
from backend.releases.types import OrderEvent, OrderRecord
from schemas.errors import MalformedError
from schemas.release import ReleaseOrder, decode_order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order with its history."""

    order: OrderRecord
    events: tuple[OrderEvent, ...]


def issue(conn: Conn, actor: Actor, text: str, now: datetime) -> OrderView:
    """Issue a signed order; the same sent again is answered as before.

    Raises:
        InvalidError: The message is not of that form.
        SignatureRefusedError: It is not signed by a key of the actor's party that is valid now.
        OrderRefusedError: It asks for what it may not, or the facility can not spare the goods.
    """
    data, signed = parse_message(text)
    try:
        order = decode_order(signed)
    except MalformedError as error:
        raise malformed(error) from error
    if order.lender != actor.party_id:
        raise OrderRefusedError("not_yours", f"lender is {order.lender}, must be your own party")
    known = store.load_order(conn, ReleaseId(order.id))
    if known is not None:
        if known.message == data:
            return load_view(conn, known.id)
        raise OrderRefusedError("id_taken", f"order {order.id} was issued, and says otherwise")
    key = party_keys.check_signed(conn, signed, actor.party_id, now)
    _hold_lots(conn, order)
    grounds = store.load_grounds(conn, order)
    if grounds is None:
        raise OrderRefusedError("not_pledged", f"lot {order.lot} is not pledged to you")
    check_order(order, grounds, now)
    hold_facility(conn, grounds.facility_id)
    store.add_order(conn, order, grounds, (data, key.key_id), actor.account_id, now)
    decision = decide_release(assess_one(conn, grounds.facility_id, now))
    if isinstance(decision, Refuse):
        raise OrderRefusedError(
            "facility_can_not_spare",
            "; ".join(reason.detail for reason in decision.reasons),
            reasons=[
                {"code": each.code, "detail": each.detail, "numbers": dict(each.numbers)}
                for each in decision.reasons
            ],
            facility=str(grounds.facility_id),
            order=str(order.id),
        )
    _note(conn, actor, (ReleaseId(order.id), LotId(order.lot)), "issued", now)
    facilities.relock(conn, [grounds.facility_id], now, opener(actor))
    return load_view(conn, ReleaseId(order.id))


def note_refused(conn: Conn, actor: Actor, error: OrderRefusedError, now: datetime) -> None:
    """Keep that a facility could not spare goods, with what is known of it; nothing else is kept.

    In a transaction of its own: the one that refused is rolled back.
    """
    if error.code != "facility_can_not_spare":
        return
    found = cast("list[dict[str, Any]]", error.detail["reasons"])
    reasons = [Reason(**each) for each in found]
    facility_id = FacilityId(UUID(str(error.detail["facility"])))
    about = "release_order", UUID(str(error.detail["order"])), reasons
    note_refusal(conn, assess_one(conn, facility_id, now), about, now, opener(actor))


def acknowledge(conn: Conn, actor: Actor, order_id: ReleaseId, now: datetime) -> OrderView:
    """Note that its executor begins; the sensors show what is done.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
        OrderRefusedError: It has come to an end.
        ForbiddenError: Another party executes it.
    """
    order = _held(conn, order_id)
    if order.acknowledged_at is None:
        if store.save_acknowledged(conn, order_id, actor.account_id, now) != 1:
            raise ForbiddenError("an order is acknowledged by its executor")
        _note(conn, actor, (order_id, order.lot_id), "acknowledged", now)
    return load_view(conn, order_id)


def revoke(conn: Conn, actor: Actor, order_id: ReleaseId, now: datetime) -> OrderView:
    """Let nothing more leave by an order; what has left before is settled as it is.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
        OrderRefusedError: It has come to an end.
    """
    order = _held(conn, order_id)
    if store.save_revoked(conn, order_id, actor.account_id, now) != 1:
        raise ForbiddenError("an order is revoked by its lender")
    _note(conn, actor, (order_id, order.lot_id), "revoked", now)
    return load_view(conn, order_id)


def load_view(conn: Conn, order_id: ReleaseId) -> OrderView:
    """Return an order with its history.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
    """
    order = store.load_order(conn, order_id)
    if order is None:
        raise NotFoundError("release order", order_id)
    return OrderView(order=order, events=tuple(store.fetch_events(conn, order_id)))


def _held(conn: Conn, order_id: ReleaseId) -> OrderRecord:
    """Return an open order, with its lot held first, as the worker holds them."""
    order = store.load_order(conn, order_id)
    if order is None:
        raise NotFoundError("release order", order_id)
    if not registry.exists(conn, "lot", order.lot_id):
        raise OrderRefusedError("not_pledged", f"the pledge of lot {order.lot_id} has ended")
    hold(conn, order.lot_id)
    # Whoever may no longer change it gets no row to lock: it ended while the lot was waited for.
    locked = store.load_order(conn, order_id, lock=True)
    found = locked or store.load_order(conn, order_id)
    if found is not None:
        check_open(found)
    if locked is None:
        raise ForbiddenError("this account may not do that")
    return locked


def _hold_lots(conn: Conn, order: ReleaseOrder) -> None:
    lots = {order.lot} if order.into_lot is None else {order.lot, order.into_lot}
    for lot in sorted(lots):
        hold(conn, LotId(lot))


def _note(
    conn: Conn, actor: Actor, subject: tuple[ReleaseId, LotId], what: str, now: datetime
) -> None:
    store.add_event(conn, subject[0], now, actor.login, what)
    event = f"release_{what}", {"order": str(subject[0])}
    registry.add_event(conn, subject[1], now, actor.login, event)
