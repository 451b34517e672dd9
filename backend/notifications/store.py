"""Subscriptions, the outbox and messages in the database."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from backend.alerts.types import Severity
from backend.db import Conn
from backend.ids import MessageId, NoticeId, PartyId, SubscriptionId
from backend.notifications.types import (
    Channel,
    Claimed,
    Line,
    Message,
    MessageState,
    NewMessage,
    Notice,
    Subscription,
    SubscriptionState,
    Topic,
)
from backend.parties.types import Role

NOTICES_MAX: Final = 200  # Routed in one transaction.
ROWS_MAX: Final = 500  # A page.
KEPT: Final = timedelta(days=90)  # Delivered messages; a quarter is what a dispute looks back.
ROUTED_KEPT: Final = timedelta(days=7)  # The events themselves stay where they happened.

_SUBSCRIPTION: Final[LiteralString] = (
    "SELECT id, party_id, role, name, channel, target, topics, severity_min, digest_s, state, why,"
    " secret_generation, rotated_at, failing_since, sent_at, created_at, created_by"
    " FROM notice_subscription"
)
_ACTIVE: Final[LiteralString] = """
 s WHERE state = 'active' AND EXISTS (SELECT 1 FROM account a WHERE a.party_id = s.party_id
  AND a.role = s.role AND a.active) ORDER BY party_id, role, id
"""
_MESSAGE: Final[LiteralString] = (
    "SELECT id, subscription_id, kind, body, lines, notices, state, created_at, next_attempt_at,"
    " attempts, first_attempt_at, delivered_at, result FROM notice_message"
)
# Under the actor's row-level security: what a join does not show, the actor may not see.
_VISIBLE: Final[LiteralString] = """
SELECT n.id, n.number, n.topic, coalesce(e.what, fe.what, st.step, n.detail->>'what') AS what,
  coalesce(e.at, fe.at, st.at, n.recorded_at) AS at,
  coalesce(e.actor, fe.actor, st.actor, n.detail->>'by') AS actor,
  CASE WHEN st.id IS NULL THEN coalesce(fe.detail, n.detail)
    ELSE jsonb_build_object('from', st.was, 'to', st.became, 'note', st.note) END AS detail,
  a.id AS alert_id, a.kind AS alert_kind, a.severity,
  a.state AS alert_state, a.summary, a.lot_id, l.name AS lot, a.gateway_id,
  coalesce(n.facility_id, a.facility_id) AS facility_id, f.name AS facility, f.currency,
  n.instrument_id, st.application_id
FROM notice n
LEFT JOIN alert_event e ON e.id = n.alert_event_id
LEFT JOIN alert a ON a.id = n.alert_id
LEFT JOIN lot l ON l.id = a.lot_id
LEFT JOIN facility_event fe ON fe.id = n.facility_event_id
LEFT JOIN application_step st ON st.id = n.application_step_id
LEFT JOIN facility f ON f.id = coalesce(n.facility_id, a.facility_id)
WHERE n.id = ANY(%s) ORDER BY n.number
"""
_CLAIM: Final[LiteralString] = """
WITH due AS (
  SELECT DISTINCT ON (m.subscription_id) m.id FROM notice_message m
  JOIN notice_subscription s ON s.id = m.subscription_id AND s.state = 'active'
  WHERE m.state IN ('gathering','queued') AND m.next_attempt_at <= %(now)s
    AND NOT EXISTS (SELECT 1 FROM notice_message o WHERE o.subscription_id = s.id
                    AND o.state = 'queued' AND o.claimed_until > %(now)s)
  ORDER BY m.subscription_id, m.next_attempt_at, m.created_at)
UPDATE notice_message SET state = 'queued', claimed_until = %(until)s, attempts = attempts + 1,
  first_attempt_at = coalesce(first_attempt_at, %(now)s)
WHERE id IN (SELECT id FROM due LIMIT %(count)s) AND state IN ('gathering','queued')
  AND (claimed_until IS NULL OR claimed_until <= %(now)s)
