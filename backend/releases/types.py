"""Release orders as they are kept, and what one is checked against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from backend.collateral.types.releases import ReleaseState
from backend.ids import FacilityId, ItemId, LotId, PartyId, PledgeId, ReleaseId, SiteId, ZoneId


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A lot that goods could join: where it is, and whether it is of the same kind and pledge."""

    zone_id: ZoneId
    alike: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What an order is checked against: the lot as it is pledged to the signer.

    ``items``: net mass in grams of each that is there. ``named`` are in open orders already, and
    ``open_mass_g`` is what those let go in all. ``zone_site`` is the site of the order's zone.
    """

    pledge_id: PledgeId
    facility_id: FacilityId
    zone_id: ZoneId
    site_id: SiteId
    keeper: PartyId
    pledged_mass_g: int
    items: Mapping[ItemId, int] = field(default_factory=lambda: dict[ItemId, int]())
    named: frozenset[ItemId] = frozenset()
    open_orders: int = 0
    open_mass_g: int = 0
    zone_site: SiteId | None = None
    into: Destination | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """A release order as it stands; ``going`` is under way now, ``released`` has left by it."""

    id: ReleaseId
    lot_id: LotId
    lender_party: PartyId
    executor_party: PartyId
    mass_g: int
    begins_at: datetime
    ends_at: datetime
    zone_id: ZoneId | None
    into_lot: LotId | None
    message: bytes
    key_id: bytes
    issued_at: datetime
    received_at: datetime
    state: ReleaseState
    acknowledged_at: datetime | None
    revoked_at: datetime | None
    settled_at: datetime | None
    released_mass_g: int | None
    going_mass_g: int
    items: Sequence[ItemId]
    going: Sequence[ItemId]
    released: Sequence[ItemId]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """Something that happened to an order."""

    at: datetime
    actor: str
    what: str
    detail: Mapping[str, object]
