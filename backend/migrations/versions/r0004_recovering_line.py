"""To which line a facility recovers."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0012_recovering_line.sql"


def upgrade() -> None:
    """Add the column."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: a facility would recover on fewer valuations than agreed."""
    message = "there is no way back to revision 0003: restore a backup of it"
    raise RuntimeError(message)
