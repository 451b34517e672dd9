"""Routes of sites, zones, gateways, enrolment and sensors."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints

from backend.certificates import service as certificates
from backend.certificates.authority import Authority
from backend.certificates.http import CertificateView, RequestBody
from backend.deps import (
    AppSettings,
    AsOperator,
    CurrentActor,
    Db,
    Now,
    get_backend_key,
    get_broker_secret,
    require,
)
from backend.ids import GatewayId, PartyId, SiteId, ZoneId
from backend.keys import BackendKey
from backend.parties.types import Actor, Role
from backend.plant import service, store
from backend.plant.broker_credentials import broker_password, broker_url
from backend.plant.rules import CORNERS_MAX
from backend.plant.types import Gateway, RefusedEnvelope, Sensor, Site, Zone, ZoneKind
from schemas.quantities import UNITS, Quantity
from schemas.topics import partition_of

router = APIRouter(prefix="/api", tags=["plant"])

PlantKeeper = Annotated[Actor, Depends(require(Role.OPERATOR, Role.LOGISTICS))]
Auditor = Annotated[Actor, Depends(require(Role.OPERATOR, Role.REGULATOR))]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
GatewayName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class SiteBody(Body):
    """A site to register; ``logistics_party`` is the caller's own unless an operator names it."""

    name: Name
    logistics_party: UUID | None = None
    origin_lat_deg: Annotated[FiniteFloat, Field(ge=-90, le=90)]
    origin_lon_deg: Annotated[FiniteFloat, Field(ge=-180, le=180)]


class SiteView(BaseModel):
    """A site."""

    id: UUID
    name: str
    logistics_party: UUID
    origin_lat_deg: float
    origin_lon_deg: float


class ZoneBody(Body):
    """A zone to add: corners in metres east and north of the site's origin."""

    name: Name
    kind: ZoneKind
    polygon_m: Annotated[list[tuple[FiniteFloat, FiniteFloat]], Field(max_length=CORNERS_MAX)]


class ZoneView(BaseModel):
    """A zone."""

    id: UUID
    site_id: UUID
    name: str
    kind: ZoneKind
    polygon_m: list[list[float]]


class GatewayBody(Body):
    """A gateway to register."""

    id: GatewayName
    site_id: UUID


class StreamView(BaseModel):
    """How far a gateway's stream is committed; ``readings_thinned`` of them it did not keep."""

    state: str
    number: int
    readings: int
    readings_thinned: int
    last_arrival_at: datetime | None
    clock_state: int
    clock_skew_us: int


class GatewayView(BaseModel):
    """A gateway; its stream begins with its enrolment."""

    id: str
    site_id: UUID
    created_at: datetime
    enrolled_at: datetime | None
    key_id: str | None
    stream: StreamView | None


class CodeBody(Body):
    """How long an enrolment code lives, and whether it may end the key of a gateway that works."""

    hours: Annotated[int, Field(ge=1, le=service.CODE_HOURS_MAX)] = 24
    replace: bool = False


class CodeView(BaseModel):
    """An enrolment code; shown this once."""

    gateway_id: str
    code: str
    expires_at: datetime


class EnrolBody(Body):
    """What a gateway proves itself with: a code, its Ed25519 key in hex, a request for TLS."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    gateway_id: GatewayName
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]
    certificate: RequestBody | None = None


class BrokerView(BaseModel):
    """Where a gateway sends its envelopes, and as whom."""

    url: str
    username: str
    password: str


class EnrolmentView(BaseModel):
    """What a gateway needs from now on: the key to pin, its broker; a certificate if we issue."""

    gateway_id: str
    backend_key: str
    broker: BrokerView
    partition: int
    certificate: CertificateView | None


class SensorView(BaseModel):
    """One quantity of one sensor, with its last good value in the quantity's unit."""

    channel_id: int
    gateway_id: str
    site_id: UUID
    sensor: str
    quantity: str | None
    unit: str | None
    value: float | None
    value_unix_us: int | None
    last_at: datetime | None
    last_arrival_at: datetime | None
    age_s: float | None
    health: str | None
    tampered: bool


