"""Refusals are answers, kept with the evidence that the rules had; the edge commits them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from backend.db import Conn
from backend.facility.rules.evidence import evidence_of
from backend.facility.store import refusals
from backend.facility.types import Reason, Standing


def note_refusal(
    conn: Conn,
    standing: Standing,
    refused: tuple[str, UUID, Sequence[Reason]],
    now: datetime,
    actor: str,
) -> None:
    """Keep a refusal: the action, what it was about and why, with what was known."""
    facility_id = standing.holding.facility.id
    refusals.add_refusal(conn, facility_id, refused, evidence_of(standing), (now, actor))
