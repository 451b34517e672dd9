"""Dedicated accounts and bank messages in the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import TupleRow

from backend.db import Conn
from backend.ids import AccountId, FacilityId, PartyId
from backend.settlement.types import DedicatedAccount, FileState, StatementFile

ROWS_MAX: Final = 1_000  # A page for people, newest first.
FILES_MAX: Final = 20  # Looked into in one go; the rest follows at once.

_ACCOUNT: Final = (
    "SELECT id, number, currency, name, facility_id, party_id FROM settlement_account"
)
_FILE: Final = (
    "SELECT id, kind, message_id, sha256, state, detail, received_at, received_by, lines,"
    " duplicates, not_booked FROM statement_file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A bank's message that came just now."""

    id: UUID
    kind: str
    message_id: str
    sha256: bytes
    content: bytes
    received_at: datetime
    received_by: str


def add_account(
    conn: Conn, account: DedicatedAccount, opened_by: AccountId, now: datetime
) -> None:
    """Store a dedicated account."""
    statement = (
        "INSERT INTO settlement_account (id, number, currency, name, facility_id, party_id,"
        " opened_at, opened_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )
    values = [
        account.id,
        account.number,
        account.currency,
        account.name,
        account.facility_id,
        account.party_id,
        now,
        opened_by,
    ]
    conn.execute(statement, values)


def list_accounts(conn: Conn) -> Sequence[DedicatedAccount]:
    """Return the dedicated accounts that the actor may see, by name."""
    rows = conn.execute(f"{_ACCOUNT} ORDER BY name, number LIMIT %s", [ROWS_MAX])
    return [_account(row) for row in rows]


def load_accounts(conn: Conn, numbers: Iterable[str]) -> Mapping[str, DedicatedAccount]:
    """Return dedicated accounts by their numbers."""
    rows = conn.execute(f"{_ACCOUNT} WHERE number = ANY(%s)", [sorted(set(numbers))])
    return {account.number: account for account in map(_account, rows)}


def load_account(conn: Conn, account_id: UUID) -> DedicatedAccount | None:
    """Return a dedicated account, if the actor may see it."""
    row = conn.execute(f"{_ACCOUNT} WHERE id = %s", [account_id]).fetchone()
    return None if row is None else _account(row)


def find_file(conn: Conn, sha256: bytes) -> StatementFile | None:
    """Return the message with these bytes, if it is here."""
    row = conn.execute(f"{_FILE} WHERE sha256 = %s", [sha256]).fetchone()
    return None if row is None else _file(row)


def load_file(conn: Conn, file_id: UUID) -> StatementFile | None:
    """Return a message, if the actor may see it."""
    row = conn.execute(f"{_FILE} WHERE id = %s", [file_id]).fetchone()
    return None if row is None else _file(row)


def list_files(conn: Conn) -> Sequence[StatementFile]:
    """Return the newest messages, newest first."""
    query = f"{_FILE} ORDER BY received_at DESC, id LIMIT %s"
    return [_file(row) for row in conn.execute(query, [ROWS_MAX])]


def add_file(conn: Conn, new: NewFile) -> None:
    """Store a bank's message."""
    statement = (
        "INSERT INTO statement_file (id, kind, message_id, sha256, content, received_at,"
        " received_by) VALUES (%s, %s, %s, %s, %s, %s, %s)"
    )
    values = [
        new.id,
        new.kind,
        new.message_id,
        new.sha256,
        new.content,
        new.received_at,
        new.received_by,
    ]
    conn.execute(statement, values)


def ask_again(conn: Conn, file_id: UUID) -> None:
    """Let a refused message be tried once more."""
    statement = "UPDATE statement_file SET state = 'received', detail = '' WHERE id = %s"
    conn.execute(statement, [file_id])


def hold_content(conn: Conn, file_id: UUID) -> bytes | None:
    """Hold a message that waits until the transaction ends, and return its bytes."""
    query = "SELECT content FROM statement_file WHERE id = %s AND state = 'received' FOR UPDATE"
    row = conn.execute(query, [file_id]).fetchone()
    return None if row is None else bytes(row[0])


def save_file(conn: Conn, file_id: UUID, state: FileState, detail: str, *counts: int) -> None:
    """Store what became of a message; the counts: lines, duplicates, entries not booked."""
    lines, duplicates, not_booked = counts or (0, 0, 0)
    statement = (
        "UPDATE statement_file SET state = %s, detail = %s, lines = %s, duplicates = %s,"
        " not_booked = %s WHERE id = %s"
    )
    conn.execute(statement, [state.value, detail, lines, duplicates, not_booked, file_id])


def files_waiting(conn: Conn) -> Sequence[UUID]:
    """Return the messages that nobody has looked into, oldest first."""
    query = (
        "SELECT id FROM statement_file WHERE state = 'received' ORDER BY received_at, id LIMIT %s"
    )
    return [row[0] for row in conn.execute(query, [FILES_MAX])]


def list_targets(conn: Conn, account: DedicatedAccount) -> Sequence[tuple[FacilityId, str, bool]]:
    """Return the facilities that an account's money may be for: id, currency, whether open."""
    query = (
        "SELECT id, currency, state = 'open' FROM facility WHERE id = %s OR lender_party ="
        " coalesce(%s::uuid, (SELECT lender_party FROM facility WHERE id = %s)) ORDER BY id"
    )
    values = [account.facility_id, account.party_id, account.facility_id]
    return [(FacilityId(row[0]), row[1], row[2]) for row in conn.execute(query, values)]


def _account(row: TupleRow) -> DedicatedAccount:
    return DedicatedAccount(
        id=row[0],
        number=row[1],
        currency=row[2],
        name=row[3],
        facility_id=None if row[4] is None else FacilityId(row[4]),
        party_id=None if row[5] is None else PartyId(row[5]),
    )


def _file(row: TupleRow) -> StatementFile:
    return StatementFile(
        id=row[0],
        kind=row[1],
        message_id=row[2],
        sha256=bytes(row[3]),
        state=FileState(row[4]),
        detail=row[5],
        received_at=row[6],
        received_by=row[7],
        lines=row[8],
        duplicates=row[9],
        not_booked=row[10],
    )
