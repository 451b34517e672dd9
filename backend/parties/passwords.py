"""Passwords by Argon2id: each check costs the same, known login or not, and memory is bounded."""

from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from backend.errors import InvalidError, UnavailableError
from backend.parties.rules import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN

CHECKS_AT_ONCE_MAX: Final = 2  # Each takes 64 MiB and a core: a flood of logins must not take all.
WAIT_S_MAX: Final = 5.0

HASHER = PasswordHasher()  # RFC 9106, section 4, second recommended parameters
_CHECKS: Final = BoundedSemaphore(CHECKS_AT_ONCE_MAX)
# What an unknown login is checked against, so that it takes as long as a known one.
NOBODY: Final = HASHER.hash("nobody has this password")


def hash_password(password: str) -> str:
    """Return the Argon2id hash to keep.

    Raises:
        InvalidError: Too short or too long.
        UnavailableError: Too many passwords are being checked.
    """
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise InvalidError(
            "password",
            f"{len(password)} characters",
            f"{PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters",
        )
    _acquire()
    try:
        return HASHER.hash(password)
    finally:
        _CHECKS.release()


def password_fits(password: str, password_hash: str | None) -> bool:
    """Return whether the password is the one of the hash; None takes as long and is never right.

    Raises:
        UnavailableError: Too many passwords are being checked.
    """
    if len(password) > PASSWORD_CHARACTERS_MAX:
        return False
    _acquire()
    try:
        fits = HASHER.verify(password_hash or NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _CHECKS.release()
    return fits and password_hash is not None


def refreshed_hash(password: str, password_hash: str) -> str:
    """Return the hash under today's parameters: the same one, unless they were raised since."""
    return HASHER.hash(password) if HASHER.check_needs_rehash(password_hash) else password_hash


def _acquire() -> None:
    if not _CHECKS.acquire(timeout=WAIT_S_MAX):
        raise UnavailableError("busy", "too many logins at once: try again")
