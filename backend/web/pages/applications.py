"""Applications: what waits for me, applying, one application with its steps, its contract.

A page offers a step only to whoever may do it; its form is made from the kind's declaration. No
private key comes here: contracts are signed by the page's script, or elsewhere.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import Depends, Form, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, StringConstraints

from backend.applications import http as applications_http
from backend.applications import service
from backend.applications.http.views import ApplicationBody, ApplicationStepBody
from backend.applications.rules.fields import check_currency
from backend.applications.rules.movable import MOVABLE
from backend.applications.service import ApplicationView
from backend.applications.service.signatures import MESSAGE_HEX_MAX
from backend.applications.store import goods
from backend.applications.types.machine import Seat
from backend.applications.types.record import Document, DocumentKind, DoneStep
from backend.deps import AsBorrower, CurrentPrincipal, Db, Now, require
from backend.errors import InvalidError, NotFoundError
from backend.facility.types import Allow
from backend.ids import ApplicationId, PartyId
from backend.keys import verify, verify_key
from backend.parties.types import Actor, Role
from backend.party_keys import store as party_keys
from backend.party_keys.types import RegisteredKey
from backend.web import applications as words
from backend.web.console import go, new_router, render
from backend.web.store import applications as store
from backend.web.store import lots as lot_store
from backend.web.store import plant
from schemas.contract import (
    MESSAGE_BYTES_MAX,
    contract_content_type,
    decode_contract,
    render_contract,
)
from schemas.cose import bytes_to_sign, decode_sign1, encode_protected, encode_sign1
from schemas.errors import MalformedError

router = new_router()
FIELDS_MAX: Final = 400  # Of a form: as many as a step may name lots, and then some.
_SIGNED: Final = ("sign", "countersign")

Seated = Annotated[Actor, Depends(require(Role.LENDER, Role.BORROWER, Role.LOGISTICS))]
Signing = Annotated[Actor, Depends(require(Role.LENDER, Role.BORROWER))]


async def sent_fields(request: Request) -> Mapping[str, Sequence[str]]:
    """Return a form's fields as they were typed; a field may come more than once."""
    form = await request.form(max_fields=FIELDS_MAX)
    return {
        name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form
    }


Fields = Annotated[Mapping[str, Sequence[str]], Depends(sent_fields)]


class SignedFields(BaseModel):
    """A signed contract; or the signature of one of the keys over the contract that was shown."""

    id: UUID
    step: Annotated[str, StringConstraints(pattern="^(sign|countersign)$")]
    message: Annotated[str, StringConstraints(max_length=MESSAGE_HEX_MAX)] = ""
    payload: Annotated[str, StringConstraints(max_length=MESSAGE_HEX_MAX)] = ""
    key_id: Annotated[str, StringConstraints(pattern="^([0-9a-f]{32})?$")] = ""
    signature: Annotated[str, StringConstraints(pattern="^([0-9a-f]{128})?$")] = ""


@router.get("/applications")
def list_applications(request: Request, db: Db, who: CurrentPrincipal) -> Response:
    """Show what waits for the actor, then its other applications, then those that have ended."""
    with db.acting(who.actor) as conn:
        views = service.load_views(conn, who.actor)
        names = store.load_names(conn)
        repaid = store.list_repaid(conn) if who.actor.role is Role.LENDER else frozenset[UUID]()
    mine = [v for v in views if v.waits_for_viewer or v.application.id in repaid]
    known = {view.application.id for view in mine}
    others = [v for v in views if v.awaited and v.application.id not in known]
    return render(
        request,
        who,
        "applications.html",
        mine=mine,
        others=others,
        ended=[view for view in views if not view.awaited and view.application.id not in known],
        repaid=repaid,
        names=names,
        words=words,
    )


@router.get("/applications/new")
def show_form(request: Request, db: Db, who: CurrentPrincipal, actor: AsBorrower) -> Response:
    """Show the form to apply."""
    with db.acting(actor) as conn:
        lenders = store.list_lenders(conn, actor.party_id)
        warehouses = store.list_warehouses(conn, actor.party_id)
        commodities = plant.list_commodities(conn)
        currencies = store.list_currencies(conn)
    return render(
        request,
        who,
        "application_form.html",
        id=uuid4(),
        lenders=lenders,
        warehouses=warehouses,
        commodities=commodities,
        currencies=currencies,
        rows=range(words.GOODS_ROWS),
    )


