"""Subscriptions, the outbox of what happened, and messages."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0025_notifications.sql"


def upgrade() -> None:
    """Add the tables, triggers and policies."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: what was sent would be forgotten."""
    message = "there is no way back to revision 0016: restore a backup of it"
    raise RuntimeError(message)
