"""The journal, and the book of each facility with today's balances as opening entries."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql"
_FILES = ("0023_journal.sql", "0024_books.sql")


def upgrade() -> None:
    """Add the tables and their triggers, and open a book for each facility."""
    conn = cast("psycopg.Connection[TupleRow]", op.get_bind().connection.driver_connection)
    for name in _FILES:
        # Bytes without parameters: psycopg then sends the whole file as one simple query.
        conn.execute((_SQL / name).read_bytes())


def downgrade() -> None:
    """Refuse: who owes what, and why, would be forgotten."""
    message = "there is no way back to revision 0015: restore a backup of it"
    raise RuntimeError(message)
