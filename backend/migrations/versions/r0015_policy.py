"""Policies of facilities, and what a valuation says of its base."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0023_policy.sql"


def upgrade() -> None:
    """Add the table, the columns, and what refuses changes."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: what was lent on which policy would be forgotten."""
    message = "there is no way back to revision 0014: restore a backup of it"
    raise RuntimeError(message)
