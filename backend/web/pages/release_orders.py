"""Release orders: the list, one with its life, and the lender's form, signed where its key is.

No private key comes here: the form is answered with the bytes to sign, the page's script signs
them in the browser, or the lender's own software elsewhere; what comes back is a signed message.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import Depends, Form, Request, Response
from pydantic import BaseModel, Field, NaiveDatetime, StringConstraints, field_validator

from backend.collateral.types.releases import ReleaseState
from backend.db import Conn
from backend.deps import AsLender, AsLogistics, CurrentPrincipal, Db, Now, require
from backend.errors import InvalidError, NotFoundError
from backend.ids import PartyId, ReleaseId
from backend.parties.types import Role
from backend.party_keys import store as party_keys
from backend.party_keys.rules import MESSAGE_HEX_MAX
from backend.party_keys.types import RegisteredKey
from backend.releases import http as releases_http
from backend.releases import service
from backend.releases import store as releases
from backend.releases.errors import OrderRefusedError
from backend.releases.rules import check_order
from backend.releases.types import Grounds
from backend.telemetry.types import datetime_of, unix_us_of
from backend.web.console import AskedPage, done, go, new_router, render
from backend.web.orders import check_signature, named
from backend.web.store import lots
from backend.web.store import releases as store
from backend.web.types import PAGE_ROWS, EventRow, LotRow
from schemas.cose import bytes_to_sign, encode_protected, encode_sign1
from schemas.release import ITEMS_MAX, ReleaseOrder, encode_order, order_content_type

router = new_router()
WINDOW: Final = timedelta(hours=2)  # What the form offers; a lorry is loaded in less.
GRAMS_PER_KG: Final = 1_000
KG_MAX: Final = 10**12
UUID_PATTERN: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OPEN: Final = (ReleaseState.ISSUED.value, ReleaseState.EXECUTING.value)


class DraftFields(BaseModel):
    """An order as the form describes it; times are UTC. Without items it is for a mass."""

    begins: NaiveDatetime
    ends: NaiveDatetime
    items: Annotated[list[UUID], Field(max_length=ITEMS_MAX)] = []
    mass_kg: Annotated[Decimal, Field(gt=0, le=KG_MAX, decimal_places=3)] | None = None
    place: Annotated[str, Field(pattern=f"^({UUID_PATTERN}(/{UUID_PATTERN})?)?$")] = ""

    @field_validator("mass_kg", mode="before")
    @classmethod
    def read_blank(cls, value: object) -> object:
        """Take a field that was left empty for none."""
        return None if isinstance(value, str) and not value.strip() else value


class SignedFields(BaseModel):
    """A signed message; or the bytes of a draft with the signature of one of the keys."""

    message: Annotated[str, StringConstraints(max_length=MESSAGE_HEX_MAX)] = ""
    payload: Annotated[str, StringConstraints(max_length=MESSAGE_HEX_MAX)] = ""
    key_id: Annotated[str, StringConstraints(pattern="^([0-9a-f]{32})?$")] = ""
    signature: Annotated[str, StringConstraints(pattern="^([0-9a-f]{128})?$")] = ""


@router.get("/release-orders")
def list_orders(request: Request, db: Db, who: CurrentPrincipal, pager: AskedPage) -> Response:
    """Show the release orders that concern the actor, open ones first."""
    with db.acting(who.actor) as conn:
        orders = store.list_orders(conn, pager.window)
    more = len(orders) > PAGE_ROWS
    return render(
        request,
        who,
        "release_orders.html",
        orders=orders[:PAGE_ROWS],
        pager=pager,
        more=more,
    )


@router.get("/release-orders/{order_id}")
def show_order(order_id: UUID, request: Request, db: Db, who: CurrentPrincipal) -> Response:
    """Show one order: what it lets go, who signed it, and what the sensors have seen of it."""
    with db.acting(who.actor) as conn:
        order = store.load_order(conn, order_id)
        if order is None:
            raise NotFoundError("release order", order_id)
        view = service.load_view(conn, ReleaseId(order_id))
        keys = party_keys.fetch_keys(conn, view.order.key_id)
        goods = store.list_goods(conn, order_id)
        alerts = lots.list_alerts(conn, lot_id=order.lot_id)
    names = {str(item.id): item.name for item in goods}
    events = [
        EventRow(at=each.at, actor=each.actor, what=each.what, detail=named(each.detail, names))
        for each in reversed(view.events)
    ]
    return render(
        request,
        who,
        "release_order.html",
        order=order,
        is_open=order.state in _OPEN,
        executes=order.executor_party == who.actor.party_id,
        signature=check_signature(view.order, keys[0] if keys else None),
        goods=goods,
        events=events,
        alerts=[alert for alert in alerts if str(order_id) in alert.summary],
    )


@router.post("/release-orders/{order_id}/acknowledge")
def acknowledge_order(
    order_id: UUID, request: Request, db: Db, actor: AsLogistics, now: Now
) -> Response:
    """Say that one begins to execute an order."""
    releases_http.acknowledge_release_order(order_id, db, actor, now)
    message = "Acknowledged. What leaves is noted as the sensors see it."
    return done(request, message, _page(order_id))


@router.post("/release-orders/{order_id}/revoke")
def revoke_order(order_id: UUID, request: Request, db: Db, actor: AsLender, now: Now) -> Response:
    """Let nothing more leave by an order."""
    releases_http.revoke_release_order(order_id, db, actor, now)
    message = "Revoked. Nothing more may leave by it; what has left stays released."
    return done(request, message, _page(order_id))


@router.get("/lots/{lot_id}/release-order")
def show_form(
    lot_id: UUID, request: Request, db: Db, who: CurrentPrincipal, _: AsLender, now: Now
) -> Response:
    """Show the form for an order."""
    with db.acting(who.actor) as conn:
        lot = _load_lot(conn, lot_id)
        items = store.list_free_items(conn, lot_id)
        places = store.list_places(conn, lot_id)
        keeper = store.load_keeper(conn, lot_id)
        keys = _valid_keys(conn, who.actor.party_id, now)
    begins = now.astimezone(UTC).replace(second=0, microsecond=0)
    return render(
        request,
        who,
        "release_form.html",
        lot=lot,
        items=items,
        places=places,
        keeper=keeper,
        keys=keys,
        begins=f"{begins:%Y-%m-%dT%H:%M}",
        ends=f"{begins + WINDOW:%Y-%m-%dT%H:%M}",
    )


@router.post("/lots/{lot_id}/release-order", dependencies=[Depends(require(Role.LENDER))])
def draft_order(
    lot_id: UUID,
    request: Request,
    db: Db,
    who: CurrentPrincipal,
    now: Now,
    form: Annotated[DraftFields, Form()],
) -> Response:
    """Check an order, and answer with the bytes to sign; nothing is stored."""
    with db.acting(who.actor) as conn:
        lot = _load_lot(conn, lot_id)
        order, grounds = _draft(conn, lot_id, who.actor.party_id, form, now)
        check_order(order, grounds, now)
        keys = _valid_keys(conn, who.actor.party_id, now)
        names = {item.id: item.name for item in lots.list_items_of_lot(conn, lot_id)}
        places = {place.id: place.name for place in store.list_places(conn, lot_id)}
        keeper = store.load_keeper(conn, lot_id)
    payload = encode_order(order)
    return render(
        request,
        who,
        "release_draft.html",
        lot=lot,
        order=order,
        begins_at=datetime_of(order.begins_unix_us),
        ends_at=datetime_of(order.ends_unix_us),
        items=sorted(names[item] for item in order.items),
        destination=places.get(form.place, "out of the site, pledged no more"),
        keeper=keeper,
        payload=payload.hex(),
        digest=sha256(payload).hexdigest(),
        keys=[(key, _to_sign(key, payload)) for key in keys],
        file=_file(order),
    )


@router.post("/release-orders")
def issue_order(
    request: Request,
    db: Db,
    actor: AsLender,
    now: Now,
    form: Annotated[SignedFields, Form()],
) -> Response:
    """Issue a signed order."""
    body = releases_http.ReleaseOrderBody(message=form.message.strip() or _message(form))
    order = releases_http.issue_release_order(body, db, actor, now)
    return go(request, _page(order.id))


def _load_lot(conn: Conn, lot_id: UUID) -> LotRow:
    lot = lots.load_lot(conn, lot_id)
    if lot is None:
        raise NotFoundError("lot", lot_id)
    return lot


def _valid_keys(conn: Conn, party_id: PartyId, now: datetime) -> list[RegisteredKey]:
    """Return the keys that sign for a party now, newest first."""
    return [
        key
        for key in party_keys.fetch_keys(conn)
        if key.party_id == party_id and key.revoked_at is None and now < key.valid_until
    ]


def _draft(
    conn: Conn, lot_id: UUID, lender: PartyId, form: DraftFields, now: datetime
) -> tuple[ReleaseOrder, Grounds]:
    """Return the order that a form asks for, and what to check it against.

    Raises:
        InvalidError: Neither items nor a mass, or both.
        OrderRefusedError: The lot is not pledged to the lender.
    """
    if bool(form.items) == (form.mass_kg is not None):
        said = "both" if form.items else "neither"
        raise InvalidError("what may go", said, "items that are ticked, or a mass")
    zone, _, into_lot = form.place.partition("/")
    asked = ReleaseOrder(
        id=uuid4(),
        lender=lender,
        lot=lot_id,
        items=tuple(sorted(set(form.items))),
        mass_g=int((form.mass_kg or 0) * GRAMS_PER_KG),
        begins_unix_us=unix_us_of(form.begins.replace(tzinfo=UTC)),
        ends_unix_us=unix_us_of(form.ends.replace(tzinfo=UTC)),
        zone=UUID(zone) if zone else None,
        into_lot=UUID(into_lot) if into_lot else None,
        executor=lender,  # Until it is known who keeps the site.
        issued_unix_us=unix_us_of(now),
    )
    grounds = releases.load_grounds(conn, asked)
    if grounds is None:
        raise OrderRefusedError("not_pledged", "the lot is not pledged to you")
    masses = {UUID(str(item)): mass_g for item, mass_g in grounds.items.items()}
    mass_g = sum(masses.get(item, 0) for item in asked.items) or asked.mass_g
    return replace(asked, executor=grounds.keeper, mass_g=mass_g), grounds


def _to_sign(key: RegisteredKey, payload: bytes) -> str:
    return bytes_to_sign(encode_protected(order_content_type(), key.key_id), payload).hex()


def _message(form: SignedFields) -> str:
    """Return the signed message that a draft and its signature make.

    Raises:
        InvalidError: A part of it is missing, or is no hexadecimal.
    """
    if not (form.payload and form.key_id and form.signature):
        raise InvalidError("signature", form.signature, "a signature, or a signed message")
    try:
        payload = bytes.fromhex(form.payload)
    except ValueError as error:
        raise InvalidError("payload", form.payload, "hexadecimal") from error
    protected = encode_protected(order_content_type(), bytes.fromhex(form.key_id))
    return encode_sign1(protected, payload, bytes.fromhex(form.signature)).hex()


def _file(order: ReleaseOrder) -> str:
    """Return the order as the file that ``release sign`` reads."""
    return json.dumps(
        {
            "lender": str(order.lender),
            "lot": str(order.lot),
            "items": [str(item) for item in order.items],
            "mass_g": order.mass_g,
            "begins": datetime_of(order.begins_unix_us).isoformat(),
            "ends": datetime_of(order.ends_unix_us).isoformat(),
            "zone": None if order.zone is None else str(order.zone),
            "into_lot": None if order.into_lot is None else str(order.into_lot),
            "executor": str(order.executor),
        },
        indent=1,
    )


def _page(order_id: UUID) -> str:
    return f"/release-orders/{order_id}"