RETURNING id
"""


def add_subscription(conn: Conn, subscription: Subscription) -> None:
    """Store a subscription."""
    conn.execute(
        "INSERT INTO notice_subscription (id, party_id, role, name, channel, target, topics,"
        " severity_min, digest_s, state, created_at, created_by, changed_at)"
        " VALUES (%(id)s, %(party_id)s, %(role)s, %(name)s, %(channel)s, %(target)s, %(topics)s,"
        " %(severity_min)s, %(digest_s)s, %(state)s, %(created_at)s, %(created_by)s,"
        " %(created_at)s)",
        {**asdict(subscription), "topics": [topic.value for topic in subscription.topics]},
    )


def load_subscription(
    conn: Conn, subscription_id: SubscriptionId, *, hold: bool = False
) -> Subscription | None:
    """Return a subscription, if the actor may see it; held for a change."""
    end: LiteralString = " WHERE id = %s FOR UPDATE" if hold else " WHERE id = %s"
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SUBSCRIPTION + end, [subscription_id]).fetchone()
    return None if row is None else _subscription(row)


def list_subscriptions(conn: Conn) -> Sequence[Subscription]:
    """Return the subscriptions that the actor may see and that are not ended, by name."""
    query = _SUBSCRIPTION + " WHERE state <> 'ended' ORDER BY name, id LIMIT %s"
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_subscription(row) for row in cursor.execute(query, [ROWS_MAX])]


def list_active(conn: Conn) -> Sequence[Subscription]:
    """Return every active subscription whose party has somebody left in its role."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_subscription(row) for row in cursor.execute(_SUBSCRIPTION + _ACTIVE)]


def save_state(
    conn: Conn,
    subscription_id: SubscriptionId,
    state: SubscriptionState,
    why: str | None,
    now: datetime,
) -> None:
    """Store whether a subscription is sent anything; what failed before is forgotten."""
    conn.execute(
        "UPDATE notice_subscription SET state = %s, why = %s, failing_since = NULL,"
        " changed_at = %s WHERE id = %s",
        [state.value, why, now, subscription_id],
    )


def save_rotated(conn: Conn, subscription_id: SubscriptionId, now: datetime) -> None:
    """Begin the next generation of a subscription's secret."""
    conn.execute(
        "UPDATE notice_subscription SET secret_generation = secret_generation + 1,"
        " rotated_at = %s, changed_at = %s WHERE id = %s",
        [now, now, subscription_id],
    )


def take_notices(conn: Conn) -> Sequence[NoticeId]:
    """Return what nobody was told of yet, oldest first, held; what another holds is passed by."""
    query = (
        "SELECT id FROM notice WHERE routed_at IS NULL ORDER BY number LIMIT %s"
        " FOR UPDATE SKIP LOCKED"
    )
    return [NoticeId(row[0]) for row in conn.execute(query, [NOTICES_MAX])]


def fetch_visible(conn: Conn, ids: Sequence[NoticeId]) -> Sequence[Notice]:
    """Return those notices that the actor may see, as the actor may see them."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_notice(row) for row in cursor.execute(_VISIBLE, [list(ids)])]


def save_routed(conn: Conn, ids: Sequence[NoticeId], now: datetime) -> None:
    """Store that everybody concerned has a message of these."""
    conn.execute("UPDATE notice SET routed_at = %s WHERE id = ANY(%s)", [now, list(ids)])


def add_notice(conn: Conn, party_id: PartyId, detail: dict[str, str]) -> None:
    """Store what concerns one party only."""
    conn.execute(
        "INSERT INTO notice (topic, party_id, detail) VALUES ('facility', %s, %s)",
        [party_id, Jsonb(detail)],
    )


def add_messages(conn: Conn, messages: Iterable[NewMessage], now: datetime) -> None:
    """Store messages to send now; what is there already stays as it is."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO notice_message (id, subscription_id, kind, body, lines, notices, state,"
            " created_at, next_attempt_at) VALUES (%s, %s, %s, %s, %s, %s, 'queued', %s, %s)"
            " ON CONFLICT (id) DO NOTHING",
            [
                (
                    each.id,
                    each.subscription_id,
                    each.kind,
                    each.body,
                    _lines_json(each.lines),
                    each.notices,
                    now,
                    now,
                )
                for each in messages
            ],
        )


def load_gathering(conn: Conn, subscription_id: SubscriptionId) -> Message | None:
    """Return the e-mail that gathers lines for a subscription, held."""
    query = _MESSAGE + " WHERE subscription_id = %s AND state = 'gathering' FOR UPDATE"
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, [subscription_id]).fetchone()
    return None if row is None else _message(row)


def add_gathering(conn: Conn, message: NewMessage, now: datetime, due_at: datetime) -> None:
    """Store an e-mail that gathers lines until it is due."""
    conn.execute(
        "INSERT INTO notice_message (id, subscription_id, kind, lines, notices, state, created_at,"
        " next_attempt_at) VALUES (%s, %s, %s, %s, %s, 'gathering', %s, %s)"
        " ON CONFLICT DO NOTHING",
        [
            message.id,
            message.subscription_id,
            message.kind,
            _lines_json(message.lines),
            message.notices,
            now,
            due_at,
        ],
    )


def save_gathered(conn: Conn, message_id: MessageId, lines: Sequence[Line], notices: int) -> None:
    """Store the lines that an e-mail has now."""
    conn.execute(
        "UPDATE notice_message SET lines = %s, notices = %s WHERE id = %s",
        [_lines_json(lines), notices, message_id],
    )


