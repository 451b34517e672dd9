"""A gateway at the door: what it brings is let in to wait, or refused by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from nacl.signing import VerifyKey

from backend.db import Conn, Database
from backend.ids import GatewayId
from backend.ingest.rules.examine import examine
from backend.ingest.types import Examined, Message, Reason
from backend.keys import verify, verify_key
from backend.telemetry.types import unix_us_of
from backend.uplink import store
from backend.uplink.errors import EnvelopeRefusedError, InboxFullError
from backend.uplink.rules import RETRY_AFTER_S, has_room
from backend.uplink.types import Held
from schemas.cose import Sign1
from schemas.topics import up_topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a gateway brings; ``keep_evidence`` tells whether a refusal may still be kept."""

    gateway: GatewayId
    messages: Sequence[bytes]
    keep_evidence: Callable[[], bool]


def take_post(db: Database, post: Post, now: datetime) -> Held:
    """Let messages wait for the worker; return what waits for the gateway.

    The first message must be an envelope of this gateway, signed by its key: the rest is the
    worker's to judge, and so is the first one's place in its stream.

    Raises:
        EnvelopeRefusedError: The first message proves nothing; it is evidence, and kept as such.
        InboxFullError: Too much waits already.
    """
    with db.at_door(post.gateway) as conn:
        refused = _refusal(conn, post, now) if post.messages else None
        if refused is None:
            _check_room(conn, post.gateway, post.messages)
            if post.messages:
                store.add_messages(conn, post.gateway, post.messages, now)
            return look(conn, post.gateway, now)
        if post.keep_evidence():
            _check_room(conn, post.gateway, post.messages[:1])
            store.add_messages(conn, post.gateway, post.messages[:1], now)
    raise refused


def look(conn: Conn, gateway: GatewayId, now: datetime) -> Held:
    """Return what waits for a gateway; ask the worker for its receipt where there is none."""
    held = store.load_held(conn, gateway)
    if held.receipt is None:
        store.ask_for_receipt(conn, gateway, now)
    return held


def _refusal(conn: Conn, post: Post, now: datetime) -> EnvelopeRefusedError | None:
    keys = {id: verify_key(key) for id, key in store.fetch_keys(conn, post.gateway).items()}
    message = Message(
        topic=up_topic(post.gateway),
        data=post.messages[0],
        received_unix_us=unix_us_of(now),
    )
    examined = examine(message, lambda _gateway, signed: _reason(keys, signed))
    if isinstance(examined, Examined):
        return None
    evidence = examined.evidence
    return EnvelopeRefusedError(evidence.reason.value, evidence.detail)


def _reason(keys: dict[bytes, VerifyKey], signed: Sign1) -> Reason | None:
    if not keys:
        return Reason.UNKNOWN_GATEWAY
    key = keys.get(signed.key_id)
    if key is None:
        return Reason.WRONG_KEY
    good = verify(key, signed.signature, signed.signed_bytes)
    return None if good else Reason.BAD_SIGNATURE


def _check_room(conn: Conn, gateway: GatewayId, messages: Sequence[bytes]) -> None:
    if messages and not has_room(
        store.fetch_backlog(conn), len(messages), sum(len(message) for message in messages)
    ):
        raise InboxFullError(gateway, RETRY_AFTER_S)
