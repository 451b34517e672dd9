"""Streams, channels and refused messages in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row

from backend.db import Conn
from backend.ids import ChannelId, GatewayId
from backend.ingest.types import ClockFlag, ClosedStream, Evidence, Reason, StreamHead
from backend.telemetry.types import datetime_of, unix_us_of
from schemas.quantities import Quantity
from schemas.receipt import StreamState

REFUSED_BYTES_MAX: Final = 65_536  # Enough to see what it was; its digest names all of it.
REFUSED_TOPIC_CHARACTERS_MAX: Final = 256
REFUSED_ROWS_PER_HOUR_MAX: Final = 60  # For each gateway; whoever floods is only counted.
LEASE_CLASS: Final = 0x5057  # "PW": first number of the leases' advisory locks.
_HOUR: Final = timedelta(hours=1)

ChannelName = tuple[GatewayId, str, Quantity | None]

_HEAD: Final[LiteralString] = """
    SELECT s.gateway_id, g.public_key, g.key_id, s.number, s.sha256, s.readings, s.state,
           g.revoked_at IS NOT NULL AS revoked, c.key_id AS closed_key_id,
           k.public_key AS closed_public_key, c.number AS closed_number,
           c.sha256 AS closed_sha256, c.readings AS closed_readings,
           s.last_base_unix_us, s.boot_id, s.boot_lag_min_us, s.last_arrival_at, s.clock_state,
           s.clock_skew_us, s.clock_flag
    FROM stream s JOIN gateway g ON g.id = s.gateway_id
    LEFT JOIN stream_closed c ON c.next_key_id = g.key_id AND s.number = 0
    LEFT JOIN gateway_key k ON k.key_id = c.key_id
    WHERE g.public_key IS NOT NULL
"""
_LOCK_HEADS: Final[LiteralString] = (
    _HEAD + " AND s.gateway_id = ANY(%s) ORDER BY s.gateway_id FOR UPDATE OF s"
)

_SAVE_HEADS: Final = """
    UPDATE stream s SET number = n.number, sha256 = n.sha256, readings = n.readings,
      state = n.state, last_base_unix_us = n.base, boot_id = n.boot_id,
      boot_lag_min_us = n.lag, last_arrival_at = n.arrival, clock_state = n.clock_state,
      clock_skew_us = n.skew, clock_flag = n.flag
    FROM unnest(%s::text[], %s::bigint[], %s::bytea[], %s::bigint[], %s::text[], %s::bigint[],
                %s::bytea[], %s::bigint[], %s::timestamptz[], %s::smallint[], %s::bigint[],
                %s::text[])
      AS n(id, number, sha256, readings, state, base, boot_id, lag, arrival, clock_state, skew,
           flag)
    WHERE s.gateway_id = n.id
"""

_HELD: Final = """
    SELECT e.gateway_id, e.key_id, e.number, e.sha256
    FROM unnest(%s::text[], %s::bytea[], %s::bigint[]) AS n(id, key_id, number)
    JOIN envelope e ON e.gateway_id = n.id AND e.key_id = n.key_id AND e.number = n.number
"""

_ADD_CHANNELS: Final = """
    INSERT INTO channel (gateway_id, sensor, quantity)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
    ON CONFLICT DO NOTHING
"""

# Those whom we do not know share one allowance: they may claim any name.
_COUNT_REFUSED: Final = """
    SELECT CASE WHEN reason = ANY(%s) THEN NULL ELSE gateway_id END AS id, count(*)
    FROM refused_envelope
    WHERE received_at > %s AND (reason = ANY(%s) OR gateway_id = ANY(%s))
    GROUP BY 1
"""

_ADD_REFUSED: Final = """
    INSERT INTO refused_envelope
      (received_at, topic, gateway_id, number, reason, detail, sha256, bytes)
    SELECT * FROM unnest(%s::timestamptz[], %s::text[], %s::text[], %s::bigint[], %s::text[],
                         %s::text[], %s::bytea[], %s::bytea[])
"""
_UNKNOWN: Final = (Reason.UNKNOWN_GATEWAY, Reason.TOPIC_MISMATCH)


def lease(conn: Conn, partitions: Sequence[int]) -> set[int]:
    """Lease those partitions that nobody holds, for as long as the connection lives.

    Advisory locks of the session: they outlast the transaction, and end with the connection.
    """
    query = "SELECT p FROM unnest(%s::int[]) AS p WHERE pg_try_advisory_lock(%s, p)"
    rows = conn.execute(query, (list(partitions), LEASE_CLASS)).fetchall()
    return {int(row[0]) for row in rows}


def lock_heads(conn: Conn, gateways: Collection[GatewayId]) -> dict[GatewayId, StreamHead]:
    """Return the streams of enrolled gateways, locked until the transaction ends."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LOCK_HEADS, (sorted(gateways),)).fetchall()
    return {head.gateway: head for head in map(_head, rows)}


