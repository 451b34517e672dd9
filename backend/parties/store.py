"""Parties, accounts, sessions and tokens in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from psycopg.rows import class_row, dict_row

from backend.db import Conn
from backend.ids import AccountId, PartyId, TokenId
from backend.parties.types import Account, ApiToken, Credentials, Party, Role, Session

ROWS_MAX: Final = 1_000  # A list for people; an installation has tens.


def add_party(conn: Conn, name: str) -> Party:
    """Store a party."""
    with conn.cursor(row_factory=class_row(Party)) as cursor:
        statement = "INSERT INTO party (name) VALUES (%s) RETURNING id, name, created_at"
        party = cursor.execute(statement, [name]).fetchone()
    assert party is not None
    return party


def list_parties(conn: Conn) -> Sequence[Party]:
    """Return every party, by name."""
    with conn.cursor(row_factory=class_row(Party)) as cursor:
        query = "SELECT id, name, created_at FROM party ORDER BY name LIMIT %s"
        return cursor.execute(query, [ROWS_MAX]).fetchall()


def load_party(conn: Conn, party_id: PartyId) -> Party | None:
    """Return a party."""
    with conn.cursor(row_factory=class_row(Party)) as cursor:
        query = "SELECT id, name, created_at FROM party WHERE id = %s"
        return cursor.execute(query, [party_id]).fetchone()


def add_account(
    conn: Conn, party_id: PartyId, login: str, role: Role, password_hash: str | None
) -> Account:
    """Store an account."""
    statement = (
        "INSERT INTO account (party_id, login, role, password_hash) VALUES (%s, %s, %s, %s)"
        " RETURNING id, party_id, login, role, active, created_at"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, [party_id, login, role, password_hash]).fetchone()
    assert row is not None
    return _account(row)


def list_accounts(conn: Conn) -> Sequence[Account]:
    """Return the accounts that the actor may see, by login."""
    query = (
        "SELECT id, party_id, login, role, active, created_at FROM account ORDER BY login LIMIT %s"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_account(row) for row in cursor.execute(query, [ROWS_MAX])]


def load_account(conn: Conn, account_id: AccountId) -> Account | None:
    """Return an account, if the actor may see it."""
    query = "SELECT id, party_id, login, role, active, created_at FROM account WHERE id = %s"
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, [account_id]).fetchone()
    return None if row is None else _account(row)


def save_attempt(conn: Conn, login: str, now: datetime) -> Credentials | None:
    """Count one more failed login and return what to check, or None: unknown, inactive or resting.

    Counted before it is checked, so that attempts made at once count each.
    """
    statement = (
        "UPDATE account SET failed_logins = least(failed_logins + 1, 1000000)"
        " WHERE login = %s AND active AND (locked_until IS NULL OR locked_until <= %s)"
        " RETURNING id, party_id, login, role, active, created_at,"
        " password_hash, failed_logins, locked_until"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, [login, now]).fetchone()
    if row is None:
        return None
    password_hash, failed, until = (
        row.pop(key) for key in ("password_hash", "failed_logins", "locked_until")
    )
    return Credentials(
        account=_account(row),
        password_hash=password_hash,
        failed_logins=failed,
        locked_until=until,
    )


def save_lockout(conn: Conn, account_id: AccountId, until: datetime | None) -> None:
    """Let an account rest until then."""
    conn.execute("UPDATE account SET locked_until = %s WHERE id = %s", [until, account_id])


def save_success(conn: Conn, account_id: AccountId, password_hash: str) -> None:
    """Forget the failed logins; keep the password's hash as it is made today."""
    statement = (
        "UPDATE account SET failed_logins = 0, locked_until = NULL, password_hash = %s"
        " WHERE id = %s"
    )
    conn.execute(statement, [password_hash, account_id])


