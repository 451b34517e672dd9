"""Password files in Mosquitto's format: ``name:$7$ROUNDS$SALT$HASH``.

Source: Mosquitto 2.0, mosquitto_passwd(1) and src/password_mosq.c: PBKDF2 with HMAC-SHA-512.
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import pbkdf2_hmac

ROUNDS = 101  # Mosquitto's own number: enough for random passwords, which these are.
SALT_BYTES = 12
HASH_BYTES = 64


def password_file(users: Mapping[str, str]) -> str:
    """Return the text of a password file for ``users`` (name to password)."""
    return "".join(f"{name}:{hash_password(password)}\n" for name, password in users.items())


def hash_password(password: str) -> str:
    """Return the salted hash of ``password``."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = _digest(password, salt, ROUNDS)
    return f"$7${ROUNDS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def verify_password(password: str, hashed: str) -> bool:
    """Tell whether ``hashed`` was made of ``password``."""
    _, kind, rounds, salt, digest = hashed.split("$")
    assert kind == "7", "only PBKDF2 is written here"
    return hmac.compare_digest(_digest(password, b64decode(salt), int(rounds)), b64decode(digest))


def parse_password_file(text: str) -> dict[str, str]:
    """Return user name to hash."""
    return dict(line.split(":", maxsplit=1) for line in text.splitlines() if line)


def _digest(password: str, salt: bytes, rounds: int) -> bytes:
    return pbkdf2_hmac("sha512", password.encode(), salt, rounds, HASH_BYTES)
