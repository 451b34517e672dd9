"""Dedicated accounts, bank statements and their lines."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0032_settlement.sql"


def upgrade() -> None:
    """Add the tables and their policies."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: what banks said would be forgotten."""
    message = "there is no way back to revision 0023: restore a backup of it"
    raise RuntimeError(message)