class RefusedView(BaseModel):
    """A refused envelope: what it claims is only claimed."""

    id: int
    received_at: datetime
    topic: str
    gateway_id: str | None
    number: int | None
    reason: str
    detail: str
    sha256: str
    bytes_hex: str


@router.post("/sites", status_code=201)
def add_site(body: SiteBody, db: Db, actor: PlantKeeper) -> SiteView:
    """Register a site."""
    site = Site(
        id=SiteId(uuid4()),
        name=body.name,
        logistics_party=PartyId(body.logistics_party or actor.party_id),
        origin_lat_deg=body.origin_lat_deg,
        origin_lon_deg=body.origin_lon_deg,
    )
    with db.acting(actor) as conn:
        return _site_view(service.add_site(conn, actor, site))


@router.get("/sites")
def list_sites(db: Db, actor: CurrentActor) -> list[SiteView]:
    """Return the sites that concern the caller, by name."""
    with db.acting(actor) as conn:
        return [_site_view(site) for site in store.list_sites(conn)]


@router.post("/sites/{site_id}/zones", status_code=201)
def add_zone(site_id: UUID, body: ZoneBody, db: Db, actor: PlantKeeper) -> ZoneView:
    """Add a zone to a site."""
    zone = Zone(
        id=ZoneId(uuid4()),
        site_id=SiteId(site_id),
        name=body.name,
        kind=body.kind,
        polygon_m=tuple(body.polygon_m),
    )
    with db.acting(actor) as conn:
        return _zone_view(service.add_zone(conn, zone))


@router.get("/sites/{site_id}/zones")
def list_zones(site_id: UUID, db: Db, actor: CurrentActor) -> list[ZoneView]:
    """Return a site's zones, by name."""
    with db.acting(actor) as conn:
        return [_zone_view(zone) for zone in store.list_zones(conn, SiteId(site_id))]


@router.post("/gateways", status_code=201)
def add_gateway(body: GatewayBody, db: Db, actor: PlantKeeper) -> GatewayView:
    """Register a gateway at a site, yet to be enrolled."""
    with db.acting(actor) as conn:
        gateway = service.add_gateway(conn, GatewayId(body.id), SiteId(body.site_id))
    return _gateway_view(gateway)


@router.get("/gateways")
def list_gateways(db: Db, actor: CurrentActor) -> list[GatewayView]:
    """Return the gateways that concern the caller, with their streams."""
    with db.acting(actor) as conn:
        return [_gateway_view(gateway) for gateway in store.list_gateways(conn)]


@router.post("/gateways/{gateway_id}/enrolment-codes", status_code=201)
def add_enrolment_code(
    gateway_id: str, db: Db, actor: AsOperator, now: Now, body: CodeBody | None = None
) -> CodeView:
    """Return a code that enrols this gateway once; it is shown this once."""
    wanted = body or CodeBody()
    asked = service.CodeRequest(
        gateway_id=GatewayId(gateway_id),
        life=timedelta(hours=wanted.hours),
        replace=wanted.replace,
    )
    with db.acting(actor) as conn:
        code, text = service.add_code(conn, actor.account_id, asked, now)
    return CodeView(gateway_id=code.gateway_id, code=text, expires_at=code.expires_at)


