"""Facilities, their locks, drawdowns and repayments, and the decisions about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from backend.facility.types.loan import (
    CALL_ENDS,
    Accrual,
    AccrualKind,
    CallState,
    Component,
    Cure,
    DayCount,
    Due,
    Ledger,
    MarginCall,
    Movement,
    Owed,
    Parts,
    PledgeFacts,
    Policy,
    Rate,
    Schedule,
)
from backend.ids import (
    AccountId,
    AlertId,
    DrawdownId,
    FacilityId,
    LotId,
    PartyId,
    RepaymentId,
    ValuationId,
)
from backend.market.types import Quotes
from backend.money import ZERO_MINOR, Minor
from backend.valuation.types import LendingPolicy, LotFacts, Valuation


class LockReason(StrEnum):
    """Why no drawdown may be made."""

    PRICE_STALE = "PRICE_STALE"
    SENSOR_LOST = "SENSOR_LOST"
    QUANTITY_SHORT = "QUANTITY_SHORT"
    RELOCATED = "RELOCATED"
    DAMAGED = "DAMAGED"
    TAMPERED = "TAMPERED"
    UNEVALUATED = "UNEVALUATED"
    BELOW_CALL_LINE = "BELOW_CALL_LINE"
    CONTROL_VALUE = "CONTROL_VALUE"
    DOUBLE_PLEDGE = "DOUBLE_PLEDGE"
    INVOICE_VOID = "INVOICE_VOID"
    LICENCE_BREACH = "LICENCE_BREACH"
    APPRAISAL_EXPIRED = "APPRAISAL_EXPIRED"
    OVERDUE = "OVERDUE"
    REGISTRY_MISSING = "REGISTRY_MISSING"
    MANUAL = "MANUAL"


class LineState(StrEnum):
    """The lowest line that coverage stands under."""

    ABOVE = "above"
    WARNING = "warning"
    CALL = "call"
    LIQUIDATION = "liquidation"


class DrawdownState(StrEnum):
    """How far a drawdown has come; the last four are ends."""

    REQUESTED = "requested"
    PENDING = "pending"
    DISBURSED = "disbursed"
    REFUSED = "refused"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Coverages at which a facility moves down, and what it takes to move up again."""

    warning_bps: int
    call_bps: int
    liquidation_bps: int
    recovery_margin_bps: int
    recovery_valuations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStanding:
    """Where a facility stands, and how many valuations it has been better than that.

    ``recovering_to`` is the lowest line that these valuations support; None: none was better.
    """

    state: LineState
    recovered_valuations: int
    recovering_to: LineState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """An agreed line between lender and borrower, with what is owed under it."""

    id: FacilityId
    name: str
    lender_party: PartyId
    borrower_party: PartyId
    currency: str
    limit_minor: Minor
    principal_minor: Minor
    interest_minor: Minor
    fees_minor: Minor
    reserve_minor: Minor
    lines: Lines
    standing: LineStanding
    cure_by: datetime | None
    cure_hours: int
    valuation_ttl_s: int
    liquidation_horizon_days: int
    open: bool
    penalty_minor: Minor = ZERO_MINOR
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValuation:
    """What must be known of a facility's newest valuation to tell whether another is needed."""

    id: ValuationId
    at: datetime
    expires_at: datetime
    exposure_minor: Minor
    content_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A reason why no drawdown may be made, and why it holds, in words."""

    reason: LockReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLock:
    """A lock as it stands, with who or what opened it."""

    id: int
    facility_id: FacilityId
    reason: LockReason
    detail: str
    opened_at: datetime
    opened_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalAlert:
    """An unresolved critical alert of a pledged lot."""

    id: AlertId
    kind: str
    lot_id: LotId
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was refused or voided: the rule, in words, and with numbers."""

    code: str
    detail: str
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A facility's money at one moment: everything that a drawdown is decided on.

    ``availability_minor`` is below zero when more is out than may be.
    """

    limit_minor: Minor
    base_minor: Minor
    exposure_minor: Minor
    pending_minor: Minor
    availability_minor: Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The drawdown may be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The drawdown may not be made, for each of these reasons."""

    reasons: tuple[Reason, ...]


