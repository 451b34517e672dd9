"""The turn from one key to the next, in the outbox file: part of the store's transactions.

The reading that names the next key is the last under this one. What follows it waits, journalled,
until the backend's receipt for the envelope with that reading: only then the next key is the
gateway's there, and the stream begins again at number 1. Receipts of the closed stream, which a
broker may keep and repeat, say nothing of the new one.
"""

import sqlite3
from enum import StrEnum

from schemas.envelope import GENESIS_HASH
from schemas.receipt import Receipt


class RotationOutcome(StrEnum):
    """What became of the wish for a new key."""

    BEGUN = "begun"
    PENDING = "pending"  # One is under way: the same next key.
    HEAD_UNKNOWN = "head_unknown"  # Only a receipt can tell where the stream stands.
    FULL = "full"  # There is no room for the reading that names the key.


class Rotation:
    """The rotation of one outbox file, under way or not."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        row = db.execute("SELECT sequence FROM rotation").fetchone()
        self.sequence: int | None = None if row is None else int(row[0])
        self._closed: tuple[int, bytes, int] | None = db.execute(
            "SELECT number, sha256, issued_unix_us FROM closed"
        ).fetchone()

    def begin(self, next_key_id: bytes, sequence: int) -> None:
        """Note that the reading ``sequence`` of the journal is the last under this key."""
        self._db.execute("INSERT INTO rotation VALUES (1, ?, ?)", (next_key_id, sequence))
        self.sequence = sequence

    def closes(self, sequence_sealed: int) -> bool:
        """Tell whether all is sealed that is to be sealed under this key."""
        return self.sequence is not None and sequence_sealed >= self.sequence

    def turn(self, receipt: Receipt) -> None:
        """Begin the stream anew under the next key; ``receipt`` is the last of the old one."""
        self._db.execute(
            "UPDATE stream SET key_id = (SELECT next_key_id FROM rotation), head_number = 0,"
            " head_sha256 = :genesis, readings_sealed = 0, readings_thinned = 0,"
            " receipted_number = 0, receipted_sha256 = :genesis, sendable = 0",
            {"genesis": GENESIS_HASH},
        )
        closed = receipt.number, receipt.sha256, receipt.issued_unix_us
        self._db.execute("INSERT OR REPLACE INTO closed VALUES (1, ?, ?, ?)", closed)
        self._db.execute("DELETE FROM rotation")
        self.sequence = None
        self._closed = closed

    def is_of_closed(self, receipt: Receipt) -> bool:
        """Tell whether ``receipt`` is of the stream that was closed: repeated, or kept back."""
        if self._closed is None:
            return False
        number, sha256, issued_unix_us = self._closed
        same = (receipt.number, receipt.sha256) == (number, sha256)
        return same or receipt.issued_unix_us <= issued_unix_us