@router.post("/applications")
def apply(request: Request, db: Db, actor: AsBorrower, now: Now, fields: Fields) -> Response:
    """Apply."""
    currency = check_currency("currency", _one(fields, "currency"))
    plain = [field for field in MOVABLE.opening.fields if field.name != "goods"]
    sent = {name: fields.get(name, ()) for name in ("goods_name", "commodity_id", "mass_kg")}
    values: dict[str, Any] = {
        **words.parse_values(plain, fields, currency),
        "goods": words.parse_goods(sent["goods_name"], sent["commodity_id"], sent["mass_kg"]),
    }
    body = ApplicationBody(
        id=_uuid("id", _one(fields, "id")),
        kind=MOVABLE.name,
        seats={
            Seat.LENDER: _uuid("lender", _one(fields, "lender")),
            Seat.LOGISTICS: _uuid("warehouse", _one(fields, "warehouse")),
        },
        values=values,
        note=_one(fields, "note"),
    )
    applications_http.open_application(body, db, actor, now)
    return go(request, f"/applications/{body.id}")


@router.get("/applications/{application_id}")
def show_application(
    application_id: UUID, request: Request, db: Db, who: CurrentPrincipal, now: Now
) -> Response:
    """Show one application: its stages, what the actor may do, its documents and its history."""
    key = ApplicationId(application_id)
    with db.acting(who.actor) as conn:
        view = service.load_view(conn, who.actor, key, now)
        names = store.load_names(conn)
        registers = any(chance.step.name == "register" for chance in view.chances)
        borrower = view.application.seats.get(Seat.BORROWER)
        free = goods.fetch_free_lots(conn, key, borrower) if registers and borrower else ()
        lots = [
            lot
            for lot_id in view.application.lots
            if (lot := lot_store.load_lot(conn, lot_id)) is not None
        ]
        commodities = {c.id: c.name for c in plant.list_commodities(conn)}
        sums = store.load_sums(conn, application_id)
    documents = {document.kind: document for document in view.documents}
    certificate = _data(documents.get(DocumentKind.CERTIFICATE))
    return render(
        request,
        who,
        "application.html",
        view=view,
        application=view.application,
        stages=words.list_stages(view, repaid=view.application.state == "drawn" and not sums[1]),
        chances=[
            (
                chance,
                isinstance(chance.decision, Allow),
                uuid4(),
                [
                    (field, words.offered(field, view, certificate, sums))
                    for field in chance.step.fields
                ],
            )
            for chance in view.chances
        ],
        certificate=certificate,
        profile=_data(documents.get(DocumentKind.PROFILE)),
        contract=documents.get(DocumentKind.CONTRACT),
        documents=documents,
        free=free,
        lots=lots,
        names=names,
        commodities=commodities,
        seats=sorted(view.application.seats.items()),
        words=words,
    )


@router.post("/applications/{application_id}/steps")
def take_step(
    application_id: UUID, request: Request, db: Db, actor: Seated, now: Now, fields: Fields
) -> Response:
    """Do a step with what its form says."""
    with db.acting(actor) as conn:
        view = service.load_view(conn, actor, ApplicationId(application_id), now)
    step = view.kind.step(_one(fields, "step"))
    if step is None:
        raise NotFoundError("step", _one(fields, "step"))
    body = ApplicationStepBody(
        id=_uuid("id", _one(fields, "id")),
        step=step.name,
        values=words.parse_values(step.fields, fields, view.application.currency),
        note=_one(fields, "note"),
    )
    applications_http.take_step(application_id, body, db, actor, now)
    return go(request, f"/applications/{application_id}")


