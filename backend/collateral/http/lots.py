"""Routes of commodities, lots, items and bindings."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints

from backend.collateral.service import registry as service
from backend.collateral.store import registry as store
from backend.collateral.types import (
    Binding,
    Commodity,
    Condition,
    Custody,
    ItemCustody,
    ItemSetup,
    Limits,
    Lot,
    Purpose,
    QuantityState,
    Surveillance,
)
from backend.deps import AsLogistics, CurrentActor, Db, Now, require
from backend.errors import NotFoundError
from backend.ids import (
    BindingId,
    CommodityId,
    GatewayId,
    InstrumentId,
    ItemId,
    LotId,
    PartyId,
    SiteId,
    ZoneId,
)
from backend.parties.types import Actor, Role

router = APIRouter(prefix="/api", tags=["collateral"])

MASS_G_MAX: Final = 10**15  # A thousand million tonnes: above any lot, and far from overflow.
SECONDS_MAX: Final = 86_400

GoodsKeeper = Annotated[Actor, Depends(require(Role.OPERATOR, Role.LENDER))]
PlantKeeper = Annotated[Actor, Depends(require(Role.OPERATOR, Role.LOGISTICS))]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Grade = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9._-]{0,31}$")]
InstrumentName = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$")]
SensorName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Epc = Annotated[str, StringConstraints(to_lower=True, pattern=r"^([0-9a-fA-F]{2}){1,62}$")]
Mass = Annotated[int, Field(ge=1, le=MASS_G_MAX)]
Tare = Annotated[int, Field(ge=0, le=MASS_G_MAX)]
Seconds = Annotated[int, Field(ge=1, le=SECONDS_MAX)]


class Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class CommodityBody(Body):
    """A class of goods and what it stands; null: no limit."""

    id: Id
    name: Name
    temperature_min_c: FiniteFloat | None = None
    temperature_max_c: FiniteFloat | None = None
    temperature_dwell_s: Annotated[int, Field(ge=0, le=SECONDS_MAX)] = 10
    humidity_max_pct: FiniteFloat | None = None
    shock_max_g0: FiniteFloat | None = None


class LotBody(Body):
    """A lot to register."""

    name: Name
    site_id: UUID
    zone_id: UUID
    owner_party: UUID
    commodity_id: Id
    instrument_id: InstrumentName
    pledged_mass_g: Mass
    grade: Grade | None = None


class ItemBody(Body):
    """One tagged unit; its EPC in hexadecimal."""

    name: Name
    epc: Epc
    net_mass_g: Mass
    tare_mass_g: Tare = 0


class ItemsBody(Body):
    """Items to register in a lot."""

    items: Annotated[list[ItemBody], Field(min_length=1, max_length=service.ITEMS_MAX)]


class BindingBody(Body):
    """What a sensor watches; without a lot: every lot of the zone."""

    gateway_id: Id
    sensor: SensorName
    purpose: Purpose
    zone_id: UUID
    lot_id: UUID | None = None
    tare_mass_g: Tare = 0
    tolerance_mass_g: Tare = 0
    max_gap_s: Seconds = 15
    missing_after_s: Seconds = 10


class BindingView(BindingBody):
    """What a sensor watches."""

    id: int


class LotStateView(BaseModel):
    """What a lot's sensors say it is; ``evaluated`` false: they could not say."""

    custody: Custody
    quantity: QuantityState
    short_mass_g: int
    measured_mass_g: int | None
    condition: Condition
    condition_since: datetime | None
    surveillance: Surveillance
    tampered: bool
    evaluated: bool
    detail: dict[str, Any]
    evaluated_at: datetime | None
    changed_at: datetime


class LotView(BaseModel):
    """A lot with its state."""

    id: UUID
    name: str
    site_id: UUID
    zone_id: UUID
    zone_name: str
    owner_party: UUID
    commodity_id: str
    instrument_id: str
    pledged_mass_g: int
    grade: str | None
    created_at: datetime
    state: LotStateView | None


class ItemView(BaseModel):
    """An item and where it is."""

    id: UUID
    name: str
    epc: str
    net_mass_g: int
    tare_mass_g: int
    custody: ItemCustody
    zone_id: UUID | None
    seen_at: datetime | None
    seen_arrival_at: datetime | None
    rssi_cdbm: int | None
    gateway_id: str | None
    sensor: str | None


class LotDetail(LotView):
    """A lot with its state and items."""

    items: list[ItemView]


@router.post("/commodities", status_code=201)
def add_commodity(body: CommodityBody, db: Db, actor: GoodsKeeper) -> CommodityBody:
    """Register a class of goods."""
    commodity = Commodity(
        id=CommodityId(body.id),
        name=body.name,
        limits=Limits(
            temperature_min_c=body.temperature_min_c,
            temperature_max_c=body.temperature_max_c,
            temperature_dwell_s=body.temperature_dwell_s,
            humidity_max_pct=body.humidity_max_pct,
            shock_max_g0=body.shock_max_g0,
        ),
    )
    with db.acting(actor) as conn:
        store.add_commodity(conn, commodity)
    return body


