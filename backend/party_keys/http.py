"""Routes of parties' keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, StringConstraints

from backend.deps import AsOperator, CurrentActor, Db, Now, require
from backend.parties.types import Actor, Role
from backend.party_keys import service, store
from backend.party_keys.rules import MESSAGE_HEX_MAX
from backend.party_keys.types import RegisteredKey

router = APIRouter(prefix="/api/party-keys", tags=["party keys"])

Holder = Annotated[
    Actor, Depends(require(Role.BORROWER, Role.LENDER, Role.LOGISTICS, Role.OPERATOR))
]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Hex = Annotated[str, StringConstraints(max_length=MESSAGE_HEX_MAX)]


class PartyKeyBody(BaseModel):
    """A key to register: a party-key message of schemas/release-v1.cddl, in hexadecimal."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    message: Hex


class PartyKeyView(BaseModel):
    """A key that signs for a party, from its registration to its end."""

    key_id: str
    public_key: str
    party_id: UUID
    name: str
    registered_at: datetime
    valid_until: datetime
    revoked_at: datetime | None


@router.post("", status_code=201)
def add_party_key(body: PartyKeyBody, db: Db, actor: AsOperator, now: Now) -> PartyKeyView:
    """Register a party's key, once its identity was checked; it is signed by itself."""
    with db.acting(actor) as conn:
        return _view(service.register(conn, actor, body.name, body.message, now))


@router.get("")
def list_party_keys(db: Db, actor: CurrentActor) -> list[PartyKeyView]:
    """Return every party's keys, newest first: they are no secrets."""
    with db.acting(actor) as conn:
        return [_view(key) for key in store.fetch_keys(conn)]


@router.post("/{key_id}/revoke")
def revoke_party_key(key_id: KeyId, db: Db, actor: Holder, now: Now) -> PartyKeyView:
    """End a key at once and for ever; what it signed before stays signed."""
    with db.acting(actor) as conn:
        return _view(service.revoke(conn, actor, bytes.fromhex(key_id), now))


def _view(key: RegisteredKey) -> PartyKeyView:
    return PartyKeyView(
        key_id=key.key_id.hex(),
        public_key=key.public_key.hex(),
        party_id=key.party_id,
        name=key.name,
        registered_at=key.registered_at,
        valid_until=key.valid_until,
        revoked_at=key.revoked_at,
    )
