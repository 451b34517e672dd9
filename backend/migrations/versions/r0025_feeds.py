"""Feeds of prices, and who may post under their sources."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0033_feeds.sql"


def upgrade() -> None:
    """Add the tables and their policies."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: where prices come from would be forgotten."""
    message = "there is no way back to revision 0024: restore a backup of it"
    raise RuntimeError(message)
