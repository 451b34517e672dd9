"""Commands, their outcomes and attestations in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.rows import class_row, dict_row

from backend.commands.rules import encode_order, order_of
from backend.commands.types import (
    Answer,
    Attestation,
    CommandOutcome,
    CommandRecord,
    GatewayTrust,
    NewCommand,
    PendingCommand,
)
from backend.db import Conn
from backend.ids import GatewayId
from schemas.command import CommandType, Order, type_of

RECORDS_MAX: Final = 200

_PENDING: Final = """
    SELECT DISTINCT ON (c.gateway_id) c.gateway_id, c.number, c.type, c.body, c.issued_at,
           c.expires_at
    FROM gateway_command c
    WHERE c.expires_at > %s AND NOT EXISTS (
      SELECT 1 FROM gateway_command_outcome o
      WHERE o.gateway_id = c.gateway_id AND o.number = c.number)
    ORDER BY c.gateway_id, c.number
"""

_RECORDS: Final = """
    SELECT c.gateway_id, c.number, c.type, c.issued_at, c.expires_at, a.login AS asked_by,
           o.outcome, o.why, o.at AS answered_at, o.envelope_number
    FROM gateway_command c
    LEFT JOIN gateway_command_outcome o ON o.gateway_id = c.gateway_id AND o.number = c.number
    LEFT JOIN account a ON a.id = c.asked_by
    WHERE c.gateway_id = %s ORDER BY c.number DESC LIMIT %s
"""

# Gateways that are heard now; those that owe an answer are asked again as soon as they may be.
_ONLINE: Final = """
    SELECT s.gateway_id, s.unanswered_since IS NOT NULL
    FROM stream s JOIN gateway g ON g.id = s.gateway_id
    WHERE s.state = 'open' AND g.key_id IS NOT NULL AND s.last_arrival_at > %s
      AND NOT EXISTS (
        SELECT 1 FROM gateway_command c
        WHERE c.gateway_id = s.gateway_id AND c.type = 'challenge' AND c.expires_at > %s
          AND NOT EXISTS (SELECT 1 FROM gateway_command_outcome o
                          WHERE o.gateway_id = c.gateway_id AND o.number = c.number))
    ORDER BY s.gateway_id
"""

# The stream went on arriving after the answer was due, so the gateway could have answered.
_SAVE_UNANSWERED: Final = """
    UPDATE stream s SET unanswered_since = %(now)s
    WHERE s.unanswered_since IS NULL AND s.state = 'open' AND EXISTS (
      SELECT 1 FROM gateway_command c
      WHERE c.gateway_id = s.gateway_id AND c.type = 'challenge'
        AND c.issued_at <= %(now)s - %(within)s AND c.expires_at > %(now)s - %(within)s
        AND s.last_arrival_at > c.issued_at + %(within)s
        AND NOT EXISTS (SELECT 1 FROM gateway_command_outcome o
                        WHERE o.gateway_id = c.gateway_id AND o.number = c.number))
    RETURNING s.gateway_id
"""

_TRUST: Final = """
    SELECT g.id AS gateway_id,
           (SELECT max(c.issued_at) FROM gateway_command c
            WHERE c.gateway_id = g.id AND c.type = 'challenge') AS challenged_at,
           (SELECT max(o.at) FROM gateway_command_outcome o JOIN gateway_command c
              ON c.gateway_id = o.gateway_id AND c.number = o.number
            WHERE o.gateway_id = g.id AND c.type = 'challenge' AND o.outcome = 'done')
             AS answered_at,
           s.unanswered_since, t.at AS attested_at, t.software, t.software_sha256,
           t.config_sha256, t.boot_id, g.revoked_at
    FROM gateway g LEFT JOIN stream s ON s.gateway_id = g.id
    LEFT JOIN LATERAL (SELECT * FROM gateway_attestation a WHERE a.gateway_id = g.id
                       ORDER BY a.id DESC LIMIT 1) t ON true
    WHERE g.id = %s
