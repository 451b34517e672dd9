"""Registering, revoking and using parties' keys; callers open the transaction."""

from datetime import datetime
from uuid import UUID

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError, RefusedError
from backend.ids import PartyId
from backend.keys import verify, verify_key
from backend.parties import store as parties
from backend.parties.types import Actor
from backend.party_keys import store
from backend.party_keys.errors import SignatureRefusedError
from backend.party_keys.rules import check_life, check_valid, malformed, parse_message
from backend.party_keys.types import RegisteredKey
from backend.telemetry.types import datetime_of
from schemas.cose import Sign1
from schemas.errors import MalformedError
from schemas.keys import key_id_of
from schemas.release import decode_party_key


def register(conn: Conn, actor: Actor, name: str, message: str, now: datetime) -> RegisteredKey:
    """Register a key that says itself for which party it signs, and until when.

    Raises:
        InvalidError: The message is not of that form, or the party is not known.
        SignatureRefusedError: It is not signed by the key that it names.
        KeyTakenError: The key was registered before.
    """
    _, signed = parse_message(message)
    try:
        claimed = decode_party_key(signed)
    except MalformedError as error:
        raise malformed(error) from error
    key_id = key_id_of(claimed.public_key)
    good = verify(verify_key(claimed.public_key), signed.signature, signed.signed_bytes)
    if not good or signed.key_id != key_id:
        raise SignatureRefusedError("the message is not signed by the key that it names")
    if parties.load_party(conn, PartyId(claimed.party)) is None:
        raise InvalidError("message: party", str(claimed.party), "a registered party")
    ends_at = datetime_of(claimed.ends_unix_us)
    check_life(ends_at, now)
    key = RegisteredKey(
        key_id=key_id,
        public_key=claimed.public_key,
        party_id=PartyId(claimed.party),
        name=name,
        registered_at=now,
        valid_until=ends_at,
        revoked_at=None,
    )
    store.add_key(conn, key, actor.account_id)
    return key


def load_key(conn: Conn, key_id: bytes) -> RegisteredKey:
    """Return a key.

    Raises:
        NotFoundError: There is none.
    """
    found = store.fetch_keys(conn, key_id)
    if not found:
        raise NotFoundError("party key", key_id.hex())
    return found[0]


def revoke(conn: Conn, actor: Actor, key_id: bytes, now: datetime) -> RegisteredKey:
    """End a key at once and for ever; what it signed before stays signed.

    Raises:
        NotFoundError: There is none.
        RefusedError: It is another party's.
    """
    key = load_key(conn, key_id)
    if key.revoked_at is None and not store.save_revoked(conn, key_id, actor.account_id, now):
        raise RefusedError("not_yours", "a key is revoked by its party, or by an operator")
    return load_key(conn, key_id)


def check_signed(conn: Conn, signed: Sign1, party: UUID, now: datetime) -> RegisteredKey:
    """Return the key that signed a message for a party.

    Raises:
        SignatureRefusedError: None of the party's, or none that signs now, or another's bytes.
    """
    found = store.fetch_keys(conn, signed.key_id)
    key = check_valid(found[0] if found else None, party, now)
    if not verify(verify_key(key.public_key), signed.signature, signed.signed_bytes):
        raise SignatureRefusedError(f"the signature is not of key {key.key_id.hex()}")
    return key
