"""The journal on a real PostgreSQL: what it refuses leaves no trace; races end once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from backend.db import Conn, Database
from backend.journal import service, store
from backend.journal.errors import JournalRefusedError
from backend.journal.rules import account_id_of
from backend.journal.types import Booked, Leg, Refusal, Side, Step, Transfer
from backend.money import Minor
from tests.books import owe
from tests.builders import NOW
from tests.plant import Plant, build_plant

pytestmark = [pytest.mark.integration]

THREADS = 6
TABLES = ("journal_account", "journal_balance", "journal_transfer", "journal_entry", "facility")


def build(db: Database) -> Plant:
    """Store a plant whose facility owes 1,000."""
    with db.working() as conn:
        plant = build_plant(conn)
        owe(conn, plant.facility_id, 1_000, NOW)
    return plant


def pay(plant: Plant, amount: int, step: Step = Step.POST) -> Transfer:
    """Return a transfer that takes an amount off the principal."""
    return Transfer(
        scope=plant.facility_id,
        id=uuid4(),
        step=step,
        what="paid",
        legs=tuple(
            Leg(
                account_id=account_id_of(plant.facility_id, "EUR", kind),
                side=side,
                amount_minor=Minor(amount),
            )
            for side, kind in ((Side.DEBIT, "clearing"), (Side.CREDIT, "principal"))
        ),
    )


def rows(conn: Conn) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the books."""
    return {
        name: sorted(
            conn.execute(
                sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name))
            ).fetchall()
        )
        for name in TABLES
    }


def principal(db: Database, plant: Plant) -> int:
    """Return what the facility's row says; fail if the entries say otherwise."""
    with db.working() as conn:
        assert store.find_differences(conn) == []
        query = "SELECT principal_minor FROM facility WHERE id = %s"
        row = conn.execute(query, [plant.facility_id]).fetchone()
    assert row is not None
    return int(row[0])


def test_what_is_refused_leaves_every_row_as_it_was(db: Database) -> None:
    """A batch that is all or nothing, with one too many: nothing."""
    plant = build(db)
    with db.working() as conn:
        before = rows(conn)
    with pytest.raises(JournalRefusedError, match="below_zero"), db.working() as conn:
        service.take_all(conn, [pay(plant, 600), pay(plant, 401)], at=NOW, actor="test")
    with db.working() as conn:
        outcomes = service.take(conn, [pay(plant, 1_001)], at=NOW, actor="test")
        assert isinstance(outcomes[0], Refusal)
        assert rows(conn) == before


def test_a_batch_is_taken_in_order_and_again_changes_nothing(db: Database) -> None:
    """Duplicates in one batch, and the whole batch once more, are answered as before."""
    plant = build(db)
    one, hold = pay(plant, 300), pay(plant, 700, Step.RESERVE)
    settle = Transfer(
        scope=plant.facility_id,
        id=uuid4(),
        step=Step.SETTLE,
        what="paid",
        of_id=hold.id,
        legs=pay(plant, 500).legs,
    )
    batch = [one, one, hold, pay(plant, 1), settle, replace(one, what="other")]
    with db.working() as conn:
        first = service.take(conn, batch, at=NOW, actor="test")
        again = service.take(conn, batch, at=NOW, actor="test")
    assert [isinstance(each, Booked) for each in first] == [True, True, True, False, True, False]
    # What was refused was not kept: the one for which there is room now is decided anew.
    assert [isinstance(each, Booked) and each.replayed for each in again] == [
        True,
        True,
        True,
        False,
        True,
        False,
    ]
    assert principal(db, plant) == 199


def test_a_hold_that_many_end_at_once_ends_once(db: Database) -> None:
    """Ledger lesson 2, with real threads: settled and voided by many, one of them does."""
    plant = build(db)
    hold = pay(plant, 800, Step.RESERVE)
    with db.working() as conn:
        service.take_all(conn, [hold], at=NOW, actor="test")
    barrier = threading.Barrier(THREADS)

    def end(number: int) -> bool:
        step = Step.SETTLE if number % 2 else Step.VOID
        transfer = Transfer(
            scope=plant.facility_id, id=UUID(int=number), step=step, what="end", of_id=hold.id
        )
        barrier.wait()
        with db.working() as conn:
            (outcome,) = service.take(conn, [transfer], at=NOW, actor="test")
        return isinstance(outcome, Booked)

    with ThreadPoolExecutor(THREADS) as pool:
        ended = list(pool.map(end, range(THREADS)))
    assert sum(ended) == 1
    assert principal(db, plant) == (200 if ended.index(True) % 2 else 1_000)


def test_holds_at_once_never_exceed_what_is_there(db: Database) -> None:
    """Ledger lesson 1, with real threads: six holds of 300 on 1,000."""
    plant = build(db)
    barrier = threading.Barrier(THREADS)

    def hold(_: int) -> bool:
        barrier.wait()
        with db.working() as conn:
            (outcome,) = service.take(conn, [pay(plant, 300, Step.RESERVE)], at=NOW, actor="test")
        return isinstance(outcome, Booked)

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(hold, range(THREADS))) == 3
    assert principal(db, plant) == 1_000


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal_entry SET amount_minor = amount_minor + 1",
        "DELETE FROM journal_entry",
        "TRUNCATE journal_entry",
        "UPDATE journal_transfer SET what = 'x'",
        "DELETE FROM journal_transfer",
        "UPDATE journal_account SET floor = false",
        "UPDATE facility SET principal_minor = principal_minor - 1",
        "UPDATE journal_balance SET credits_posted_minor = debits_posted_minor + 1 WHERE floor",
        "INSERT INTO journal_entry SELECT transfer_key, 9, account_id, currency, phase, side, 1"
        " FROM journal_entry LIMIT 1",
    ],
)
def test_not_even_the_owner_edits_the_books(db: Database, db_url: str, statement: str) -> None:
    """Corrected by entries: the database itself refuses everything else."""
    build(db)
    with (
        psycopg.connect(db_url) as conn,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)),
    ):
        conn.execute(statement.encode())


def test_an_edited_balance_is_found_by_rebuilding(db: Database, db_url: str) -> None:
    """A balance that no entry explains is named."""
    build(db)
    with psycopg.connect(db_url) as conn:
        conn.execute(
            "UPDATE journal_balance SET debits_posted_minor = debits_posted_minor + 1 FROM"
            " journal_account a WHERE a.id = account_id AND a.kind = 'clearing'"
        )
    with db.working() as conn:
        assert [each.what for each in store.find_differences(conn)] == ["balance"]
