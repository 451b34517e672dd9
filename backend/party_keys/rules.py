"""Whether a key signs for a party now. Pure."""

from datetime import datetime, timedelta
from typing import Final

from backend.errors import InvalidError
from backend.party_keys.errors import SignatureRefusedError
from backend.party_keys.types import RegisteredKey
from schemas.cose import Sign1, decode_sign1
from schemas.errors import MalformedError
from schemas.release import MESSAGE_BYTES_MAX

LIFE_MAX: Final = timedelta(days=3 * 366)  # Who works there changes; a key must be made anew.
MESSAGE_HEX_MAX: Final = 2 * MESSAGE_BYTES_MAX


def parse_message(text: str) -> tuple[bytes, Sign1]:
    """Return a signed message from its hexadecimal text, as bytes and taken apart.

    Raises:
        InvalidError: It is no hexadecimal, or no COSE_Sign1 in the one form used here.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise InvalidError("message", text, "hexadecimal, two digits a byte") from error
    try:
        return data, decode_sign1(data, bytes_max=MESSAGE_BYTES_MAX)
    except MalformedError as error:
        raise malformed(error) from error


def malformed(error: MalformedError) -> InvalidError:
    """Return what is wrong with a signed message, for who sent it."""
    return InvalidError(f"message: {error.field}", error.value, error.bound)


def check_life(ends_at: datetime, now: datetime) -> None:
    """Check until when a key is to be valid.

    Raises:
        InvalidError: Not after now, or for too long.
    """
    if not now < ends_at <= now + LIFE_MAX:
        bound = f"after {now.isoformat()}, by up to {LIFE_MAX.days} days"
        raise InvalidError("message: ends_unix_us", ends_at.isoformat(), bound)


def check_valid(key: RegisteredKey | None, party_id: object, now: datetime) -> RegisteredKey:
    """Return a key, when it signs for a party now.

    Raises:
        SignatureRefusedError: It is no key of the party, is revoked, or is over.
    """
    if key is None or key.party_id != party_id:
        raise SignatureRefusedError(f"the signing key is none of party {party_id}")
    if key.revoked_at is not None:
        raise SignatureRefusedError(
            f"key {key.key_id.hex()} was revoked at {key.revoked_at.isoformat()}"
        )
    if now >= key.valid_until:
        raise SignatureRefusedError(
            f"key {key.key_id.hex()} was valid until {key.valid_until.isoformat()}"
        )
    return key
