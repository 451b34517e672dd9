"""Where the time between a device's first bytes and a committed lock went, from what is stored.

A lock is followed back through its alert's evidence to the reading that decided it, and that
reading's envelope. Parts, in order:

* device: first bytes that show the incident -> the reading that decided was taken. The rest of a
  line or round, the poll period, a scale that settles, rounds that must agree.
* transport: -> the worker received it. Journal, seal, signature, both hops through the broker;
  readings that are news are sealed at once, others within the gateway's ``seal.age_s``.
* batch: -> the lock's transaction began. Waiting for the batch before; or for the time that a
  rule lets pass before it decides.
* commit: -> a listener saw the lock. Rows written, commit, notification.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import psycopg
from psycopg.rows import class_row

from deploy.story_incidents import Played

_TRACE: Final = """
    SELECT (extract(epoch FROM e.at) * 1000000)::bigint AS reading_us,
           (extract(epoch FROM v.received_at) * 1000000)::bigint AS received_us,
           (extract(epoch FROM l.opened_at) * 1000000)::bigint AS opened_us
    FROM facility_lock l
    JOIN alert_evidence e ON e.recorded_at <= l.opened_at
      AND e.recorded_at >= to_timestamp(%(first_us)s / 1e6)
    JOIN envelope v ON v.gateway_id = e.gateway_id AND v.number = e.envelope_number
    WHERE l.id = %(lock_id)s
    ORDER BY e.recorded_at DESC, v.received_at DESC, e.id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """Times of one lock, microseconds since 1970."""

    reading_us: int
    received_us: int
    opened_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Parts of one incident's latency, in milliseconds; their sum is the whole."""

    device: float
    transport: float
    batch: float
    commit: float


def trace(url: str, played: Played) -> Parts | None:
    """Return the parts of an incident's latency; None when no envelope is behind its lock."""
    with psycopg.connect(url) as conn, conn.cursor(row_factory=class_row(_Times)) as cursor:
        cursor.execute("SET ROLE pledgewatch_worker")
        cursor.execute(_TRACE, {"lock_id": played.lock_id, "first_us": played.first_bytes_unix_us})
        times = cursor.fetchone()
    if times is None:
        return None
    marks = (
        played.first_bytes_unix_us,
        times.reading_us,
        times.received_us,
        times.opened_us,
        played.seen_unix_us,
    )
    steps = [(later - earlier) / 1_000 for earlier, later in pairwise(marks)]
    device, transport, batch, commit = steps
    return Parts(device=device, transport=transport, batch=batch, commit=commit)