@router.get("/applications/{application_id}/contract")
def show_contract(
    application_id: UUID, request: Request, db: Db, who: CurrentPrincipal, now: Now
) -> Response:
    """Show the contract in words, who has signed it, and the form to sign it."""
    with db.acting(who.actor) as conn:
        view = service.load_view(conn, who.actor, ApplicationId(application_id), now)
        contract = _contract(view)
        keys = party_keys.fetch_keys(conn)
        names = store.load_names(conn)
    own = [key for key in keys if _signs(key, who.actor.party_id, now)]
    chance = next((c for c in view.chances if c.step.signs), None)
    known = {key.key_id: key for key in keys}
    return render(
        request,
        who,
        "contract.html",
        application=view.application,
        contract=decode_contract(contract.content),
        paragraphs=render_contract(decode_contract(contract.content)),
        document=contract,
        signatures=[
            (step, known.get(step.key_id or b""), _verified(step, contract, known))
            for step in view.steps
            if step.step in _SIGNED
        ],
        chance=chance,
        allowed=chance is not None and isinstance(chance.decision, Allow),
        id=uuid4(),
        keys=[(key, _to_sign(key, contract.content)) for key in own],
        names=names,
        words=words,
    )


@router.get("/applications/{application_id}/contract.hex")
def download_contract(
    application_id: UUID, db: Db, who: CurrentPrincipal, now: Now
) -> PlainTextResponse:
    """Return the contract's bytes in hexadecimal, to be read and signed on another machine."""
    with db.acting(who.actor) as conn:
        view = service.load_view(conn, who.actor, ApplicationId(application_id), now)
    headers = {"Content-Disposition": 'attachment; filename="contract.hex"'}
    return PlainTextResponse(f"{_contract(view).content.hex()}\n", headers=headers)


@router.post("/applications/{application_id}/contract")
def sign_contract(
    application_id: UUID,
    request: Request,
    db: Db,
    actor: Signing,
    now: Now,
    form: Annotated[SignedFields, Form()],
) -> Response:
    """Sign the contract: with a message from elsewhere, or with what the page's script signed."""
    message = form.message.strip() or _message(form)
    body = ApplicationStepBody(id=form.id, step=form.step, message=message)
    applications_http.take_step(application_id, body, db, actor, now)
    return go(request, f"/applications/{application_id}/contract")


def _data(document: Document | None) -> dict[str, Any] | None:
    return None if document is None else json.loads(document.content)


def _contract(view: ApplicationView) -> Document:
    for document in view.documents:
        if document.kind is DocumentKind.CONTRACT:
            return document
    raise NotFoundError("contract", view.application.id)


def _signs(key: RegisteredKey, party_id: PartyId, now: datetime) -> bool:
    return key.party_id == party_id and key.revoked_at is None and now < key.valid_until


def _to_sign(key: RegisteredKey, payload: bytes) -> str:
    return bytes_to_sign(encode_protected(contract_content_type(), key.key_id), payload).hex()


def _verified(step: DoneStep, contract: Document, keys: Mapping[bytes, RegisteredKey]) -> bool:
    """Return whether a step's message is signed by its key over this very contract, now."""
    key = keys.get(step.key_id or b"")
    if key is None or step.message is None:
        return False
    try:
        signed = decode_sign1(step.message, bytes_max=MESSAGE_BYTES_MAX)
    except MalformedError:
        return False
    good = verify(verify_key(key.public_key), signed.signature, signed.signed_bytes)
    return good and signed.key_id == key.key_id and signed.payload == contract.content


def _message(form: SignedFields) -> str:
    """Return the signed message that the contract and its signature make.

    Raises:
        InvalidError: A part of it is missing, or is no hexadecimal.
    """
    if not (form.payload and form.key_id and form.signature):
        raise InvalidError("signature", form.signature, "a signature, or a signed message")
    try:
        payload = bytes.fromhex(form.payload)
    except ValueError as error:
        raise InvalidError("payload", form.payload, "hexadecimal") from error
    protected = encode_protected(contract_content_type(), bytes.fromhex(form.key_id))
    return encode_sign1(protected, payload, bytes.fromhex(form.signature)).hex()


def _one(fields: Mapping[str, Sequence[str]], name: str) -> str:
    found = fields.get(name, ())
    return found[0] if found else ""


def _uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidError(name, text, "a choice of the form") from error
