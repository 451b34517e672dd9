"""Latches of damage in the database."""

from datetime import datetime
from typing import Final

from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.ids import LotId

_REMOVE: Final = """
    UPDATE lot_state
    SET memory = memory #- ARRAY['latches', %(quantity)s], evaluated = false
    WHERE lot_id = %(lot)s
"""


def remove(conn: Conn, lot_id: LotId, quantity: str) -> None:
    """Remove one latch; the lot counts as not evaluated until it is decided again."""
    conn.execute(_REMOVE, {"lot": lot_id, "quantity": quantity})


def add_event(conn: Conn, lot_id: LotId, now: datetime, actor: str, quantity: str) -> None:
    """Write down who removed a latch."""
    conn.execute(
        "INSERT INTO lot_event (lot_id, at, actor, what, detail) VALUES (%s, %s, %s, %s, %s)",
        (lot_id, now, actor, "unlatched", Jsonb({"quantity": quantity})),
    )
