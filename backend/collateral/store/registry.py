"""Commodities, lots, items, bindings and pledges, as people register them.

A row that the actor adds is read again by a second statement, as in backend.plant.store.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import errors
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from backend.collateral.errors import BindingTakenError, NameTakenError, PledgedError
from backend.collateral.types import (
    Binding,
    Commodity,
    ItemSetup,
    Limits,
    Lot,
    Pledge,
    Purpose,
)
from backend.db import Conn
from backend.ids import (
    BindingId,
    CommodityId,
    FacilityId,
    GatewayId,
    LotId,
    PledgeId,
    ZoneId,
)

ROWS_MAX: Final = 5_000

_LOT_VIEW: Final = """
    SELECT l.id, l.name, l.site_id, l.zone_id, l.owner_party, l.commodity_id, l.instrument_id,
           l.pledged_mass_g, l.grade, l.created_at, z.name AS zone_name,
           s.custody, s.quantity, s.short_mass_g, s.measured_mass_g, s.condition,
           s.condition_since, s.surveillance, s.tampered, s.evaluated, s.detail, s.evaluated_at,
           s.changed_at
    FROM lot l JOIN zone z ON z.id = l.zone_id LEFT JOIN lot_state s ON s.lot_id = l.id
    WHERE %(lot)s::uuid IS NULL OR l.id = %(lot)s
    ORDER BY l.name, l.id LIMIT %(limit)s
"""
_ITEM_VIEW: Final = """
    SELECT i.id, i.name, encode(i.epc, 'hex') AS epc, i.net_mass_g, i.tare_mass_g,
           coalesce(t.custody, 'unseen') AS custody, t.zone_id, t.seen_at, t.seen_arrival_at,
           t.rssi_cdbm, t.gateway_id, t.sensor
    FROM item i LEFT JOIN item_state t ON t.item_id = i.id
    WHERE i.lot_id = %s AND i.retired_at IS NULL ORDER BY i.name LIMIT %s
"""
_PLEDGES: Final = """
    SELECT p.id, p.kind, p.lender_party, p.pledgor_party, p.facility_id, p.state, p.created_at,
           p.activated_at, p.ended_at, p.registry, p.registry_number, p.registered_on,
           array(SELECT pl.lot_id FROM pledge_lot pl WHERE pl.pledge_id = p.id ORDER BY 1)
             AS lot_ids
    FROM pledge p WHERE %(id)s::uuid IS NULL OR p.id = %(id)s
    ORDER BY p.created_at DESC, p.id LIMIT %(limit)s
