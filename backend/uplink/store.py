"""The inbox, and signed receipts and commands, in the database."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, LiteralString

import psycopg

from backend.db import CONNECT_S_MAX, Conn
from backend.errors import UnavailableError
from backend.ids import GatewayId
from backend.telemetry.types import unix_us_of
from backend.uplink.types import Backlog, Held, SignedReceipt, Waiting
from schemas.topics import partition_of

INBOX_CHANNEL: Final = "pw_uplink_inbox"
OUTBOX_CHANNEL: Final = "pw_uplink_held"  # With the gateway's name.

_KEYS: Final = """
    SELECT g.key_id, g.public_key FROM gateway g WHERE g.id = %(gateway)s AND g.key_id IS NOT NULL
    UNION
    SELECT c.key_id, k.public_key FROM gateway g
    JOIN stream_closed c ON c.next_key_id = g.key_id
    JOIN gateway_key k ON k.key_id = c.key_id
    WHERE g.id = %(gateway)s
"""

# Only the receipt of the head as it is committed now: an old one would be genuine and misleading.
_HELD: Final = """
    SELECT CASE WHEN pw_is_head(u.gateway_id, u.key_id, u.number, u.state) THEN u.receipt END,
           u.issued_unix_us, u.command
    FROM uplink_held u WHERE u.gateway_id = %s
"""

_SAVE_RECEIPTS: Final = """
    INSERT INTO uplink_held (gateway_id, receipt, issued_unix_us, key_id, number, state)
    SELECT * FROM unnest(%s::text[], %s::bytea[], %s::bigint[], %s::bytea[], %s::bigint[],
                         %s::text[])
    ON CONFLICT (gateway_id) DO UPDATE SET receipt = excluded.receipt,
      issued_unix_us = excluded.issued_unix_us, key_id = excluded.key_id,
      number = excluded.number, state = excluded.state
"""

_TAKE: Final = """
    SELECT id, gateway_id, message, received_at FROM uplink_inbox
    WHERE partition = ANY(%s) AND id <> ALL(%s) ORDER BY id LIMIT %s
"""


def fetch_keys(conn: Conn, gateway: GatewayId) -> dict[bytes, bytes]:
    """Return the public keys under which a gateway's envelopes are looked at, by their ids."""
    rows = conn.execute(_KEYS, {"gateway": gateway}).fetchall()
    return {bytes(key_id): bytes(key) for key_id, key in rows}


def fetch_backlog(conn: Conn) -> Backlog:
    """Return how much of the acting gateway waits."""
    row = conn.execute("SELECT messages, bytes FROM pw_uplink_backlog()").fetchone()
    assert row is not None
    return Backlog(messages=int(row[0]), bytes=int(row[1]))


def add_messages(conn: Conn, gateway: GatewayId, messages: Sequence[bytes], now: datetime) -> None:
    """Let messages wait for the worker, in their order, and wake it on commit."""
    conn.execute(
        "INSERT INTO uplink_inbox (partition, gateway_id, message, received_at)"
        " SELECT %s, %s, m, %s FROM unnest(%s::bytea[]) WITH ORDINALITY AS u(m, place)"
        " ORDER BY place",
        (partition_of(gateway), gateway, now, list(messages)),
    )
    conn.execute("SELECT pg_notify(%s, '')", (INBOX_CHANNEL,))


def ask_for_receipt(conn: Conn, gateway: GatewayId, now: datetime) -> None:
    """Have the worker sign the receipt of a gateway's committed head; once while it is asked."""
    conn.execute(
        "INSERT INTO uplink_inbox (partition, gateway_id, message, received_at)"
        " VALUES (%s, %s, NULL, %s) ON CONFLICT DO NOTHING",
        (partition_of(gateway), gateway, now),
    )
    conn.execute("SELECT pg_notify(%s, '')", (INBOX_CHANNEL,))


def load_held(conn: Conn, gateway: GatewayId) -> Held:
    """Return what waits for a gateway."""
    row = conn.execute(_HELD, (gateway,)).fetchone()
    if row is None:
        return Held(receipt=None, issued_unix_us=0, command=None)
    receipt, issued_unix_us, command = row
    return Held(
        receipt=None if receipt is None else bytes(receipt),
        issued_unix_us=issued_unix_us,
        command=None if command is None else bytes(command),
    )


def fetch_waiting(
    conn: Conn, partitions: Collection[int], but: Collection[int], limit: int
) -> list[Waiting]:
    """Return what waits in these partitions, oldest first, without the rows ``but``."""
    rows = conn.execute(_TAKE, (sorted(partitions), list(but), limit)).fetchall()
    return [
        Waiting(
            id=number,
            gateway=GatewayId(gateway),
            data=None if message is None else bytes(message),
            received_unix_us=unix_us_of(received_at),
        )
        for number, gateway, message, received_at in rows
    ]


def remove(conn: Conn, ids: Collection[int]) -> None:
    """Take rows out of the inbox: what they hold is judged in the same transaction."""
    conn.execute("DELETE FROM uplink_inbox WHERE id = ANY(%s)", (list(ids),))


def strike_questions(conn: Conn, gateways: Collection[GatewayId]) -> None:
    """Take out of the inbox what only asks for the receipts of these gateways."""
    conn.execute(
        "DELETE FROM uplink_inbox WHERE message IS NULL AND gateway_id = ANY(%s)",
        (list(gateways),),
    )


def fetch_gateways(conn: Conn) -> set[GatewayId]:
    """Return the gateways that have come over HTTPS before."""
    return {GatewayId(row[0]) for row in conn.execute("SELECT gateway_id FROM uplink_held")}


def save_receipts(conn: Conn, receipts: Sequence[SignedReceipt]) -> None:
    """Keep receipts for gateways to fetch, and tell whoever waits for them on commit."""
    conn.execute(
        _SAVE_RECEIPTS,
        (
            [each.gateway for each in receipts],
            [each.receipt for each in receipts],
            [each.issued_unix_us for each in receipts],
            [each.key_id for each in receipts],
            [each.number for each in receipts],
            [each.state for each in receipts],
        ),
    )
    _tell(conn, [each.gateway for each in receipts])


def save_commands(conn: Conn, commands: Mapping[GatewayId, bytes | None]) -> None:
    """Keep the command that each gateway has to answer next; None: there is none."""
    conn.execute(
        "UPDATE uplink_held u SET command = n.command"
        " FROM unnest(%s::text[], %s::bytea[]) AS n(id, command)"
        " WHERE u.gateway_id = n.id AND u.command IS DISTINCT FROM n.command",
        (list(commands), list(commands.values())),
    )
    _tell(conn, list(commands))


async def listen(url: str, channel: LiteralString) -> AsyncGenerator[str | None]:
    """Yield None when listening has begun, then what each notification carries.

    Raises:
        UnavailableError: The database is away, or went away.
    """
    try:
        conn = await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=CONNECT_S_MAX, application_name=channel
        )
        async with conn:
            await conn.execute("LISTEN " + channel)
            yield None
            async with aclosing(conn.notifies()) as notifications:
                async for notification in notifications:
                    yield notification.payload
    except psycopg.OperationalError as error:
        raise UnavailableError("database_unavailable", str(error).strip()) from error


def _tell(conn: Conn, gateways: Sequence[GatewayId]) -> None:
    conn.execute(
        "SELECT pg_notify(%s, gateway) FROM unnest(%s::text[]) AS gateway",
        (OUTBOX_CHANNEL, list(gateways)),
    )
