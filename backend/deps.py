"""What a request's handler may ask for: the database, the time, and who acts.

A browser proves itself by cookie, and for anything but reading also by the session's CSRF token;
a machine by ``Authorization: Bearer``.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from backend.clock import Clock
from backend.config import Settings
from backend.db import Database
from backend.keys import BackendKey
from backend.parties import service
from backend.parties.errors import CsrfError, NotLoggedInError, RoleError
from backend.parties.types import Actor, Role, Session

SESSION_COOKIE: Final = "pw_session"
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf_token"
TOKEN_CHARACTERS_MAX: Final = 256  # Ours have 47.
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")

_cookie = APIKeyCookie(name=SESSION_COOKIE, scheme_name="session", auto_error=False)
_bearer = HTTPBearer(scheme_name="token", auto_error=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts, and the browser's session if it is one."""

    actor: Actor
    session: Session | None


def get_database(request: Request) -> Database:
    """Return the application's database."""
    db = request.app.state.db
    assert isinstance(db, Database)
    return db


def get_settings(request: Request) -> Settings:
    """Return the application's settings."""
    settings = request.app.state.settings
    assert isinstance(settings, Settings)
    return settings


def get_backend_key(request: Request) -> BackendKey:
    """Return the backend's signing key."""
    key = request.app.state.backend_key
    assert isinstance(key, BackendKey)
    return key


def get_broker_secret(request: Request) -> str:
    """Return what gateways' broker passwords are derived from."""
    secret = request.app.state.broker_secret
    assert isinstance(secret, str)
    return secret


def get_notification_secret(request: Request) -> bytes:
    """Return what the secrets of webhooks are derived from."""
    secret = request.app.state.notification_secret
    assert isinstance(secret, bytes)
    return secret


def get_clock(request: Request) -> Clock:
    """Return the application's clock."""
    clock: Clock = request.app.state.clock
    return clock


def get_now(request: Request) -> datetime:
    """Return the time at which the request is dealt with."""
    return get_clock(request).now()


async def sent_csrf_token(request: Request) -> str | None:
    """Return the CSRF token that came with a request, by header or form field."""
    if (header := request.headers.get(CSRF_HEADER)) is not None:
        return header
    if request.method in _SAFE_METHODS:
        return None
    if not request.headers.get("content-type", "").startswith(_FORMS):
        return None
    field = (await request.form()).get(CSRF_FIELD)
    return field if isinstance(field, str) else None


def principal(
    request: Request,
    csrf_token: Annotated[str | None, Depends(sent_csrf_token)],
    cookie: Annotated[str | None, Depends(_cookie)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """Return who acts.

    Raises:
        NotLoggedInError: Neither a session nor a token that is valid.
        CsrfError: A change by cookie without the session's CSRF token.
    """
    db, now = get_database(request), get_now(request)
    if bearer is not None:
        if len(bearer.credentials) > TOKEN_CHARACTERS_MAX:
            raise NotLoggedInError
        with db.auth() as conn:
            account = service.find_token_account(conn, bearer.credentials, now)
        return Principal(actor=account.actor, session=None)
    if cookie is None or len(cookie) > TOKEN_CHARACTERS_MAX:
        raise NotLoggedInError
    with db.auth() as conn:
        session = service.find_session(conn, cookie, now)
    if request.method not in _SAFE_METHODS and not _same(csrf_token, session.csrf_token):
        raise CsrfError
    return Principal(actor=session.account.actor, session=session)


def optional_principal(
    request: Request,
    csrf_token: Annotated[str | None, Depends(sent_csrf_token)],
    cookie: Annotated[str | None, Depends(_cookie)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal | None:
    """Return who acts, or None: for pages that send a stranger to the login."""
    try:
        return principal(request, csrf_token, cookie, bearer)
    except NotLoggedInError:
        return None


def actor(who: Annotated[Principal, Depends(principal)]) -> Actor:
    """Return the account that acts."""
    return who.actor


def require(*roles: Role) -> Callable[[Actor], Actor]:
    """Return a dependency that lets only these roles pass."""

    def required(acting: Annotated[Actor, Depends(actor)]) -> Actor:
        if acting.role not in roles:
            raise RoleError(acting.role, tuple(role.value for role in roles))
        return acting

    return required


Db = Annotated[Database, Depends(get_database)]
AppSettings = Annotated[Settings, Depends(get_settings)]
NotificationSecret = Annotated[bytes, Depends(get_notification_secret)]
Now = Annotated[datetime, Depends(get_now)]
CurrentPrincipal = Annotated[Principal, Depends(principal)]
OptionalPrincipal = Annotated[Principal | None, Depends(optional_principal)]
CurrentActor = Annotated[Actor, Depends(actor)]
AsBorrower = Annotated[Actor, Depends(require(Role.BORROWER))]
AsLender = Annotated[Actor, Depends(require(Role.LENDER))]
AsLogistics = Annotated[Actor, Depends(require(Role.LOGISTICS))]
AsOperator = Annotated[Actor, Depends(require(Role.OPERATOR))]


def _same(sent: str | None, expected: str) -> bool:
    return sent is not None and hmac.compare_digest(sent.encode(), expected.encode())
