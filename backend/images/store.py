"""Requests for images, and the images themselves, in the database."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.rows import class_row, dict_row

from backend.commands.types import CommandOutcome
from backend.db import Conn
from backend.ids import AccountId, GatewayId
from backend.images.types import (
    ImageKey,
    ImageRecord,
    ImageState,
    NamedImage,
    OpenRequest,
    Refusal,
    Refuse,
)

RECORDS_MAX: Final = 100
LISTED_WITHIN: Final = timedelta(days=7)

_NAMED: Final = """
    SELECT c.gateway_id, e.image_sha256 AS sha256, e.channel_id, c.sensor, e.at AS reading_at,
           e.envelope_number
    FROM visible_event_reading e JOIN channel c ON c.id = e.channel_id
    WHERE e.image_sha256 = %(sha256)s AND c.gateway_id = %(gateway)s
    ORDER BY e.at LIMIT 1
"""

_RECORD: Final = """
    SELECT r.gateway_id, r.sha256, c.sensor, r.reading_at, r.envelope_number, r.state, r.reason,
           r.detail, r.asked_at, r.ended_at, length(i.bytes) AS bytes
    FROM image_request r JOIN channel c ON c.id = r.channel_id
    LEFT JOIN image i ON i.gateway_id = r.gateway_id AND i.sha256 = r.sha256
    WHERE r.gateway_id = %(gateway)s AND r.sha256 = %(sha256)s
"""

# The newest images that readings name, whether somebody asked for them or not.
_RECENT: Final = """
    SELECT c.gateway_id, e.image_sha256 AS sha256, c.sensor, e.at AS reading_at,
           e.envelope_number, coalesce(r.state, 'known') AS state, r.reason, r.detail, r.asked_at,
           r.ended_at, NULL::int AS bytes
    FROM visible_event_reading e JOIN channel c ON c.id = e.channel_id
    LEFT JOIN image_request r ON r.gateway_id = c.gateway_id AND r.sha256 = e.image_sha256
    WHERE e.image_sha256 IS NOT NULL AND e.at >= %(since)s AND e.type = 'snapshot'
      AND (%(gateway)s::text IS NULL OR c.gateway_id = %(gateway)s)
    ORDER BY e.at DESC LIMIT %(limit)s
"""

_ASK: Final = """
    INSERT INTO image_request (gateway_id, sha256, channel_id, reading_at, envelope_number,
                               asked_at, asked_by)
    VALUES (%(gateway)s, %(sha256)s, %(channel)s, %(reading_at)s, %(number)s, %(now)s, %(by)s)
    ON CONFLICT (gateway_id, sha256) DO NOTHING
"""

_ASK_AGAIN: Final = """
    UPDATE image_request SET state = 'asked', reason = NULL, detail = NULL, ended_at = NULL,
           attempts = 0, command_number = NULL, asked_at = %(now)s, asked_by = %(by)s
    WHERE gateway_id = %(gateway)s AND sha256 = %(sha256)s AND state = 'refused'
"""

_OPEN: Final = """
    SELECT r.gateway_id, r.sha256, r.asked_by, r.attempts, r.command_number, c.issued_at,
           o.outcome, o.why, o.at AS answered_at
    FROM image_request r
    LEFT JOIN gateway_command c ON c.gateway_id = r.gateway_id AND c.number = r.command_number
    LEFT JOIN gateway_command_outcome o
      ON o.gateway_id = r.gateway_id AND o.number = r.command_number
    WHERE r.state = 'asked' ORDER BY r.asked_at, r.sha256
"""

# The oldest beyond what a gateway's images may take, room for a new one counted.
_DROP: Final = """
    DELETE FROM image i USING (
      SELECT gateway_id, sha256,
             sum(length(bytes)) OVER (ORDER BY stored_at DESC, sha256) AS bytes_after
      FROM image WHERE gateway_id = %(gateway)s) sized
    WHERE i.gateway_id = sized.gateway_id AND i.sha256 = sized.sha256
      AND sized.bytes_after > %(bytes_max)s
    RETURNING i.sha256
