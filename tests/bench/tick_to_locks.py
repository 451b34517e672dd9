"""A price tick until the locks of 10,000 facilities are committed, against a loop over them.

Real PostgreSQL, syncing each commit. Each facility has two lots of the instrument that falls, and
owes so much that the fall opens a margin call, a lock and an alert. Set-based: as the timekeeper
does it, some hundred facilities a transaction, loaded, decided and stored together. The loop does
the same one facility a transaction. Both begin with the book as it was.
"""

import os
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, LiteralString

from backend.clock import SystemClock
from backend.db import Conn, Database
from backend.facility.service.standings import relock
from backend.facility.store.facilities import facilities_of_instruments
from backend.ids import InstrumentId
from backend.migrate import migrate
from backend.timekeeper import CHUNK_FACILITIES
from deploy.database import DatabaseServer
from deploy.postgres import EmbeddedPostgres
from tests.bench.results import RUNS_MIN, Measured, Result, summarise

FACILITIES: Final = int(os.environ.get("PLEDGEWATCH_BENCH_FACILITIES", "10000"))
RUNS: Final = int(os.environ.get("PLEDGEWATCH_BENCH_RUNS", str(RUNS_MIN)))
TEMPLATE: Final = "bench_tick_template"
METAL: Final = InstrumentId("METAL")
WHAT: Final = Measured(
    name="tick_to_locks",
    unit=f"s from the tick to the last committed lock of {FACILITIES:,} facilities",
    yardstick="s for the same by a loop, one facility a transaction",
    goal="< 1",
)

_BOOK: Final[tuple[LiteralString, ...]] = (
    "INSERT INTO party (id, name) VALUES (md5('l')::uuid, 'Lender'), (md5('b')::uuid, 'Borrower')",
    """INSERT INTO site (id, name, logistics_party, origin_lat_deg, origin_lon_deg)
    VALUES (md5('s')::uuid, 'Warehouse', md5('l')::uuid, 52, 4)""",
    """INSERT INTO zone (id, site_id, name, kind, polygon_m) VALUES (md5('z')::uuid,
    md5('s')::uuid, 'Hall', 'storage', '[[0,0],[9,0],[9,9],[0,9]]')""",
    "INSERT INTO commodity (id, name) VALUES ('metal', 'Metal')",
    """INSERT INTO instrument (id, name, unit, currency, max_price_age_s, haircut_floor_bps)
    VALUES ('METAL', 'Metal', 'TNE', 'EUR', 86400, 2000)""",
    """INSERT INTO price (instrument_id, source, at, value, quality, received_at)
    VALUES ('METAL', 'bench', %(now)s, 8000, 'accepted', %(now)s)""",
    """INSERT INTO lot (id, name, site_id, zone_id, owner_party, commodity_id, instrument_id,
      pledged_mass_g)
    SELECT md5('lot ' || n)::uuid, 'Lot ' || n, md5('s')::uuid, md5('z')::uuid, md5('b')::uuid,
      'metal', 'METAL', 4000000 FROM generate_series(1, 2 * %(count)s) n""",
    """INSERT INTO lot_state (lot_id, custody, quantity, measured_mass_g, surveillance, evaluated,
      evaluated_at) SELECT id, 'in_zone', 'whole', 4000000, 'live', true, %(now)s FROM lot""",
    """INSERT INTO facility (id, name, lender_party, borrower_party, currency, limit_minor,
      principal_minor, valuation_ttl_s)
    SELECT md5('facility ' || n)::uuid, 'Facility ' || n, md5('l')::uuid, md5('b')::uuid, 'EUR',
      100000000, 3000000, 3600 FROM generate_series(1, %(count)s) n""",
    """INSERT INTO pledge (id, lender_party, pledgor_party, facility_id, state, created_at,
      activated_at)
    SELECT md5('pledge ' || n)::uuid, md5('l')::uuid, md5('b')::uuid, md5('facility ' || n)::uuid,
      'active', %(now)s, %(now)s FROM generate_series(1, %(count)s) n""",
    """INSERT INTO pledge_lot (pledge_id, lot_id, active)
    SELECT md5('pledge ' || (n + 1) / 2)::uuid, md5('lot ' || n)::uuid, true
    FROM generate_series(1, 2 * %(count)s) n""",
)


def measure() -> list[Result]:
    """Run both in turn on copies of one book; return the one result."""
    now = SystemClock().now()
    ticked: list[float] = []
    looped: list[float] = []
    with tempfile.TemporaryDirectory(prefix="pledgewatch-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            with postgres:
                _measure(DatabaseServer(url=postgres.url), now, ticked, looped)
        finally:
            postgres.remove()
    return [summarise(WHAT, ticked, looped)]


def _measure(
    server: DatabaseServer, now: datetime, ticked: list[float], looped: list[float]
) -> None:
    """Append what each run took."""
    with Database(server.create_database(TEMPLATE)) as db:
        migrate(db.url)
        build(db, now)
    server.close_database(TEMPLATE)
    for run in range(RUNS):
        for chunk, seconds in ((CHUNK_FACILITIES, ticked), (1, looped)):
            name = f"bench_tick_{run}_{chunk}"
            with Database(server.create_database(name, TEMPLATE)) as db:
                seconds.append(run_tick(db, now, chunk))
            server.drop_database(name)


def build(db: Database, now: datetime) -> None:
    """Store the book, valued and without a lock."""
    values = {"now": now - timedelta(seconds=60), "count": FACILITIES}
    with db.working() as conn:
        for statement in _BOOK:
            conn.execute(statement, values if "%(" in statement else None)
    with db.working() as conn:
        conn.execute("SET LOCAL statement_timeout = 0")
        ids = facilities_of_instruments(conn, [METAL])
    for start in range(0, len(ids), 500):
        with db.working() as conn:
            relock(conn, ids[start : start + 500], now - timedelta(seconds=30), "bench")
    assert count_locks(db) == 0
    with db.connect() as conn:
        conn.execute("VACUUM ANALYZE")


def run_tick(db: Database, now: datetime, chunk: int) -> float:
    """Store a price that falls by three tenths; return how long until every lock is committed."""
    with db.connect() as conn:
        begun = time.perf_counter()
        with db.working(conn):
            add_price(conn, now)
        with db.working(conn):
            ids = facilities_of_instruments(conn, [METAL])
        for start in range(0, len(ids), chunk):
            with db.working(conn):
                relock(conn, ids[start : start + chunk], now, "bench")
        seconds = time.perf_counter() - begun
    assert len(ids) == FACILITIES
    assert count_locks(db) == FACILITIES
    return seconds


def add_price(conn: Conn, now: datetime) -> None:
    """Store the tick."""
    conn.execute(
        "INSERT INTO price (instrument_id, source, at, value, quality, received_at)"
        " VALUES ('METAL', 'bench', %(now)s, 4400, 'accepted', %(now)s)",
        {"now": now},
    )


def count_locks(db: Database) -> int:
    """Return how many locks hold for the line that was crossed."""
    query = (
        "SELECT count(*) FROM facility_lock WHERE reason = 'BELOW_CALL_LINE' AND lifted_at IS NULL"
    )
    with db.working() as conn:
        row = conn.execute(query).fetchone()
    assert row is not None
    return int(row[0])
