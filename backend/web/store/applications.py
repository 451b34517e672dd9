"""Rows for the pages of applications and keys: names, choices, what is repaid."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from backend.db import Conn
from backend.web.types import ROWS_MAX, Named

_WAREHOUSES: Final = """
    SELECT p.id::text AS id, p.name FROM party p WHERE p.id <> %(own)s
    ORDER BY p.id IN (SELECT s.logistics_party FROM site s) DESC, p.name LIMIT %(limit)s
"""
_LENDERS: Final = """
    SELECT p.id::text AS id, p.name FROM party p WHERE p.id <> %(own)s
    ORDER BY p.id IN (SELECT f.lender_party FROM facility f) DESC, p.name LIMIT %(limit)s
"""


def list_warehouses(conn: Conn, own: UUID) -> Sequence[Named]:
    """Return the parties that could keep goods: those whose sites the actor knows come first."""
    with conn.cursor(row_factory=class_row(Named)) as cursor:
        return cursor.execute(_WAREHOUSES, {"own": own, "limit": ROWS_MAX}).fetchall()


def list_lenders(conn: Conn, own: UUID) -> Sequence[Named]:
    """Return the parties that could lend: those that lend to the actor come first."""
    with conn.cursor(row_factory=class_row(Named)) as cursor:
        return cursor.execute(_LENDERS, {"own": own, "limit": ROWS_MAX}).fetchall()


def list_currencies(conn: Conn) -> Sequence[str]:
    """Return the currencies that goods are quoted in."""
    rows = conn.execute("SELECT DISTINCT currency FROM instrument ORDER BY 1 LIMIT %s", (50,))
    return [str(row[0]) for row in rows]


def load_names(conn: Conn) -> Mapping[UUID, str]:
    """Return the names of parties."""
    rows = conn.execute("SELECT id, name FROM party ORDER BY name LIMIT %s", (10 * ROWS_MAX,))
    return {row[0]: str(row[1]) for row in rows}


def list_repaid(conn: Conn) -> frozenset[UUID]:
    """Return the applications whose loan is repaid and whose goods are not released yet."""
    rows = conn.execute(
        "SELECT a.id FROM application a JOIN facility f ON f.id = a.facility_id"
        " WHERE a.state = 'drawn' AND f.principal_minor + f.interest_minor + f.fees_minor"
        " + f.penalty_minor = 0 LIMIT %s",
        (ROWS_MAX,),
    )
    return frozenset(row[0] for row in rows)


def load_sums(conn: Conn, application_id: UUID) -> tuple[int, int]:
    """Return the limit of an application's facility and what is owed under it; 0 without one."""
    row = conn.execute(
        "SELECT f.limit_minor, f.principal_minor + f.interest_minor + f.fees_minor"
        " + f.penalty_minor FROM application a JOIN facility f ON f.id = a.facility_id"
        " WHERE a.id = %s",
        (application_id,),
    ).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))
