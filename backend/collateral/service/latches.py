"""Forgetting damage that a person has dealt with."""

from datetime import datetime

from backend.collateral.store import latches, lots
from backend.db import Conn
from backend.ids import LotId
from schemas.quantities import Quantity


def hold(conn: Conn, lot_id: LotId) -> None:
    """Keep a lot's state to this transaction."""
    lots.lock_one(conn, lot_id)


def unlatch(conn: Conn, lot_id: LotId, quantity: Quantity, now: datetime, actor: str) -> None:
    """Let a lot's condition be decided by its readings again.

    Its state stays as it is, and is marked as not evaluated: the next sweep or batch decides it
    under the worker's eyes, and until then the lot locks.
    """
    latches.remove(conn, lot_id, quantity.value)
    latches.add_event(conn, lot_id, now, actor, quantity.value)
