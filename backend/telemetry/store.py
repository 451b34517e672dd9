"""Readings into their tables by binary COPY, and out of them by channel and time."""

from datetime import datetime, timedelta
from typing import Final, LiteralString

from psycopg.rows import class_row

from backend.db import Conn
from backend.ids import ChannelId, GatewayId
from backend.telemetry.rules import (
    COPY_HEADER,
    COPY_TRAILER,
    envelope_rows,
    event_rows,
    scalar_rows,
    sighting_rows,
)
from backend.telemetry.types import (
    EnvelopeRow,
    Point,
    ReadingBatch,
    ThinnedRun,
    Thinning,
    datetime_of,
)

THINNED_ROWS_MAX: Final = 1_000

_COPY_ENVELOPES: Final[LiteralString] = (
    "COPY envelope (gateway_id, number, sha256, key_id, base_at, received_at, readings, bytes)"
    " FROM STDIN (FORMAT binary)"
)
_COPY_SCALARS: Final[LiteralString] = (
    "COPY scalar_reading (at, channel_id, envelope_number, value, quality)"
    " FROM STDIN (FORMAT binary)"
)
_COPY_SIGHTINGS: Final[LiteralString] = (
    "COPY sighting_reading (at, channel_id, envelope_number, epc, antenna, rssi_cdbm, count)"
    " FROM STDIN (FORMAT binary)"
)
_COPY_EVENTS: Final[LiteralString] = (
    "COPY event_reading (at, channel_id, envelope_number, type, body, image_sha256)"
    " FROM STDIN (FORMAT binary)"
)

_ADD_THINNING: Final = """
    INSERT INTO thinning (gateway_id, key_id, first_number, last_number, readings, kept,
                          begins_at, ends_at, sha256, last_sha256, received_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_LIST_THINNED: Final = """
    SELECT gateway_id, first_number, last_number, readings, kept, begins_at, ends_at, sha256,
           received_at
    FROM thinning WHERE %(gateway)s::text IS NULL OR gateway_id = %(gateway)s
    ORDER BY received_at DESC, last_number DESC LIMIT %(limit)s
"""

# Good and unstable values only make the curve; the worst quality says what was left out.
_FETCH_POINTS: Final = """
    SELECT to_timestamp(floor(extract(epoch FROM at) / %(step)s) * %(step)s) AS at,
           count(*)::int AS count,
           min(value) FILTER (WHERE quality <= 1) AS value_min,
           max(value) FILTER (WHERE quality <= 1) AS value_max,
           (array_agg(value ORDER BY at DESC, envelope_number DESC)
             FILTER (WHERE quality <= 1))[1] AS value_last,
           max(quality)::int AS quality_worst
    FROM visible_scalar_reading
    WHERE channel_id = %(channel)s AND at >= %(begin)s AND at < %(end)s
    GROUP BY 1 ORDER BY 1 LIMIT %(limit)s
"""


def append(conn: Conn, batch: ReadingBatch) -> None:
    """Append a batch's envelopes and readings."""
    if not batch.envelopes:
        return
    _copy(conn, _COPY_ENVELOPES, envelope_rows(batch.envelopes))
    for row in batch.envelopes:
        if row.thinning is not None:
            _add_thinning(conn, row, row.thinning)
    if len(batch.scalars):
        _copy(conn, _COPY_SCALARS, scalar_rows(batch.scalars))
    if len(batch.sightings):
        _copy(conn, _COPY_SIGHTINGS, sighting_rows(batch.sightings))
    if batch.events:
        _copy(conn, _COPY_EVENTS, event_rows(batch.events))


def _add_thinning(conn: Conn, row: EnvelopeRow, thinning: Thinning) -> None:
    conn.execute(
        _ADD_THINNING,
        (
            row.gateway,
            row.key_id,
            thinning.first_number,
            row.number,
            thinning.readings,
            row.readings,
            datetime_of(thinning.oldest_unix_us),
            datetime_of(thinning.newest_unix_us),
            row.sha256,
            thinning.last_sha256,
            datetime_of(row.received_unix_us),
        ),
    )


def channel_exists(conn: Conn, channel: ChannelId) -> bool:
    """Return whether the actor may see a channel."""
    found = conn.execute("SELECT 1 FROM channel WHERE id = %s", (channel,)).fetchone()
    return found is not None


def list_thinned(
    conn: Conn, gateway: GatewayId | None = None, limit: int = THINNED_ROWS_MAX
) -> list[ThinnedRun]:
    """Return what gateways that the actor may see have thinned, the newest first."""
    with conn.cursor(row_factory=class_row(ThinnedRun)) as cursor:
        return cursor.execute(_LIST_THINNED, {"gateway": gateway, "limit": limit}).fetchall()


def fetch_points(
    conn: Conn, channel: ChannelId, begin: datetime, end: datetime, points: int
) -> list[Point]:
    """Return a channel's readings in at most ``points`` + 1 spans of equal length."""
    step = max((end - begin) / points, timedelta(milliseconds=1))
    with conn.cursor(row_factory=class_row(Point)) as cursor:
        return cursor.execute(
            _FETCH_POINTS,
            {
                "channel": channel,
                "begin": begin,
                "end": end,
                "step": step.total_seconds(),
                "limit": points + 1,
            },
        ).fetchall()


def _copy(conn: Conn, statement: LiteralString, rows: bytes) -> None:
    with conn.cursor().copy(statement) as copy:
        copy.write(COPY_HEADER)
        copy.write(rows)
        copy.write(COPY_TRAILER)
