"""Statements of a dedicated account against a loan, on a real PostgreSQL."""

from dataclasses import replace

import pytest

from backend.db import Database
from backend.facility.types import DrawdownState
from backend.ids import FacilityId
from backend.journal.store import find_differences, list_accounts
from backend.parties.types import Role
from backend.settlement.inbox import work_off
from backend.settlement.rules.references import reference_of
from backend.settlement.service import exceptions
from backend.settlement.service.accounts import open_account
from backend.settlement.service.statements import receive_statement
from backend.settlement.store import lines as line_store
from backend.settlement.types import FileState, Line, StatementFile, StatementLineState, Why
from tests.builders import NOW
from tests.camt import Pay, camt
from tests.integration.backend.facility.lending import (
    authorise,
    build_loan,
    draw,
    repay,
    request,
    standing,
)
from tests.plant import Plant

pytestmark = [pytest.mark.integration]

IBAN = "DE89370400440532013000"  # The example of ISO 13616's registry.


def opened(db: Database, plant: Plant, number: str = IBAN, *, shared: bool = False) -> None:
    """Register an account: the facility's own, or the lender's for all."""
    actor = plant.actors[Role.LENDER]
    facility_id = None if shared else plant.facility_id
    with db.acting(actor) as conn:
        open_account(conn, actor, (number, "EUR", "collections"), facility_id, NOW)


def take(db: Database, content: bytes) -> StatementFile:
    """Import a message and place its lines; return what became of it."""
    with db.working() as conn:
        receive_statement(conn, content, "test", NOW)
    work_off(db, NOW)
    with db.working() as conn:
        return receive_statement(conn, content, "test", NOW)


def found(db: Database, state: StatementLineState | None = None) -> list[Line]:
    """Return the lines in a state."""
    with db.working() as conn:
        return list(line_store.list_lines(conn, state))


def owed(db: Database, plant: Plant) -> int:
    """Return what is owed."""
    return standing(db, plant).position.exposure_minor


def stands(db: Database, owner: FacilityId) -> dict[str, int]:
    """Return what stands on each account of a book; fail if the entries say otherwise."""
    with db.working() as conn:
        assert find_differences(conn) == []
        return {each.kind: each.posted_minor for each in list_accounts(conn, owner)}


def test_sales_proceeds_repay_by_themselves_and_once(db: Database) -> None:
    """Told by a notification and by a statement, twice each, a payment repays once."""
    plant = build_loan(db)
    draw(db, plant, 100_000)
    opened(db, plant)
    pay = Pay(amount="400.00", key="B1", reference=reference_of(plant.facility_id))
    for kind in ("054", "053"):
        for message in ("M1", "M2"):
            take(db, camt(pay, number=IBAN, kind=kind, message=message))

    assert owed(db, plant) == 60_000
    assert [line.state for line in found(db)] == [StatementLineState.MATCHED]
    books = stands(db, plant.facility_id)
    assert (books["bank"], books["unallocated_in"], books["principal"]) == (40_000, 0, 60_000)


def test_more_than_is_owed_is_the_borrowers(db: Database) -> None:
    """A surplus is kept as owed to the borrower, to the cent."""
    plant = build_loan(db)
    draw(db, plant, 10_000)
    opened(db, plant)

    take(db, camt(Pay(amount="150.01", key="B1"), number=IBAN))

    assert owed(db, plant) == 0
    assert stands(db, plant.facility_id)["surplus"] == 5_001


def test_what_nobody_can_place_waits_for_a_person(db: Database) -> None:
    """Without a reference on a shared account: not lost, not guessed; assigned, or returned."""
    plant = build_loan(db)
    draw(db, plant, 10_000)
    opened(db, plant, shared=True)
    reference = reference_of(plant.facility_id)
    wrong = reference[:2] + f"{(int(reference[2:4]) + 1) % 97:02d}" + reference[4:]
    take(
        db,
        camt(
            Pay(amount="30.00", key="B1", text="for goods"),
            Pay(amount="20.00", key="B2", reference=wrong),
            Pay(amount="5.00", key="B3", currency="USD", reference=reference),
            number=IBAN,
        ),
    )
    waiting = {line.line.entry_key: line for line in found(db, StatementLineState.EXCEPTION)}
    why = {key: line.why for key, line in waiting.items()}
    assert why == {
        "B1": Why.NO_REFERENCE,
        "B2": Why.BAD_REFERENCE,
        "B3": Why.CURRENCY_DIFFERS,
    }
    actor = plant.actors[Role.LENDER]

    with db.acting(actor) as conn:
        exceptions.assign_credit(
            conn, actor, waiting["B1"].id, plant.facility_id, "the buyer called", NOW
        )
        exceptions.send_back(conn, actor, waiting["B2"].id, "not ours", NOW)
    back = Pay(amount="20.00", key="B4", indicator="DBIT", end_to_end=waiting["B2"].id.hex)
    take(db, camt(back, number=IBAN, message="M2"))

    assert owed(db, plant) == 7_000
    states = {line.line.entry_key: line.state for line in found(db)}
    assert states == {
        "B1": StatementLineState.MATCHED,
        "B2": StatementLineState.REVERSED,
        "B3": StatementLineState.EXCEPTION,
        "B4": StatementLineState.MATCHED,
    }
    with db.working() as conn:
        kept = list_accounts(conn, actor.party_id)
    left = {(each.kind, each.currency): each.posted_minor for each in kept if each.posted_minor}
    assert left == {
        ("bank", "EUR"): 3_000,
        ("bank", "USD"): 500,
        ("unallocated_in", "USD"): 500,
    }


