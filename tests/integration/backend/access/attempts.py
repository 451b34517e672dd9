"""What a role sees of another party's rows, and what it can write of them."""

from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import adapters, errors, sql
from psycopg.types.json import Jsonb

from backend.db import Conn, Database
from backend.parties.types import Actor, Role
from tests.integration.backend.access.everything import ROWS_OF, Everything

JSONB: Final = adapters.types["jsonb"].oid


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPlants:
    """Two lenders, borrowers and warehouses, and a platform and a supervisor over both."""

    own: Everything
    other: Everything
    operator: Actor
    regulator: Actor

    def actor(self, role: Role) -> Actor:
        """Return the actor of the own plant in a role."""
        match role:
            case Role.OPERATOR:
                return self.operator
            case Role.REGULATOR:
                return self.regulator
            case _:
                return self.own.plant.actors[role]


def count(conn: Conn, table: str, everything: Everything) -> int:
    """Return how many rows of a plant are seen; 0 when the table may not be read at all."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
        sql.Identifier(table), sql.SQL(ROWS_OF[table])
    )
    try:
        with conn.transaction():
            row = conn.execute(query, everything.ids).fetchone()
    except errors.InsufficientPrivilege:
        return 0
    assert row is not None
    return int(row[0])


def insert_copy_is_refused(db: Database, plants: TwoPlants, table: str, role: Role) -> bool:
    """Try to insert a copy of another's row; a policy speaks before any constraint does."""
    select = sql.SQL("SELECT * FROM {} WHERE {} LIMIT 1").format(
        sql.Identifier(table), sql.SQL(ROWS_OF[table])
    )
    with db.working() as conn:
        cursor = conn.execute(select, plants.other.ids)
        row = cursor.fetchone()
        described = cursor.description
    assert row is not None
    assert described is not None
    columns = [column.name for column in described]
    values: list[object] = [
        Jsonb(value) if column.type_code == JSONB and value is not None else value
        for column, value in zip(described, row, strict=True)
    ]
    insert_copy = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    return is_refused(db, plants.actor(role), insert_copy, values)


def is_refused(db: Database, actor: Actor, statement: sql.Composed, values: list[object]) -> bool:
    """Return whether a policy refuses a statement."""
    with db.acting(actor) as conn:
        try:
            with conn.transaction():
                conn.execute(statement, values)
                raise psycopg.Rollback
        except errors.InsufficientPrivilege:
            return True
        except psycopg.IntegrityError:
            return False
    return False


def changes(db: Database, plants: TwoPlants, table: str, role: Role) -> bool:
    """Return whether any column of another's rows can be written, with the value that it has."""
    with db.acting(plants.actor(role)) as conn:
        columns = conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attidentity = ''",
            [table],
        ).fetchall()
        for (column,) in columns:
            update = sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(
                sql.Identifier(table),
                sql.Identifier(column),
                sql.Identifier(column),
                sql.SQL(ROWS_OF[table]),
            )
            if affects(conn, update, plants.other):
                return True
    return False


def deletes(db: Database, plants: TwoPlants, table: str, role: Role) -> bool:
    """Return whether any row, of others or its own, can be deleted."""
    delete = sql.SQL("DELETE FROM {} WHERE {}").format(
        sql.Identifier(table), sql.SQL(ROWS_OF[table])
    )
    with db.acting(plants.actor(role)) as conn:
        return affects(conn, delete, plants.other) or affects(conn, delete, plants.own)


def affects(conn: Conn, statement: sql.Composed, everything: Everything) -> bool:
    """Return whether a statement would change any row; it is rolled back."""
    try:
        with conn.transaction():
            count = conn.execute(statement, everything.ids).rowcount
            raise psycopg.Rollback
    except errors.InsufficientPrivilege:
        return False
    except psycopg.IntegrityError:
        return True
    return count > 0
