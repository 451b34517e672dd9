"""The connection to the outbox file, and the counts that anybody may read from it."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BUSY_TIMEOUT_S: Final = 5.0  # The outbox command reads while the daemon writes.
PAGE_BYTES: Final = 4_096
CACHE_KIB_MAX: Final = 512  # A quarter of SQLite's own: old pages are seldom read again.


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStats:
    """Counts of one outbox; ``emitted`` is all readings ever journalled.

    ``thinned_readings`` of the sealed ones are not in any message any more; digests say so.
    """

    emitted: int
    sealed_readings: int
    sealed_envelopes: int
    head_number: int
    head_known: bool
    receipted_number: int
    unreceipted: int
    bytes: int
    thinned_readings: int
    digests: int


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the outbox file, durable at each commit."""
    db = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
    )
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES:d}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA cache_size = {-CACHE_KIB_MAX:d}")
    except BaseException:
        db.close()
        raise
    return db


def read_stats(db: sqlite3.Connection) -> OutboxStats:
    """Return the counts of the outbox that ``db`` is connected to.

    Raises:
        sqlite3.Error: The file holds no outbox.
    """
    db.execute("BEGIN")
    row = db.execute(
        "SELECT head_known, head_number, readings_sealed, sequence_sealed, receipted_number,"
        " readings_thinned, (SELECT COUNT(*) FROM digests), (SELECT COUNT(*) FROM envelopes),"
        " COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0) FROM stream"
    ).fetchone()
    pages = int(db.execute("PRAGMA page_count").fetchone()[0])
    db.execute("COMMIT")
    if row is None:
        row = (0, 0, 0, 0, 0, 0, 0, 0, 0)
    known, head_number, sealed, sequence_sealed, receipted = row[:5]
    thinned, digests, unreceipted, sequence = row[5:]
    return OutboxStats(
        emitted=sealed + sequence - sequence_sealed,
        sealed_readings=sealed,
        sealed_envelopes=head_number,
        head_number=head_number,
        head_known=bool(known),
        receipted_number=receipted,
        unreceipted=unreceipted,
        bytes=pages * PAGE_BYTES,
        thinned_readings=thinned,
        digests=digests,
    )
