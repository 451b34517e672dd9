"""The plant in the database.

A row that the actor adds is read again by a second statement: the policies' sets of ids are of
before the statement, so ``INSERT ... RETURNING`` would refuse its own row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import errors
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.ids import GatewayId, SiteId
from backend.plant.errors import KeyInUseError
from backend.plant.types import (
    EnrolmentCode,
    Gateway,
    RefusedEnvelope,
    Sensor,
    Site,
    Zone,
    ZoneKind,
)

ROWS_MAX: Final = 5_000  # Above a hundred gateways with fifty sensors each.
REFUSED_ROWS_MAX: Final = 500


def add_site(conn: Conn, site: Site) -> None:
    """Store a site."""
    statement = (
        "INSERT INTO site (id, name, logistics_party, origin_lat_deg, origin_lon_deg)"
        " VALUES (%s, %s, %s, %s, %s)"
    )
    values = [
        site.id,
        site.name,
        site.logistics_party,
        site.origin_lat_deg,
        site.origin_lon_deg,
    ]
    conn.execute(statement, values)


def list_sites(conn: Conn) -> Sequence[Site]:
    """Return the sites that the actor may see, by name."""
    query = (
        "SELECT id, name, logistics_party, origin_lat_deg, origin_lon_deg FROM site"
        " ORDER BY name LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(Site)) as cursor:
        return cursor.execute(query, [ROWS_MAX]).fetchall()


def load_site(conn: Conn, site_id: SiteId) -> Site | None:
    """Return a site, if the actor may see it."""
    query = (
        "SELECT id, name, logistics_party, origin_lat_deg, origin_lon_deg FROM site WHERE id = %s"
    )
    with conn.cursor(row_factory=class_row(Site)) as cursor:
        return cursor.execute(query, [site_id]).fetchone()


def add_zone(conn: Conn, zone: Zone) -> None:
    """Store a zone."""
    statement = "INSERT INTO zone (id, site_id, name, kind, polygon_m) VALUES (%s, %s, %s, %s, %s)"
    corners = Jsonb([list(corner) for corner in zone.polygon_m])
    conn.execute(statement, [zone.id, zone.site_id, zone.name, zone.kind, corners])


def list_zones(conn: Conn, site_id: SiteId) -> Sequence[Zone]:
    """Return a site's zones, by name."""
    query = (
        "SELECT id, site_id, name, kind, polygon_m FROM zone WHERE site_id = %s"
        " ORDER BY name LIMIT %s"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_zone(row) for row in cursor.execute(query, [site_id, ROWS_MAX])]


def add_gateway(conn: Conn, gateway_id: GatewayId, site_id: SiteId) -> None:
    """Store a gateway that is yet to be enrolled."""
    conn.execute("INSERT INTO gateway (id, site_id) VALUES (%s, %s)", [gateway_id, site_id])


def list_gateways(conn: Conn, gateway_id: GatewayId | None = None) -> Sequence[Gateway]:
    """Return the gateways that the actor may see, or that one of them, with their streams."""
    query = (
        "SELECT g.id, g.site_id, g.created_at, g.enrolled_at, g.key_id,"
        " s.state AS stream_state, s.number, s.readings, s.last_arrival_at,"
        " s.clock_state, s.clock_skew_us,"
        " (SELECT coalesce(sum(t.readings - t.kept), 0)::bigint FROM thinning t"
        " WHERE t.gateway_id = g.id AND t.key_id = g.key_id) AS readings_thinned"
        " FROM gateway g LEFT JOIN stream s ON s.gateway_id = g.id"
        " WHERE %(id)s::text IS NULL OR g.id = %(id)s ORDER BY g.id LIMIT %(rows)s"
    )
    with conn.cursor(row_factory=class_row(Gateway)) as cursor:
        return cursor.execute(query, {"id": gateway_id, "rows": ROWS_MAX}).fetchall()


def add_code(conn: Conn, code: EnrolmentCode) -> None:
    """Store an enrolment code's digest."""
    statement = (
        "INSERT INTO enrolment_code (code_sha256, gateway_id, replaces, created_by, expires_at)"
        " VALUES (%s, %s, %s, %s, %s)"
    )
    values = [
        code.code_sha256,
        code.gateway_id,
        code.replaces,
        code.created_by,
        code.expires_at,
    ]
    conn.execute(statement, values)


def save_code_used(conn: Conn, digest: bytes, gateway_id: GatewayId, now: datetime) -> bool:
    """Use a code up and return whether it was there to use; of two at once, one loses.

    A code is made for the key that the gateway has then: with another key it is of no use.
    """
    statement = (
        "UPDATE enrolment_code c SET used_at = %s FROM gateway g"
        " WHERE c.code_sha256 = %s AND c.gateway_id = %s AND g.id = c.gateway_id"
        " AND c.used_at IS NULL AND c.expires_at > %s"
        " AND c.replaces IS NOT DISTINCT FROM g.key_id"
    )
    return conn.execute(statement, [now, digest, gateway_id, now]).rowcount == 1


