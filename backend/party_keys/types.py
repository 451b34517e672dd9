"""A party's key."""

from dataclasses import dataclass
from datetime import datetime

from backend.ids import PartyId


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """A key that signs for a party; what it signed before its end stays signed."""

    key_id: bytes
    public_key: bytes
    party_id: PartyId
    name: str
    registered_at: datetime
    valid_until: datetime
    revoked_at: datetime | None
