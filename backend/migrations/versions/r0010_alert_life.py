"""The life of an alert: what it is worth believing, since when, and who attends to it."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0018_alert_life.sql"


def upgrade() -> None:
    """Add the columns."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: what was known of alerts would be forgotten."""
    message = "there is no way back to revision 0009: restore a backup of it"
    raise RuntimeError(message)
