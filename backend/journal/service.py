"""Moving money: accounts held, the batch decided by the rules, entries stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from backend.db import Conn
from backend.errors import InvalidError
from backend.ids import TransferKey
from backend.journal import store
from backend.journal.errors import JournalRefusedError
from backend.journal.rules import (
    BATCH_MAX,
    decide_batch,
    entries_of,
    key_of,
    named_accounts,
    named_keys,
)
from backend.journal.types import Book, Booked, Outcome, Refusal, Transfer

_NOTHING: Final[Mapping[TransferKey, Booked]] = {}


def take(conn: Conn, batch: Sequence[Transfer], *, at: datetime, actor: str) -> Sequence[Outcome]:
    """Make those transfers of a batch that may be made; return what came of each, in order.

    The same id with the same body is answered as it was; a refused one left nothing behind.

    Raises:
        InvalidError: The batch is too large.
        UnavailableError: Another transaction took one of the ids just now.
    """
    book = _hold_book(conn, batch)
    outcomes = decide_batch(book, batch, at)
    _add(conn, book, batch, outcomes, at=at, actor=actor)
    return outcomes


def take_all(
    conn: Conn, batch: Sequence[Transfer], *, at: datetime, actor: str
) -> Sequence[Booked]:
    """Make all transfers of a batch, or none.

    Raises:
        JournalRefusedError: One of them may not be made.
        InvalidError: The batch is too large.
        UnavailableError: Another transaction took one of the ids just now.
    """
    book = _hold_book(conn, batch)
    outcomes = decide_batch(book, batch, at)
    booked: list[Booked] = []
    for transfer, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Refusal):
            raise JournalRefusedError(
                outcome.why.value,
                outcome.detail,
                what=transfer.what,
                key=transfer.id,
                numbers=outcome.numbers,
            )
        booked.append(outcome)
    _add(conn, book, batch, outcomes, at=at, actor=actor)
    return booked


def _hold_book(conn: Conn, batch: Sequence[Transfer]) -> Book:
    """Hold all that a batch touches, and return it as it is then."""
    if len(batch) > BATCH_MAX:
        raise InvalidError("batch", len(batch), f"at most {BATCH_MAX} transfers")
    own, others = named_keys(batch)
    # Legs never change: those that are acted on tell which accounts to hold.
    acted_on = store.load_known(conn, others - own) if others - own else _NOTHING
    accounts = store.hold_accounts(conn, named_accounts(batch, acted_on))
    return Book(accounts=accounts, known=store.load_known(conn, own | others))


def _add(
    conn: Conn,
    book: Book,
    batch: Sequence[Transfer],
    outcomes: Sequence[Outcome],
    *,
    at: datetime,
    actor: str,
) -> None:
    """Store what was booked just now."""
    made = [
        (transfer, outcome)
        for transfer, outcome in zip(batch, outcomes, strict=True)
        if isinstance(outcome, Booked) and not outcome.replayed
    ]
    if not made:
        return
    booked = {**book.known, **{outcome.key: outcome for _, outcome in made}}
    rows = [
        (transfer, each, entries_of(each, None if each.of_key is None else booked[each.of_key]))
        for transfer, each in made
    ]
    currencies = {key: account.currency for key, account in book.accounts.items()}
    store.add_batch(conn, rows, currencies, at=at, actor=actor)


__all__ = ["key_of", "take", "take_all"]
