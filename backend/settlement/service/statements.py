"""Bank messages: taken in by whoever carries them, looked into by the worker."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid4

from backend.db import Conn
from backend.facility.service.books import Kind
from backend.journal import service as journal
from backend.journal.types import Leg, Side, Step, Transfer
from backend.settlement.errors import StatementRefusedError
from backend.settlement.rules.camt import read_message
from backend.settlement.rules.matching import line_key
from backend.settlement.service.accounts import open_places, place_of
from backend.settlement.store import lines, statements
from backend.settlement.types import (
    BankLine,
    BankMessage,
    DedicatedAccount,
    Direction,
    FileState,
    StatementFile,
)

ACTOR = "settlement"


def receive_statement(
    conn: Conn, content: bytes, received_by: str, now: datetime
) -> StatementFile:
    """Keep a bank's message for the worker; the same bytes again are the same message.

    One that was refused is tried again: the account may be registered by now.

    Raises:
        InvalidError: It is no camt.053 or camt.054 message, or not whole.
    """
    digest = sha256(content).digest()
    known = statements.find_file(conn, digest)
    if known is None:
        message = read_message(content)
        new = statements.NewFile(
            id=uuid4(),
            kind=message.kind,
            message_id=message.message_id,
            sha256=digest,
            content=content,
            received_at=now,
            received_by=received_by,
        )
        statements.add_file(conn, new)
    elif known.state is FileState.REFUSED:
        statements.ask_again(conn, known.id)
    found = statements.find_file(conn, digest)
    assert found is not None
    return found


def unpack(conn: Conn, file_id: UUID, now: datetime) -> None:
    """Store the lines of a message and book its money, all of it or, with the reason, nothing."""
    content = statements.hold_content(conn, file_id)
    if content is None:
        return
    message = read_message(content)
    accounts = statements.load_accounts(conn, (line.account_number for line in message.lines))
    try:
        fresh = [
            found
            for number in sorted({line.account_number for line in message.lines})
            for found in _fresh_lines(conn, message, number, accounts.get(number))
        ]
    except StatementRefusedError as error:
        statements.save_file(conn, file_id, FileState.REFUSED, error.message)
        return
    for account in accounts.values():
        open_places(conn, account, (line.currency for owner, line in fresh if owner == account))
    rows = [(_line_id(account, line), account.id, line) for account, line in fresh]
    lines.add_lines(conn, file_id, rows, now)
    batch = [_booking(account, line) for account, line in fresh]
    if batch:
        journal.take_all(conn, batch, at=now, actor=ACTOR)
    duplicates = len(message.lines) - len(fresh)
    counts = (len(fresh), duplicates, message.not_booked)
    statements.save_file(conn, file_id, FileState.UNPACKED, "", *counts)


def _fresh_lines(
    conn: Conn, message: BankMessage, number: str, account: DedicatedAccount | None
) -> Sequence[tuple[DedicatedAccount, BankLine]]:
    """Return the lines of one account that no other message has told.

    Raises:
        StatementRefusedError: Nobody has registered the account, or it was told otherwise before.
    """
    if account is None:
        raise StatementRefusedError("unknown_account", f"account {number} is not registered")
    told = [line for line in message.lines if line.account_number == number]
    stored = lines.entries_known(conn, account.id, (line.entry_key for line in told))
    entries, repeated = dict(stored), set(stored)
    fresh: list[tuple[DedicatedAccount, BankLine]] = []
    for line in told:
        entry = (line.entry_minor, line.direction, line.currency)
        if line.part == 1 and line.entry_key in entries:
            repeated.add(line.entry_key)
        if entries.setdefault(line.entry_key, entry) != entry:
            detail = f"entry {line.entry_key} was told before with another amount"
            raise StatementRefusedError("contradiction", detail)
        if line.entry_key not in repeated:
            fresh.append((account, line))
    return fresh


def _line_id(account: DedicatedAccount, line: BankLine) -> UUID:
    return UUID(bytes=sha256(line_key(account.id, line)).digest()[:16])


def _booking(account: DedicatedAccount, line: BankLine) -> Transfer:
    """Return the entry that a line is on its account: not yet anybody's, and never lost."""
    bank = place_of(account, line.currency, Kind.BANK)
    if line.direction is Direction.CREDIT:
        debit, credit = bank, place_of(account, line.currency, Kind.UNALLOCATED_IN)
    else:
        debit, credit = place_of(account, line.currency, Kind.UNALLOCATED_OUT), bank
    return Transfer(
        scope=account.id,
        id=_line_id(account, line),
        step=Step.POST,
        what="received on account" if line.direction is Direction.CREDIT else "paid from account",
        legs=(
            Leg(account_id=debit, side=Side.DEBIT, amount_minor=line.amount_minor),
            Leg(account_id=credit, side=Side.CREDIT, amount_minor=line.amount_minor),
        ),
    )