@router.get("/commodities")
def list_commodities(db: Db, actor: CurrentActor) -> list[CommodityBody]:
    """Return every class of goods."""
    with db.acting(actor) as conn:
        found = store.fetch_commodities(conn)
    return [
        CommodityBody(
            id=each.id,
            name=each.name,
            temperature_min_c=each.limits.temperature_min_c,
            temperature_max_c=each.limits.temperature_max_c,
            temperature_dwell_s=each.limits.temperature_dwell_s,
            humidity_max_pct=each.limits.humidity_max_pct,
            shock_max_g0=each.limits.shock_max_g0,
        )
        for each in found
    ]


@router.post("/lots", status_code=201)
def add_lot(body: LotBody, db: Db, actor: AsLogistics, now: Now) -> LotDetail:
    """Register a lot; it locks what it is pledged for until its sensors have spoken."""
    lot = Lot(
        id=LotId(uuid4()),
        name=body.name,
        site_id=SiteId(body.site_id),
        zone_id=ZoneId(body.zone_id),
        owner_party=PartyId(body.owner_party),
        commodity_id=CommodityId(body.commodity_id),
        instrument_id=InstrumentId(body.instrument_id),
        pledged_mass_g=body.pledged_mass_g,
        created_at=now,
        grade=body.grade,
    )
    with db.acting(actor) as conn:
        service.add_lot(conn, actor, lot, now)
        return _lot_detail(store.fetch_lots(conn, lot.id)[0], [])


@router.get("/lots")
def list_lots(db: Db, actor: CurrentActor) -> list[LotView]:
    """Return the lots that concern the caller, with their states."""
    with db.acting(actor) as conn:
        return [LotView.model_validate(_lot(row)) for row in store.fetch_lots(conn)]


@router.get("/lots/{lot_id}")
def get_lot(lot_id: UUID, db: Db, actor: CurrentActor) -> LotDetail:
    """Return a lot with its state and items."""
    with db.acting(actor) as conn:
        found = store.fetch_lots(conn, LotId(lot_id))
        if not found:
            raise NotFoundError("lot", lot_id)
        return _lot_detail(found[0], store.fetch_items(conn, LotId(lot_id)))


@router.post("/lots/{lot_id}/items", status_code=201)
def add_items(
    lot_id: UUID, body: ItemsBody, db: Db, actor: AsLogistics, now: Now
) -> list[ItemView]:
    """Register items of a lot."""
    items = [
        ItemSetup(
            id=ItemId(uuid4()),
            name=each.name,
            epc=bytes.fromhex(each.epc),
            net_mass_g=each.net_mass_g,
            tare_mass_g=each.tare_mass_g,
        )
        for each in body.items
    ]
    with db.acting(actor) as conn:
        service.add_items(conn, actor, LotId(lot_id), items, now)
        return [ItemView.model_validate(row) for row in store.fetch_items(conn, LotId(lot_id))]


@router.post("/bindings", status_code=201)
def add_binding(body: BindingBody, db: Db, actor: PlantKeeper) -> BindingView:
    """Register what a sensor watches."""
    binding = Binding(
        id=BindingId(0),
        gateway=GatewayId(body.gateway_id),
        sensor=body.sensor,
        purpose=body.purpose,
        zone_id=ZoneId(body.zone_id),
        lot_id=None if body.lot_id is None else LotId(body.lot_id),
        tare_mass_g=body.tare_mass_g,
        tolerance_mass_g=body.tolerance_mass_g,
        max_gap_s=body.max_gap_s,
        missing_after_s=body.missing_after_s,
    )
    with db.acting(actor) as conn:
        number = service.add_binding(conn, binding)
    return BindingView(id=number, **body.model_dump())


@router.get("/bindings")
def list_bindings(db: Db, actor: CurrentActor) -> list[BindingView]:
    """Return what the sensors that concern the caller watch."""
    with db.acting(actor) as conn:
        found = store.fetch_bindings(conn)
    return [
        BindingView(
            id=each.id,
            gateway_id=each.gateway,
            sensor=each.sensor,
            purpose=each.purpose,
            zone_id=each.zone_id,
            lot_id=each.lot_id,
            tare_mass_g=each.tare_mass_g,
            tolerance_mass_g=each.tolerance_mass_g,
            max_gap_s=each.max_gap_s,
            missing_after_s=each.missing_after_s,
        )
        for each in found
    ]


def _lot(row: dict[str, Any]) -> dict[str, Any]:
    state = None if row["custody"] is None else LotStateView.model_validate(row)
    return {**row, "state": state}


def _lot_detail(row: dict[str, Any], items: list[dict[str, Any]]) -> LotDetail:
    return LotDetail.model_validate(
        {**_lot(row), "items": [ItemView.model_validate(item) for item in items]}
    )
