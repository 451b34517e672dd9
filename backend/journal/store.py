"""Accounts, transfers and entries in the database: read and written a batch at a time.

Whoever moves money holds the accounts' balances, taken in the order of their ids, until the
commit. Balances change by the database's own hand, as entries arrive (0023_journal.sql).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import errors
from psycopg.rows import TupleRow

from backend.db import Conn
from backend.errors import UnavailableError
from backend.ids import FacilityId, JournalAccountId, PartyId, TransferKey
from backend.journal.types import (
    Account,
    Balance,
    Booked,
    Difference,
    Entry,
    Leg,
    Line,
    Phase,
    Side,
    Step,
    Transfer,
)
from backend.money import Minor

LINES_MAX: Final = 500  # A page for people, newest first.
DIFFERENCES_MAX: Final = 1_000  # Of each kind; who has more has one cause.

_ACCOUNTS: Final = """
SELECT a.id, a.facility_id, a.party_id, a.kind, a.currency, a.normal, a.floor,
  b.debits_posted_minor, b.credits_posted_minor, b.debits_pending_minor, b.credits_pending_minor
FROM journal_account a JOIN journal_balance b ON b.account_id = a.id
"""
_KNOWN: Final = """
SELECT t.key, t.step, t.what, t.body_sha256, t.at, t.expires_at, t.of_key,
  (SELECT x.step FROM journal_transfer x
   WHERE x.of_key = t.key AND x.step IN ('settle','void','expire')),
  EXISTS (SELECT 1 FROM journal_transfer x WHERE x.of_key = t.key AND x.step = 'reverse'),
  (SELECT json_agg(json_build_array(e.account_id, e.side, e.amount_minor) ORDER BY e.leg)
   FROM journal_entry e WHERE e.transfer_key = t.key AND e.phase <> 'released')
FROM journal_transfer t WHERE t.key = ANY(%s)
"""
_ADD_TRANSFERS: Final = """
INSERT INTO journal_transfer (key, scope, id, step, of_key, what, actor, at, expires_at,
  body_sha256, entries)
SELECT n.key, n.scope, n.id, n.step, n.of_key, n.what, %(actor)s, %(at)s, n.expires_at,
  n.body_sha256, n.entries
FROM unnest(%(keys)s::uuid[], %(scopes)s::uuid[], %(ids)s::uuid[], %(steps)s::text[],
  %(of_keys)s::uuid[], %(names)s::text[], %(expiries)s::timestamptz[], %(bodies)s::bytea[],
  %(entries)s::smallint[])
  AS n (key, scope, id, step, of_key, what, expires_at, body_sha256, entries)
"""
_ADD_ENTRIES: Final = """
INSERT INTO journal_entry (transfer_key, leg, account_id, currency, phase, side, amount_minor)
SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::uuid[], %s::text[], %s::text[], %s::text[],
  %s::bigint[])
"""
_LINES: Final = """
SELECT t.number, t.key, t.id, t.at, t.actor, t.what, t.step, a.id, a.kind, a.currency, e.side,
  e.phase, e.amount_minor
FROM journal_account a JOIN journal_entry e ON e.account_id = a.id
  JOIN journal_transfer t ON t.key = e.transfer_key
WHERE (a.facility_id = %(owner)s OR a.party_id = %(owner)s) AND t.number < %(before)s
ORDER BY t.number DESC, e.leg LIMIT %(rows)s
"""
# What the entries alone say, beside what is kept: with no row, they are the same.
_WRONG_BALANCES: Final = """
WITH said AS (
  SELECT account_id,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND side = 'debit'), 0) AS dp,
    coalesce(sum(amount_minor) FILTER (WHERE phase = 'posted' AND side = 'credit'), 0) AS cp,
    coalesce(sum(CASE phase WHEN 'pending' THEN amount_minor ELSE -amount_minor END)
      FILTER (WHERE phase <> 'posted' AND side = 'debit'), 0) AS dr,
    coalesce(sum(CASE phase WHEN 'pending' THEN amount_minor ELSE -amount_minor END)
      FILTER (WHERE phase <> 'posted' AND side = 'credit'), 0) AS cr
  FROM journal_entry GROUP BY account_id)
SELECT b.account_id,
  concat_ws(' ', b.debits_posted_minor, b.credits_posted_minor, b.debits_pending_minor,
    b.credits_pending_minor),
  concat_ws(' ', coalesce(s.dp, 0), coalesce(s.cp, 0), coalesce(s.dr, 0), coalesce(s.cr, 0))
FROM journal_balance b LEFT JOIN said s ON s.account_id = b.account_id
WHERE (b.debits_posted_minor, b.credits_posted_minor, b.debits_pending_minor,
    b.credits_pending_minor)
  IS DISTINCT FROM (coalesce(s.dp, 0), coalesce(s.cp, 0), coalesce(s.dr, 0), coalesce(s.cr, 0))
ORDER BY 1 LIMIT %s
"""
_UNBALANCED: Final = """
SELECT transfer_key,
  sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END), 0