DrawdownDecision = Allow | Refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """Money asked for or taken under a facility; the messages are as the parties signed them."""

    id: DrawdownId
    facility_id: FacilityId
    amount_minor: Minor
    state: DrawdownState
    body_sha256: bytes
    requested_by: AccountId
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    valuation_id: ValuationId | None
    expires_at: datetime | None
    ended_at: datetime | None
    reasons: tuple[Reason, ...]
    request_message: bytes | None = None
    request_key_id: bytes | None = None
    decision_message: bytes | None = None
    decision_key_id: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Everything stored about a facility that a decision on it rests on.

    ``newest`` is its newest valuation, ``pending`` its promised drawdowns, oldest promise first,
    ``opened`` the locks that hold, ``call`` the margin call that has not ended. Without a
    ``lending_policy`` what the facility was opened with holds.
    """

    facility: Facility
    newest: StoredValuation | None
    lots: tuple[LotFacts, ...]
    quotes: Quotes
    alerts: tuple[CriticalAlert, ...]
    pending: tuple[Drawdown, ...]
    opened: tuple[OpenLock, ...]
    call: MarginCall | None = None
    pledges: tuple[PledgeFacts, ...] = ()
    schedule: Schedule = field(default_factory=Schedule)
    lending_policy: LendingPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A facility as everything known now says it is; computed, nothing of it written.

    ``is_new`` tells that the newest stored valuation does not say the same, ``voided`` and
    ``expired`` which promised drawdowns must end; the position is without them. ``call`` is the
    margin call as it is now, also one that ends now.
    """

    holding: Holding
    valuation: Valuation
    is_new: bool
    line: LineStanding
    cure_by: datetime | None
    call: MarginCall | None
    owed: Owed
    locks: tuple[Lock, ...]
    voided: tuple[Drawdown, ...]
    expired: tuple[Drawdown, ...]
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How a repayment was applied; the parts add up to its amount."""

    fees_minor: Minor
    interest_minor: Minor
    principal_minor: Minor
    surplus_minor: Minor
    penalty_minor: Minor = ZERO_MINOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Repayment:
    """Money that came back; ``paid_by`` is None when a bank's statement said so."""

    id: RepaymentId
    facility_id: FacilityId
    amount_minor: Minor
    split: Split
    body_sha256: bytes
    paid_by: AccountId | None
    paid_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityEvent:
    """Who did what to a facility, when, and why."""

    id: int
    facility_id: FacilityId
    at: datetime
    actor: str
    what: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happens to a facility now."""

    facility_id: FacilityId
    at: datetime
    actor: str
    what: str
    detail: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What was not allowed: the rules with their numbers, and the evidence that they had."""

    id: int
    facility_id: FacilityId
    at: datetime
    actor: str
    action: str
    subject: UUID
    reasons: tuple[Reason, ...]
    evidence: Mapping[str, object]


__all__ = [
    "CALL_ENDS",
    "Accrual",
    "AccrualKind",
    "Allow",
    "CallState",
    "Component",
    "CriticalAlert",
    "Cure",
    "DayCount",
    "Drawdown",
    "DrawdownDecision",
    "DrawdownState",
    "Due",
    "Facility",
    "FacilityEvent",
    "Holding",
    "Ledger",
    "LineStanding",
    "LineState",
    "Lines",
    "Lock",
    "LockReason",
    "MarginCall",
    "Movement",
    "NewEvent",
    "OpenLock",
    "Owed",
    "Parts",
    "PledgeFacts",
    "Policy",
    "Position",
    "Rate",
    "Reason",
    "Refusal",
    "Refuse",
    "Repayment",
    "Schedule",
    "Split",
    "Standing",
    "StoredValuation",
]
