"""Lots, what watches them, what their sensors last said, and the state that follows.

Names of times: ``at_us`` is a gateway's clock, ``made_us`` the backend's estimate of the same
moment by its own clock. Both are microseconds since 1970.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from backend.ids import BindingId, GatewayId, ItemId, LotId, PartyId, PledgeId, SiteId, ZoneId
from schemas.quantities import Quantity

SensorKey = tuple[GatewayId, str]
Json = Mapping[str, object]


class Custody(StrEnum):
    """Where a lot is, as a whole: its worst item."""

    IN_ZONE = "in_zone"
    MOVING = "moving"
    RELOCATED = "relocated"
    MISSING = "missing"


class ItemCustody(StrEnum):
    """Where one item is."""

    UNSEEN = "unseen"
    IN_ZONE = "in_zone"
    RELOCATED = "relocated"
    MISSING = "missing"


class Amount(StrEnum):
    """What is measured against what is pledged."""

    WHOLE = "whole"
    SHORT = "short"
    UNKNOWN = "unknown"


class Condition(StrEnum):
    """What state the goods are in."""

    SOUND = "sound"
    AT_RISK = "at_risk"
    DAMAGED = "damaged"


class Surveillance(StrEnum):
    """Whether the lot is watched."""

    LIVE = "live"
    DEGRADED = "degraded"
    DARK = "dark"


class Purpose(StrEnum):
    """What a sensor is bound to a zone or lot for."""

    PRESENCE = "presence"
    LOAD = "load"
    CONDITION = "condition"
    POSITION = "position"
    DOOR = "door"
    CAMERA = "camera"


class Health(StrEnum):
    """What the gateway says of a sensor."""

    UP = "up"
    LATE = "late"
    SILENT = "silent"
    IMPLAUSIBLE = "implausible"


class FactKind(StrEnum):
    """What can be wrong with a lot."""

    ITEM_MISSING = "item_missing"
    ITEM_RELOCATED = "item_relocated"
    OUT_OF_ZONE = "out_of_zone"
    LOAD_SHORT = "load_short"
    TAGS_LEFT = "tags_left"
    OVER_LIMIT = "over_limit"
    TAMPER = "tamper"
    SENSOR_LOST = "sensor_lost"


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
class LotSetup:
    """A lot as registered: where it must be, what it is of, what watches it.

    ``polygon_m`` is its zone, east and north of the site's origin. ``readers`` says which zones
    each reader of the neighbourhood watches, the lot's own among them.
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

    def bound(self, purpose: Purpose) -> tuple[Binding, ...]:
        """Return what watches the lot for ``purpose``."""
        return tuple(binding for binding in self.bindings if binding.purpose is purpose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reading that a decision rests on."""

    at_us: int
    value: float
    envelope_number: int
    made_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorState:
    """What a sensor last said.

    ``fresh_us``: when its newest usable reading was made, by our clock; None: never.
    ``listened_us``: for how long it was heard to look for tags, in all.
    ``tampers``: what a camera reports of itself, by name, since when.
    ``opened``: the last reading of an open contact.
    """

    key: SensorKey
    last_at_us: int | None = None
    arrival_us: int | None = None
    fresh_us: int | None = None
    health: Health = Health.UP
    values: Mapping[Quantity, Sample] = field(default_factory=lambda: dict[Quantity, Sample]())
    listened_us: int = 0
    inventory_at_us: int | None = None
    tampers: Mapping[str, Sample] = field(default_factory=lambda: dict[str, Sample]())
    offline: str | None = None
    opened: Sample | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """What matters of the stream that a sensor's readings come by."""

    stopped: bool
    fresh_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The last sighting of an item by one reader, and the run of sightings that it ends.

    Times named ``listened`` and ``streak`` count the reader's own listening.
    """

    item_id: ItemId
    reader: SensorKey
    seen_us: int
    made_us: int
    listened_us: int
    streak_us: int
    streak_reads: int
    rssi_cdbm: int
    envelope_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reading behind a finding, or what was missing instead of one (number None)."""

    at: datetime
    gateway: GatewayId
    envelope_number: int | None
    sensor: str
    quantity: str | None
    value: float | None
    text: str
    image_sha256: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that is wrong with a lot, for as long as it is.

    ``key`` tells one cause from another within the lot; ``grave``: beyond doubt, or beyond
    patience.
    """

    key: str
    kind: FactKind
    grave: bool
    text: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LotState:
    """What a lot is believed to be; ``evaluated`` False: the rules could not say, which locks.

    ``measured_mass_g`` is net and a lower bound; None: never measured.
    """

    lot_id: LotId
    custody: Custody = Custody.MISSING
    quantity: Amount = Amount.UNKNOWN
    short_mass_g: int = 0
    measured_mass_g: int | None = None
    condition: Condition = Condition.SOUND
    condition_since: datetime | None = None
    surveillance: Surveillance = Surveillance.DARK
    tampered: bool = False
    evaluated: bool = False
    detail: Json = field(default_factory=lambda: dict[str, object]())

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against the lot."""
        return (
            self.evaluated
            and self.custody is Custody.IN_ZONE
            and self.quantity is Amount.WHOLE
            and self.condition is Condition.SOUND
            and self.surveillance is not Surveillance.DARK
            and not self.tampered
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules say of a lot: its state, where each item is, and what is wrong."""

    state: LotState
    items: Mapping[ItemId, tuple[ItemCustody, ZoneId | None]]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotChange:
    """A lot whose state, or what is wrong with it, is no longer what it was.

    ``before_facts`` maps the key of each fact that held to whether it was grave.
    """

    lot_id: LotId
    before: LotState
    after: LotState
    before_facts: Mapping[str, bool]
    facts: tuple[Fact, ...]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All readings behind what is wrong now."""
        return tuple(each for fact in self.facts for each in fact.evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commodity:
    """A class of goods and what it stands."""

    id: str
    name: str
    temperature_min_c: float | None
    temperature_max_c: float | None
    temperature_dwell_s: int
    humidity_max_pct: float | None
    shock_max_g0: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A lot as it is registered."""

    id: LotId
    name: str
    site_id: SiteId
    zone_id: ZoneId
    owner_party: PartyId
    commodity_id: str
    instrument_id: str
    pledged_mass_g: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledge:
    """A security interest of one lender over lots."""

    id: PledgeId
    kind: str
    lender_party: PartyId
    pledgor_party: PartyId
    facility_id: UUID | None
    state: str
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None
    lot_ids: tuple[LotId, ...]