def is_own_enrolment(
    conn: Conn, digest: bytes, gateway_id: GatewayId, public_key: bytes, now: datetime
) -> bool:
    """Return whether this very code has enrolled this very key, and is not over yet."""
    query = (
        "SELECT 1 FROM enrolment_code c JOIN gateway g ON g.id = c.gateway_id"
        " WHERE c.code_sha256 = %s AND g.id = %s AND g.public_key = %s"
        " AND c.used_at = g.enrolled_at AND c.expires_at > %s"
    )
    row = conn.execute(query, [digest, gateway_id, public_key, now]).fetchone()
    return row is not None


def lock_gateway(conn: Conn, gateway_id: GatewayId) -> None:
    """Keep a gateway to this transaction: its enrolments come one after another."""
    conn.execute("SELECT 1 FROM gateway WHERE id = %s FOR UPDATE", [gateway_id])


def save_enrolment(
    conn: Conn, gateway_id: GatewayId, public_key: bytes, key_id: bytes, now: datetime
) -> None:
    """Give a gateway its key and begin its stream at number 0; earlier envelopes stay as they are.

    Raises:
        KeyInUseError: A gateway has the key, or had it.
    """
    try:
        conn.execute(
            "INSERT INTO gateway_key (key_id, public_key, gateway_id, enrolled_at)"
            " VALUES (%s, %s, %s, %s)",
            [key_id, public_key, gateway_id, now],
        )
    except errors.UniqueViolation as error:
        raise KeyInUseError from error
    conn.execute(
        "UPDATE gateway SET public_key = %s, key_id = %s, enrolled_at = %s, revoked_at = NULL"
        " WHERE id = %s",
        [public_key, key_id, now, gateway_id],
    )
    conn.execute(
        "INSERT INTO stream (gateway_id) VALUES (%s) ON CONFLICT (gateway_id) DO UPDATE SET"
        " number = DEFAULT, sha256 = DEFAULT, readings = DEFAULT, state = DEFAULT,"
        " last_base_unix_us = DEFAULT, boot_id = DEFAULT, clock_state = DEFAULT,"
        " clock_skew_us = DEFAULT, boot_lag_min_us = DEFAULT, clock_flag = DEFAULT,"
        " unanswered_since = DEFAULT",
        [gateway_id],
    )


def save_revoked(conn: Conn, gateway_id: GatewayId, now: datetime) -> None:
    """Revoke a gateway: from then on its stream is stopped."""
    conn.execute(
        "UPDATE gateway SET revoked_at = %s WHERE id = %s AND revoked_at IS NULL",
        [now, gateway_id],
    )
    conn.execute("UPDATE stream SET state = 'stopped' WHERE gateway_id = %s", [gateway_id])


def list_sensors(conn: Conn) -> Sequence[Sensor]:
    """Return the channels that the actor may see, each with its last good value."""
    query = (
        "SELECT c.id AS channel_id, c.gateway_id, g.site_id, c.sensor, c.quantity,"
        ' (s."values" -> c.quantity ->> 1)::double precision AS value,'
        ' (s."values" -> c.quantity ->> 0)::bigint AS value_unix_us,'
        " s.last_at, s.last_arrival_at, s.health, coalesce(s.tampered, false) AS tampered"
        " FROM channel c JOIN gateway g ON g.id = c.gateway_id"
        " LEFT JOIN sensor_state s ON s.gateway_id = c.gateway_id AND s.sensor = c.sensor"
        " ORDER BY c.gateway_id, c.sensor, c.quantity NULLS FIRST LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(Sensor)) as cursor:
        return cursor.execute(query, [ROWS_MAX]).fetchall()


def list_refused(
    conn: Conn, gateway_id: str | None, before_id: int | None, limit: int
) -> Sequence[RefusedEnvelope]:
    """Return refused envelopes, newest first."""
    query = (
        "SELECT id, received_at, topic, gateway_id, number, reason, detail, sha256, bytes"
        " FROM refused_envelope WHERE (%(gateway)s::text IS NULL OR gateway_id = %(gateway)s)"
        " AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s"
    )
    values = {"gateway": gateway_id, "before": before_id, "limit": min(limit, REFUSED_ROWS_MAX)}
    with conn.cursor(row_factory=class_row(RefusedEnvelope)) as cursor:
        return cursor.execute(query, values).fetchall()


def _zone(row: dict[str, Any]) -> Zone:
    corners = tuple((float(east_m), float(north_m)) for east_m, north_m in row["polygon_m"])
    return Zone(
        id=row["id"],
        site_id=row["site_id"],
        name=row["name"],
        kind=ZoneKind(row["kind"]),
        polygon_m=corners,
    )
