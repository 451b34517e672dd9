"""Whether a step is signed: over the very document, by a key of the actor's party, valid now."""

from datetime import datetime
from typing import Final

from backend.applications.errors import StepRefusedError
from backend.applications.service.running import Running
from backend.applications.types.machine import Step
from backend.applications.types.record import Application
from backend.db import Conn
from backend.errors import InvalidError
from backend.facility.types import Reason
from backend.parties.types import Actor
from backend.party_keys import service as party_keys
from backend.party_keys.rules import malformed
from schemas.contract import MESSAGE_BYTES_MAX, contract_content_type
from schemas.cose import Sign1, decode_sign1
from schemas.errors import MalformedError

MESSAGE_HEX_MAX: Final = 2 * MESSAGE_BYTES_MAX
Signed = tuple[bytes, bytes]  # the message as it travelled, and the id of its key


def check_signature(
    conn: Conn,
    running: Running,
    application: Application,
    said: tuple[Actor, Step, str | None],
    now: datetime,
) -> Signed | None:
    """Return the message that a step was signed with: the very document, by the actor's party.

    Raises:
        InvalidError: There is a message and none is asked for, or it is not of that form.
        StepRefusedError: None, or it is over other bytes than the document's.
        SignatureRefusedError: It is not signed by a key of the party that is valid now.
    """
    actor, step, message = said
    if step.signs is None:
        if message is not None:
            raise InvalidError("message", message, f"null: {step.name} is not signed")
        return None
    if message is None:
        raise _refused(step, "UNSIGNED", f"{step.name} is signed with a key of your party")
    data, signed = _parse(message)
    document = running.to_sign(conn, application, step.signs)
    if document is None or signed.payload != document.content:
        wanted = "none" if document is None else document.sha256.hex()
        raise _refused(
            step,
            "OTHER_BYTES",
            f"the signature is over other bytes than the {step.signs}'s (SHA-256 {wanted})",
        )
    key = party_keys.check_signed(conn, signed, actor.party_id, now)
    return data, key.key_id


def _parse(text_hex: str) -> tuple[bytes, Sign1]:
    try:
        data = bytes.fromhex(text_hex)
    except ValueError as error:
        raise InvalidError("message", text_hex, "hexadecimal, two digits a byte") from error
    try:
        signed = decode_sign1(data, bytes_max=MESSAGE_BYTES_MAX)
    except MalformedError as error:
        raise malformed(error) from error
    if signed.content_type != contract_content_type():
        raise InvalidError("message: content type", signed.content_type, contract_content_type())
    return data, signed


def _refused(step: Step, code: str, detail: str) -> StepRefusedError:
    return StepRefusedError(step.name, [Reason(code=code, detail=detail)])
