"""Keys that hand their stream over, and gateways that are revoked."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0014_trust.sql"


def upgrade() -> None:
    """Add the table and its policies."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: closed streams and revocations are evidence."""
    message = "there is no way back to revision 0005: restore a backup of it"
    raise RuntimeError(message)
