"""Alerts: findings that stay until a person resolves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from backend.collateral.types import Evidence
from backend.ids import AccountId, AlertId, GatewayId, LotId


class AlertKind(StrEnum):
    """What is wrong."""

    RELOCATION = "relocation"
    SHORTFALL = "shortfall"
    DAMAGE = "damage"
    TAMPER = "tamper"
    SURVEILLANCE_LOST = "surveillance_lost"
    PRICE_DROP = "price_drop"
    PRICE_STALE = "price_stale"
    DOUBLE_PLEDGE = "double_pledge"
    BELOW_LINE = "below_line"
    OVERDUE = "overdue"
    INVOICE_VOID = "invoice_void"
    LICENCE_BREACH = "licence_breach"


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    """Whether somebody has dealt with it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """What it turned out to be."""

    TRUE_INCIDENT = "true_incident"
    SENSOR_FAULT = "sensor_fault"
    AUTHORISED = "authorised"
    FALSE_ALARM = "false_alarm"


class What(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    ESCALATED = "escalated"
    DEESCALATED = "deescalated"
    UNATTENDED = "unattended"
    CEASED = "ceased"
    RECURRED = "recurred"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong now; one cause has at most one unresolved alert.

    ``probability`` that it is so; ``began_at``: since when, as the readings say, by our clock.
    """

    cause: str
    kind: AlertKind
    severity: Severity
    summary: str
    lot_id: LotId | None = None
    gateway: GatewayId | None = None
    facility_id: UUID | None = None
    evidence: Sequence[Evidence] = ()
    probability: float = 1.0
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What a change asks for: findings to raise, some that are less grave, causes no more."""

    findings: tuple[Finding, ...] = ()
    eased: tuple[Finding, ...] = ()
    ceased: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as it stands.

    ``severity`` is the worst that it was, which is what locks; ``eased_at``: since when it is
    found less grave. ``unattended_at``: when it was noted that nobody acknowledged it in time.
    """

    id: AlertId
    kind: AlertKind
    severity: Severity
    state: AlertState
    cause: str
    lot_id: LotId | None
    gateway_id: GatewayId | None
    facility_id: UUID | None
    summary: str
    probability: float
    began_at: datetime | None
    opened_at: datetime
    critical_at: datetime | None
    eased_at: datetime | None
    unattended_at: datetime | None
    ceased_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: AccountId | None
    resolved_at: datetime | None
    resolved_by: AccountId | None
    resolution: Resolution | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvidence:
    """One reading behind an alert; ``at`` is the reading's time, ``recorded_at`` ours."""

    at: datetime
    recorded_at: datetime
    gateway_id: GatewayId | None
    envelope_number: int | None
    sensor: str | None
    quantity: str | None
    value: float | None
    text: str
    image_sha256: bytes | None
    expected: str
    log_odds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """What happened to an alert, when, and by whom."""

    at: datetime
    actor: str
    what: What
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Something that still holds of an alert, and what would end it, in words."""

    what: str
    ends_when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A cause that an alert may be resolved with; ``code`` and ``why`` when it may not, now."""

    resolution: Resolution
    code: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CausedLock:
    """A lock of a facility for which an alert is a reason."""

    facility_id: UUID
    facility: str
    reason: str
    detail: str
    opened_at: datetime
    opened_by: str
    lifted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotHappening:
    """Something that happened to a lot: its state moved, or somebody acted on it."""

    at: datetime
    actor: str
    what: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteOfValues:
    """One minute of one channel's good readings."""

    minute: datetime
    gateway_id: str
    sensor: str
    quantity: str
    count: int
    value_min: float
    value_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteOfSightings:
    """One minute of one reader: how many of the lot's items it read, and how many times."""

    minute: datetime
    gateway_id: str
    sensor: str
    items: int
    reads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorEvent:
    """What a sensor of the lot said of itself or of what it saw."""

    at: datetime
    gateway_id: str
    sensor: str
    type: str
    image_sha256: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What happened around an alert, each list oldest first; ``cut``: there is more than shown."""

    begin: datetime
    end: datetime
    lot: Sequence[LotHappening] = ()
    values: Sequence[MinuteOfValues] = ()
    sightings: Sequence[MinuteOfSightings] = ()
    events: Sequence[SensorEvent] = ()
    cut: bool = False