"""


def is_enrolled(conn: Conn, gateway_id: GatewayId) -> bool | None:
    """Return whether a gateway has a key; None: there is none, or the actor may not know."""
    row = conn.execute("SELECT key_id FROM gateway WHERE id = %s", (gateway_id,)).fetchone()
    return None if row is None else row[0] is not None


def next_number(conn: Conn, gateway_id: GatewayId) -> int:
    """Return the number of a gateway's next command; of two at once, one is refused."""
    query = "SELECT coalesce(max(number), 0) + 1 FROM gateway_command WHERE gateway_id = %s"
    row = conn.execute(query, (gateway_id,)).fetchone()
    assert row is not None
    return int(row[0])


def count_pending(conn: Conn, gateway_id: GatewayId, now: datetime) -> int:
    """Return how many commands a gateway has neither answered nor let expire."""
    query = (
        "SELECT count(*) FROM gateway_command c WHERE c.gateway_id = %s AND c.expires_at > %s"
        " AND NOT EXISTS (SELECT 1 FROM gateway_command_outcome o"
        " WHERE o.gateway_id = c.gateway_id AND o.number = c.number)"
    )
    row = conn.execute(query, (gateway_id, now)).fetchone()
    assert row is not None
    return int(row[0])


def add(conn: Conn, number: int, command: NewCommand) -> None:
    """Store a command."""
    conn.execute(
        "INSERT INTO gateway_command"
        " (gateway_id, number, type, body, issued_at, expires_at, asked_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            command.gateway_id,
            number,
            type_of(command.order).value,
            encode_order(command.order),
            command.issued_at,
            command.expires_at,
            command.asked_by,
        ),
    )


def fetch_pending(conn: Conn, now: datetime) -> list[PendingCommand]:
    """Return the lowest command of each gateway that is neither answered nor expired."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_PENDING, (now,)).fetchall()
    return [_pending(row) for row in rows]


def load_order(conn: Conn, gateway_id: GatewayId, number: int) -> Order | None:
    """Return what a command asked for; None: there is no such command."""
    row = conn.execute(
        "SELECT type, body FROM gateway_command WHERE gateway_id = %s AND number = %s",
        (gateway_id, number),
    ).fetchone()
    return None if row is None else order_of(CommandType(row[0]), bytes(row[1]))


def is_configuring(conn: Conn, gateway_id: GatewayId, number: int) -> bool:
    """Return whether a command asked for another configuration, and is not answered yet."""
    query = (
        "SELECT 1 FROM gateway_command c WHERE c.gateway_id = %s AND c.number = %s"
        " AND c.type = 'configure' AND NOT EXISTS (SELECT 1 FROM gateway_command_outcome o"
        " WHERE o.gateway_id = c.gateway_id AND o.number = c.number)"
    )
    return conn.execute(query, (gateway_id, number)).fetchone() is not None


def list_records(conn: Conn, gateway_id: GatewayId) -> Sequence[CommandRecord]:
    """Return a gateway's commands, newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_RECORDS, (gateway_id, RECORDS_MAX)).fetchall()
    return [_record(row) for row in rows]


def add_outcome(conn: Conn, answer: Answer, now: datetime) -> bool:
    """Store how a command ended; return whether that was not known yet."""
    return (
        conn.execute(
            "INSERT INTO gateway_command_outcome"
            " (gateway_id, number, at, outcome, why, envelope_number)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                answer.gateway_id,
                answer.number,
                now,
                answer.outcome.value,
                answer.why,
                answer.envelope_number,
            ),
        ).rowcount
        == 1
    )


def list_online(
    conn: Conn, now: datetime, online_within: timedelta
) -> list[tuple[GatewayId, bool]]:
    """Return the gateways that are heard and have no challenge pending, and who owes an answer."""
    rows = conn.execute(_ONLINE, (now - online_within, now)).fetchall()
    return [(GatewayId(gateway), owes) for gateway, owes in rows]


