"""Subscriptions of one plant's parties, a notice of an alert, and a message."""

from typing import Any
from uuid import UUID, uuid4

from backend.db import Conn
from tests.builders import NOW
from tests.plant import Plant, insert


def add_notice_rows(conn: Conn, plant: Plant, alert_id: UUID) -> dict[str, Any]:
    """Store them; return their ids by name."""
    subscriptions: list[UUID] = []
    messages: list[UUID] = []
    for actor in plant.actors.values():
        subscriptions.append(uuid4())
        insert(
            conn,
            "notice_subscription",
            id=subscriptions[-1],
            party_id=actor.party_id,
            role=actor.role.value,
            name="x",
            channel="webhook",
            target="https://receiver.example/hook",
            topics=["alert"],
            severity_min="info",
            digest_s=0,
            state="disabled",  # so that what else is stored here tells nobody
            created_at=NOW,
            created_by=actor.account_id,
            changed_at=NOW,
        )
        messages.append(uuid4())
        insert(
            conn,
            "notice_message",
            id=messages[-1],
            subscription_id=subscriptions[-1],
            kind="test",
            body="{}",
            state="dead",
            created_at=NOW,
            next_attempt_at=NOW,
        )
    insert(conn, "notice", topic="alert", alert_id=alert_id)
    return {"subscriptions": subscriptions, "messages": messages}