def count_queued(conn: Conn, subscription_id: SubscriptionId) -> int:
    """Return how many messages of a subscription wait."""
    row = conn.execute(
        "SELECT count(*) FROM notice_message WHERE subscription_id = %s"
        " AND state IN ('gathering','queued')",
        [subscription_id],
    ).fetchone()
    return 0 if row is None else int(row[0])


def claim(conn: Conn, now: datetime, until: datetime, count: int) -> Sequence[Claimed]:
    """Return messages that are due, at most one of a subscription, for the caller to send.

    Nobody else is given them before ``until``: who dies with them holds them no longer.
    """
    values = {"now": now, "until": until, "count": count}
    ids = [row[0] for row in conn.execute(_CLAIM, values).fetchall()]
    found: list[Claimed] = []
    for message_id in ids:
        message = load_message(conn, message_id)
        assert message is not None
        subscription = load_subscription(conn, message.subscription_id)
        assert subscription is not None
        found.append(Claimed(message=message, subscription=subscription))
    return found


def save_delivered(conn: Conn, message: Message, result: str, now: datetime) -> None:
    """Store that a receiver has taken a message."""
    conn.execute(
        "UPDATE notice_message SET state = 'delivered', delivered_at = %s, claimed_until = NULL,"
        " result = %s WHERE id = %s",
        [now, result, message.id],
    )
    conn.execute(
        "UPDATE notice_subscription SET sent_at = %s, failing_since = NULL WHERE id = %s",
        [now, message.subscription_id],
    )


def save_failed(
    conn: Conn, message: Message, result: str, again_at: datetime | None, now: datetime
) -> None:
    """Store that a receiver has not taken a message, and when it is tried again; None: never."""
    conn.execute(
        "UPDATE notice_message SET state = CASE WHEN %(again)s::timestamptz IS NULL THEN 'dead'"
        " ELSE 'queued' END, next_attempt_at = coalesce(%(again)s, next_attempt_at),"
        " claimed_until = NULL, result = %(result)s WHERE id = %(id)s",
        {"again": again_at, "result": result, "id": message.id},
    )
    conn.execute(
        "UPDATE notice_subscription SET failing_since = coalesce(failing_since, %s) WHERE id = %s",
        [message.first_attempt_at or now, message.subscription_id],
    )


def save_replayed(conn: Conn, message_id: MessageId, now: datetime) -> None:
    """Let a dead message be tried again, from the beginning, under its id."""
    conn.execute(
        "UPDATE notice_message SET state = 'queued', attempts = 0, first_attempt_at = NULL,"
        " next_attempt_at = %s WHERE id = %s",
        [now, message_id],
    )


def load_message(conn: Conn, message_id: MessageId) -> Message | None:
    """Return a message, if the actor may see it."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_MESSAGE + " WHERE id = %s", [message_id]).fetchone()
    return None if row is None else _message(row)


def list_messages(
    conn: Conn, subscription_id: SubscriptionId | None, limit: int
) -> Sequence[Message]:
    """Return the newest messages that the actor may see, of one subscription or of all."""
    query = _MESSAGE + (
        " WHERE (%(of)s::uuid IS NULL OR subscription_id = %(of)s)"
        " ORDER BY created_at DESC, id LIMIT %(limit)s"
    )
    values = {"of": subscription_id, "limit": min(limit, ROWS_MAX)}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_message(row) for row in cursor.execute(query, values)]


def remove_old(conn: Conn, now: datetime) -> None:
    """Delete what was delivered or told long ago."""
    conn.execute(
        "DELETE FROM notice_message WHERE state = 'delivered' AND delivered_at < %s", [now - KEPT]
    )
    conn.execute("DELETE FROM notice WHERE routed_at < %s", [now - ROUTED_KEPT])


def _subscription(row: dict[str, Any]) -> Subscription:
    typed: dict[str, Any] = {
        "role": Role(row["role"]),
        "channel": Channel(row["channel"]),
        "topics": tuple(Topic(each) for each in row["topics"]),
        "severity_min": Severity(row["severity_min"]),
        "state": SubscriptionState(row["state"]),
    }
    return Subscription(**(row | typed))


def _notice(row: dict[str, Any]) -> Notice:
    severity = row["severity"]
    typed: dict[str, Any] = {"severity": None if severity is None else Severity(severity)}
    return Notice(**(row | typed))


def _message(row: dict[str, Any]) -> Message:
    lines = tuple(Line(**each) for each in row["lines"])
    typed: dict[str, Any] = {"lines": lines, "state": MessageState(row["state"])}
    return Message(**(row | typed))


def _lines_json(lines: Iterable[Line]) -> Jsonb:
    return Jsonb([asdict(line) for line in lines])
