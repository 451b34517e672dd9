"""Who sees which row, at a cost that follows what is looked at."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0010_visible_rows.sql"


def upgrade() -> None:
    """Replace the functions of visible ids and the policies over them."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: rows must not be shown by rules that nobody tests any more."""
    message = "there is no way back to revision 0001: restore a backup of it"
    raise RuntimeError(message)
