"""A whole plant for tests: parties, site, gateways, goods, market and a loan, inserted as rows."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql
from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.ids import (
    AccountId,
    ChannelId,
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
from backend.parties.types import Actor, Role
from schemas.keys import key_id_of
from tests.builders import NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantItem:
    """An item as the database has it."""

    id: ItemId
    epc: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One lender, borrower and warehouse with everything between them; names end in ``name``."""

    name: str
    actors: dict[Role, Actor]
    site_id: SiteId
    zones: dict[str, ZoneId]
    gateway_id: GatewayId
    gateway_key: Ed25519PrivateKey
    lots: dict[str, LotId]
    items: dict[str, list[PlantItem]]
    channels: dict[tuple[str, str | None], ChannelId]
    instruments: dict[str, InstrumentId]
    commodities: dict[str, CommodityId]
    facility_id: FacilityId
    pledge_id: PledgeId


ZONES: Final = {
    "hall": ("storage", [[0, 0], [30, 0], [30, 20], [0, 20]]),
    "cold": ("storage", [[0, 20], [20, 20], [20, 40], [0, 40]]),
    "dock": ("dock", [[20, 20], [60, 20], [60, 40], [20, 40]]),
    "yard": ("yard", [[60, 0], [120, 0], [120, 40], [60, 40]]),
}
ITEM_MASS_G: Final = 1_000_000
TARE_MASS_G: Final = 20_000
ITEMS_PER_LOT: Final = 3
LOTS: Final = {"copper": "hall", "fish": "cold"}
PRICES: Final = {"copper": 8_000, "fish": 3_000}  # a tonne
SENSORS: Final[tuple[tuple[str, str | None], ...]] = (
    ("rfid-a", None),
    ("rfid-a", "inventory"),
    ("scale-a", "mass"),
    ("rfid-c", None),
    ("temp-c", "temperature"),
    ("temp-c", "humidity"),
    ("gnss-y", "latitude"),
    ("gnss-y", "longitude"),
    ("cam-a", None),
)
# sensor, purpose, zone, lot
BINDINGS: Final[tuple[tuple[str, str, str, str | None], ...]] = (
    ("rfid-a", "presence", "hall", None),
    ("rfid-c", "presence", "cold", None),
    ("scale-a", "load", "hall", "copper"),
    ("temp-c", "condition", "cold", None),
    ("cam-a", "camera", "hall", None),
)


def build_plant(conn: Conn, name: str = "a", now: datetime = NOW) -> Plant:
    """Store a whole plant as the worker may: two pledged lots, one facility, nothing drawn.

    ``conn`` is of ``Database.working``. Lots are as just registered: not yet evaluated.
    """
    actors = {
        role: _insert_actor(conn, role, name)
        for role in (Role.LENDER, Role.BORROWER, Role.LOGISTICS)
    }
    site_id, zones = _insert_site(conn, actors[Role.LOGISTICS].party_id, name)
    gateway_id, key = _insert_gateway(conn, site_id, name, now)
    channels = {
        (sensor, quantity): ChannelId(
            insert(conn, "channel", gateway_id=gateway_id, sensor=sensor, quantity=quantity)
        )
        for sensor, quantity in SENSORS
    }
    commodities, instruments = _insert_market(conn, actors[Role.LENDER].party_id, name, now)
    lots: dict[str, LotId] = {}
    items: dict[str, list[PlantItem]] = {}
    for lot, zone in LOTS.items():
        lots[lot] = LotId(
            insert(
                conn,
                "lot",
                name=lot,
                site_id=site_id,
                zone_id=zones[zone],
                owner_party=actors[Role.BORROWER].party_id,
                commodity_id=commodities[lot],
                instrument_id=instruments[lot],
                pledged_mass_g=ITEMS_PER_LOT * ITEM_MASS_G,
            )
        )
        insert(conn, "lot_state", lot_id=lots[lot])
        items[lot] = [_insert_item(conn, lots[lot], name, lot, n) for n in range(ITEMS_PER_LOT)]
    _insert_bindings(conn, gateway_id, zones, lots)
    facility_id, pledge_id = _insert_loan(conn, actors, lots, name, now)
    return Plant(
        name=name,
        actors=actors,
        site_id=site_id,
        zones=zones,
        gateway_id=gateway_id,
        gateway_key=key,
        lots=lots,
        items=items,
        channels=channels,
        instruments=instruments,
        commodities=commodities,
        facility_id=facility_id,
        pledge_id=pledge_id,
    )


def set_lot_state(conn: Conn, lot_id: LotId, **overrides: Any) -> None:  # noqa: ANN401
    """Make a lot whole, sound and watched, but for the overrides."""
    values: dict[str, Any] = {
        "custody": "in_zone",
        "quantity": "whole",
        "measured_mass_g": ITEMS_PER_LOT * ITEM_MASS_G,
        "condition": "sound",
        "surveillance": "live",
        "evaluated": True,
        "evaluated_at": NOW,
        **overrides,
    }
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column))
        for column in values
    )
    statement = sql.SQL("UPDATE lot_state SET {} WHERE lot_id = {}").format(
        assignments, sql.Placeholder("key")
    )
    conn.execute(statement, {**values, "key": lot_id})


