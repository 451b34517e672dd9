"""Prices are told from their history, and the steps of applications."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql" / "0031_more_notices.sql"


def upgrade() -> None:
    """Add the triggers."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    # Bytes without parameters: psycopg then sends the whole file as one simple query.
    conn.execute(_SQL.read_bytes())


def downgrade() -> None:
    """Refuse: there is one way on."""
    message = "there is no way back to revision 0022: restore a backup of it"
    raise RuntimeError(message)
