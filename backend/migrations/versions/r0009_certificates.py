"""Client certificates of gateways at the broker."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0017_certificates.sql"


def upgrade() -> None:
    """Add the table and its policies."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: which certificates are revoked would be forgotten."""
    message = "there is no way back to revision 0008: restore a backup of it"
    raise RuntimeError(message)