def insert(conn: Conn, table: str, **values: Any) -> Any:  # noqa: ANN401 - the table's columns
    """Insert a row and return the value of its first column."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    row = conn.execute(statement, values).fetchone()
    assert row is not None
    return row[0]


def _insert_bindings(
    conn: Conn, gateway_id: GatewayId, zones: dict[str, ZoneId], lots: dict[str, LotId]
) -> None:
    for sensor, purpose, zone, lot in BINDINGS:
        insert(
            conn,
            "sensor_binding",
            gateway_id=gateway_id,
            sensor=sensor,
            purpose=purpose,
            zone_id=zones[zone],
            lot_id=None if lot is None else lots[lot],
            tolerance_mass_g=5_000,
        )


def _insert_actor(conn: Conn, role: Role, name: str) -> Actor:
    party_id = PartyId(insert(conn, "party", name=f"{role.value} {name}"))
    login = f"{role.value}-{name}"
    account_id = AccountId(
        insert(conn, "account", party_id=party_id, login=login, role=role.value)
    )
    return Actor(account_id=account_id, party_id=party_id, role=role, login=login)


def _insert_site(
    conn: Conn, logistics_party: PartyId, name: str
) -> tuple[SiteId, dict[str, ZoneId]]:
    site_id = SiteId(
        insert(
            conn,
            "site",
            name=f"site {name}",
            logistics_party=logistics_party,
            origin_lat_deg=51.95,
            origin_lon_deg=4.05,
        )
    )
    zones = {
        zone: ZoneId(
            insert(conn, "zone", site_id=site_id, name=zone, kind=kind, polygon_m=Jsonb(polygon))
        )
        for zone, (kind, polygon) in ZONES.items()
    }
    return site_id, zones


def _insert_gateway(
    conn: Conn, site_id: SiteId, name: str, now: datetime
) -> tuple[GatewayId, Ed25519PrivateKey]:
    gateway_id = GatewayId(f"gw-{name}")
    key = Ed25519PrivateKey.from_private_bytes(sha256(gateway_id.encode()).digest())
    public_key = key.public_key().public_bytes_raw()
    insert(
        conn,
        "gateway",
        id=gateway_id,
        site_id=site_id,
        public_key=public_key,
        key_id=key_id_of(public_key),
        enrolled_at=now,
    )
    insert(
        conn,
        "gateway_key",
        key_id=key_id_of(public_key),
        public_key=public_key,
        gateway_id=gateway_id,
        enrolled_at=now,
    )
    insert(conn, "stream", gateway_id=gateway_id)
    return gateway_id, key


def _insert_market(
    conn: Conn, lender_party: PartyId, name: str, now: datetime
) -> tuple[dict[str, CommodityId], dict[str, InstrumentId]]:
    limits = {"copper": {}, "fish": {"temperature_max_c": -15.0, "humidity_max_pct": 95.0}}
    commodities: dict[str, CommodityId] = {}
    instruments: dict[str, InstrumentId] = {}
    for lot, price in PRICES.items():
        commodities[lot] = CommodityId(
            insert(conn, "commodity", id=f"{lot}-{name}", name=lot, **limits[lot])
        )
        instruments[lot] = InstrumentId(
            insert(
                conn,
                "instrument",
                id=f"{lot}-{name}".upper(),
                name=lot,
                unit="TNE",
                currency="EUR",
                max_price_age_s=3_600,
                haircut_floor_bps=2_000,
                owner_party=lender_party,
            )
        )
        insert(
            conn,
            "price",
            instrument_id=instruments[lot],
            source="test",
            at=now,
            value=price,
            quality="accepted",
            received_at=now,
        )
    return commodities, instruments


def _insert_item(conn: Conn, lot_id: LotId, name: str, lot: str, number: int) -> PlantItem:
    # SGTIN-96 is 12 bytes; the header of it, then anything that differs.
    epc = b"\x30" + sha256(f"{name} {lot} {number}".encode()).digest()[:11]
    item_id = ItemId(
        insert(
            conn,
            "item",
            lot_id=lot_id,
            name=f"{lot} {number}",
            epc=epc,
            net_mass_g=ITEM_MASS_G,
            tare_mass_g=TARE_MASS_G,
        )
    )
    insert(conn, "item_state", item_id=item_id)
    return PlantItem(id=item_id, epc=epc)


def _insert_loan(
    conn: Conn, actors: dict[Role, Actor], lots: dict[str, LotId], name: str, now: datetime
) -> tuple[FacilityId, PledgeId]:
    lender_party = actors[Role.LENDER].party_id
    facility_id = FacilityId(
        insert(
            conn,
            "facility",
            name=f"facility {name}",
            borrower_party=actors[Role.BORROWER].party_id,
            currency="EUR",
            limit_minor=10_000_000_00,
            lender_party=lender_party,
        )
    )
    pledge_id = PledgeId(
        insert(
            conn,
            "pledge",
            pledgor_party=actors[Role.BORROWER].party_id,
            facility_id=facility_id,
            state="active",
            created_at=now,
            activated_at=now,
            lender_party=lender_party,
        )
    )
    for lot_id in lots.values():
        insert(conn, "pledge_lot", pledge_id=pledge_id, lot_id=lot_id, active=True)
    return facility_id, pledge_id
