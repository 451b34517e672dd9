"""Dedicated accounts, and the journal's accounts behind them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import uuid4

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.facility.service.books import Kind
from backend.facility.store import facilities
from backend.ids import FacilityId, JournalAccountId
from backend.journal import store as journal
from backend.journal.rules import account_id_of
from backend.journal.types import Account, Side
from backend.parties.types import Actor
from backend.settlement.rules.references import account_number
from backend.settlement.store import statements as store
from backend.settlement.types import DedicatedAccount

# Kind, normal side, whether it may not go below zero.
_ACCOUNTS: Final = (
    (Kind.BANK, Side.DEBIT, False),
    (Kind.UNALLOCATED_IN, Side.CREDIT, True),
    (Kind.UNALLOCATED_OUT, Side.DEBIT, True),
    (Kind.RETURNING, Side.CREDIT, True),
)


def open_account(
    conn: Conn,
    actor: Actor,
    asked: tuple[str, str, str],
    facility_id: FacilityId | None,
    now: datetime,
) -> DedicatedAccount:
    """Register a bank account whose statements will come: number, currency, name.

    Raises:
        InvalidError: The number is none, or the currency is not the facility's.
        NotFoundError: There is no such facility.
    """
    number, currency, name = asked
    if facility_id is not None:
        found = facilities.load_facilities(conn, [facility_id])
        if not found:
            raise NotFoundError("facility", facility_id)
        if found[0][0].currency != currency:
            raise InvalidError("currency", currency, found[0][0].currency)
    account = DedicatedAccount(
        id=uuid4(),
        number=account_number(number),
        currency=currency,
        name=name,
        facility_id=facility_id,
        party_id=None if facility_id is not None else actor.party_id,
    )
    store.add_account(conn, account, actor.account_id, now)
    open_places(conn, account, [currency])
    return account


def open_places(conn: Conn, account: DedicatedAccount, currencies: Iterable[str]) -> None:
    """Open the journal's accounts behind a dedicated account, for each currency that came."""
    journal.open_accounts(
        conn,
        [
            Account(
                id=place_of(account, currency, kind),
                facility_id=account.facility_id,
                party_id=account.party_id,
                kind=kind.value,
                currency=currency,
                normal=normal,
                floor=floor,
            )
            for currency in sorted(set(currencies))
            for kind, normal, floor in _ACCOUNTS
        ],
    )


def place_of(account: DedicatedAccount, currency: str, kind: Kind) -> JournalAccountId:
    """Return the journal's account behind a dedicated account."""
    return account_id_of(account.owner, currency, kind.value)
