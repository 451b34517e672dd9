"""What gateways thinned, and by how much."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0013_thinning.sql"


def upgrade() -> None:
    """Add the table."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: what was thinned would look as if it had never been."""
    message = "there is no way back to revision 0004: restore a backup of it"
    raise RuntimeError(message)
