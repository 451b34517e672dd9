"""Routes of commands to gateways, and of what speaks for a gateway."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from backend.commands import service, store
from backend.commands.rules import state_of
from backend.commands.types import CommandRecord, CommandState, GatewayTrust
from backend.deps import AsOperator, Db, Now, require
from backend.ids import GatewayId
from backend.parties.types import Actor, Role
from backend.plant import service as plant
from schemas.command import TOML_BYTES_MAX, CommandType, Configure, Order, Rotate

router = APIRouter(prefix="/api/gateways/{gateway_id}", tags=["commands"])

Looker = Annotated[Actor, Depends(require(Role.OPERATOR, Role.LOGISTICS, Role.REGULATOR))]


class ConfigureBody(BaseModel):
    """Devices to read, as TOML without [gateway] and [uplink]; null: the machine's own file."""

    model_config = ConfigDict(extra="forbid")

    toml: Annotated[str, Field(max_length=TOML_BYTES_MAX)] | None


class CommandView(BaseModel):
    """A command and how it ended; ``asked_by`` null: the platform itself."""

    number: int
    type: CommandType
    state: CommandState
    issued_at: datetime
    expires_at: datetime
    asked_by: str | None
    why: str | None
    answered_at: datetime | None
    envelope_number: int | None


class AskedView(BaseModel):
    """A command that was asked now."""

    gateway_id: str
    number: int


class TrustView(BaseModel):
    """When a gateway last met a challenge, and what it says that it runs."""

    gateway_id: str
    challenged_at: datetime | None
    answered_at: datetime | None
    unanswered_since: datetime | None
    attested_at: datetime | None
    software: str | None
    software_sha256: str | None
    config_sha256: str | None
    boot_id: str | None
    revoked_at: datetime | None


@router.get("/commands")
def list_commands(gateway_id: str, db: Db, actor: Looker, now: Now) -> list[CommandView]:
    """Return what a gateway was asked, newest first."""
    with db.acting(actor) as conn:
        rows = store.list_records(conn, GatewayId(gateway_id))
    return [_command_view(row, now) for row in rows]


@router.get("/trust")
def get_trust(gateway_id: str, db: Db, actor: Looker) -> TrustView:
    """Return what speaks for a gateway beyond its signatures."""
    with db.acting(actor) as conn:
        return _trust_view(service.load_trust(conn, GatewayId(gateway_id)))


@router.post("/challenge", status_code=201)
def challenge_gateway(gateway_id: str, db: Db, actor: AsOperator, now: Now) -> AskedView:
    """Challenge a gateway: it must answer with a nonce, and read every sensor anew."""
    with db.acting(actor) as conn:
        number = service.challenge(conn, GatewayId(gateway_id), actor.account_id, now)
    return AskedView(gateway_id=gateway_id, number=number)


@router.post("/configure", status_code=201)
def configure_gateway(
    gateway_id: str, body: ConfigureBody, db: Db, actor: AsOperator, now: Now
) -> AskedView:
    """Ask a gateway to read other devices; it checks the text, and a bad one changes nothing."""
    return _ask(db, gateway_id, Configure(body.toml), actor, now)


@router.post("/rotate", status_code=201)
def rotate_gateway(gateway_id: str, db: Db, actor: AsOperator, now: Now) -> AskedView:
    """Ask a gateway to make a new key; nothing is lost by it."""
    return _ask(db, gateway_id, Rotate(), actor, now)


@router.post("/revoke")
def revoke_gateway(gateway_id: str, db: Db, actor: AsOperator, now: Now) -> TrustView:
    """End what a gateway may do, until it is enrolled anew with another key."""
    with db.acting(actor) as conn:
        plant.revoke(conn, GatewayId(gateway_id), now)
        return _trust_view(service.load_trust(conn, GatewayId(gateway_id)))


def _ask(db: Db, gateway_id: str, order: Order, actor: Actor, now: datetime) -> AskedView:
    asked = service.Asked(gateway_id=GatewayId(gateway_id), order=order, asked_by=actor.account_id)
    with db.acting(actor) as conn:
        number = service.ask(conn, asked, now)
    return AskedView(gateway_id=gateway_id, number=number)


def _command_view(row: CommandRecord, now: datetime) -> CommandView:
    return CommandView(
        number=row.number,
        type=row.type,
        state=state_of(row.outcome, row.expires_at, now),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        asked_by=row.asked_by,
        why=row.why,
        answered_at=row.answered_at,
        envelope_number=row.envelope_number,
    )


def _trust_view(trust: GatewayTrust) -> TrustView:
    return TrustView(
        gateway_id=trust.gateway_id,
        challenged_at=trust.challenged_at,
        answered_at=trust.answered_at,
        unanswered_since=trust.unanswered_since,
        attested_at=trust.attested_at,
        software=trust.software,
        software_sha256=_hex(trust.software_sha256),
        config_sha256=_hex(trust.config_sha256),
        boot_id=_hex(trust.boot_id),
        revoked_at=trust.revoked_at,
    )


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
