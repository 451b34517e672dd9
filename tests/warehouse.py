"""A small warehouse in the database: one lot on a scale under a reader, and its neighbours."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg

from backend.ids import ItemId, LotId
from tests.gateway_double import GatewayDouble

NET_G = 1_000_000
TARE_G = 20_000
PLATFORM_G = 50_000
TOLERANCE_G = 40_000
ORIGIN = (51.95, 4.05)


@dataclass(slots=True, kw_only=True)
class Warehouse:
    """What was built; items by their EPC."""

    url: str
    gateway: GatewayDouble
    site: UUID = field(default_factory=uuid4)
    hall: UUID = field(default_factory=uuid4)
    dock: UUID = field(default_factory=uuid4)
    owner: UUID = field(default_factory=uuid4)
    logistics: UUID = field(default_factory=uuid4)
    lot: LotId = field(default_factory=lambda: LotId(uuid4()))
    items: dict[bytes, ItemId] = field(default_factory=lambda: dict[bytes, ItemId]())

    def execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the tables' owner."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            cursor = conn.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    @property
    def gross_g(self) -> float:
        """What the scale shows when all is there."""
        return PLATFORM_G + len(self.items) * (NET_G + TARE_G)

    def state(self) -> dict[str, Any]:
        """The lot's state as stored."""
        names = ("custody", "quantity", "condition", "surveillance", "tampered", "evaluated")
        row = self.execute(f"SELECT {', '.join(names)} FROM lot_state WHERE lot_id = %s", self.lot)
        return dict(zip(names, row[0], strict=True))

    def alerts(self) -> dict[str, tuple[str, str, bool]]:
        """Severity, state and whether it ceased, by cause without the lot's name."""
        rows = self.execute("SELECT cause, severity, state, ceased_at IS NOT NULL FROM alert")
        return {row[0].replace(f"lot:{self.lot}:", ""): (row[1], row[2], row[3]) for row in rows}


def build_warehouse(url: str, *, pallets: int = 3, scale: bool = True) -> Warehouse:
    """Store a hall with a lot under reader ``rfid``, on scale ``scale``; a dock under ``gate``."""
    made = Warehouse(url=url, gateway=GatewayDouble())
    made.execute(
        "INSERT INTO party (id, name) VALUES (%s, 'owner'), (%s, 'keeper')",
        made.owner,
        made.logistics,
    )
    made.execute(
        "INSERT INTO site (id, name, logistics_party, origin_lat_deg, origin_lon_deg)"
        " VALUES (%s, 'site', %s, %s, %s)",
        made.site,
        made.logistics,
        *ORIGIN,
    )
    made.execute(
        "INSERT INTO zone (id, site_id, name, kind, polygon_m) VALUES"
        " (%s, %s, 'hall', 'storage', '[[0,0],[30,0],[30,20],[0,20]]'),"
        " (%s, %s, 'dock', 'dock', '[[30,0],[60,0],[60,20],[30,20]]')",
        made.hall,
        made.site,
        made.dock,
        made.site,
    )
    add_gateway(made, made.gateway)
    _add_lot(made, pallets)
    for number in range(pallets):
        epc = bytes([0x30, *([0] * 10), number])
        made.items[epc] = ItemId(uuid4())
        made.execute(
            "INSERT INTO item (id, lot_id, name, epc, net_mass_g, tare_mass_g)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            made.items[epc],
            made.lot,
            f"pallet {number}",
            epc,
            NET_G,
            TARE_G,
        )
    bind(made, "rfid", "presence")
    bind(made, "gate", "presence", zone_id=made.dock)
    if scale:
        bind(
            made,
            "scale",
            "load",
            lot_id=made.lot,
            tare_mass_g=PLATFORM_G,
            tolerance_mass_g=TOLERANCE_G,
        )
    return made


def _add_lot(made: Warehouse, pallets: int) -> None:
    made.execute(
        "INSERT INTO commodity (id, name, temperature_max_c, temperature_dwell_s, shock_max_g0)"
        " VALUES ('fish', 'fish', -15, 10, 3)"
    )
    made.execute(
        "INSERT INTO instrument (id, name, unit, currency, max_price_age_s, haircut_floor_bps)"
        " VALUES ('FISH', 'fish', 'TNE', 'USD', 3600, 1000)"
    )
    made.execute(
        "INSERT INTO lot (id, name, site_id, zone_id, owner_party, commodity_id, instrument_id,"
        " pledged_mass_g) VALUES (%s, 'lot', %s, %s, %s, 'fish', 'FISH', %s)",
        made.lot,
        made.site,
        made.hall,
        made.owner,
        pallets * NET_G,
    )


def add_gateway(made: Warehouse, gateway: GatewayDouble) -> None:
    """Store an enrolled gateway."""
    made.execute(
        "INSERT INTO gateway (id, site_id, public_key, key_id, enrolled_at)"
        " VALUES (%s, %s, %s, %s, now())",
        gateway.name,
        made.site,
        gateway.public_key,
        gateway.key_id,
    )
    made.execute(
        "INSERT INTO gateway_key (key_id, public_key, gateway_id, enrolled_at)"
        " VALUES (%s, %s, %s, now())",
        gateway.key_id,
        gateway.public_key,
        gateway.name,
    )
    made.execute("INSERT INTO stream (gateway_id) VALUES (%s)", gateway.name)


def bind(made: Warehouse, sensor: str, purpose: str, **columns: object) -> None:
    """Store what a sensor watches: the hall, when nothing else is said."""
    values: dict[str, object] = {
        "gateway_id": made.gateway.name,
        "sensor": sensor,
        "purpose": purpose,
        "zone_id": made.hall,
        **columns,
    }
    marks = ", ".join(["%s"] * len(values))
    made.execute(
        f"INSERT INTO sensor_binding ({', '.join(values)}) VALUES ({marks})", *values.values()
    )
