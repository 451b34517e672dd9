"""How the lots of a valuation are called, for whoever sees the valuation."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0028_valued_lots.sql"


def upgrade() -> None:
    """Add the function."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: statements would lose their names."""
    message = "there is no way back to revision 0019: restore a backup of it"
    raise RuntimeError(message)
