"""Subscribing, and what is done with messages; callers open the transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from backend.alerts.types import Severity
from backend.config import Settings, networks_of
from backend.db import Conn
from backend.errors import NotFoundError
from backend.ids import MessageId, NoticeId, PartyId, SubscriptionId
from backend.notifications import store
from backend.notifications.errors import (
    TooManyError,
    WrongMessageStateError,
    WrongSubscriptionError,
)
from backend.notifications.rules import attempts, targets, tell
from backend.notifications.types import (
    Channel,
    Claimed,
    Failed,
    Line,
    Message,
    MessageState,
    NewMessage,
    Notice,
    Outcome,
    Reach,
    Sent,
    Subscription,
    SubscriptionState,
    Topic,
)
from backend.parties.types import Actor, Role

SECRET_FILE: Final = "notifications.secret"  # noqa: S105 - the name of a file, not what is in it
SUBSCRIPTIONS_MAX: Final = 50  # Of a party in one role; each costs a look at each notice.
QUEUE_MAX: Final = 10_000  # Messages that wait for one receiver; beyond, it is disabled.
# An e-mail waits so long for its first line's companions: a theft is an alert, a lock and a call.
GATHER: Final = timedelta(seconds=5)
DISABLED: Final = "subscription.disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """What somebody wants to be told, and where."""

    name: str
    channel: Channel
    target: str
    topics: tuple[Topic, ...]
    severity_min: Severity
    digest_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """A party in one of its roles, as the database's policies must know it."""

    role: Role
    party_id: PartyId


def reach_of(settings: Settings) -> Reach:
    """Return which targets an installation lets webhooks go to."""
    return Reach(http=settings.notify_http, networks=networks_of(settings.notify_networks))


def subscribe(
    conn: Conn, actor: Actor, new: NewSubscription, reach: Reach, now: datetime
) -> Subscription:
    """Store a subscription of the actor's party, in the actor's role.

    Raises:
        InvalidError: The target is no address, or none that may be called.
        TooManyError: There are enough.
    """
    if new.channel is Channel.WEBHOOK:
        targets.check_url(new.target, reach)
    else:
        targets.check_address(new.target)
    if len(store.list_subscriptions(conn)) >= SUBSCRIPTIONS_MAX:
        raise TooManyError(SUBSCRIPTIONS_MAX)
    subscription = Subscription(
        id=SubscriptionId(uuid4()),
        party_id=actor.party_id,
        role=actor.role,
        name=new.name,
        channel=new.channel,
        target=new.target,
        topics=tuple(sorted(set(new.topics))),
        severity_min=new.severity_min,
        digest_s=new.digest_s,
        state=SubscriptionState.ACTIVE,
        why=None,
        secret_generation=1,
        rotated_at=None,
        failing_since=None,
        sent_at=None,
        created_at=now,
        created_by=actor.account_id,
    )
    store.add_subscription(conn, subscription)
    return subscription


def load(conn: Conn, subscription_id: SubscriptionId, *, hold: bool = False) -> Subscription:
    """Return a subscription.

    Raises:
        NotFoundError: There is none, or the actor may not see it.
    """
    found = store.load_subscription(conn, subscription_id, hold=hold)
    if found is None:
        raise NotFoundError("subscription", subscription_id)
    return found


def rotate(conn: Conn, subscription_id: SubscriptionId, now: datetime) -> Subscription:
    """Begin a new secret; the one before signs for another day.

    Raises:
        NotFoundError: There is no such subscription.
        WrongSubscriptionError: It has no secret.
    """
    found = _not_ended(load(conn, subscription_id, hold=True))
    if found.channel is not Channel.WEBHOOK:
        raise WrongSubscriptionError("an e-mail is not signed: there is no secret to rotate")
    store.save_rotated(conn, subscription_id, now)
    return load(conn, subscription_id)


def change_state(
    conn: Conn, subscription_id: SubscriptionId, state: SubscriptionState, now: datetime
) -> Subscription:
    """Enable, disable or end a subscription; what is ended does not come back.

    Raises:
        NotFoundError: There is no such subscription.
        WrongSubscriptionError: It is ended.
    """
    _not_ended(load(conn, subscription_id, hold=True))
    why = "by a person" if state is SubscriptionState.DISABLED else None
    store.save_state(conn, subscription_id, state, why, now)
    return load(conn, subscription_id)