def test_a_payment_out_disburses_what_was_promised(db: Database) -> None:
    """The bank's line is the confirmation; one without a promise is an exception."""
    plant = build_loan(db)
    asked = request(db, plant, 50_000)
    opened(db, plant)
    paid = Pay(amount="500.00", key="B1", indicator="DBIT", end_to_end=asked.id.hex)
    assert authorise(db, plant, asked.id).state is DrawdownState.PENDING

    take(db, camt(paid, number=IBAN))
    take(db, camt(replace(paid, key="B2"), number=IBAN, message="M2"))

    assert owed(db, plant) == 50_000
    why = {line.line.entry_key: line.why for line in found(db)}
    assert why == {"B1": None, "B2": Why.NO_PROMISE}
    books = stands(db, plant.facility_id)
    assert (books["bank"], books["clearing"], books["unallocated_out"]) == (-100_000, 0, 50_000)


def test_what_was_declared_is_not_repaid_again(db: Database) -> None:
    """A statement that names a declared repayment confirms it."""
    plant = build_loan(db)
    draw(db, plant, 50_000)
    opened(db, plant)
    declared = repay(db, plant, 20_000)

    take(db, camt(Pay(amount="200.00", key="B1", end_to_end=declared.id.hex), number=IBAN))

    assert owed(db, plant) == 30_000
    assert stands(db, plant.facility_id)["bank"] == 20_000


def test_a_reversal_undoes_by_reversing_entries(db: Database) -> None:
    """What had been repaid is owed again, once; a reversal of nothing waits for a person."""
    plant = build_loan(db)
    draw(db, plant, 50_000)
    opened(db, plant)
    take(db, camt(Pay(amount="200.00", key="B1", end_to_end="E1"), number=IBAN))
    undo = Pay(amount="200.00", key="B2", indicator="DBIT", reversal=True, end_to_end="E1")

    take(db, camt(undo, number=IBAN, message="M2"))
    take(db, camt(replace(undo, key="B3"), number=IBAN, message="M3"))

    assert owed(db, plant) == 50_000
    places = {line.line.entry_key: (line.state, line.why) for line in found(db)}
    assert places["B1"] == (StatementLineState.REVERSED, None)
    assert places["reversal B2"] == (StatementLineState.MATCHED, None)
    assert places["reversal B3"] == (StatementLineState.EXCEPTION, Why.NO_ORIGINAL)
    books = stands(db, plant.facility_id)
    assert (books["principal"], books["bank"], books["unallocated_out"]) == (
        50_000,
        -20_000,
        20_000,
    )


def test_a_message_is_taken_whole_or_not_at_all(db: Database) -> None:
    """An account that nobody registered refuses it; once it is, the same message is taken."""
    plant = build_loan(db)
    draw(db, plant, 50_000)
    content = camt(Pay(amount="1.00", key="B1"), number=IBAN)
    with db.working() as conn:
        receive_statement(conn, content, "test", NOW)
    work_off(db, NOW)
    assert found(db) == []
    opened(db, plant)

    assert take(db, content).state is FileState.UNPACKED

    assert owed(db, plant) == 49_900
    other = camt(Pay(amount="2.00", key="B1"), number=IBAN, message="M2")
    with db.working() as conn:
        refused = receive_statement(conn, other, "test", NOW)
    work_off(db, NOW)
    with db.working() as conn:
        row = conn.execute(
            "SELECT state FROM statement_file WHERE id = %s", [refused.id]
        ).fetchone()
    assert row == ("refused",)
    assert len(found(db)) == 1
