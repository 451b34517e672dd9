"""When an account rests after failed logins, and what a name may be. Pure."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

FAILED_LOGINS_FREE: Final = 4  # A person mistypes; a guesser does not stop.
LOCKOUT_S_MAX: Final = 900  # Longer would hand anybody a switch to turn a user off.
API_PREFIX: Final = "pwt_"  # So that a leaked API token is found by a search for it.
PASSWORD_CHARACTERS_MIN: Final = 12  # NIST SP 800-63B-4, 3.1.1.2, rounded for one factor.
PASSWORD_CHARACTERS_MAX: Final = 256  # Argon2 reads it all.


def decide_lockout(failed_logins: int, now: datetime) -> datetime | None:
    """Return until when an account with this many failures in a row rests, or None.

    The pause doubles from one second on, so that a guesser gets about a hundred tries a day.
    """
    excess = failed_logins - FAILED_LOGINS_FREE
    if excess <= 0:
        return None
    return now + timedelta(seconds=min(2 ** min(excess - 1, 30), LOCKOUT_S_MAX))


def digest_secret(secret: str) -> bytes:
    """Return what the database keeps of a session or API token.

    A plain digest suffices: the secrets are 32 random bytes, which no dictionary holds.
    """
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
