"""Transfers of the journal in set-based batches, beside one transaction for each transfer."""

import time
from uuid import uuid4

from backend.db import Database
from backend.ids import PartyId
from backend.journal import service, store
from backend.journal.rules import account_id_of
from backend.journal.types import Account, Leg, Side, Step, Transfer
from backend.migrate import migrate
from backend.money import Minor
from deploy.database import database_server
from tests.bench.results import RUNS_MIN, Measured, Result, summarise
from tests.builders import NOW
from tests.plant import insert

BATCH = 1_000
BATCHES = 3
SINGLES = 200
ACCOUNTS = 200
WHAT = Measured(
    name="journal_transfers",
    unit="transfers/s",
    yardstick="one transaction for each transfer, same server",
    goal=">= 8",
)


def measure() -> list[Result]:
    """Return how many transfers a second are checked, booked and projected."""
    with database_server() as server:
        url = server.create_database("bench_journal")
        migrate(url)
        with Database(url, connections_max=2) as db:
            owner = _open(db)
            _rate(db, owner, BATCH, 1)  # Plans and caches, of both alike.
            _rate(db, owner, 1, SINGLES)
            values, yardsticks = list[float](), list[float]()
            for _ in range(RUNS_MIN):
                values.append(_rate(db, owner, BATCH, BATCHES))
                yardsticks.append(_rate(db, owner, 1, SINGLES))
    return [summarise(WHAT, values, yardsticks)]


def _open(db: Database) -> PartyId:
    with db.working() as conn:
        owner = PartyId(insert(conn, "party", name="bench"))
        accounts = [
            Account(
                id=account_id_of(owner, "EUR", f"account_{_letters(number)}"),
                facility_id=None,
                party_id=owner,
                kind=f"account_{_letters(number)}",
                currency="EUR",
                normal=Side.DEBIT,
                floor=number > 0,
            )
            for number in range(ACCOUNTS)
        ]
        store.open_accounts(conn, accounts)
    return owner


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _rate(db: Database, owner: PartyId, size: int, batches: int) -> float:
    """Return transfers a second, of batches of a size, each in a transaction of its own."""
    work = [
        [_transfer(owner, 1 + (start + number) % (ACCOUNTS - 1)) for number in range(size)]
        for start in range(batches)
    ]
    begun_s = time.perf_counter()
    for batch in work:
        with db.working() as conn:
            service.take_all(conn, batch, at=NOW, actor="bench")
    return size * batches / (time.perf_counter() - begun_s)


def _transfer(owner: PartyId, number: int) -> Transfer:
    places = ((Side.DEBIT, _letters(number)), (Side.CREDIT, _letters(0)))
    return Transfer(
        scope=owner,
        id=uuid4(),
        step=Step.POST,
        what="bench",
        legs=tuple(
            Leg(
                account_id=account_id_of(owner, "EUR", f"account_{letters}"),
                side=side,
                amount_minor=Minor(1),
            )
            for side, letters in places
        ),
    )
