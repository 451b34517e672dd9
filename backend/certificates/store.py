"""Certificates in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from psycopg import errors
from psycopg.rows import class_row

from backend.certificates.errors import StaleNonceError
from backend.certificates.types import Certificate, Holder
from backend.db import Conn
from backend.ids import GatewayId

ROWS_MAX: Final = 100_000  # Of a CRL: above a thousand gateways with a year of revocations.


def lock_holder(conn: Conn, gateway_id: GatewayId) -> Holder | None:
    """Return a gateway that has a key, and keep it to this transaction."""
    query = (
        "SELECT public_key, revoked_at IS NOT NULL AS revoked FROM gateway"
        " WHERE id = %s AND public_key IS NOT NULL FOR UPDATE"
    )
    with conn.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(query, [gateway_id]).fetchone()


def count_issued(conn: Conn, gateway_id: GatewayId, since: datetime) -> int:
    """Return how many certificates a gateway got since then."""
    query = "SELECT count(*) FROM gateway_certificate WHERE gateway_id = %s AND issued_at > %s"
    row = conn.execute(query, [gateway_id, since]).fetchone()
    return 0 if row is None else int(row[0])


def add_certificate(conn: Conn, certificate: Certificate) -> None:
    """Store a certificate that is about to be handed out.

    Raises:
        StaleNonceError: Its nonce brought one already.
    """
    statement = (
        "INSERT INTO gateway_certificate"
        " (serial, gateway_id, sha256, issued_at, not_after, nonce)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
    )
    values = [
        certificate.serial,
        certificate.gateway_id,
        certificate.sha256,
        certificate.issued_at,
        certificate.not_after,
        certificate.nonce,
    ]
    try:
        conn.execute(statement, values)
    except errors.UniqueViolation as error:
        raise StaleNonceError from error


def save_revoked(conn: Conn, gateway_id: GatewayId, now: datetime) -> None:
    """Revoke all certificates of a gateway that are still good."""
    conn.execute(
        "UPDATE gateway_certificate SET revoked_at = %(now)s WHERE gateway_id = %(gateway)s"
        " AND revoked_at IS NULL AND not_after > %(now)s",
        {"gateway": gateway_id, "now": now},
    )


def list_live(conn: Conn, now: datetime) -> Sequence[Certificate]:
    """Return the certificates that have not ended, revoked ones too, by gateway and issue."""
    query = (
        "SELECT serial, gateway_id, sha256, issued_at, not_after, nonce, revoked_at"
        " FROM gateway_certificate WHERE not_after > %s"
        " ORDER BY gateway_id, issued_at, serial LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(Certificate)) as cursor:
        return cursor.execute(query, [now, ROWS_MAX]).fetchall()
