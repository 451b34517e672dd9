"""A plant whose lots are sound, and the steps of a loan on it, as each party takes them."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from backend.db import Conn, Database
from backend.facility.service import drawdowns, relock
from backend.facility.service.drawdowns import NewDrawdown, NewRepayment
from backend.facility.service.standings import assess_one
from backend.facility.types import Drawdown, LockReason, Repayment, Standing
from backend.ids import DrawdownId, FacilityId, RepaymentId
from backend.money import Minor
from backend.parties.types import Role
from tests.builders import NOW
from tests.plant import Plant, build_plant, insert, set_lot_state

VALUE_MINOR = 3_300_000  # Three tonnes at 8,000 and three at 3,000 euros.
BASE_MINOR = 1_650_000  # Half of it: nobody knows yet how much the prices move.


def build_loan(db: Database, name: str = "a") -> Plant:
    """Store a plant with sound lots and relock its facility."""
    with db.working() as conn:
        plant = build_plant(conn, name)
        for lot_id in plant.lots.values():
            set_lot_state(conn, lot_id)
    relocked(db, plant)
    return plant


def relocked(db: Database, plant: Plant, now: datetime = NOW) -> Standing:
    """Relock the facility as the timekeeper does."""
    with db.working() as conn:
        return relock(conn, [plant.facility_id], now, opened_by="timekeeper")[0]


def steal(conn: Conn, plant: Plant, lot: str = "copper") -> None:
    """Change a lot's state as ingest does when a pallet is gone, and relock: one transaction."""
    set_lot_state(
        conn,
        plant.lots[lot],
        custody="missing",
        quantity="short",
        short_mass_g=1_000_000,
        measured_mass_g=2_000_000,
    )
    relock(conn, [plant.facility_id], NOW, opened_by="ingest")


def put_back(conn: Conn, plant: Plant, lot: str = "copper") -> None:
    """Make the lot sound again and relock."""
    set_lot_state(conn, plant.lots[lot], short_mass_g=0)
    relock(conn, [plant.facility_id], NOW, opened_by="ingest")


def add_price(conn: Conn, plant: Plant, value: str, at: datetime, lot: str = "copper") -> None:
    """Store an accepted price."""
    insert(
        conn,
        "price",
        instrument_id=plant.instruments[lot],
        source="test",
        at=at,
        value=value,
        quality="accepted",
        received_at=at,
    )


def request(
    db: Database, plant: Plant, amount: int, key: UUID | None = None, now: datetime = NOW
) -> Drawdown:
    """Ask for money as the borrower."""
    actor = plant.actors[Role.BORROWER]
    new = NewDrawdown(
        id=DrawdownId(key or uuid4()),
        facility_id=plant.facility_id,
        amount_minor=Minor(amount),
    )
    with db.acting(actor) as conn:
        return drawdowns.request_drawdown(conn, actor, new, now)


def authorise(db: Database, plant: Plant, key: DrawdownId, now: datetime = NOW) -> Drawdown:
    """Promise as the lender."""
    actor = plant.actors[Role.LENDER]
    with db.acting(actor) as conn:
        return drawdowns.authorise_drawdown(conn, actor, key, now)


def disburse(db: Database, plant: Plant, key: DrawdownId, now: datetime = NOW) -> Drawdown:
    """Pay out as the lender."""
    actor = plant.actors[Role.LENDER]
    with db.acting(actor) as conn:
        return drawdowns.disburse_drawdown(conn, actor, key, now)


def draw(db: Database, plant: Plant, amount: int, now: datetime = NOW) -> Drawdown:
    """Request, authorise and disburse."""
    asked = request(db, plant, amount, now=now)
    authorise(db, plant, asked.id, now)
    return disburse(db, plant, asked.id, now)


def repay(
    db: Database, plant: Plant, amount: int, key: UUID | None = None, role: Role = Role.BORROWER
) -> Repayment:
    """Pay back."""
    actor = plant.actors[role]
    new = NewRepayment(
        id=RepaymentId(key or uuid4()),
        facility_id=plant.facility_id,
        amount_minor=Minor(amount),
    )
    with db.acting(actor) as conn:
        return drawdowns.repay(conn, actor, new, NOW)


def standing(db: Database, plant: Plant, now: datetime = NOW) -> Standing:
    """Return how the facility stands, without a write."""
    with db.working() as conn:
        return assess_one(conn, plant.facility_id, now)


def open_reasons(db: Database, facility_id: FacilityId) -> set[LockReason]:
    """Return the reasons of the locks that are stored and hold."""
    query = "SELECT reason FROM facility_lock WHERE lifted_at IS NULL AND facility_id = %s"
    with db.working() as conn:
        return {LockReason(row[0]) for row in conn.execute(query, [facility_id])}


def events(db: Database, plant: Plant) -> list[str]:
    """Return what happened to the facility, oldest first."""
    query = "SELECT what FROM facility_event WHERE facility_id = %s ORDER BY id"
    with db.working() as conn:
        return [row[0] for row in conn.execute(query, [plant.facility_id])]


def later(seconds: float) -> datetime:
    """Return a moment after NOW."""
    return NOW + timedelta(seconds=seconds)


def rows(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the tables that hold money and evidence."""
    tables = (
        "facility",
        "facility_lock",
        "facility_event",
        "drawdown",
        "repayment",
        "valuation",
        "lot_valuation",
        "alert",
        "pledge",
        "pledge_lot",
        "lot_state",
        "price",
    )
    with db.working() as conn:
        return {
            table: sorted(conn.execute(f"SELECT {table}::text FROM {table}").fetchall())
            for table in tables
        }
