"""Floor plans, channels and choices for forms, and the database's word that something changed."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from backend.db import CONNECT_S_MAX, Conn
from backend.errors import UnavailableError
from backend.web.types import ChannelRow, Named, ZoneRow

ROWS_MAX: Final = 1_000
CHANGES_CHANNEL: Final = "pw_changes"  # backend/migrations/sql/0009_access.sql


def list_zones(conn: Conn, site_id: UUID) -> Sequence[ZoneRow]:
    """Return a site's zones with the sensors that watch them."""
    query = (
        "SELECT z.id, z.name, z.kind, z.polygon_m, coalesce(array_agg(DISTINCT"
        " b.purpose || ' ' || b.gateway_id || '/' || b.sensor) FILTER (WHERE b.id IS NOT NULL),"
        " '{}') AS sensors FROM zone z LEFT JOIN sensor_binding b ON b.zone_id = z.id"
        " WHERE z.site_id = %s GROUP BY z.id ORDER BY z.name LIMIT %s"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, [site_id, ROWS_MAX]).fetchall()
    return [
        ZoneRow(
            id=row["id"],
            name=row["name"],
            kind=row["kind"],
            polygon_m=[(float(east_m), float(north_m)) for east_m, north_m in row["polygon_m"]],
            sensors=row["sensors"],
        )
        for row in rows
    ]


def load_channel(conn: Conn, channel_id: int) -> ChannelRow | None:
    """Return one channel with its last value."""
    query = (
        "SELECT c.id AS channel_id, c.gateway_id, c.sensor, c.quantity,"
        ' (s."values" -> c.quantity ->> 1)::double precision AS value,'
        " s.last_at, s.last_arrival_at, s.health, coalesce(s.tampered, false) AS tampered"
        " FROM channel c LEFT JOIN sensor_state s"
        " ON s.gateway_id = c.gateway_id AND s.sensor = c.sensor WHERE c.id = %s"
    )
    with conn.cursor(row_factory=class_row(ChannelRow)) as cursor:
        return cursor.execute(query, [channel_id]).fetchone()


def list_commodities(conn: Conn) -> Sequence[Named]:
    """Return the commodities to register a lot of."""
    with conn.cursor(row_factory=class_row(Named)) as cursor:
        query = "SELECT id, name FROM commodity ORDER BY name LIMIT %s"
        return cursor.execute(query, [ROWS_MAX]).fetchall()


def list_instruments(conn: Conn) -> Sequence[Named]:
    """Return the instruments that a lot can be valued by."""
    with conn.cursor(row_factory=class_row(Named)) as cursor:
        query = "SELECT id, name FROM instrument WHERE fx_base IS NULL ORDER BY id LIMIT %s"
        return cursor.execute(query, [ROWS_MAX]).fetchall()


def list_zone_choices(conn: Conn) -> Sequence[Named]:
    """Return every zone that the actor may see, named with its site."""
    with conn.cursor(row_factory=class_row(Named)) as cursor:
        query = (
            "SELECT z.site_id::text || '/' || z.id::text AS id, s.name || ' / ' || z.name AS name"
            " FROM zone z JOIN site s ON s.id = z.site_id ORDER BY s.name, z.name LIMIT %s"
        )
        return cursor.execute(query, [ROWS_MAX]).fetchall()


async def listen(url: str) -> AsyncGenerator[str | None]:
    """Yield None when listening has begun, then the name of each table that changes.

    Raises:
        UnavailableError: The database is away, or went away.
    """
    try:
        conn = await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=CONNECT_S_MAX, application_name="pw-events"
        )
        async with conn:
            await conn.execute("LISTEN pw_changes")
            yield None
            async with aclosing(conn.notifies()) as notifications:
                async for notification in notifications:
                    yield notification.payload
    except psycopg.OperationalError as error:
        raise UnavailableError("database_unavailable", str(error).strip()) from error
