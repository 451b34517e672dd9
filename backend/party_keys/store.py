"""Keys of parties in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from psycopg import errors
from psycopg.rows import class_row

from backend.db import Conn
from backend.ids import AccountId
from backend.party_keys.errors import KeyTakenError
from backend.party_keys.types import RegisteredKey

ROWS_MAX: Final = 1_000

_KEYS: Final = """
    SELECT key_id, public_key, party_id, name, registered_at, valid_until, revoked_at
    FROM party_key WHERE %(id)s::bytea IS NULL OR key_id = %(id)s
    ORDER BY registered_at DESC, key_id LIMIT %(limit)s
"""


def add_key(conn: Conn, key: RegisteredKey, by: AccountId) -> None:
    """Store a key.

    Raises:
        KeyTakenError: It was registered before.
    """
    try:
        conn.execute(
            "INSERT INTO party_key (key_id, public_key, party_id, name, registered_at,"
            " registered_by, valid_until) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                key.key_id,
                key.public_key,
                key.party_id,
                key.name,
                key.registered_at,
                by,
                key.valid_until,
            ),
        )
    except errors.UniqueViolation as error:
        raise KeyTakenError(key.key_id) from error


def fetch_keys(conn: Conn, key_id: bytes | None = None) -> Sequence[RegisteredKey]:
    """Return the keys of parties, or one of them, newest first."""
    with conn.cursor(row_factory=class_row(RegisteredKey)) as cursor:
        return cursor.execute(_KEYS, {"id": key_id, "limit": ROWS_MAX}).fetchall()


def save_revoked(conn: Conn, key_id: bytes, by: AccountId, now: datetime) -> bool:
    """Store that a key is revoked; return whether it was the actor's to revoke."""
    done = conn.execute(
        "UPDATE party_key SET revoked_at = %s, revoked_by = %s"
        " WHERE key_id = %s AND revoked_at IS NULL",
        (now, by, key_id),
    )
    return done.rowcount == 1
