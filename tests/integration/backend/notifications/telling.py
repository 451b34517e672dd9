"""Subscriptions and what happens to be told of, for tests of messages."""

from backend.alerts import service as alerts
from backend.alerts.types import AlertKind, Finding, Severity, Steps
from backend.db import Database
from backend.notifications import service, store
from backend.notifications.service import NewSubscription
from backend.notifications.types import (
    Channel,
    Message,
    Subscription,
    Topic,
)
from backend.parties.types import Role
from tests.builders import FixedClock
from tests.integration.backend.notifications.receivers import (
    LOCAL,
)
from tests.plant import Plant


def subscribed(
    db: Database,
    plant: Plant,
    target: str,
    role: Role = Role.LENDER,
    channel: Channel = Channel.WEBHOOK,
    **overrides: object,
) -> Subscription:
    """Subscribe a party of the plant to everything."""
    values: dict[str, object] = {
        "name": "desk",
        "channel": channel,
        "target": target,
        "topics": tuple(Topic),
        "severity_min": Severity.INFO,
        "digest_s": 300,
        **overrides,
    }
    actor = plant.actors[role]
    with db.acting(actor) as conn:
        new = NewSubscription(**values)  # pyright: ignore[reportArgumentType]  # as above
        return service.subscribe(conn, actor, new, LOCAL, FixedClock().now())


def raise_alert(db: Database, plant: Plant, cause: str = "one", lot: str = "copper") -> None:
    """Open an alert as ingest does."""
    finding = Finding(
        cause=cause,
        kind=AlertKind.SHORTFALL,
        severity=Severity.CRITICAL,
        summary=f"a pallet is gone: {cause}",
        lot_id=plant.lots[lot],
    )
    with db.working() as conn:
        alerts.take(conn, [Steps(findings=(finding,))], FixedClock().now())


def messages(db: Database, subscription: Subscription) -> list[Message]:
    """Return a subscription's messages, newest first."""
    with db.working() as conn:
        return list(store.list_messages(conn, subscription.id, 500))


def loaded(db: Database, subscription: Subscription) -> Subscription:
    """Return a subscription as it is now."""
    with db.working() as conn:
        return service.load(conn, subscription.id)
