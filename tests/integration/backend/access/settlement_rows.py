"""Rows of one plant's dedicated account: a statement, its line, and a repayment taken back."""

from hashlib import sha256
from typing import Any
from uuid import uuid4

from backend.db import Conn
from backend.parties.types import Role
from tests.builders import NOW
from tests.plant import Plant, insert


def add_settlement_rows(conn: Conn, plant: Plant) -> dict[str, Any]:
    """Return the ids of the account, the statement and the line."""
    account_id = insert(
        conn,
        "settlement_account",
        id=uuid4(),
        number=f"LOCAL-{plant.name.upper()}",
        currency="EUR",
        name="x",
        facility_id=plant.facility_id,
        opened_at=NOW,
        opened_by=plant.actors[Role.LENDER].account_id,
    )
    file_id = insert(
        conn,
        "statement_file",
        id=uuid4(),
        kind="camt.053.001.08",
        message_id="x",
        sha256=sha256(f"statement {plant.name}".encode()).digest(),
        content=b"x",
        received_at=NOW,
        received_by="x",
    )
    texts = ("end_to_end_id", "reference", "remittance", "counterparty")
    line_id = insert(
        conn,
        "settlement_line",
        id=uuid4(),
        account_id=account_id,
        file_id=file_id,
        entry_key="x",
        entry_minor=1,
        part=1,
        direction="credit",
        amount_minor=1,
        currency="EUR",
        is_reversal=False,
        booked_on=NOW.date(),
        received_at=NOW,
        state="exception",
        why="no_reference",
        facility_id=plant.facility_id,
        **dict.fromkeys(texts, "x"),
    )
    insert(
        conn, "settlement_event", line_id=line_id, at=NOW, actor="x", what="exception", detail="x"
    )
    _add_reversal(conn, plant)
    return {"bank_account": account_id, "file_id": file_id, "line_id": line_id}


def _add_reversal(conn: Conn, plant: Plant) -> None:
    query = "SELECT id FROM repayment WHERE facility_id = %s LIMIT 1"
    repayment = conn.execute(query, [plant.facility_id]).fetchone()
    assert repayment is not None
    parts = ("penalty_minor", "fees_minor", "interest_minor", "principal_minor")
    insert(
        conn,
        "repayment_reversal",
        repayment_id=repayment[0],
        facility_id=plant.facility_id,
        at=NOW,
        actor="x",
        why="x",
        **dict.fromkeys(parts, 0),
    )
