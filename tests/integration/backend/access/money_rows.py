"""Rows of one plant's loan: its valuation, drawdown, repayment, lock and history."""

from typing import Any, Final
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from backend.db import Conn
from backend.parties.types import Role
from tests.books import owe
from tests.builders import NOW
from tests.plant import Plant, insert

LOAN_TABLES: Final = (
    "facility_accrual",
    "facility_charge",
    "facility_due",
    "facility_rate",
    "facility_write_off",
    "margin_call",
    "refusal",
)


def add_money_rows(conn: Conn, plant: Plant) -> UUID:
    """Return the id of the drawdown."""
    for instrument_id in plant.instruments.values():
        insert(conn, "daily_price", instrument_id=instrument_id, day=NOW.date(), at=NOW, value=1)
        insert(conn, "volatility", instrument_id=instrument_id, sigma_daily=0.1, days=9, at=NOW)
    valuation_id: UUID = insert(
        conn,
        "valuation",
        id=uuid4(),
        facility_id=plant.facility_id,
        at=NOW,
        expires_at=NOW,
        value_minor=1,
        exposure_minor=0,
        base_minor=1,
        content_sha256=bytes(32),
        complete=True,
        model="x",
    )
    for lot_id in plant.lots.values():
        insert(
            conn,
            "lot_valuation",
            valuation_id=valuation_id,
            lot_id=lot_id,
            accepted_mass_g=1,
            haircut_bps=1,
            value_minor=1,
            lendable_minor=1,
            complete=True,
        )
    _add_loan_rows(conn, plant, valuation_id)
    owe(conn, plant.facility_id, 100, NOW)
    return _add_facility_rows(conn, plant.facility_id, plant.actors[Role.BORROWER].account_id)


def _add_loan_rows(conn: Conn, plant: Plant, valuation_id: UUID) -> None:
    key, lender = {"facility_id": plant.facility_id}, plant.actors[Role.LENDER].account_id
    digest, today = {"body_sha256": bytes(32)}, NOW.date()
    zeros = dict.fromkeys(("penalty_minor", "fees_minor", "interest_minor"), 0)
    rate = {"annual_bps": 100, "day_count": "act/360"}
    insert(conn, "facility_rate", **key, **rate, from_day=today, set_at=NOW, set_by=lender)
    insert(
        conn,
        "facility_accrual",
        **key,
        **rate,
        kind="interest",
        day=today,
        base_minor=1,
        days=1,
        amount_minor=1,
        ahead_units=0,
        booked_at=NOW,
    )
    insert(
        conn,
        "facility_charge",
        **key,
        **digest,
        id=uuid4(),
        kind="other",
        name="x",
        amount_minor=1,
        due_on=today,
        charged_at=NOW,
        charged_by=lender,
    )
    insert(
        conn,
        "facility_due",
        **key,
        due_on=today,
        component="interest",
        set_at=NOW,
        set_by=lender,
    )
    insert(
        conn,
        "facility_write_off",
        **key,
        **digest,
        **zeros,
        id=uuid4(),
        principal_minor=1,
        reason="x",
        written_at=NOW,
        written_by=lender,
    )
    _add_called_rows(conn, plant, valuation_id)


def _add_called_rows(conn: Conn, plant: Plant, valuation_id: UUID) -> None:
    key = {"facility_id": plant.facility_id}
    amounts = ("value", "exposure", "cash", "collateral", "lendable")
    insert(
        conn,
        "margin_call",
        **key,
        **{f"{name}_minor": 1 for name in amounts},
        opened_at=NOW,
        deadline_at=NOW,
        valuation_id=valuation_id,
        state="open",
        observations=1,
    )
    insert(
        conn,
        "refusal",
        **key,
        at=NOW,
        actor="x",
        action="drawdown",
        subject=uuid4(),
        reasons=Jsonb([]),
        evidence=Jsonb({}),
    )


def book_ids(conn: Conn, plant: Plant) -> dict[str, Any]:
    """Return the ids of the plant's accounts and transfers in the journal."""
    accounts = "SELECT id FROM journal_account WHERE facility_id = %s"
    transfers = (
        "SELECT DISTINCT e.transfer_key FROM journal_entry e"
        " JOIN journal_account a ON a.id = e.account_id WHERE a.facility_id = %s"
    )
    return {
        "books": [row[0] for row in conn.execute(accounts, [plant.facility_id])],
        "transfers": [row[0] for row in conn.execute(transfers, [plant.facility_id])],
    }


def _add_facility_rows(conn: Conn, facility_id: UUID, borrower: UUID) -> UUID:
    """Return the id of the drawdown."""
    insert(
        conn,
        "facility_lock",
        facility_id=facility_id,
        reason="MANUAL",
        detail="x",
        opened_at=NOW,
        opened_by="x",
    )
    _add_policy_row(conn, facility_id)
    insert(conn, "facility_event", facility_id=facility_id, at=NOW, actor="x", what="opened")
    drawdown_id: UUID = insert(
        conn,
        "drawdown",
        id=uuid4(),
        facility_id=facility_id,
        amount_minor=1,
        state="requested",
        body_sha256=bytes(32),
        requested_by=borrower,
        requested_at=NOW,
    )
    insert(
        conn,
        "repayment",
        id=uuid4(),
        facility_id=facility_id,
        amount_minor=1,
        fees_minor=0,
        interest_minor=0,
        principal_minor=1,
        body_sha256=bytes(32),
        paid_by=borrower,
        paid_at=NOW,
    )
    return drawdown_id


def _add_policy_row(conn: Conn, facility_id: UUID) -> None:
    insert(
        conn,
        "facility_policy",
        facility_id=facility_id,
        version=1,
        set_at=NOW,
        set_by="x",
        why="x",
        model="t4-99-ewma94-500d/1",
        liquidation_horizon_days=20,
        revaluation_days=1,
        haircut_floor_bps=0,
        surveillance_worst="dark",
        condition_worst="damaged",
        obligor_bps_max=10_000,
        commodity_bps_max=10_000,
        warehouse_bps_max=10_000,
        reserve_minor=0,
        reserve_bps=0,
        ttl_s=60,
    )
