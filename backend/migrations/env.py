"""Alembic's environment: one transaction for all pending revisions, one migrator at a time."""

import psycopg
from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

_MIGRATING = 0x70770001  # Advisory lock; processes of one installation start together.


def _connect() -> Connection:
    url = context.config.attributes["url"]
    # The URL goes to libpq as it is: SQLAlchemy would read it by rules of its own.
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    return engine.connect()


if context.is_offline_mode():
    message = "SQL scripts without a database are not supported: the files in sql/ are plain SQL"
    raise SystemExit(message)

with _connect() as connection:
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        context.run_migrations()