@router.post("/enrol", response_model_exclude_none=True)
def enrol(
    body: EnrolBody,
    db: Db,
    now: Now,
    settings: AppSettings,
    backend_key: Annotated[BackendKey, Depends(get_backend_key)],
    broker_secret: Annotated[str, Depends(get_broker_secret)],
) -> EnrolmentView:
    """Enrol a gateway's key with a one-time code; no login."""
    gateway_id = GatewayId(body.gateway_id)
    authority = None if body.certificate is None else Authority.load(settings.state_dir)
    broker = BrokerView(
        url=broker_url(settings, certified=authority is not None),
        username=gateway_id,
        password=broker_password(broker_secret, gateway_id),
    )
    request = service.EnrolmentRequest(
        code=body.code, gateway_id=gateway_id, public_key=bytes.fromhex(body.public_key)
    )
    issued = None
    with db.enrolling() as conn:
        service.enrol(conn, request, now)
        if authority is not None and body.certificate is not None:
            asked = body.certificate.asked(gateway_id, settings)
            issued = certificates.issue(conn, authority, asked, now)
    return EnrolmentView(
        gateway_id=gateway_id,
        backend_key=backend_key.public_key.hex(),
        broker=broker,
        partition=partition_of(gateway_id),
        certificate=None if issued is None else CertificateView.of(issued),
    )


@router.get("/sensors")
def list_sensors(db: Db, actor: CurrentActor, now: Now) -> list[SensorView]:
    """Return the sensors that concern the caller, a row for each quantity, with its health."""
    with db.acting(actor) as conn:
        return [_sensor_view(sensor, now) for sensor in store.list_sensors(conn)]


@router.get("/refused-envelopes")
def list_refused_envelopes(
    db: Db,
    actor: Auditor,
    gateway: str | None = None,
    before_id: int | None = None,
    limit: Annotated[int, Query(ge=1, le=store.REFUSED_ROWS_MAX)] = 100,
) -> list[RefusedView]:
    """Return envelopes that were refused, and why, newest first."""
    with db.acting(actor) as conn:
        rows = store.list_refused(conn, gateway, before_id, limit)
    return [_refused_view(row) for row in rows]


def _site_view(site: Site) -> SiteView:
    return SiteView(
        id=site.id,
        name=site.name,
        logistics_party=site.logistics_party,
        origin_lat_deg=site.origin_lat_deg,
        origin_lon_deg=site.origin_lon_deg,
    )


def _zone_view(zone: Zone) -> ZoneView:
    return ZoneView(
        id=zone.id,
        site_id=zone.site_id,
        name=zone.name,
        kind=zone.kind,
        polygon_m=[list(corner) for corner in zone.polygon_m],
    )


def _gateway_view(gateway: Gateway) -> GatewayView:
    return GatewayView(
        id=gateway.id,
        site_id=gateway.site_id,
        created_at=gateway.created_at,
        enrolled_at=gateway.enrolled_at,
        key_id=None if gateway.key_id is None else gateway.key_id.hex(),
        stream=_stream_view(gateway),
    )


def _stream_view(gateway: Gateway) -> StreamView | None:
    if gateway.stream_state is None:
        return None
    return StreamView(
        state=gateway.stream_state,
        number=gateway.number or 0,
        readings=gateway.readings or 0,
        readings_thinned=gateway.readings_thinned,
        last_arrival_at=gateway.last_arrival_at,
        clock_state=gateway.clock_state or 0,
        clock_skew_us=gateway.clock_skew_us or 0,
    )


def _sensor_view(sensor: Sensor, now: datetime) -> SensorView:
    arrival_at = sensor.last_arrival_at
    return SensorView(
        channel_id=sensor.channel_id,
        gateway_id=sensor.gateway_id,
        site_id=sensor.site_id,
        sensor=sensor.sensor,
        quantity=sensor.quantity,
        unit=None if sensor.quantity is None else UNITS[Quantity(sensor.quantity)],
        value=sensor.value,
        value_unix_us=sensor.value_unix_us,
        last_at=sensor.last_at,
        last_arrival_at=arrival_at,
        age_s=None if arrival_at is None else (now - arrival_at).total_seconds(),
        health=sensor.health,
        tampered=sensor.tampered,
    )


def _refused_view(row: RefusedEnvelope) -> RefusedView:
    return RefusedView(
        id=row.id,
        received_at=row.received_at,
        topic=row.topic,
        gateway_id=row.gateway_id,
        number=row.number,
        reason=row.reason,
        detail=row.detail,
        sha256=row.sha256.hex(),
        bytes_hex=row.bytes.hex(),
    )
