"""Whether a drawdown is signed by its parties' own keys; callers open the transaction."""

from dataclasses import dataclass
from datetime import datetime

from backend.db import Conn
from backend.errors import InvalidError
from backend.facility.types import Facility, Reason
from backend.ids import DrawdownId
from backend.money import Minor
from backend.parties.types import Actor
from backend.party_keys import service as party_keys
from backend.party_keys.errors import SignatureRefusedError
from backend.party_keys.rules import parse_message
from schemas.drawdown import MESSAGE_BYTES_MAX, Act, decode_drawdown
from schemas.errors import MalformedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A message as it travelled, and the key that signed it."""

    message: bytes
    key_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a signature must be of."""

    act: Act
    drawdown_id: DrawdownId
    amount_minor: Minor
    message: str | None


def check_signature(
    conn: Conn, actor: Actor, facility: Facility, said: Said, now: datetime
) -> Signed | Reason | None:
    """Return the signature of an act, why it is none, or None: there is none and none is asked.

    A signature that came is checked also where none is asked.
    """
    if said.message is None:
        if not facility.policy.signatures_required:
            return None
        return Reason(
            code="SIGNATURE_MISSING",
            detail=f"{facility.name} asks for a drawdown signed by the {actor.role.value}'s key",
        )
    try:
        data, signed = parse_message(said.message)
        act = decode_drawdown(signed)
        key = party_keys.check_signed(conn, signed, actor.party_id, now)
    except (InvalidError, MalformedError, SignatureRefusedError) as error:
        return Reason(code="SIGNATURE_INVALID", detail=str(error))
    if len(data) > MESSAGE_BYTES_MAX:
        bound = f"{len(data)} bytes, must be at most {MESSAGE_BYTES_MAX}"
        return Reason(code="SIGNATURE_INVALID", detail=f"the message has {bound}")
    for name, found, wanted in (
        ("act", act.act.name, said.act.name),
        ("drawdown", act.drawdown, said.drawdown_id),
        ("facility", act.facility, facility.id),
        ("party", act.party, actor.party_id),
        ("amount_minor", act.amount_minor, said.amount_minor),
        ("currency", act.currency, facility.currency),
    ):
        if found != wanted:
            detail = f"the signed {name} is {found}, must be {wanted}"
            return Reason(code="SIGNATURE_INVALID", detail=detail)
    return Signed(message=data, key_id=key.key_id)
