"""What a loan says beyond its limit and lines: calls, rates, accruals, dues, registrations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from backend.ids import LotId, MarginCallId, PledgeId, ValuationId
from backend.money import ZERO_MINOR, Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a lender asks of a facility beyond its limit and lines.

    ``control_value_minor``: the least value of a floating pledge, 0 for none.
    ``liquidation_observations``: complete valuations in a row that must find a margin call unmet
    before it may be enforced: after an outage of prices one is not enough.
    """

    control_value_minor: Minor = ZERO_MINOR
    registry_required: bool = False
    signatures_required: bool = False
    liquidation_observations: int = 3
    grace_days: int = 0


class CallState(StrEnum):
    """How far a margin call has come; the last two are ends."""

    OPEN = "open"
    LIQUIDATABLE = "liquidatable"
    DEFAULTED = "defaulted"
    CURED = "cured"
    CLOSED = "closed"


CALL_ENDS: Final = (CallState.CURED, CallState.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """What would bring coverage to the call line and its margin: either is enough alone.

    ``collateral_minor`` is value as accepted; ``lendable_minor`` is what is left of it after the
    haircut that the pledged goods have on average.
    """

    cash_minor: Minor
    collateral_minor: Minor
    lendable_minor: Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginCall:
    """A demand to bring coverage back; ``id`` is None until it is stored.

    ``observations``: complete valuations in a row that did not meet it, up to the need.
    """

    id: MarginCallId | None
    opened_at: datetime
    deadline_at: datetime
    valuation_id: ValuationId | None
    coverage_bps: int | None
    value_minor: Minor
    exposure_minor: Minor
    cure: Cure
    state: CallState = CallState.OPEN
    observations: int = 0
    liquidatable_at: datetime | None = None
    defaulted_at: datetime | None = None
    ended_at: datetime | None = None
    ended_valuation_id: ValuationId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeFacts:
    """An active pledge: where it is registered, and which of its lots are offered elsewhere."""

    id: PledgeId
    registry: str | None = None
    registry_number: str | None = None
    registered_on: date | None = None
    doubled: tuple[LotId, ...] = ()


class DayCount(StrEnum):
    """How days become a part of a year."""

    ACT_360 = "act/360"
    ACT_365F = "act/365f"
    E30_360 = "30e/360"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What is charged from a day on, until another rate begins."""

    from_day: date
    day_count: DayCount
    annual_bps: int
    commitment_bps: int = 0
    penalty_bps: int = 0


class AccrualKind(StrEnum):
    """What accrues: on principal, on what is not drawn, on what is past due."""

    INTEREST = "interest"
    COMMITMENT = "commitment"
    PENALTY = "penalty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrual:
    """One day's accrual of one kind, with everything that it was computed from.

    ``ahead_units``: by how much the sum of all amounts of this kind is above the exact sum, in
    parts of a minor unit (``rules.interest.UNITS``): never a whole one.
    """

    kind: AccrualKind
    day: date
    base_minor: Minor
    annual_bps: int
    day_count: DayCount
    days: int
    amount_minor: Minor
    ahead_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An amount by what it is owed for."""

    penalty_minor: Minor = ZERO_MINOR
    fees_minor: Minor = ZERO_MINOR
    interest_minor: Minor = ZERO_MINOR
    principal_minor: Minor = ZERO_MINOR

    @property
    def total_minor(self) -> Minor:
        """The sum of the parts."""
        return Minor(
            self.penalty_minor + self.fees_minor + self.interest_minor + self.principal_minor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """Everything that is owed, by when it is to be paid; the three add up to the exposure."""

    past_due: Parts = field(default_factory=Parts)
    due: Parts = field(default_factory=Parts)
    in_advance: Parts = field(default_factory=Parts)


class Component(StrEnum):
    """What falls due by the schedule."""

    INTEREST = "interest"
    PRINCIPAL = "principal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Money to be paid by the end of a day, UTC; of interest all that accrued before it."""

    due_on: date
    component: Component
    amount_minor: Minor | None
    set_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What a facility's dues are decided on.

    ``dues`` in the order of their days, ``accrued`` the amounts of interest and commitment fee
    that accrued before the day of each interest due, ``charges`` fees by the day that they are
    due on, ``settled`` all that was repaid or written off, ``payments`` of it the principal, by
    the time of each, oldest first.
    """

    dues: tuple[Due, ...] = ()
    accrued: Mapping[date, tuple[Minor, Minor]] = field(
        default_factory=dict[date, tuple[Minor, Minor]]
    )
    charges: tuple[tuple[date, Minor], ...] = ()
    settled: Parts = field(default_factory=Parts)
    payments: tuple[tuple[datetime, Minor], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Money that moved: drawn, or repaid or written off; each day's balance follows from these."""

    at: datetime
    drawn_minor: Minor = ZERO_MINOR
    settled: Parts = field(default_factory=Parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything that a facility's accruals are computed from, and those that were booked.

    ``charges``: day charged, day due, amount.
    """

    limit_minor: Minor
    grace_days: int
    rates: tuple[Rate, ...]
    movements: tuple[Movement, ...]
    dues: tuple[Due, ...] = ()
    charges: tuple[tuple[date, date, Minor], ...] = ()
    accruals: tuple[Accrual, ...] = ()