"""


def add_commodity(conn: Conn, commodity: Commodity) -> None:
    """Store a class of goods.

    Raises:
        NameTakenError: There is one of that id.
    """
    limits = commodity.limits
    try:
        conn.execute(
            "INSERT INTO commodity (id, name, temperature_min_c, temperature_max_c,"
            " temperature_dwell_s, humidity_max_pct, shock_max_g0)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                commodity.id,
                commodity.name,
                limits.temperature_min_c,
                limits.temperature_max_c,
                limits.temperature_dwell_s,
                limits.humidity_max_pct,
                limits.shock_max_g0,
            ),
        )
    except errors.UniqueViolation as error:
        raise NameTakenError("commodity", commodity.id) from error


def fetch_commodities(conn: Conn) -> list[Commodity]:
    """Return every class of goods, by id."""
    rows = conn.execute(
        "SELECT id, name, temperature_min_c, temperature_max_c, temperature_dwell_s,"
        " humidity_max_pct, shock_max_g0 FROM commodity ORDER BY id LIMIT %s",
        (ROWS_MAX,),
    ).fetchall()
    return [
        Commodity(
            id=CommodityId(row[0]),
            name=row[1],
            limits=Limits(
                temperature_min_c=row[2],
                temperature_max_c=row[3],
                temperature_dwell_s=row[4],
                humidity_max_pct=row[5],
                shock_max_g0=row[6],
            ),
        )
        for row in rows
    ]


def add_lot(conn: Conn, lot: Lot) -> None:
    """Store a lot, not yet evaluated.

    Raises:
        NameTakenError: The site has one of that name.
    """
    try:
        conn.execute(
            "INSERT INTO lot (id, name, site_id, zone_id, owner_party, commodity_id,"
            " instrument_id, pledged_mass_g, created_at, grade)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                lot.id,
                lot.name,
                lot.site_id,
                lot.zone_id,
                lot.owner_party,
                lot.commodity_id,
                lot.instrument_id,
                lot.pledged_mass_g,
                lot.created_at,
                lot.grade,
            ),
        )
    except errors.UniqueViolation as error:
        raise NameTakenError("lot", lot.name) from error
    conn.execute("INSERT INTO lot_state (lot_id) VALUES (%s)", (lot.id,))


def exists(conn: Conn, table: str, key: UUID | str) -> bool:
    """Return whether the actor sees a commodity, instrument, party, zone, gateway or lot."""
    query = _EXISTS[table]
    return conn.execute(query, (key,)).fetchone() is not None


_EXISTS: Final[dict[str, LiteralString]] = {
    "commodity": "SELECT 1 FROM commodity WHERE id = %s",
    "instrument": "SELECT 1 FROM instrument WHERE id = %s",
    "party": "SELECT 1 FROM party WHERE id = %s",
    "gateway": "SELECT 1 FROM gateway WHERE id = %s",
    "lot": "SELECT 1 FROM lot WHERE id = %s",
    "zone": "SELECT 1 FROM zone WHERE id = %s",
}


def load_zone_site(conn: Conn, zone_id: ZoneId) -> UUID | None:
    """Return the site of a zone that the actor sees."""
    row = conn.execute("SELECT site_id FROM zone WHERE id = %s", (zone_id,)).fetchone()
    return None if row is None else row[0]


def fetch_lots(conn: Conn, lot_id: LotId | None = None) -> list[dict[str, Any]]:
    """Return lots with their states, or one of them, by name."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_LOT_VIEW, {"lot": lot_id, "limit": ROWS_MAX}).fetchall()


def fetch_items(conn: Conn, lot_id: LotId) -> list[dict[str, Any]]:
    """Return a lot's items with where they are, by name."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_ITEM_VIEW, (lot_id, ROWS_MAX)).fetchall()


def add_items(conn: Conn, lot_id: LotId, items: Sequence[ItemSetup]) -> None:
    """Store items of a lot.

    Raises:
        NameTakenError: A name in the lot, or an EPC anywhere, is there already.
    """
    try:
        with conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO item (id, lot_id, name, epc, net_mass_g, tare_mass_g)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [(i.id, lot_id, i.name, i.epc, i.net_mass_g, i.tare_mass_g) for i in items],
            )
    except errors.UniqueViolation as error:
        raise NameTakenError("item", str(error.diag.message_detail)) from error


def mark_unevaluated(conn: Conn, zone_id: ZoneId | None, lot_id: LotId | None) -> None:
    """Let lots of a zone, or one lot, be decided again: what they are decided from has changed."""
    conn.execute(
        "UPDATE lot_state s SET evaluated = false FROM lot l WHERE l.id = s.lot_id"
        " AND (l.id = %s OR l.zone_id = %s)",
        (lot_id, zone_id),
    )


def add_event(
    conn: Conn, lot_id: LotId, now: datetime, actor: str, event: tuple[str, dict[str, Any]]
) -> None:
    """Write down who did what to a lot."""
    conn.execute(
        "INSERT INTO lot_event (lot_id, at, actor, what, detail) VALUES (%s, %s, %s, %s, %s)",
        (lot_id, now, actor, event[0], Jsonb(event[1])),
    )


def add_binding(conn: Conn, binding: Binding) -> BindingId:
    """Store what a sensor watches and return its id.

    Raises:
        BindingTakenError: It is stored already.
    """
    try:
        conn.execute(
            "INSERT INTO sensor_binding (gateway_id, sensor, purpose, zone_id, lot_id,"
            " tare_mass_g, tolerance_mass_g, max_gap_s, missing_after_s)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                binding.gateway,
                binding.sensor,
                binding.purpose.value,
                binding.zone_id,
                binding.lot_id,
                binding.tare_mass_g,
                binding.tolerance_mass_g,
                binding.max_gap_s,
                binding.missing_after_s,
            ),
        )
    except errors.UniqueViolation as error:
        raise BindingTakenError(binding.sensor) from error
    row = conn.execute("SELECT currval('sensor_binding_id_seq')").fetchone()
    assert row is not None
    return BindingId(row[0])


def has_scale(conn: Conn, lot_id: LotId) -> bool:
    """Return whether a scale is bound to a lot."""
    row = conn.execute(
        "SELECT 1 FROM sensor_binding WHERE lot_id = %s AND purpose = 'load'", (lot_id,)
    ).fetchone()
    return row is not None


def fetch_bindings(conn: Conn) -> list[Binding]:
    """Return what the sensors that the actor sees watch."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT id, gateway_id, sensor, purpose, zone_id, lot_id, tare_mass_g,"
            " tolerance_mass_g, max_gap_s, missing_after_s FROM sensor_binding"
            " ORDER BY gateway_id, sensor, id LIMIT %s",
            (ROWS_MAX,),
        ).fetchall()
    return [
        Binding(
            id=BindingId(row["id"]),
            gateway=GatewayId(row["gateway_id"]),
            sensor=row["sensor"],
            purpose=Purpose(row["purpose"]),
            zone_id=ZoneId(row["zone_id"]),
            lot_id=row["lot_id"],
            tare_mass_g=row["tare_mass_g"],
            tolerance_mass_g=row["tolerance_mass_g"],
            max_gap_s=row["max_gap_s"],
            missing_after_s=row["missing_after_s"],
        )
        for row in rows
    ]


