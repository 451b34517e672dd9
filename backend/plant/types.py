"""Sites, zones, gateways, sensors."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.ids import AccountId, ChannelId, GatewayId, PartyId, SiteId, ZoneId

Point = tuple[float, float]  # metres east and north of the site's origin


class ZoneKind(StrEnum):
    """What a zone is for."""

    STORAGE = "storage"
    DOCK = "dock"
    YARD = "yard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A warehouse or yard, run by a logistics party; WGS 84."""

    id: SiteId
    name: str
    logistics_party: PartyId
    origin_lat_deg: float
    origin_lon_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A polygon in a site, its corners in order, the last joined to the first."""

    id: ZoneId
    site_id: SiteId
    name: str
    kind: ZoneKind
    polygon_m: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway and how far its stream is committed; None in its fields before enrolment."""

    id: GatewayId
    site_id: SiteId
    created_at: datetime
    enrolled_at: datetime | None
    key_id: bytes | None
    stream_state: str | None
    number: int | None
    readings: int | None
    last_arrival_at: datetime | None
    clock_state: int | None
    clock_skew_us: int | None
    readings_thinned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentCode:
    """A right to enrol one gateway once, in place of the key ``replaces`` if it has one."""

    code_sha256: bytes
    gateway_id: GatewayId
    replaces: bytes | None
    created_by: AccountId | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """One quantity of one sensor: its channel, last good value and health."""

    channel_id: ChannelId
    gateway_id: GatewayId
    site_id: SiteId
    sensor: str
    quantity: str | None
    value: float | None
    value_unix_us: int | None
    last_at: datetime | None
    last_arrival_at: datetime | None
    health: str | None
    tampered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedEnvelope:
    """Bytes that were not accepted, and why; what they claim is only claimed."""

    id: int
    received_at: datetime
    topic: str
    gateway_id: str | None
    number: int | None
    reason: str
    detail: str
    sha256: bytes
    bytes: bytes
