"""Lots, items, what watches them, and pledges, as people registered them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from backend.collateral.types.counts import NO_COUNTS, Counts
from backend.collateral.types.releases import Release
from backend.ids import (
    BindingId,
    CommodityId,
    FacilityId,
    GatewayId,
    InstrumentId,
    ItemId,
    LotId,
    PartyId,
    PledgeId,
    SiteId,
    ZoneId,
)

SensorKey = tuple[GatewayId, str]


class Purpose(StrEnum):
    """What a sensor is bound to a zone or lot for."""

    PRESENCE = "presence"
    LOAD = "load"
    CONDITION = "condition"
    POSITION = "position"
    DOOR = "door"
    CAMERA = "camera"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a commodity stands; None: no limit."""

    temperature_min_c: float | None = None
    temperature_max_c: float | None = None
    temperature_dwell_s: int = 10
    humidity_max_pct: float | None = None
    shock_max_g0: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSetup:
    """One tagged unit as registered."""

    id: ItemId
    name: str
    epc: bytes
    net_mass_g: int
    tare_mass_g: int

    @property
    def gross_mass_g(self) -> int:
        """What it weighs on a scale."""
        return self.net_mass_g + self.tare_mass_g


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a sensor watches; ``lot_id`` None: every lot of the zone."""

    id: BindingId
    gateway: GatewayId
    sensor: str
    purpose: Purpose
    zone_id: ZoneId
    lot_id: LotId | None
    tare_mass_g: int = 0
    tolerance_mass_g: int = 0
    max_gap_s: int = 15
    missing_after_s: int = 10

    @property
    def key(self) -> SensorKey:
        """The sensor."""
        return self.gateway, self.sensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A zone, and the site that it belongs to with its origin."""

    name: str
    kind: str
    site_id: SiteId
    lat_deg: float
    lon_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LotSetup:
    """A lot as registered: where it must be, what it is of, what watches it.

    ``polygon_m`` is its zone, east and north of the site's origin. ``readers`` says which zones
    each reader that saw its items watches, the lot's own among them, and ``places`` what is known
    of those zones. ``releases`` are the orders that are not settled, ``counts`` what the newest
    stock-takes say.
    """

    id: LotId
    name: str
    zone_id: ZoneId
    polygon_m: Sequence[Sequence[float]]
    origin_lat_deg: float
    origin_lon_deg: float
    pledged_mass_g: int
    limits: Limits
    items: tuple[ItemSetup, ...]
    bindings: tuple[Binding, ...]
    readers: Mapping[SensorKey, frozenset[ZoneId]]
    releases: tuple[Release, ...] = ()
    counts: Counts = NO_COUNTS
    places: Mapping[ZoneId, Place] = field(default_factory=lambda: dict[ZoneId, Place]())

    def bound(self, purpose: Purpose) -> tuple[Binding, ...]:
        """Return what watches the lot for ``purpose``."""
        return tuple(binding for binding in self.bindings if binding.purpose is purpose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commodity:
    """A class of goods and what it stands."""

    id: CommodityId
    name: str
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A lot as it is registered."""

    id: LotId
    name: str
    site_id: SiteId
    zone_id: ZoneId
    owner_party: PartyId
    commodity_id: CommodityId
    instrument_id: InstrumentId
    pledged_mass_g: int
    created_at: datetime
    grade: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledge:
    """A security interest of one lender over lots."""

    id: PledgeId
    kind: str
    lender_party: PartyId
    pledgor_party: PartyId
    facility_id: FacilityId | None
    state: str
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None
    lot_ids: tuple[LotId, ...]
    registry: str | None = None
    registry_number: str | None = None
    registered_on: date | None = None