def save_unanswered(conn: Conn, now: datetime, within: timedelta) -> list[GatewayId]:
    """Note which gateways owe an answer from now on; return those."""
    rows = conn.execute(_SAVE_UNANSWERED, {"now": now, "within": within}).fetchall()
    return [GatewayId(row[0]) for row in rows]


def save_answered(conn: Conn, gateways: Collection[GatewayId]) -> list[GatewayId]:
    """Note that these gateways owe no answer; return those that did."""
    rows = conn.execute(
        "UPDATE stream SET unanswered_since = NULL"
        " WHERE gateway_id = ANY(%s) AND unanswered_since IS NOT NULL RETURNING gateway_id",
        (sorted(gateways),),
    ).fetchall()
    return [GatewayId(row[0]) for row in rows]


def list_revocations(conn: Conn) -> tuple[list[GatewayId], list[GatewayId]]:
    """Return the gateways that were revoked and nobody told, and those enrolled anew since."""
    untold = (
        "SELECT g.id FROM gateway g WHERE g.revoked_at IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM alert a WHERE a.cause = 'gateway:' || g.id || ':revoked'"
        " AND (a.state <> 'resolved' AND a.ceased_at IS NULL OR a.opened_at >= g.revoked_at))"
    )
    over = (
        "SELECT g.id FROM alert a JOIN gateway g ON a.cause = 'gateway:' || g.id || ':revoked'"
        " WHERE a.state <> 'resolved' AND a.ceased_at IS NULL AND g.revoked_at IS NULL"
    )
    return (
        [GatewayId(row[0]) for row in conn.execute(untold).fetchall()],
        [GatewayId(row[0]) for row in conn.execute(over).fetchall()],
    )


def load_attestation(conn: Conn, gateway_id: GatewayId) -> Attestation | None:
    """Return what a gateway attested last."""
    with conn.cursor(row_factory=class_row(Attestation)) as cursor:
        return cursor.execute(
            "SELECT gateway_id, cause, software, software_sha256, config_sha256, boot_id,"
            " envelope_number FROM gateway_attestation WHERE gateway_id = %s"
            " ORDER BY id DESC LIMIT 1",
            (gateway_id,),
        ).fetchone()


def add_attestation(conn: Conn, attested: Attestation, now: datetime) -> None:
    """Store what a gateway says that it runs."""
    conn.execute(
        "INSERT INTO gateway_attestation (gateway_id, at, cause, software, software_sha256,"
        " config_sha256, boot_id, envelope_number) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            attested.gateway_id,
            now,
            attested.cause,
            attested.software,
            attested.software_sha256,
            attested.config_sha256,
            attested.boot_id,
            attested.envelope_number,
        ),
    )


def load_trust(conn: Conn, gateway_id: GatewayId) -> GatewayTrust | None:
    """Return what speaks for a gateway, if the actor may see it."""
    with conn.cursor(row_factory=class_row(GatewayTrust)) as cursor:
        return cursor.execute(_TRUST, (gateway_id,)).fetchone()


def _pending(row: Mapping[str, Any]) -> PendingCommand:
    return PendingCommand(
        gateway_id=GatewayId(row["gateway_id"]),
        number=row["number"],
        order=order_of(CommandType(row["type"]), bytes(row["body"])),
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
    )


def _record(row: Mapping[str, Any]) -> CommandRecord:
    outcome = row["outcome"]
    return CommandRecord(
        gateway_id=GatewayId(row["gateway_id"]),
        number=row["number"],
        type=CommandType(row["type"]),
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        asked_by=row["asked_by"],
        outcome=None if outcome is None else CommandOutcome(outcome),
        why=row["why"],
        answered_at=row["answered_at"],
        envelope_number=row["envelope_number"],
    )