def fetch_heads(conn: Conn) -> list[StreamHead]:
    """Return every stream, as committed."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_HEAD).fetchall()
    return [_head(row) for row in rows]


def save_heads(conn: Conn, heads: Sequence[StreamHead]) -> None:
    """Store how far the streams are now."""
    conn.execute(
        _SAVE_HEADS,
        (
            [head.gateway for head in heads],
            [head.number for head in heads],
            [head.sha256 for head in heads],
            [head.readings for head in heads],
            [head.state.value for head in heads],
            [head.base_unix_us_max for head in heads],
            [head.boot_id for head in heads],
            [head.boot_lag_min_us for head in heads],
            [_at(head.arrival_unix_us) for head in heads],
            [head.clock_state for head in heads],
            [head.clock_skew_us for head in heads],
            [head.clock_flag for head in heads],
        ),
    )


def fetch_held(
    conn: Conn, wanted: Collection[tuple[GatewayId, bytes, int]]
) -> dict[tuple[GatewayId, bytes, int], bytes]:
    """Return the SHA-256 of those envelopes that are held, of (gateway, key id, number)."""
    if not wanted:
        return {}
    rows = conn.execute(
        _HELD, ([w[0] for w in wanted], [w[1] for w in wanted], [w[2] for w in wanted])
    ).fetchall()
    return {
        (GatewayId(gateway), bytes(key_id), number): bytes(digest)
        for gateway, key_id, number, digest in rows
    }


def fetch_known_keys(conn: Conn, key_ids: Collection[bytes]) -> set[bytes]:
    """Return which of these keys a gateway has, or had."""
    rows = conn.execute(
        "SELECT key_id FROM gateway_key WHERE key_id = ANY(%s)", (list(key_ids),)
    ).fetchall()
    return {bytes(row[0]) for row in rows}


def save_turned(conn: Conn, head: StreamHead, closed: ClosedStream, now: datetime) -> None:
    """Make the named key a gateway's, and note where the stream under the old one ended."""
    conn.execute(
        "INSERT INTO gateway_key (key_id, public_key, gateway_id, enrolled_at)"
        " VALUES (%s, %s, %s, %s)",
        (head.key_id, head.public_key, head.gateway, now),
    )
    conn.execute(
        "INSERT INTO stream_closed"
        " (key_id, gateway_id, number, sha256, readings, closed_at, next_key_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            closed.key_id,
            head.gateway,
            closed.number,
            closed.sha256,
            closed.readings,
            now,
            head.key_id,
        ),
    )
    conn.execute(
        "UPDATE gateway SET public_key = %s, key_id = %s WHERE id = %s",
        (head.public_key, head.key_id, head.gateway),
    )


def fetch_channels(conn: Conn, gateways: Collection[GatewayId]) -> dict[ChannelName, ChannelId]:
    """Return the channels of gateways."""
    rows = conn.execute(
        "SELECT gateway_id, sensor, quantity, id FROM channel WHERE gateway_id = ANY(%s)",
        (list(gateways),),
    ).fetchall()
    return {
        (GatewayId(gateway), sensor, None if quantity is None else Quantity(quantity)): ChannelId(
            number
        )
        for gateway, sensor, quantity, number in rows
    }


def add_channels(conn: Conn, names: Collection[ChannelName]) -> None:
    """Create channels; those that exist stay."""
    conn.execute(
        _ADD_CHANNELS,
        ([name[0] for name in names], [name[1] for name in names], [name[2] for name in names]),
    )


def add_evidence(conn: Conn, evidence: Sequence[Evidence], now: datetime) -> int:
    """Store refused messages, within the allowance of their senders; return how many were not."""
    if not evidence:
        return 0
    kept = _within_allowance(conn, evidence, now)
    conn.execute(
        _ADD_REFUSED,
        (
            [datetime_of(e.message.received_unix_us) for e in kept],
            [_text(e.message.topic)[:REFUSED_TOPIC_CHARACTERS_MAX] for e in kept],
            [e.gateway for e in kept],
            [e.number for e in kept],
            [e.reason.value for e in kept],
            [_text(e.detail) for e in kept],
            [e.sha256 for e in kept],
            [e.message.data[:REFUSED_BYTES_MAX] for e in kept],
        ),
    )
    return len(evidence) - len(kept)


def _within_allowance(conn: Conn, evidence: Sequence[Evidence], now: datetime) -> list[Evidence]:
    unknown = [reason.value for reason in _UNKNOWN]
    gateways = sorted({e.gateway for e in evidence if e.gateway is not None})
    rows = conn.execute(_COUNT_REFUSED, (unknown, now - _HOUR, unknown, gateways)).fetchall()
    used: dict[str | None, int] = dict(rows)
    kept: list[Evidence] = []
    for each in evidence:
        owner = None if each.reason in _UNKNOWN else each.gateway
        used[owner] = used.get(owner, 0) + 1
        # A fork stops its stream, so there are few; and each is the proof of something grave.
        if used[owner] <= REFUSED_ROWS_PER_HOUR_MAX or each.reason is Reason.FORK:
            kept.append(each)
    return kept


def _text(value: str) -> str:
    """Return text that PostgreSQL takes."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _head(row: Mapping[str, Any]) -> StreamHead:
    arrival = row["last_arrival_at"]
    return StreamHead(
        gateway=GatewayId(row["gateway_id"]),
        public_key=bytes(row["public_key"]),
        key_id=bytes(row["key_id"]),
        number=row["number"],
        sha256=bytes(row["sha256"]),
        readings=row["readings"],
        state=StreamState(row["state"]),
        base_unix_us_max=row["last_base_unix_us"],
        boot_id=None if row["boot_id"] is None else bytes(row["boot_id"]),
        boot_lag_min_us=row["boot_lag_min_us"],
        arrival_unix_us=None if arrival is None else unix_us_of(arrival),
        clock_state=row["clock_state"],
        clock_skew_us=row["clock_skew_us"],
        clock_flag=None if row["clock_flag"] is None else ClockFlag(row["clock_flag"]),
        closed=_closed(row),
        revoked=row["revoked"],
    )


def _closed(row: Mapping[str, Any]) -> ClosedStream | None:
    if row["closed_key_id"] is None:
        return None
    return ClosedStream(
        public_key=bytes(row["closed_public_key"]),
        key_id=bytes(row["closed_key_id"]),
        number=row["closed_number"],
        sha256=bytes(row["closed_sha256"]),
        readings=row["closed_readings"],
    )


def _at(unix_us: int | None) -> datetime | None:
    return None if unix_us is None else datetime_of(unix_us)