FROM journal_entry GROUP BY transfer_key, currency, phase
HAVING sum(CASE side WHEN 'debit' THEN amount_minor ELSE -amount_minor END) <> 0
ORDER BY 1 LIMIT %s
"""
_INCOMPLETE: Final = """
SELECT t.key, count(e.leg), t.entries FROM journal_transfer t
LEFT JOIN journal_entry e ON e.transfer_key = t.key
GROUP BY t.key HAVING count(e.leg) <> t.entries ORDER BY 1 LIMIT %s
"""
# What a transfer ends must be what was reserved, on each side of each account.
_WRONGLY_ENDED: Final = """
WITH ended AS (
  SELECT x.key, e.account_id, e.side, e.phase, sum(e.amount_minor) AS amount_minor
  FROM journal_transfer x
    JOIN journal_entry e ON (e.transfer_key = x.key AND e.phase = 'released')
      OR (e.transfer_key = x.of_key AND e.phase = 'pending')
  WHERE x.step IN ('settle','void','expire') GROUP BY 1, 2, 3, 4)
SELECT key, coalesce(sum(amount_minor) FILTER (WHERE phase = 'released'), 0),
  coalesce(sum(amount_minor) FILTER (WHERE phase = 'pending'), 0)
FROM ended GROUP BY key, account_id, side
HAVING coalesce(sum(amount_minor) FILTER (WHERE phase = 'released'), 0)
  <> coalesce(sum(amount_minor) FILTER (WHERE phase = 'pending'), 0)
ORDER BY 1 LIMIT %s
"""
# What a facility's row says is owed, and the promises that are open, beside its book.
_FACILITIES: Final = """
SELECT f.id, concat_ws(' ', f.principal_minor, f.interest_minor, f.fees_minor, f.penalty_minor),
  concat_ws(' ', d.principal, d.interest, d.fees, d.penalty)
FROM facility f JOIN (SELECT a.facility_id,
    sum(s.net) FILTER (WHERE a.kind = 'principal') AS principal,
    sum(s.net) FILTER (WHERE a.kind = 'interest') AS interest,
    sum(s.net) FILTER (WHERE a.kind = 'fees') AS fees,
    sum(s.net) FILTER (WHERE a.kind = 'penalty') AS penalty
  FROM journal_account a CROSS JOIN LATERAL (
    SELECT coalesce(sum(CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END), 0)
      AS net FROM journal_entry e WHERE e.account_id = a.id AND e.phase = 'posted') s
  WHERE a.kind IN ('principal','interest','fees','penalty') GROUP BY a.facility_id) d
  ON d.facility_id = f.id
WHERE (f.principal_minor, f.interest_minor, f.fees_minor, f.penalty_minor)
  IS DISTINCT FROM (d.principal, d.interest, d.fees, d.penalty)
ORDER BY 1 LIMIT %s
"""
_PROMISES: Final = """
SELECT f.id, (SELECT coalesce(sum(d.amount_minor), 0) FROM drawdown d
    WHERE d.facility_id = f.id AND d.state = 'pending'), b.debits_pending_minor
FROM facility f JOIN journal_account a ON a.facility_id = f.id AND a.kind = 'principal'
JOIN journal_balance b ON b.account_id = a.id
WHERE b.debits_pending_minor <> (SELECT coalesce(sum(d.amount_minor), 0) FROM drawdown d
    WHERE d.facility_id = f.id AND d.state = 'pending')
