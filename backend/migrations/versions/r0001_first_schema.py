"""The first schema: the files of sql/ in order, the tables of readings among them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psycopg
from alembic import op
from psycopg.rows import TupleRow
from sqlalchemy import text

from backend.telemetry import layout

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql"
_BEFORE_READINGS = ("0001_roles", "0002_parties", "0003_plant", "0004_telemetry")
_AFTER_READINGS = ("0005_collateral", "0006_alerts", "0007_market", "0008_facility", "0009_access")


def upgrade() -> None:
    """Create everything."""
    bind = op.get_bind()
    now = bind.execute(text("SELECT now()")).scalar_one()
    assert isinstance(now, datetime)
    conn = cast("psycopg.Connection[TupleRow]", bind.connection.driver_connection)
    _run(conn, _BEFORE_READINGS)
    layout.create_tables(conn, now.astimezone(UTC))
    _run(conn, _AFTER_READINGS)


def downgrade() -> None:
    """Refuse: evidence is not deleted by a command."""
    message = "there is no way back before the first revision: drop the database yourself"
    raise RuntimeError(message)


def _run(conn: psycopg.Connection[TupleRow], names: tuple[str, ...]) -> None:
    for name in names:
        # Bytes without parameters: psycopg then sends the whole file as one simple query.
        conn.execute((_SQL / f"{name}.sql").read_bytes())
