"""Logins, sessions, tokens, parties and accounts.

A login is three steps, because its failures must be committed and no connection may be held while
a password is hashed: ``begin_login`` counts it, ``check_password`` decides, ``end_login`` records.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError, RefusedError
from backend.ids import AccountId, PartyId, TokenId
from backend.parties import passwords, store
from backend.parties.errors import NotLoggedInError, RoleError
from backend.parties.rules import API_PREFIX, decide_lockout, digest_secret
from backend.parties.types import (
    Account,
    Actor,
    ApiToken,
    Credentials,
    OpenedSession,
    Party,
    Role,
    Session,
)

SECRET_BYTES: Final = 32
WRITERS: Final = tuple(role for role in Role if role is not Role.REGULATOR)
TOKENS_MAX: Final = 50  # Of an account: one for each machine and then some.
TOKEN_LIFE_MAX: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be; without a password it acts by tokens only."""

    party_id: PartyId
    login: str
    role: Role
    password: str | None


def begin_login(conn: Conn, login: str, now: datetime) -> Credentials | None:
    """Count an attempt and return what to check it against; None when there is nothing."""
    return store.save_attempt(conn, login, now)


def check_password(credentials: Credentials | None, password: str) -> str | None:
    """Return the hash to keep when the password is right, else None; takes as long either way.

    Raises:
        UnavailableError: Too many logins at once.
    """
    password_hash = None if credentials is None else credentials.password_hash
    if not passwords.password_fits(password, password_hash) or password_hash is None:
        return None
    return passwords.refreshed_hash(password, password_hash)


def end_login(
    conn: Conn, credentials: Credentials, password_hash: str | None, now: datetime, life: timedelta
) -> OpenedSession | None:
    """Open a session after a right password; after a wrong one the account may have to rest."""
    account = credentials.account
    if password_hash is None:
        store.save_lockout(conn, account.id, decide_lockout(credentials.failed_logins, now))
        return None
    store.save_success(conn, account.id, password_hash)
    return open_session(conn, account, now, life)


def open_session(conn: Conn, account: Account, now: datetime, life: timedelta) -> OpenedSession:
    """Open a session for an account that has proved itself."""
    token = secrets.token_urlsafe(SECRET_BYTES)
    session = Session(
        account=account, csrf_token=secrets.token_urlsafe(SECRET_BYTES), expires_at=now + life
    )
    store.add_session(conn, digest_secret(token), session, now)
    return OpenedSession(token=token, session=session)


def find_session(conn: Conn, token: str, now: datetime) -> Session:
    """Return the session of a cookie.

    Raises:
        NotLoggedInError: There is none, or it is over.
    """
    session = store.load_session(conn, digest_secret(token), now)
    if session is None:
        raise NotLoggedInError
    return session


def find_token_account(conn: Conn, token: str, now: datetime) -> Account:
    """Return the account of an API token.

    Raises:
        NotLoggedInError: There is none, it is revoked or over.
    """
    account = store.load_token_account(conn, digest_secret(token), now)
    if account is None:
        raise NotLoggedInError
    return account


def close_session(conn: Conn, token: str) -> None:
    """End the session of a cookie; one that is over already is as well."""
    store.remove_session(conn, digest_secret(token))


def add_party(conn: Conn, name: str) -> Party:
    """Register a party."""
    return store.add_party(conn, name)


def add_account(conn: Conn, new: NewAccount) -> Account:
    """Create an account of an existing party.

    Raises:
        InvalidError: The party is unknown, or the password too short.
    """
    if store.load_party(conn, new.party_id) is None:
        raise InvalidError("party_id", str(new.party_id), "a registered party")
    password_hash = None if new.password is None else passwords.hash_password(new.password)
    return store.add_account(conn, new.party_id, new.login, new.role, password_hash)


