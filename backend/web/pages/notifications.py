"""Notifications: a party's subscriptions, what was sent by them, and what becomes of it."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Form, Request, Response
from pydantic import BaseModel, Field

from backend.alerts.types import Severity
from backend.deps import (
    CurrentPrincipal,
    Db,
    NotificationSecret,
    Now,
    get_notification_secret,
    get_settings,
)
from backend.notifications import http as notifications
from backend.notifications import store
from backend.notifications.http import NewSecretView, StateBody, Subscriber, SubscriptionBody
from backend.notifications.types import Channel, SubscriptionState, Topic
from backend.parties.types import Role
from backend.web.console import done, new_router, render

router = new_router()
MESSAGES_SHOWN: Final = 60
PAGE: Final = "/notifications"


class SubscriptionFields(BaseModel):
    """What to be told, and where."""

    name: notifications.Name
    channel: Channel
    target: notifications.Address
    topics: Annotated[list[Topic], Field(max_length=20)] = []
    severity_min: Severity = Severity.WARNING
    digest_s: Annotated[int, Field(ge=0, le=86_400)] = 300


@router.get("/notifications")
def list_notifications(
    request: Request, db: Db, who: CurrentPrincipal, master: NotificationSecret
) -> Response:
    """Show the subscriptions of the actor's party in its role, and their newest messages."""
    with db.acting(who.actor) as conn:
        found = store.list_subscriptions(conn)
        messages = store.list_messages(conn, None, MESSAGES_SHOWN)
    return render(
        request,
        who,
        "notifications.html",
        subscriptions=[notifications.subscription_view(each, master) for each in found],
        names={each.id: each.name for each in found},
        messages=messages,
        topics=list(Topic),
        severities=list(Severity),
        may_write=who.actor.role is not Role.REGULATOR,
    )


@router.post("/notifications")
def add_subscription(
    request: Request,
    db: Db,
    actor: Subscriber,
    now: Now,
    form: Annotated[SubscriptionFields, Form()],
) -> Response:
    """Subscribe; a webhook's secret is shown this once."""
    body = SubscriptionBody.model_validate(form.model_dump())
    settings, master = get_settings(request), get_notification_secret(request)
    made = notifications.add_subscription(body, db, actor, settings, master, now)
    return _told(request, made, f"{made.subscription.name} is subscribed.")


@router.post("/notifications/{subscription_id}/rotate")
def rotate_secret(
    subscription_id: UUID,
    request: Request,
    db: Db,
    actor: Subscriber,
    master: NotificationSecret,
    now: Now,
) -> Response:
    """Make a new secret, shown this once; the old one signs for another day."""
    made = notifications.rotate_secret(subscription_id, db, actor, master, now)
    return _told(request, made, f"{made.subscription.name} has a new secret.")


@router.post("/notifications/{subscription_id}/state")
def change_subscription(
    subscription_id: UUID,
    request: Request,
    db: Db,
    actor: Subscriber,
    now: Now,
    state: Annotated[SubscriptionState, Form()],
) -> Response:
    """Enable, disable or end a subscription."""
    body = StateBody(state=state)
    master = get_notification_secret(request)
    found = notifications.change_subscription(subscription_id, body, db, actor, master, now)
    return done(request, f"{found.name} is {found.state}.", PAGE)


@router.post("/notifications/{subscription_id}/test")
def send_test(
    subscription_id: UUID, request: Request, db: Db, actor: Subscriber, now: Now
) -> Response:
    """Send a message without news."""
    notifications.send_test(subscription_id, db, actor, now)
    return done(request, "A test is on its way; see below whether it arrives.", PAGE)


@router.post("/notifications/messages/{message_id}/replay")
def replay_message(
    message_id: UUID, request: Request, db: Db, actor: Subscriber, now: Now
) -> Response:
    """Send again what was given up, under its id."""
    notifications.replay_message(message_id, db, actor, now)
    return done(request, "It is sent again, under the id that it had.", PAGE)


def _told(request: Request, made: NewSecretView, said: str) -> Response:
    if made.secret is None:
        return done(request, said, PAGE)
    return done(request, f"{said} Secret, shown only now: {made.secret}", PAGE, keep=True)
