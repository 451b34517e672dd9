"""How the tables of readings are laid out: TimescaleDB hypertables, or native daily partitions.

All that differs between the two is in this module; every query is the same. The tables belong to
``pledgewatch_worker``, because ``COPY FROM`` is not supported under row-level security, and the
worker role may therefore add partitions. No btree: see docs/adr/0007.

Source: PostgreSQL 15 documentation, 5.11 "Table Partitioning"; TimescaleDB 2.x API reference,
``create_hypertable``, ``add_compression_policy``.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final, LiteralString

import psycopg
from psycopg import sql

TABLES: Final = ("scalar_reading", "sighting_reading", "event_reading")
DAYS_BEHIND: Final = (
    2  # A gateway's clock may be that far behind; older goes to the default partition.
)
DAYS_AHEAD: Final = (
    7  # The timekeeper may be down for that long before the default partition fills.
)
COMPRESS_AFTER: Final = timedelta(days=2)

_COLUMNS: Final[dict[str, LiteralString]] = {
    "scalar_reading": """
        at timestamptz NOT NULL,
        channel_id int NOT NULL,
        envelope_number bigint NOT NULL,
        value double precision NOT NULL,
        quality smallint NOT NULL""",
    "sighting_reading": """
        at timestamptz NOT NULL,
        channel_id int NOT NULL,
        envelope_number bigint NOT NULL,
        epc bytea NOT NULL,
        antenna smallint NOT NULL,
        rssi_cdbm smallint NOT NULL,
        count int NOT NULL""",
    "event_reading": """
        at timestamptz NOT NULL,
        channel_id int NOT NULL,
        envelope_number bigint NOT NULL,
        type text NOT NULL,
        body jsonb NOT NULL,
        image_sha256 bytea""",
}


def create_tables(conn: psycopg.Connection, now: datetime) -> None:
    """Create the tables of readings; called once, by the first migration."""
    with_timescale = _enable_timescale(conn)
    if with_timescale:
        _let_jobs_run(conn)
    conn.execute("SET LOCAL ROLE pledgewatch_worker")
    for table in TABLES:
        name = sql.Identifier(table)
        columns = sql.SQL(_COLUMNS[table])
        if with_timescale:
            conn.execute(sql.SQL("CREATE TABLE {} ({})").format(name, columns))
            conn.execute(
                "SELECT create_hypertable(%s::regclass, 'at', "
                "chunk_time_interval => interval '1 day', create_default_indexes => false)",
                (table,),
            )
        else:
            conn.execute(
                sql.SQL("CREATE TABLE {} ({}) PARTITION BY RANGE (at)").format(name, columns)
            )
            conn.execute(
                sql.SQL("CREATE TABLE {} PARTITION OF {} DEFAULT").format(
                    sql.Identifier(f"{table}_default"), name
                )
            )
        conn.execute(sql.SQL("CREATE INDEX ON {} USING brin (at)").format(name))
        # History stands: not even its owner changes it by accident.
        conn.execute(
            sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {} FROM pledgewatch_worker").format(name)
        )
        if with_timescale:
            _compress(conn, table)
    ensure_layout(conn, now)
    conn.execute("RESET ROLE")


def ensure_layout(conn: psycopg.Connection, now: datetime) -> None:
    """Create the daily partitions around ``now`` that do not exist; nothing to do on TimescaleDB.

    Must run as ``pledgewatch_worker``, who owns the tables.
    A day whose rows already lie in the default partition stays there.
    """
    existing = {
        row[0]
        for row in conn.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = ANY(%s) AND p.relkind = 'p'",
            (list(TABLES),),
        )
    }
    if not existing:
        return
    today = now.astimezone(UTC).date()
    for offset in range(-DAYS_BEHIND, DAYS_AHEAD + 1):
        day = today + timedelta(days=offset)
        for table in TABLES:
            if _partition_name(table, day) not in existing:
                _create_partition(conn, table, day)


def uses_timescale(conn: psycopg.Connection) -> bool:
    """Tell whether the readings lie in hypertables."""
    row = conn.execute(
        "SELECT relkind = 'r' FROM pg_class WHERE oid = 'scalar_reading'::regclass"
    ).fetchone()
    return row is not None and bool(row[0])


def _partition_name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _create_partition(conn: psycopg.Connection, table: str, day: date) -> None:
    statement = sql.SQL(
        "CREATE TABLE IF NOT EXISTS {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})"
    )
    try:
        with conn.transaction():
            conn.execute(
                statement.format(
                    sql.Identifier(_partition_name(table, day)),
                    sql.Identifier(table),
                    sql.Literal(f"{day.isoformat()} 00:00:00+00"),
                    sql.Literal(f"{(day + timedelta(days=1)).isoformat()} 00:00:00+00"),
                )
            )
    except psycopg.errors.CheckViolation:
        return  # The default partition holds rows of that day: a gateway's clock ran ahead.


def _enable_timescale(conn: psycopg.Connection) -> bool:
    """Create the extension where the server has it loaded; tell whether it is there."""
    # The loader defines this setting where the library is preloaded; without that, creating the
    # extension ends the session.
    loaded = conn.execute("SELECT current_setting('timescaledb.disable_load', true)").fetchone()
    if loaded is None or loaded[0] is None:
        return False
    try:
        with conn.transaction():
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def _let_jobs_run(conn: psycopg.Connection) -> None:
    """Let TimescaleDB's background jobs run as the owner of the tables.

    It starts them only for a role that may log in. The role has no password, so nobody else can.
    """
    try:
        with conn.transaction():
            conn.execute("ALTER ROLE pledgewatch_worker LOGIN")
    except psycopg.errors.InsufficientPrivilege:
        return  # Another database's user made the role: closed days stay as they are.


def _compress(conn: psycopg.Connection, table: str) -> None:
    """Compress closed days by channel, where the build and the role's rights allow it."""
    try:
        with conn.transaction():
            conn.execute(
                sql.SQL(
                    "ALTER TABLE {} SET (timescaledb.compress, "
                    "timescaledb.compress_segmentby = 'channel_id', "
                    "timescaledb.compress_orderby = 'at')"
                ).format(sql.Identifier(table))
            )
            conn.execute(
                "SELECT add_compression_policy(%s::regclass, %s::interval)",
                (table, COMPRESS_AFTER),
            )
    except (
        psycopg.errors.FeatureNotSupported,  # The Apache-licensed build has no compression,
        psycopg.errors.InvalidAuthorizationSpecification,  # or the owner may run no job:
    ):
        return  # the same tables, uncompressed.
