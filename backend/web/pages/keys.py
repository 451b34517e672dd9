"""Keys of parties: who signs with which, until when; an operator registers, its party revokes."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request, Response
from pydantic import BaseModel, StringConstraints

from backend.deps import AsOperator, CurrentPrincipal, Db, Now
from backend.parties.types import Role
from backend.party_keys import http as party_keys_http
from backend.party_keys import store
from backend.party_keys.rules import MESSAGE_HEX_MAX
from backend.web.console import done, new_router, render
from backend.web.store import applications as names_store

router = new_router()


class KeyFields(BaseModel):
    """A key to register: what ``release new-key`` printed."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    message: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MESSAGE_HEX_MAX)]


@router.get("/keys")
def list_keys(request: Request, db: Db, who: CurrentPrincipal, now: Now) -> Response:
    """Show the keys of the actor's party, and everybody's to whoever runs or supervises."""
    with db.acting(who.actor) as conn:
        keys = store.fetch_keys(conn)
        names = names_store.load_names(conn)
    everybody = who.actor.role in (Role.OPERATOR, Role.REGULATOR)
    own: UUID = who.actor.party_id
    return render(
        request,
        who,
        "keys.html",
        keys=[key for key in keys if everybody or key.party_id == own],
        others=0 if everybody else sum(key.party_id != own for key in keys),
        names=names,
        party=own,
        may_revoke=who.actor.role is not Role.REGULATOR,
    )


@router.post("/keys")
def register_key(
    request: Request, db: Db, actor: AsOperator, now: Now, form: Annotated[KeyFields, Form()]
) -> Response:
    """Register a party's key."""
    body = party_keys_http.PartyKeyBody(name=form.name, message=form.message)
    key = party_keys_http.add_party_key(body, db, actor, now)
    return done(request, f"Key {key.key_id} is registered, and signs from now on.", "/keys")


@router.post("/keys/{key_id}/revoke")
def revoke_key(
    key_id: party_keys_http.KeyId,
    request: Request,
    db: Db,
    actor: party_keys_http.Holder,
    now: Now,
) -> Response:
    """End a key at once and for ever."""
    party_keys_http.revoke_party_key(key_id, db, actor, now)
    return done(request, "Revoked. What it signed before stays signed.", "/keys")