def add_pledge(conn: Conn, pledge: Pledge) -> None:
    """Store a proposed pledge with its lots."""
    conn.execute(
        "INSERT INTO pledge (id, kind, lender_party, pledgor_party, state, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            pledge.id,
            pledge.kind,
            pledge.lender_party,
            pledge.pledgor_party,
            pledge.state,
            pledge.created_at,
        ),
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO pledge_lot (pledge_id, lot_id) VALUES (%s, %s)",
            [(pledge.id, lot_id) for lot_id in pledge.lot_ids],
        )


def fetch_pledges(conn: Conn, pledge_id: PledgeId | None = None) -> list[Pledge]:
    """Return pledges that concern the actor, or that one, newest first."""
    with conn.cursor(row_factory=class_row(Pledge)) as cursor:
        return cursor.execute(_PLEDGES, {"id": pledge_id, "limit": ROWS_MAX}).fetchall()


def lock_pledge(conn: Conn, pledge_id: PledgeId) -> None:
    """Keep a pledge to this transaction."""
    conn.execute("SELECT 1 FROM pledge WHERE id = %s FOR UPDATE", (pledge_id,))


def facility_suits(conn: Conn, facility_id: FacilityId, pledge: Pledge) -> bool:
    """Return whether a facility is open, and between the pledge's two parties."""
    row = conn.execute(
        "SELECT 1 FROM facility WHERE id = %s AND lender_party = %s AND borrower_party = %s"
        " AND state = 'open'",
        (facility_id, pledge.lender_party, pledge.pledgor_party),
    ).fetchone()
    return row is not None


def save_active(conn: Conn, pledge_id: PledgeId, facility_id: FacilityId, now: datetime) -> None:
    """Make a pledge active; the database refuses a lot that is pledged already.

    Raises:
        PledgedError: One of its lots is.
    """
    conn.execute(
        "UPDATE pledge SET state = 'active', facility_id = %s, activated_at = %s WHERE id = %s",
        (facility_id, now, pledge_id),
    )
    try:
        conn.execute("UPDATE pledge_lot SET active = true WHERE pledge_id = %s", (pledge_id,))
    except errors.UniqueViolation as error:
        raise PledgedError(pledge_id) from error


def save_ended(conn: Conn, pledge_id: PledgeId, state: str, now: datetime) -> None:
    """End a pledge, rejected or released."""
    conn.execute(
        "UPDATE pledge_lot SET active = false WHERE pledge_id = %s AND active", (pledge_id,)
    )
    conn.execute(
        "UPDATE pledge SET state = %s, ended_at = %s WHERE id = %s", (state, now, pledge_id)
    )