def add_session(conn: Conn, digest: bytes, session: Session, now: datetime) -> None:
    """Store a session, and drop those of the account that are over."""
    account_id = session.account.id
    conn.execute(
        "DELETE FROM session WHERE account_id = %s AND expires_at <= %s", [account_id, now]
    )
    statement = (
        "INSERT INTO session (token_sha256, account_id, csrf_token, created_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s)"
    )
    values = [digest, account_id, session.csrf_token, now, session.expires_at]
    conn.execute(statement, values)


def load_session(conn: Conn, digest: bytes, now: datetime) -> Session | None:
    """Return a session that has not ended, of an account that is active."""
    query = (
        "SELECT a.id, a.party_id, a.login, a.role, a.active, a.created_at,"
        " s.csrf_token, s.expires_at"
        " FROM session s JOIN account a ON a.id = s.account_id"
        " WHERE s.token_sha256 = %s AND s.expires_at > %s AND a.active"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, [digest, now]).fetchone()
    if row is None:
        return None
    csrf_token, expires_at = row.pop("csrf_token"), row.pop("expires_at")
    return Session(account=_account(row), csrf_token=csrf_token, expires_at=expires_at)


def remove_session(conn: Conn, digest: bytes) -> None:
    """End a session."""
    conn.execute("DELETE FROM session WHERE token_sha256 = %s", [digest])


def add_token(conn: Conn, token: ApiToken, digest: bytes) -> None:
    """Store an API token's digest."""
    statement = (
        "INSERT INTO api_token (id, account_id, name, token_sha256, created_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
    )
    values = [token.id, token.account_id, token.name, digest, token.created_at, token.expires_at]
    conn.execute(statement, values)


def list_tokens(conn: Conn, account_id: AccountId) -> Sequence[ApiToken]:
    """Return an account's tokens, newest first."""
    query = (
        "SELECT id, account_id, name, created_at, expires_at, revoked_at FROM api_token"
        " WHERE account_id = %s ORDER BY created_at DESC, id LIMIT %s"
    )
    with conn.cursor(row_factory=class_row(ApiToken)) as cursor:
        return cursor.execute(query, [account_id, ROWS_MAX]).fetchall()


def count_tokens(conn: Conn, account_id: AccountId, now: datetime) -> int:
    """Return how many tokens of an account are valid."""
    query = (
        "SELECT count(*) FROM api_token WHERE account_id = %s AND revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > %s)"
    )
    row = conn.execute(query, [account_id, now]).fetchone()
    assert row is not None
    return int(row[0])


def load_token(conn: Conn, token_id: TokenId) -> ApiToken | None:
    """Return a token, if the actor may see it."""
    query = (
        "SELECT id, account_id, name, created_at, expires_at, revoked_at FROM api_token"
        " WHERE id = %s"
    )
    with conn.cursor(row_factory=class_row(ApiToken)) as cursor:
        return cursor.execute(query, [token_id]).fetchone()


def save_revocation(conn: Conn, token_id: TokenId, now: datetime) -> ApiToken | None:
    """Revoke a token, once; None when it is not the actor's to revoke."""
    statement = (
        "UPDATE api_token SET revoked_at = coalesce(revoked_at, %s) WHERE id = %s"
        " RETURNING id, account_id, name, created_at, expires_at, revoked_at"
    )
    with conn.cursor(row_factory=class_row(ApiToken)) as cursor:
        return cursor.execute(statement, [now, token_id]).fetchone()


def load_token_account(conn: Conn, digest: bytes, now: datetime) -> Account | None:
    """Return the active account of a token that is neither revoked nor over."""
    query = (
        "SELECT a.id, a.party_id, a.login, a.role, a.active, a.created_at"
        " FROM api_token t JOIN account a ON a.id = t.account_id"
        " WHERE t.token_sha256 = %s AND t.revoked_at IS NULL"
        " AND (t.expires_at IS NULL OR t.expires_at > %s) AND a.active"
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, [digest, now]).fetchone()
    return None if row is None else _account(row)


def _account(row: dict[str, object]) -> Account:
    fields = {**row, "role": Role(str(row["role"]))}
    return Account(**fields)  # pyright: ignore[reportArgumentType]  # the columns are the fields