"""


def find_named(conn: Conn, key: ImageKey) -> NamedImage | None:
    """Return an image as a reading names it that the actor may see."""
    with conn.cursor(row_factory=class_row(NamedImage)) as cursor:
        return cursor.execute(_NAMED, {"gateway": key[0], "sha256": key[1]}).fetchone()


def load_record(conn: Conn, key: ImageKey) -> ImageRecord | None:
    """Return an image that somebody asked for, if the actor may see it."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_RECORD, {"gateway": key[0], "sha256": key[1]}).fetchone()
    return None if row is None else _record(row)


def list_recent(conn: Conn, gateway: GatewayId | None, now: datetime) -> list[ImageRecord]:
    """Return the newest images that readings name, newest first."""
    wanted = {"gateway": gateway, "since": now - LISTED_WITHIN, "limit": RECORDS_MAX}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_record(row) for row in cursor.execute(_RECENT, wanted).fetchall()]


def ask(conn: Conn, named: NamedImage, by: AccountId, now: datetime) -> None:
    """Ask for an image; one that is on its way, or here, stays as it is."""
    values = {
        "gateway": named.gateway_id,
        "sha256": named.sha256,
        "channel": named.channel_id,
        "reading_at": named.reading_at,
        "number": named.envelope_number,
        "now": now,
        "by": by,
    }
    if conn.execute(_ASK, values).rowcount == 0:
        conn.execute(_ASK_AGAIN, values)


def load_bytes(conn: Conn, key: ImageKey) -> bytes | None:
    """Return an image, if it is here and the actor may see it."""
    row = conn.execute(
        "SELECT bytes FROM image WHERE gateway_id = %s AND sha256 = %s", key
    ).fetchone()
    return None if row is None else bytes(row[0])


def fetch_open(conn: Conn) -> list[OpenRequest]:
    """Return the images that are being fetched, who waits longest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_OPEN).fetchall()
    return [_open(row) for row in rows]


def save_asked(conn: Conn, key: ImageKey, command_number: int) -> None:
    """Store by which command a gateway was asked for an image."""
    conn.execute(
        "UPDATE image_request SET command_number = %s, attempts = attempts + 1"
        " WHERE gateway_id = %s AND sha256 = %s",
        (command_number, *key),
    )


def save_refused(conn: Conn, key: ImageKey, refused: Refuse, now: datetime) -> None:
    """Store that an image is not here, and why."""
    conn.execute(
        "UPDATE image_request SET state = 'refused', reason = %s, detail = %s, ended_at = %s"
        " WHERE gateway_id = %s AND sha256 = %s",
        (refused.reason.value, refused.detail, now, *key),
    )


def add_image(conn: Conn, key: ImageKey, data: bytes, now: datetime) -> None:
    """Store an image that was verified."""
    conn.execute(
        "INSERT INTO image (gateway_id, sha256, bytes, stored_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        (*key, data, now),
    )
    conn.execute(
        "UPDATE image_request SET state = 'here', reason = NULL, detail = NULL, ended_at = %s"
        " WHERE gateway_id = %s AND sha256 = %s",
        (now, *key),
    )


def drop_oldest(conn: Conn, gateway: GatewayId, bytes_max: int) -> list[ImageKey]:
    """Delete a gateway's oldest images beyond ``bytes_max`` in all; return which."""
    rows = conn.execute(_DROP, {"gateway": gateway, "bytes_max": bytes_max}).fetchall()
    return [(gateway, bytes(row[0])) for row in rows]


def _record(row: Mapping[str, Any]) -> ImageRecord:
    reason = row["reason"]
    values: dict[str, Any] = {
        **row,
        "sha256": bytes(row["sha256"]),
        "state": ImageState(row["state"]),
        "reason": None if reason is None else Refusal(reason),
    }
    return ImageRecord(**values)


def _open(row: Mapping[str, Any]) -> OpenRequest:
    outcome = row["outcome"]
    values: dict[str, Any] = {
        **row,
        "sha256": bytes(row["sha256"]),
        "outcome": None if outcome is None else CommandOutcome(outcome),
    }
    return OpenRequest(**values)
