"""The outbox file's tables. A changed meaning is a new version, with its own migration step."""

import sqlite3
from typing import Final

from gateway.errors import StateError

VERSION: Final = 5

_VERSION_1: Final = (
    # One row: the stream under the current key. readings_sealed counts those of all sealed
    # envelopes, sequence_sealed is the last of this file's journal that is among them.
    # head_known 0: the file was lost, and only the backend's receipt tells where to go on.
    """CREATE TABLE stream (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        gateway TEXT NOT NULL,
        key_id BLOB NOT NULL,
        head_known INTEGER NOT NULL,
        head_number INTEGER NOT NULL,
        head_sha256 BLOB NOT NULL,
        readings_sealed INTEGER NOT NULL,
        sequence_sealed INTEGER NOT NULL,
        receipted_number INTEGER NOT NULL,
        receipted_sha256 BLOB NOT NULL
    ) STRICT""",
    # AUTOINCREMENT: a sequence number is never used again, so its last is the count of readings.
    """CREATE TABLE journal (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        segment INTEGER NOT NULL REFERENCES segments (id),
        body BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE segments (
        id INTEGER PRIMARY KEY,
        boot_id BLOB NOT NULL,
        offset_us INTEGER NOT NULL,
        state INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE envelopes (
        number INTEGER PRIMARY KEY,
        sha256 BLOB NOT NULL,
        readings INTEGER NOT NULL,
        message BLOB NOT NULL
    ) STRICT""",
)
# From here on a journal row may hold a sweep of many readings: its sequence is that of its last,
# so that the newest sequence is the count of readings still. What a sweep measures is kept once.
_VERSION_2: Final = (
    """CREATE TABLE channels (
        id INTEGER PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT""",
)
# Thinning: nothing up to sendable, which may have been sent, is ever thinned. A row of digests is
# about the envelope row of its number: a digest, of envelopes that were thinned level times. An
# older program may have sent all that it had sealed.
_VERSION_3: Final = (
    "ALTER TABLE stream ADD COLUMN sendable INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE stream ADD COLUMN readings_thinned INTEGER NOT NULL DEFAULT 0",
    "UPDATE stream SET sendable = head_number",
    """CREATE TABLE digests (
        number INTEGER PRIMARY KEY,
        first_number INTEGER NOT NULL,
        level INTEGER NOT NULL
    ) STRICT""",
)
# Rotation: the journal's row of that sequence names the next key, and is the last under this one.
# Closed: the stream before this one, whose receipts may still come, and say nothing of this one.
_VERSION_4: Final = (
    """CREATE TABLE rotation (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        next_key_id BLOB NOT NULL,
        sequence INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE closed (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        number INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        issued_unix_us INTEGER NOT NULL
    ) STRICT""",
)
# Aside: rows of the journal that no envelope can hold, as they were, and why.
_VERSION_5: Final = (
    """CREATE TABLE aside (
        sequence INTEGER PRIMARY KEY,
        why TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT""",
)
_MIGRATIONS: Final = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to ``VERSION``, in one transaction.

    Raises:
        StateError: A newer version of this program wrote the file.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise StateError(f"outbox: version is {version}, must be at most {VERSION}: update this")
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statements in _MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION:d}")
    connection.execute("COMMIT")