def add_or_reset_operator(conn: Conn, party: str, login: str, password: str) -> Account:
    """Return an operator's account with this password: a new one, or the one of this login.

    Raises:
        InvalidError: The password is too short.
        RefusedError: The login is another role's.
    """
    for account in store.list_accounts(conn):
        if account.login == login:
            if account.role is not Role.OPERATOR:
                raise RefusedError("conflict", f"login {login} is a {account.role}'s")
            store.save_success(conn, account.id, passwords.hash_password(password))
            return account
    party_id = _find_or_add_party(conn, party).id
    new = NewAccount(party_id=party_id, login=login, role=Role.OPERATOR, password=password)
    return add_account(conn, new)


def add_token(
    conn: Conn, actor: Actor, name: str, expires_at: datetime | None, now: datetime
) -> tuple[ApiToken, str]:
    """Create an API token of the actor's own account; the secret is returned this once.

    Raises:
        RoleError: A regulator writes nothing; the operator makes its tokens.
        InvalidError: It would end in the past, or too far away.
        RefusedError: The account has too many.
    """
    if actor.role is Role.REGULATOR:
        raise RoleError(actor.role, WRITERS)
    return _add_token(conn, actor.account_id, name, expires_at, now)


def add_regulator_token(
    conn: Conn, account_id: AccountId, name: str, expires_at: datetime | None, now: datetime
) -> tuple[ApiToken, str]:
    """Create an API token of a regulator's account, for an operator to hand over.

    Raises:
        NotFoundError: There is no such account of a regulator.
        InvalidError: It would end in the past, or too far away.
        RefusedError: The account has too many.
    """
    account = store.load_account(conn, account_id)
    if account is None or account.role is not Role.REGULATOR:
        raise NotFoundError("account", account_id)
    return _add_token(conn, account_id, name, expires_at, now)


def list_tokens(conn: Conn, actor: Actor, account_id: AccountId) -> Sequence[ApiToken]:
    """Return an account's tokens: the actor's own, or a regulator's for an operator.

    Raises:
        NotFoundError: It is neither.
    """
    _check_keeper(conn, actor, account_id)
    return store.list_tokens(conn, account_id)


def revoke_token(conn: Conn, actor: Actor, token_id: TokenId, now: datetime) -> ApiToken:
    """Revoke a token of the actor, or a regulator's for an operator; again is as well.

    Raises:
        NotFoundError: There is no such token, or it is somebody else's.
    """
    token = store.load_token(conn, token_id)
    if token is None:
        raise NotFoundError("token", token_id)
    _check_keeper(conn, actor, token.account_id)
    revoked = store.save_revocation(conn, token_id, now)
    if revoked is None:
        raise RoleError(actor.role, WRITERS)
    return revoked


def _check_keeper(conn: Conn, actor: Actor, account_id: AccountId) -> None:
    """Let pass who keeps the tokens of an account."""
    if account_id == actor.account_id:
        return
    account = store.load_account(conn, account_id) if actor.role is Role.OPERATOR else None
    if account is None or account.role is not Role.REGULATOR:
        raise NotFoundError("account", account_id)


def _find_or_add_party(conn: Conn, name: str) -> Party:
    """Return the party of this name, registered when there is none."""
    for party in store.list_parties(conn):
        if party.name == name:
            return party
    return store.add_party(conn, name)


def _add_token(
    conn: Conn, account_id: AccountId, name: str, expires_at: datetime | None, now: datetime
) -> tuple[ApiToken, str]:
    if expires_at is not None and not now < expires_at <= now + TOKEN_LIFE_MAX:
        raise InvalidError(
            "expires_at", expires_at.isoformat(), f"within {TOKEN_LIFE_MAX.days} days from now"
        )
    if store.count_tokens(conn, account_id, now) >= TOKENS_MAX:
        raise RefusedError("too_many_tokens", f"an account has at most {TOKENS_MAX}; revoke one")
    secret = API_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken(
        id=TokenId(uuid4()),
        account_id=account_id,
        name=name,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    store.add_token(conn, token, digest_secret(secret))
    return token, secret
