"""Feeds in the database, and how they fare."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from psycopg.rows import TupleRow

from backend.db import Conn
from backend.ids import AccountId, FeedId, InstrumentId, PartyId
from backend.market.types import Feed, FeedFormat, FeedKind

FEEDS_MAX: Final = 1_000  # A list for people.
ERROR_CHARACTERS_MAX: Final = 500

_FEED: Final = (
    "SELECT id, instrument_id, source, kind, priority, owner_party, url, format, credential,"
    " every_s, public_key, retired_at, next_at, tried_at, succeeded_at, failures, last_error"
    " FROM feed"
)


def add_feed(conn: Conn, feed: Feed, created_by: AccountId, created_at: datetime) -> bool:
    """Store a feed; return false when the instrument has one of that source."""
    statement = (
        "INSERT INTO feed (id, instrument_id, source, kind, priority, owner_party, url, format,"
        " credential, every_s, public_key, next_at, created_by, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    )
    values = [
        feed.id,
        feed.instrument_id,
        feed.source,
        feed.kind,
        feed.priority,
        feed.owner_party,
        feed.url,
        feed.form,
        feed.credential,
        feed.every_s,
        feed.public_key,
        feed.next_at,
        created_by,
        created_at,
    ]
    return conn.execute(statement, values).rowcount == 1


def find_feed(conn: Conn, instrument_id: InstrumentId, source: str) -> Feed | None:
    """Return the feed of an instrument and source, if the actor may know of it."""
    query = f"{_FEED} WHERE instrument_id = %s AND source = %s AND retired_at IS NULL"
    row = conn.execute(query, [instrument_id, source]).fetchone()
    return None if row is None else _feed(row)


def load_feed(conn: Conn, feed_id: FeedId) -> Feed | None:
    """Return a feed."""
    row = conn.execute(f"{_FEED} WHERE id = %s", [feed_id]).fetchone()
    return None if row is None else _feed(row)


def list_feeds(conn: Conn) -> Sequence[Feed]:
    """Return the feeds that the actor may know of, by instrument and source."""
    query = f"{_FEED} ORDER BY instrument_id, source, retired_at NULLS FIRST LIMIT %s"
    return [_feed(row) for row in conn.execute(query, [FEEDS_MAX])]


def save_retired(conn: Conn, feed_id: FeedId, now: datetime) -> None:
    """End a feed."""
    conn.execute(
        "UPDATE feed SET retired_at = %s WHERE id = %s AND retired_at IS NULL", [now, feed_id]
    )


def claim_due(conn: Conn, now: datetime, claim: timedelta) -> Feed | None:
    """Return a feed that is due, put off so far that nobody else takes it meanwhile."""
    query = (
        "UPDATE feed SET next_at = %s, tried_at = %s WHERE id = (SELECT id FROM feed"
        " WHERE kind = 'http_pull' AND retired_at IS NULL AND next_at <= %s"
        " ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
    )
    row = conn.execute(query, [now + claim, now, now]).fetchone()
    return None if row is None else load_feed(conn, FeedId(row[0]))


def save_succeeded(
    conn: Conn, feed_id: FeedId, now: datetime, next_at: datetime | None, note: str | None
) -> None:
    """Note that a feed gave prices; ``note``: what of them was not taken."""
    conn.execute(
        "UPDATE feed SET tried_at = %s, succeeded_at = %s, failures = 0, last_error = %s,"
        " next_at = %s WHERE id = %s",
        [now, now, note, next_at, feed_id],
    )


def save_failed(
    conn: Conn, feed_id: FeedId, now: datetime, next_at: datetime | None, error: str
) -> None:
    """Note why a feed gave none."""
    conn.execute(
        "UPDATE feed SET tried_at = %s, failures = failures + 1, last_error = %s, next_at = %s"
        " WHERE id = %s",
        [now, error[:ERROR_CHARACTERS_MAX], next_at, feed_id],
    )


def _feed(row: TupleRow) -> Feed:
    return Feed(
        id=FeedId(row[0]),
        instrument_id=InstrumentId(row[1]),
        source=row[2],
        kind=FeedKind(row[3]),
        priority=row[4],
        owner_party=None if row[5] is None else PartyId(row[5]),
        url=row[6],
        form=None if row[7] is None else FeedFormat(row[7]),
        credential=row[8],
        every_s=row[9],
        public_key=None if row[10] is None else bytes(row[10]),
        retired_at=row[11],
        next_at=row[12],
        tried_at=row[13],
        succeeded_at=row[14],
        failures=row[15],
        last_error=row[16],
    )
