"""Alerts: findings that stay until a person resolves them."""

from collections.abc import Sequence
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
    CEASED = "ceased"
    RECURRED = "recurred"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong now; one cause has at most one unresolved alert."""

    cause: str
    kind: AlertKind
    severity: Severity
    summary: str
    lot_id: LotId | None = None
    gateway: GatewayId | None = None
    facility_id: UUID | None = None
    evidence: Sequence[Evidence] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What a change asks for: findings to raise, causes that are no more."""

    findings: tuple[Finding, ...] = ()
    ceased: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as it stands."""

    id: AlertId
    kind: AlertKind
    severity: Severity
    state: AlertState
    cause: str
    lot_id: LotId | None
    gateway_id: GatewayId | None
    facility_id: UUID | None
    summary: str
    opened_at: datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """What happened to an alert, when, and by whom."""

    at: datetime
    actor: str
    what: What
    note: str | None
