"""What the pages show: rows as the queries return them, plus what follows from one row alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from backend.facility.rules.money import decide_position
from backend.facility.types import Facility, Position
from backend.money import Minor

Json = Mapping[str, object]
PAGE_ROWS: Final = 50  # A screen or three; what is refreshed by itself must be quick to make.
ROWS_MAX: Final = 1_000  # Of what is not cut into pages: parts of one facility, lot or site.


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which rows of a list to show, and what their names must hold."""

    rows: int = ROWS_MAX
    offset: int = 0
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pager:
    """Where a page stands in its list."""

    page: int
    search: str

    @property
    def window(self) -> Window:
        """The page's rows and one more, which tells whether there is a next page."""
        return Window(rows=PAGE_ROWS + 1, offset=(self.page - 1) * PAGE_ROWS, search=self.search)


EVERYTHING: Final = Window()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRow:
    """A reason why no drawdown may be made, as it stands or stood."""

    facility_id: UUID
    reason: str
    detail: str
    opened_at: datetime
    opened_by: str
    lifted_at: datetime | None
    lifted_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuationRow:
    """A facility's newest valuation."""

    id: UUID
    at: datetime
    expires_at: datetime
    value_minor: int
    base_minor: int
    coverage_bps: int | None
    complete: bool
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityCard:
    """A facility with its newest valuation, what is pending and what locks it."""

    facility: Facility
    lender: str
    borrower: str
    pending_minor: int
    lots: int
    alerts: int
    valuation: ValuationRow | None
    locks: Sequence[LockRow]

    @property
    def position(self) -> Position:
        """The facility's money by the domain's own rule; without a valuation nothing backs it."""
        base = 0 if self.valuation is None else self.valuation.base_minor
        return decide_position(self.facility, Minor(base), Minor(self.pending_minor))

    @property
    def available_minor(self) -> int:
        """What could be drawn now: nothing while locked or closed."""
        if self.locks or not self.facility.open:
            return 0
        return max(0, self.position.availability_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class LotLineRow:
    """One lot's line of a valuation."""

    lot_id: UUID
    name: str
    instrument_id: str
    unit: str | None
    pledged_mass_g: int
    accepted_mass_g: int
    price: Decimal | None
    price_at: datetime | None
    price_source: str | None
    haircut_bps: int
    value_minor: int
    lendable_minor: int
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownRow:
    """A drawdown as the facility's page lists it."""

    id: UUID
    amount_minor: int
    state: str
    requested_by: str | None
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    reasons: Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepaymentRow:
    """A repayment and how it was applied."""

    id: UUID
    amount_minor: int
    fees_minor: int
    interest_minor: int
    principal_minor: int
    surplus_minor: int
    paid_by: str | None
    paid_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Who did what, when, and why."""

    at: datetime
    actor: str
    what: str
    detail: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """A lot with its four-part state."""

    id: UUID
    name: str
    site_id: UUID
    site: str
    zone: str
    owner: str
    commodity: str
    instrument_id: str
    pledged_mass_g: int
    items: int
    custody: str | None
    quantity: str | None
    short_mass_g: int | None
    measured_mass_g: int | None
    condition: str | None
    condition_since: datetime | None
    surveillance: str | None
    tampered: bool
    evaluated: bool
    detail: Json | None
    evaluated_at: datetime | None
    changed_at: datetime | None
    facility_id: UUID | None
    facility: str | None
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """A tagged unit, and where it was last seen."""

    id: UUID
    lot_id: UUID
    lot: str
    name: str
    epc: str
    net_mass_g: int
    tare_mass_g: int
    home_zone_id: UUID
    custody: str
    zone_id: UUID | None
    zone: str | None
    seen_at: datetime | None
    rssi_cdbm: int | None
    gateway_id: str | None
    sensor: str | None
    envelope_number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRow:
    """One channel of a sensor that watches a lot."""

    gateway_id: str
    sensor: str
    purpose: str
    channel_id: int | None
    quantity: str | None
    value: float | None
    last_at: datetime | None
    last_arrival_at: datetime | None
    health: str | None
    tampered: bool
    max_gap_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An alert as lists show it."""

    id: UUID
    kind: str
    severity: str
    state: str
    lot_id: UUID | None
    lot: str | None
    gateway_id: str | None
    facility_id: UUID | None
    facility: str | None
    summary: str
    opened_at: datetime
    ceased_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeRow:
    """A pledge with its lots' names."""

    id: UUID
    state: str
    lender: str
    pledgor: str
    facility_id: UUID | None
    facility: str | None
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None
    registry: str | None
    registry_number: str | None
    registered_on: date | None
    lots: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Something to choose from."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRow:
    """A zone of a floor plan; corners in metres east and north."""

    id: UUID
    name: str
    kind: str
    polygon_m: Sequence[tuple[float, float]]
    sensors: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """One quantity of one sensor, for its own page."""

    channel_id: int
    gateway_id: str
    sensor: str
    quantity: str | None
    value: float | None
    last_at: datetime | None
    last_arrival_at: datetime | None
    health: str | None
    tampered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPoint:
    """The mean of one channel's readings in a span of time."""

    channel_id: int
    at: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """A facility's value at one valuation."""

    at: datetime
    value_minor: int
    base_minor: int
    exposure_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """A release order with the names of what it concerns; a name that is None may not be seen."""

    id: UUID
    lot_id: UUID
    lot: str | None
    lender: str | None
    executor: str | None
    executor_party: UUID
    state: str
    items: int
    mass_g: int
    begins_at: datetime
    ends_at: datetime
    zone: str | None
    stays: bool
    into_lot: UUID | None
    into: str | None
    issued_at: datetime
    received_at: datetime
    issued_by: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    revoked_at: datetime | None
    revoked_by: str | None
    going: int
    going_mass_g: int
    settled_at: datetime | None
    released: int
    released_mass_g: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodsRow:
    """An item that an order names or that has left by it, and where it was last seen."""

    id: UUID
    name: str
    epc: str
    net_mass_g: int
    named: bool
    going: bool
    released: bool
    zone: str | None
    seen_at: datetime | None
    gateway_id: str | None
    sensor: str | None
    envelope_number: int | None
