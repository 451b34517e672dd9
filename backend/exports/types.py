"""A facility's borrowing base as it was recorded at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from backend.facility.types import Facility, Position
from backend.ids import FacilityId, LotId, ValuationId
from backend.money import Minor
from backend.valuation.types import BorrowingBase


class Form(StrEnum):
    """What a certificate is written as."""

    PDF = "pdf"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Rows of a facility as they were recorded, newest of each; see 0021_facility_past.sql.

    ``number`` is of the last of them, ``recorded_at`` its time.
    """

    facility_id: FacilityId
    at: datetime
    recorded_at: datetime
    number: int
    terms: Mapping[str, Any]
    standing: Mapping[str, Any]
    locks: tuple[Mapping[str, Any], ...]
    drawdowns: tuple[Mapping[str, Any], ...]
    calls: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotLine:
    """One lot of a valuation."""

    lot_id: LotId
    name: str
    instrument_id: str
    unit: str
    pledged_mass_g: int
    accepted_mass_g: int
    price: Decimal | None
    price_at: datetime | None
    price_source: str | None
    gross_minor: Minor
    value_minor: Minor
    haircut_bps: int
    lendable_minor: Minor
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuedBase:
    """The valuation in force: which, until when it served, and how its base came about."""

    id: ValuationId
    at: datetime
    expires_at: datetime
    value_minor: Minor
    coverage_bps: int | None
    complete: bool
    model: str
    policy_version: int
    base: BorrowingBase
    lots: tuple[LotLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockLine:
    """A lock that held."""

    reason: str
    detail: str
    opened_at: datetime
    opened_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLine:
    """A drawdown that was asked for, or promised and not paid out."""

    id: UUID
    amount_minor: Minor
    state: str
    requested_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLine:
    """A margin call that was not met."""

    opened_at: datetime
    deadline_at: datetime
    state: str
    cash_minor: Minor
    collateral_minor: Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A facility as of one moment, from gross collateral down to what could be drawn.

    ``number`` and ``recorded_at`` are of the last change before ``at``: two statements of one
    facility with the same number say the same but for ``at``.
    """

    facility: Facility
    lender: str
    borrower: str
    at: datetime
    recorded_at: datetime
    number: int
    valued: ValuedBase | None
    position: Position
    drawable_minor: Minor
    locks: tuple[LockLine, ...]
    waiting: tuple[WaitingLine, ...]
    calls: tuple[CallLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A line of the way down: what comes off, or what is left then."""

    kind: str  # 'start', 'less', 'left', 'total'
    code: str
    label: str
    amount_minor: int
    links: tuple[tuple[str, str], ...] = ()  # text and path of each piece of evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What the backend's key says of a document."""

    form: Form
    facility: str
    as_of: str
    number: int
    content_sha256: str
    document_sha256: str
    key_id: str