ORDER BY 1 LIMIT %s
"""
_CHECKS: Final[tuple[tuple[str, LiteralString], ...]] = (
    ("balance", _WRONG_BALANCES),
    ("unbalanced", _UNBALANCED),
    ("incomplete", _INCOMPLETE),
    ("wrongly_ended", _WRONGLY_ENDED),
    ("facility", _FACILITIES),
    ("promises", _PROMISES),
)


def open_accounts(conn: Conn, accounts: Sequence[Account]) -> None:
    """Store accounts with nothing on them; those that are there stay as they are."""
    statement = (
        "INSERT INTO journal_account (id, facility_id, party_id, kind, currency, normal, floor)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING"
    )
    rows = [
        (
            each.id,
            each.facility_id,
            each.party_id,
            each.kind,
            each.currency,
            each.normal.value,
            each.floor,
        )
        for each in accounts
    ]
    with conn.cursor() as cursor:
        cursor.executemany(statement, rows)


def hold_accounts(
    conn: Conn, account_ids: Sequence[JournalAccountId]
) -> Mapping[JournalAccountId, Account]:
    """Hold accounts until the transaction ends, and return those that the actor may see."""
    # A statement of its own: whoever waited here must read the balances afterwards, anew.
    conn.execute("SELECT journal_hold(%s)", [list(account_ids)])
    return load_accounts(conn, account_ids)


def load_accounts(
    conn: Conn, account_ids: Sequence[JournalAccountId]
) -> Mapping[JournalAccountId, Account]:
    """Return accounts as they stand."""
    rows = conn.execute(f"{_ACCOUNTS} WHERE a.id = ANY(%s)", [list(account_ids)])
    return {each.id: each for each in map(_account, rows)}


def list_accounts(conn: Conn, owner: UUID) -> Sequence[Account]:
    """Return the accounts of a facility's or a party's book."""
    query = f"{_ACCOUNTS} WHERE a.facility_id = %s OR a.party_id = %s ORDER BY a.kind, a.currency"
    return [_account(row) for row in conn.execute(query, [owner, owner])]


def load_known(conn: Conn, keys: Iterable[TransferKey]) -> Mapping[TransferKey, Booked]:
    """Return the transfers that are there under keys, with how they ended."""
    rows = conn.execute(_KNOWN, [sorted(keys)])
    return {each.key: each for each in map(_booked, rows)}


def add_batch(
    conn: Conn,
    made: Sequence[tuple[Transfer, Booked, Sequence[Entry]]],
    currencies: Mapping[JournalAccountId, str],
    *,
    at: datetime,
    actor: str,
) -> None:
    """Store transfers with their entries, in two statements however many they are.

    Raises:
        UnavailableError: Another transaction took one of the ids just now; send it again.
    """
    columns: dict[str, Any] = {
        "actor": actor,
        "at": at,
        "keys": [booked.key for _, booked, _ in made],
        "scopes": [transfer.scope for transfer, _, _ in made],
        "ids": [transfer.id for transfer, _, _ in made],
        "steps": [booked.step.value for _, booked, _ in made],
        "of_keys": [booked.of_key for _, booked, _ in made],
        "names": [booked.what for _, booked, _ in made],
        "expiries": [booked.expires_at for _, booked, _ in made],
        "bodies": [booked.body_sha256 for _, booked, _ in made],
        "entries": [len(entries) for _, _, entries in made],
    }
    rows = [
        (booked.key, number, entry)
        for _, booked, entries in made
        for number, entry in enumerate(entries, 1)
    ]
    try:
        conn.execute(_ADD_TRANSFERS, columns)
    except errors.UniqueViolation as error:
        message = "another request uses one of these ids at this moment: send it again"
        raise UnavailableError("busy", message) from error
    values = [
        [key for key, _, _ in rows],
        [number for _, number, _ in rows],
        [entry.leg.account_id for _, _, entry in rows],
        [currencies[entry.leg.account_id] for _, _, entry in rows],
        [entry.phase.value for _, _, entry in rows],
        [entry.leg.side.value for _, _, entry in rows],
        [entry.leg.amount_minor for _, _, entry in rows],
    ]
    conn.execute(_ADD_ENTRIES, values)


def list_lines(conn: Conn, owner: UUID, before_number: int) -> Sequence[Line]:
    """Return the entries of a facility's or a party's book before a number, newest first."""
    values = {"owner": owner, "before": before_number, "rows": LINES_MAX}
    return [_line(row) for row in conn.execute(_LINES, values)]


def find_differences(conn: Conn) -> Sequence[Difference]:
    """Rebuild everything from the entries and return what the tables say otherwise."""
    return [
        Difference(what=what, key=str(row[0]), found=str(row[1]), expected=str(row[2]))
        for what, query in _CHECKS
        for row in conn.execute(query, [DIFFERENCES_MAX])
    ]


def count_transfers(conn: Conn) -> int:
    """Return how many transfers there are."""
    row = conn.execute("SELECT count(*) FROM journal_transfer").fetchone()
    return 0 if row is None else int(row[0])


def _account(row: TupleRow) -> Account:
    return Account(
        id=JournalAccountId(row[0]),
        facility_id=None if row[1] is None else FacilityId(row[1]),
        party_id=None if row[2] is None else PartyId(row[2]),
        kind=row[3],
        currency=row[4],
        normal=Side(row[5]),
        floor=row[6],
        balance=Balance(
            debits_posted_minor=row[7],
            credits_posted_minor=row[8],
            debits_pending_minor=row[9],
            credits_pending_minor=row[10],
        ),
    )


def _booked(row: TupleRow) -> Booked:
    return Booked(
        key=TransferKey(row[0]),
        step=Step(row[1]),
        what=row[2],
        legs=tuple(
            Leg(
                account_id=JournalAccountId(UUID(account_id)),
                side=Side(side),
                amount_minor=Minor(amount_minor),
            )
            for account_id, side, amount_minor in row[9] or ()
        ),
        body_sha256=bytes(row[3]),
        at=row[4],
        expires_at=row[5],
        of_key=None if row[6] is None else TransferKey(row[6]),
        ended_by=None if row[7] is None else Step(row[7]),
        reversed=row[8],
    )


def _line(row: TupleRow) -> Line:
    return Line(
        number=row[0],
        key=TransferKey(row[1]),
        id=row[2],
        at=row[3],
        actor=row[4],
        what=row[5],
        step=Step(row[6]),
        account_id=JournalAccountId(row[7]),
        kind=row[8],
        currency=row[9],
        side=Side(row[10]),
        phase=Phase(row[11]),
        amount_minor=Minor(row[12]),
    )
