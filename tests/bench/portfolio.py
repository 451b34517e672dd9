"""A bank's whole book in one database, inserted as rows: what the console is measured on.

One lender, ten borrowers, five warehouses; 50 facilities, 500 pledges of two lots each, four items
a lot. Every lot has a scale, every zone a reader. One lot of ten has an unresolved alert, and its
facility a lock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

from backend.db import Conn
from backend.ids import AccountId, PartyId
from backend.parties.types import Actor, Role
from tests.plant import insert

BORROWERS: Final = 10
SITES: Final = 5
ZONES: Final = 50
FACILITIES: Final = 50
PLEDGES: Final = 500
LOTS: Final = 1_000
ITEMS: Final = 4_000
VALUATIONS: Final = 200  # Of each facility: some minutes of a busy one.

_STATEMENTS: Final[tuple[LiteralString, ...]] = (
    "CREATE TEMP TABLE numbered AS SELECT generate_series(0, 3999) AS n",
    """CREATE FUNCTION pg_temp.id(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN md5(kind || ' ' || n)::uuid""",
    "INSERT INTO party (id, name) SELECT pg_temp.id('party', n), 'Party ' || n FROM numbered"
    " WHERE n <= %(borrowers)s + %(sites)s",
    """INSERT INTO site (id, name, logistics_party, origin_lat_deg, origin_lon_deg)
    SELECT pg_temp.id('site', n), 'Warehouse ' || n, pg_temp.id('party', 1 + %(borrowers)s + n),
      52, 4 FROM numbered WHERE n < %(sites)s""",
    """INSERT INTO zone (id, site_id, name, kind, polygon_m)
    SELECT pg_temp.id('zone', n), pg_temp.id('site', n %% %(sites)s), 'Hall ' || n, 'storage',
      jsonb_build_array(jsonb_build_array(30 * n, 0), jsonb_build_array(30 * n + 28, 0),
        jsonb_build_array(30 * n + 28, 20), jsonb_build_array(30 * n, 20))
    FROM numbered WHERE n < %(zones)s""",
    """INSERT INTO gateway (id, site_id)
    SELECT 'gw-' || n, pg_temp.id('site', n) FROM numbered WHERE n < %(sites)s""",
    "INSERT INTO stream (gateway_id) SELECT id FROM gateway",
    "INSERT INTO commodity (id, name) VALUES ('copper', 'Copper cathodes')",
    """INSERT INTO instrument (id, name, unit, currency, max_price_age_s, haircut_floor_bps)
    VALUES ('COPPER', 'Copper', 'TNE', 'EUR', 86400, 2000)""",
    """INSERT INTO lot (id, name, site_id, zone_id, owner_party, commodity_id, instrument_id,
      pledged_mass_g)
    SELECT pg_temp.id('lot', n), 'Lot ' || n, pg_temp.id('site', n %% %(sites)s),
      pg_temp.id('zone', n %% %(zones)s), pg_temp.id('party', 1 + n %% %(borrowers)s), 'copper',
      'COPPER', 4000000 FROM numbered WHERE n < %(lots)s""",
    """INSERT INTO lot_state (lot_id, custody, quantity, measured_mass_g, surveillance, evaluated,
      evaluated_at)
    SELECT id, 'in_zone', 'whole', 4000000, 'live', true, %(now)s FROM lot""",
    """INSERT INTO item (id, lot_id, name, epc, net_mass_g)
    SELECT pg_temp.id('item', n), pg_temp.id('lot', n %% %(lots)s), 'Pallet ' || n,
      decode(md5('epc ' || n), 'hex'), 1000000 FROM numbered WHERE n < %(items)s""",
    """INSERT INTO item_state (item_id, zone_id, seen_at, custody)
    SELECT i.id, l.zone_id, %(now)s, 'in_zone' FROM item i JOIN lot l ON l.id = i.lot_id""",
    """INSERT INTO channel (gateway_id, sensor, quantity)
    SELECT 'gw-' || n %% %(sites)s, 'scale-' || n, 'mass' FROM numbered WHERE n < %(lots)s
    UNION ALL
    SELECT 'gw-' || n %% %(sites)s, 'rfid-' || n, NULL FROM numbered WHERE n < %(zones)s""",
    """INSERT INTO sensor_state (gateway_id, sensor, last_at, last_arrival_at)
    SELECT gateway_id, sensor, %(now)s, %(now)s FROM channel""",
    """INSERT INTO sensor_binding (gateway_id, sensor, purpose, zone_id, lot_id)
    SELECT 'gw-' || n %% %(sites)s, 'scale-' || n, 'load', pg_temp.id('zone', n %% %(zones)s),
      pg_temp.id('lot', n) FROM numbered WHERE n < %(lots)s
    UNION ALL
    SELECT 'gw-' || n %% %(sites)s, 'rfid-' || n, 'presence', pg_temp.id('zone', n), NULL
    FROM numbered WHERE n < %(zones)s""",
    """INSERT INTO facility (id, name, lender_party, borrower_party, currency, limit_minor)
    SELECT pg_temp.id('facility', n), 'Facility ' || n, pg_temp.id('party', 0),
      pg_temp.id('party', 1 + n %% %(borrowers)s), 'EUR', 100000000
    FROM numbered WHERE n < %(facilities)s""",
    """INSERT INTO pledge (id, lender_party, pledgor_party, facility_id, state, created_at,
      activated_at)
    SELECT pg_temp.id('pledge', n), pg_temp.id('party', 0),
      pg_temp.id('party', 1 + n %% %(borrowers)s), pg_temp.id('facility', n %% %(facilities)s),
      'active', %(now)s, %(now)s FROM numbered WHERE n < %(pledges)s""",
    """INSERT INTO pledge_lot (pledge_id, lot_id, active)
    SELECT pg_temp.id('pledge', n %% %(pledges)s), pg_temp.id('lot', n), true
    FROM numbered WHERE n < %(lots)s""",
    """INSERT INTO valuation (id, facility_id, at, expires_at, value_minor, base_minor, complete,
      exposure_minor, model, content_sha256)
    SELECT pg_temp.id('valuation ' || v, n), pg_temp.id('facility', n),
      %(now)s - v * interval '1 minute', %(now)s + interval '1 hour', 64000000, 50000000, true, 0,
      'bench', decode(repeat('00', 32), 'hex')
    FROM numbered, generate_series(0, %(valuations)s - 1) v WHERE n < %(facilities)s""",
    """INSERT INTO lot_valuation (valuation_id, lot_id, accepted_mass_g, haircut_bps, value_minor,
      lendable_minor, complete)
    SELECT v.id, pl.lot_id, 4000000, 2000, 3200000, 2560000, true
    FROM valuation v JOIN pledge p ON p.facility_id = v.facility_id
    JOIN pledge_lot pl ON pl.pledge_id = p.id""",
    "UPDATE facility f SET valuation_id = (SELECT v.id FROM valuation v"
    " WHERE v.facility_id = f.id ORDER BY v.at DESC LIMIT 1)",
    """INSERT INTO alert (kind, severity, cause, lot_id, summary, opened_at)
    SELECT 'shortfall', 'critical', 'lot:' || n, pg_temp.id('lot', n), 'Short by a pallet',
      %(now)s FROM numbered WHERE n < %(lots)s AND n %% 10 = 0""",
    """INSERT INTO facility_lock (facility_id, reason, detail, opened_at, opened_by)
    SELECT pg_temp.id('facility', n), 'QUANTITY_SHORT', 'a lot is short', %(now)s, 'ingest'
    FROM numbered WHERE n < %(facilities)s AND n %% 10 = 0""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Who looks at the book, by role, and one facility and lot to look at."""

    actors: dict[Role, Actor]
    facility_id: UUID
    lot_id: UUID


def build_book(conn: Conn, now: datetime) -> Book:
    """Store the whole book as the worker may; ``conn`` is of ``Database.working``."""
    values = {
        "borrowers": BORROWERS,
        "sites": SITES,
        "zones": ZONES,
        "facilities": FACILITIES,
        "pledges": PLEDGES,
        "lots": LOTS,
        "items": ITEMS,
        "valuations": VALUATIONS,
        "now": now - timedelta(seconds=1),
    }
    for statement in _STATEMENTS:
        conn.execute(statement, values if "%(" in statement else None)
    parties = {Role.LENDER: 0, Role.BORROWER: 1, Role.LOGISTICS: 1 + BORROWERS}
    return Book(
        actors={role: _insert_actor(conn, role, number) for role, number in parties.items()},
        facility_id=_id(conn, "facility"),
        lot_id=_id(conn, "lot"),
    )


def _insert_actor(conn: Conn, role: Role, number: int) -> Actor:
    party_id = PartyId(_id(conn, "party", number))
    account_id = insert(conn, "account", party_id=party_id, login=role.value, role=role.value)
    return Actor(account_id=AccountId(account_id), party_id=party_id, role=role, login=role.value)


def _id(conn: Conn, kind: str, number: int = 0) -> UUID:
    row = conn.execute("SELECT pg_temp.id(%s, %s)", [kind, number]).fetchone()
    assert row is not None
    assert isinstance(row[0], UUID)
    return row[0]
