"""Subscriptions, what they are told of, and the messages that tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from uuid import UUID

from backend.alerts.types import Severity
from backend.ids import AccountId, MessageId, NoticeId, PartyId, SubscriptionId
from backend.parties.types import Role

Network = IPv4Network | IPv6Network


class Channel(StrEnum):
    """How a message travels."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class Topic(StrEnum):
    """What a subscription may ask for."""

    ALERT = "alert"
    LOCK = "lock"
    MARGIN_CALL = "margin_call"
    DRAWDOWN = "drawdown"
    REPAYMENT = "repayment"
    PRICE = "price"
    FACILITY = "facility"
    APPLICATION = "application"


class SubscriptionState(StrEnum):
    """Whether a subscription is sent anything."""

    ACTIVE = "active"
    DISABLED = "disabled"
    ENDED = "ended"


class MessageState(StrEnum):
    """How far a message has come; an e-mail gathers lines until it is first tried."""

    GATHERING = "gathering"
    QUEUED = "queued"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a party wants to be told in one of its roles, and where.

    ``digest_s``: the least time between two e-mails. ``severity_min`` is of alerts.
    """

    id: SubscriptionId
    party_id: PartyId
    role: Role
    name: str
    channel: Channel
    target: str
    topics: tuple[Topic, ...]
    severity_min: Severity
    digest_s: int
    state: SubscriptionState
    why: str | None
    secret_generation: int
    rotated_at: datetime | None
    failing_since: datetime | None
    sent_at: datetime | None
    created_at: datetime
    created_by: AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that happened, as one party may see it; ``subject``: what it concerns, by name."""

    id: NoticeId
    number: int
    topic: str
    what: str
    at: datetime
    actor: str | None
    detail: Mapping[str, object] = field(default_factory=dict[str, object])
    alert_id: UUID | None = None
    alert_kind: str | None = None
    severity: Severity | None = None
    alert_state: str | None = None
    summary: str | None = None
    lot_id: UUID | None = None
    lot: str | None = None
    gateway_id: str | None = None
    facility_id: UUID | None = None
    facility: str | None = None
    currency: str | None = None
    instrument_id: str | None = None
    application_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of an e-mail; what has the same cause later takes its place and is counted."""

    cause: str
    at: str
    title: str
    text: str
    path: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """What a subscription is to be sent; lines of an e-mail join those that gather."""

    id: MessageId
    subscription_id: SubscriptionId
    kind: str
    body: str
    lines: tuple[Line, ...]
    notices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message and how far it has come; ``result``: of the last attempt, in words."""

    id: MessageId
    subscription_id: SubscriptionId
    kind: str
    body: str
    lines: tuple[Line, ...]
    notices: int
    state: MessageState
    created_at: datetime
    next_attempt_at: datetime
    attempts: int
    first_attempt_at: datetime | None
    delivered_at: datetime | None
    result: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message that the claimer has to send, and for whom."""

    message: Message
    subscription: Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The receiver has taken it."""

    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The receiver has not taken it. ``gone``: it wants no more; ``wait_s``: it asked for time."""

    result: str
    gone: bool = False
    wait_s: float = 0.0


Outcome = Sent | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a webhook goes, taken apart and checked in form."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which targets may be called: plain HTTP, and networks besides the public ones."""

    http: bool = False
    networks: Sequence[Network] = ()