def send_test(
    conn: Conn, actor: Actor, subscription_id: SubscriptionId, now: datetime
) -> MessageId:
    """Let a message without news be sent; return its id.

    Raises:
        NotFoundError: There is no such subscription.
        WrongSubscriptionError: It is disabled or ended.
    """
    found = load(conn, subscription_id)
    if found.state is not SubscriptionState.ACTIVE:
        raise WrongSubscriptionError(f"the subscription is {found.state}: enable it first")
    text = f"A test, asked for by {actor.login}."
    email = found.channel is Channel.EMAIL
    at = now.isoformat(timespec="seconds")
    line = Line(cause="test", at=at, title="Test", text=text, path="/notifications")
    message = NewMessage(
        id=MessageId(uuid4()),
        subscription_id=found.id,
        kind="test",
        body="" if email else tell.body_of("test", now.isoformat(), {"text": text}),
        lines=(line,) if email else (),
        notices=1,
    )
    store.add_messages(conn, [message], now)
    return message.id


def replay(conn: Conn, message_id: MessageId, now: datetime) -> Message:
    """Let a message that was given up be sent again, under its id.

    Raises:
        NotFoundError: There is no such message.
        WrongMessageStateError: It was not given up.
    """
    found = load_message(conn, message_id)
    _not_ended(load(conn, found.subscription_id, hold=True))
    if found.state is not MessageState.DEAD:
        raise WrongMessageStateError(message_id, found.state)
    store.save_replayed(conn, message_id, now)
    return load_message(conn, message_id)


def load_message(conn: Conn, message_id: MessageId) -> Message:
    """Return a message.

    Raises:
        NotFoundError: There is none, or the actor may not see it.
    """
    found = store.load_message(conn, message_id)
    if found is None:
        raise NotFoundError("message", message_id)
    return found


def queue(
    conn: Conn,
    subscriptions: Iterable[Subscription],
    notices: Sequence[Notice],
    public_url: str,
    now: datetime,
) -> None:
    """Store what subscriptions are sent of notices that their role may see; as the worker."""
    for subscription in subscriptions:
        wanted = [notice for notice in notices if _is_for(subscription, notice)]
        if not wanted:
            continue
        if store.count_queued(conn, subscription.id) >= QUEUE_MAX:
            _disable(conn, subscription, f"{QUEUE_MAX} messages wait", now)
            continue
        messages = [tell.message_of(subscription, notice, public_url) for notice in wanted]
        if subscription.channel is Channel.WEBHOOK:
            store.add_messages(conn, messages, now)
        else:
            _gather(conn, subscription, messages, now)


def settle(conn: Conn, claimed: Claimed, outcome: Outcome, now: datetime, jitter: float) -> None:
    """Store how an attempt ended; a receiver that takes nothing for too long is disabled."""
    subscription = store.load_subscription(conn, claimed.subscription.id, hold=True)
    assert subscription is not None
    message = claimed.message
    match outcome:
        case Sent(result=result):
            store.save_delivered(conn, message, result, now)
        case Failed() as failed:
            again_at = attempts.next_attempt(message.attempts, failed, now, jitter)
            store.save_failed(conn, message, failed.result, again_at, now)
            if again_at is not None:
                return
            fresh = load(conn, subscription.id)
            latest = Claimed(message=message, subscription=fresh)
            if fresh.state is SubscriptionState.ACTIVE and attempts.is_given_up(latest, failed):
                _disable(conn, fresh, failed.result, now)


def mark_routed(conn: Conn, ids: Sequence[NoticeId], now: datetime) -> None:
    """Store that everybody concerned has a message of these."""
    store.save_routed(conn, ids, now)


def _gather(
    conn: Conn, subscription: Subscription, messages: Sequence[NewMessage], now: datetime
) -> None:
    """Add lines to the e-mail that gathers, or begin one: at most one in each ``digest_s``."""
    lines = [line for message in messages for line in message.lines]
    gathering = store.load_gathering(conn, subscription.id)
    if gathering is not None:
        kept = tell.gather(gathering.lines, lines)
        store.save_gathered(conn, gathering.id, kept, gathering.notices + len(messages))
        return
    first = NewMessage(
        id=messages[0].id,
        subscription_id=subscription.id,
        kind=messages[0].kind,
        body="",
        lines=tell.gather((), lines),
        notices=len(messages),
    )
    due_at = now + GATHER
    if subscription.sent_at is not None:
        due_at = max(due_at, subscription.sent_at + timedelta(seconds=subscription.digest_s))
    store.add_gathering(conn, first, now, due_at)


def _is_for(subscription: Subscription, notice: Notice) -> bool:
    return notice.what == DISABLED or tell.is_wanted(subscription, notice)


def _disable(conn: Conn, subscription: Subscription, why: str, now: datetime) -> None:
    """Send a subscription nothing more, and tell its party by its others."""
    store.save_state(conn, subscription.id, SubscriptionState.DISABLED, why, now)
    detail = {"what": DISABLED, "id": str(subscription.id), "name": subscription.name, "why": why}
    store.add_notice(conn, subscription.party_id, detail)


def _not_ended(subscription: Subscription) -> Subscription:
    if subscription.state is SubscriptionState.ENDED:
        raise WrongSubscriptionError("the subscription is ended: make a new one")
    return subscription
