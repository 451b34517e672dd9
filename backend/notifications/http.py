"""Routes of notifications: a party's subscriptions, and the messages that they were sent."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backend.alerts.types import Severity
from backend.deps import AppSettings, CurrentActor, Db, NotificationSecret, Now, require
from backend.ids import MessageId, SubscriptionId
from backend.notifications import service, store
from backend.notifications.rules.signatures import public_key_of, secret_of
from backend.notifications.rules.targets import URL_CHARACTERS_MAX
from backend.notifications.service import NewSubscription, reach_of
from backend.notifications.types import (
    Channel,
    Message,
    MessageState,
    Subscription,
    SubscriptionState,
    Topic,
)
from backend.parties.types import Actor, Role

router = APIRouter(prefix="/api/notifications", tags=["notifications"])

Subscriber = Annotated[
    Actor, Depends(require(Role.BORROWER, Role.LENDER, Role.LOGISTICS, Role.OPERATOR))
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Address = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=URL_CHARACTERS_MAX)
]


class SubscriptionBody(BaseModel):
    """What to be told, and where: a webhook's address, or an e-mail address.

    ``severity_min`` is of alerts; ``digest_s``: the least seconds between two e-mails.
    """

    model_config = ConfigDict(extra="forbid")

    name: Name
    channel: Channel
    target: Address
    topics: Annotated[list[Topic], Field(min_length=1, max_length=20)]
    severity_min: Severity = Severity.WARNING
    digest_s: Annotated[int, Field(ge=0, le=86_400)] = 300


class StateBody(BaseModel):
    """Whether a subscription is sent anything; ``ended`` is for ever."""

    model_config = ConfigDict(extra="forbid")

    state: SubscriptionState


class SubscriptionView(BaseModel):
    """A subscription; ``public_key`` checks its webhooks' ``v1a`` signatures."""

    id: UUID
    party_id: UUID
    role: Role
    name: str
    channel: Channel
    target: str
    topics: list[Topic]
    severity_min: Severity
    digest_s: int
    state: SubscriptionState
    why: str | None
    public_key: str | None
    rotated_at: datetime | None
    failing_since: datetime | None
    sent_at: datetime | None
    created_at: datetime


class NewSecretView(BaseModel):
    """A subscription with its secret, which is shown this once; None: e-mail has none."""

    subscription: SubscriptionView
    secret: str | None


class MessageView(BaseModel):
    """A message and how far it has come; the id is what its receiver tells it by."""

    id: UUID
    subscription_id: UUID
    kind: str
    notices: int
    state: MessageState
    created_at: datetime
    next_attempt_at: datetime
    attempts: int
    delivered_at: datetime | None
    result: str | None


@router.post("/subscriptions", status_code=201)
def add_subscription(
    body: SubscriptionBody,
    db: Db,
    actor: Subscriber,
    settings: AppSettings,
    master: NotificationSecret,
    now: Now,
) -> NewSecretView:
    """Subscribe the actor's party, in the actor's role; a webhook's secret is shown once."""
    new = NewSubscription(
        name=body.name,
        channel=body.channel,
        target=body.target,
        topics=tuple(body.topics),
        severity_min=body.severity_min,
        digest_s=body.digest_s,
    )
    with db.acting(actor) as conn:
        found = service.subscribe(conn, actor, new, reach_of(settings), now)
    return _with_secret(found, master)


@router.get("/subscriptions")
def list_subscriptions(
    db: Db, actor: CurrentActor, master: NotificationSecret
) -> list[SubscriptionView]:
    """Return the subscriptions of the actor's party in its role, by name."""
    with db.acting(actor) as conn:
        return [subscription_view(each, master) for each in store.list_subscriptions(conn)]


@router.post("/subscriptions/{subscription_id}/rotate")
def rotate_secret(
    subscription_id: UUID, db: Db, actor: Subscriber, master: NotificationSecret, now: Now
) -> NewSecretView:
    """Make a new secret, shown once; messages are signed with the old one too for 24 hours."""
    with db.acting(actor) as conn:
        found = service.rotate(conn, SubscriptionId(subscription_id), now)
    return _with_secret(found, master)


@router.post("/subscriptions/{subscription_id}/state")
def change_subscription(
    subscription_id: UUID,
    body: StateBody,
    db: Db,
    actor: Subscriber,
    master: NotificationSecret,
    now: Now,
) -> SubscriptionView:
    """Enable, disable or end a subscription; what waits for a disabled one goes on waiting."""
    with db.acting(actor) as conn:
        found = service.change_state(conn, SubscriptionId(subscription_id), body.state, now)
    return subscription_view(found, master)


@router.post("/subscriptions/{subscription_id}/test", status_code=201)
def send_test(subscription_id: UUID, db: Db, actor: Subscriber, now: Now) -> MessageView:
    """Send a message without news, to see that it arrives."""
    with db.acting(actor) as conn:
        message_id = service.send_test(conn, actor, SubscriptionId(subscription_id), now)
        return message_view(service.load_message(conn, message_id))


@router.get("/messages")
def list_messages(
    db: Db,
    actor: CurrentActor,
    subscription_id: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=store.ROWS_MAX)] = 100,
) -> list[MessageView]:
    """Return the newest messages, of one subscription or of all, with how they fared."""
    of = None if subscription_id is None else SubscriptionId(subscription_id)
    with db.acting(actor) as conn:
        return [message_view(each) for each in store.list_messages(conn, of, limit)]


@router.post("/messages/{message_id}/replay")
def replay_message(message_id: UUID, db: Db, actor: Subscriber, now: Now) -> MessageView:
    """Send a message again that was given up, under the id that it had."""
    with db.acting(actor) as conn:
        return message_view(service.replay(conn, MessageId(message_id), now))


def subscription_view(subscription: Subscription, master: bytes) -> SubscriptionView:
    """Return a subscription."""
    key = None
    if subscription.channel is Channel.WEBHOOK:
        key = public_key_of(master, subscription.id, subscription.secret_generation)
    return SubscriptionView(
        id=subscription.id,
        party_id=subscription.party_id,
        role=subscription.role,
        name=subscription.name,
        channel=subscription.channel,
        target=subscription.target,
        topics=list(subscription.topics),
        severity_min=subscription.severity_min,
        digest_s=subscription.digest_s,
        state=subscription.state,
        why=subscription.why,
        public_key=key,
        rotated_at=subscription.rotated_at,
        failing_since=subscription.failing_since,
        sent_at=subscription.sent_at,
        created_at=subscription.created_at,
    )


def message_view(message: Message) -> MessageView:
    """Return a message."""
    return MessageView(
        id=message.id,
        subscription_id=message.subscription_id,
        kind=message.kind,
        notices=message.notices,
        state=message.state,
        created_at=message.created_at,
        next_attempt_at=message.next_attempt_at,
        attempts=message.attempts,
        delivered_at=message.delivered_at,
        result=message.result,
    )


def _with_secret(subscription: Subscription, master: bytes) -> NewSecretView:
    secret = None
    if subscription.channel is Channel.WEBHOOK:
        secret = secret_of(master, subscription.id, subscription.secret_generation)
    return NewSecretView(subscription=subscription_view(subscription, master), secret=secret)
