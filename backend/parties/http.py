"""Routes of login, tokens, parties and accounts."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, StringConstraints

from backend.deps import (
    SESSION_COOKIE,
    AppSettings,
    AsOperator,
    CurrentActor,
    CurrentPrincipal,
    Db,
    Now,
    require,
)
from backend.ids import AccountId, PartyId, TokenId
from backend.parties import service, store
from backend.parties.errors import BadLoginError, RoleError
from backend.parties.types import Account, Actor, ApiToken, OpenedSession, Party, Role

router = APIRouter(prefix="/api", tags=["parties"])

Writer = Annotated[Actor, Depends(require(*service.WRITERS))]
Login = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$")]
PartyName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
TokenName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]


class Body(BaseModel):
    """A request's body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class LoginBody(Body):
    """Who wants to come in."""

    login: Annotated[str, StringConstraints(max_length=64)]
    password: SecretStr


class AccountView(BaseModel):
    """An account."""

    id: UUID
    party_id: UUID
    login: str
    role: Role
    active: bool
    created_at: datetime


class MeView(BaseModel):
    """Who acts, and what a browser must send along with changes."""

    account_id: UUID
    party_id: UUID
    party_name: str
    login: str
    role: Role
    csrf_token: str | None


class PartyBody(Body):
    """A party to register."""

    name: PartyName


class PartyView(BaseModel):
    """A party."""

    id: UUID
    name: str
    created_at: datetime


class AccountBody(Body):
    """An account to create; without a password it acts by tokens only."""

    party_id: UUID
    login: Login
    role: Role
    password: SecretStr | None = None


class TokenBody(Body):
    """An API token to create; ``account_id`` only by an operator, for a regulator's account."""

    name: TokenName
    expires_at: AwareDatetime | None = None
    account_id: UUID | None = None


class TokenView(BaseModel):
    """An API token, without its secret."""

    id: UUID
    account_id: UUID
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewTokenView(TokenView):
    """An API token just created; its secret is shown this once."""

    token: str


@router.post("/login")
def login(
    body: LoginBody, request: Request, response: Response, db: Db, settings: AppSettings, now: Now
) -> MeView:
    """Open a session; its token is in the cookie."""
    opened = open_browser_session(
        db, body.login, body.password.get_secret_value(), now, settings.session_hours
    )
    set_session_cookie(request, response, opened, now)
    account = opened.session.account
    with db.acting(account.actor) as conn:
        party = store.load_party(conn, account.party_id)
    assert party is not None
    return _me(account, party, opened.session.csrf_token)


def open_browser_session(
    db: Db, name: str, password: str, now: datetime, session_hours: int
) -> OpenedSession:
    """Return a session for a login and its password.

    Raises:
        BadLoginError: They do not fit, or too many attempts went before.
        UnavailableError: Too many logins at once.
    """
    with db.auth() as conn:
        credentials = service.begin_login(conn, name, now)
    password_hash = service.check_password(credentials, password)
    if credentials is None:
        raise BadLoginError
    with db.auth() as conn:
        opened = service.end_login(
            conn, credentials, password_hash, now, timedelta(hours=session_hours)
        )
    if opened is None:
        raise BadLoginError
    return opened


def set_session_cookie(
    request: Request, response: Response, opened: OpenedSession, now: datetime
) -> None:
    """Hand a session to the browser."""
    response.set_cookie(
        SESSION_COOKIE,
        opened.token,
        max_age=int((opened.session.expires_at - now).total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


@router.post("/logout", status_code=204)
def logout(request: Request, response: Response, db: Db, who: CurrentPrincipal) -> None:
    """End the browser's session; a token's caller has none, and nothing happens."""
    token = request.cookies.get(SESSION_COOKIE)
    if who.session is not None and token is not None:
        with db.auth() as conn:
            service.close_session(conn, token)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")


@router.get("/me")
def me(db: Db, who: CurrentPrincipal) -> MeView:
    """Return who acts."""
    with db.acting(who.actor) as conn:
        account = store.load_account(conn, who.actor.account_id)
        party = store.load_party(conn, who.actor.party_id)
    assert account is not None
    assert party is not None
    return _me(account, party, None if who.session is None else who.session.csrf_token)


@router.post("/parties", status_code=201)
def add_party(body: PartyBody, db: Db, actor: AsOperator) -> PartyView:
    """Register a party."""
    with db.acting(actor) as conn:
        return _party_view(service.add_party(conn, body.name))


@router.get("/parties")
def list_parties(db: Db, actor: CurrentActor) -> list[PartyView]:
    """Return every party, by name."""
    with db.acting(actor) as conn:
        return [_party_view(party) for party in store.list_parties(conn)]


@router.post("/accounts", status_code=201)
def add_account(body: AccountBody, db: Db, actor: AsOperator) -> AccountView:
    """Create an account of a party."""
    password = None if body.password is None else body.password.get_secret_value()
    new = service.NewAccount(
        party_id=PartyId(body.party_id), login=body.login, role=body.role, password=password
    )
    with db.acting(actor) as conn:
        return _account_view(service.add_account(conn, new))


@router.get("/accounts")
def list_accounts(db: Db, actor: CurrentActor) -> list[AccountView]:
    """Return the accounts of the caller's party; all of them for operators and regulators."""
    with db.acting(actor) as conn:
        return [_account_view(account) for account in store.list_accounts(conn)]


@router.post("/tokens", status_code=201)
def add_token(body: TokenBody, db: Db, actor: Writer, now: Now) -> NewTokenView:
    """Create an API token of the caller's account; keep its secret, it is shown this once."""
    with db.acting(actor) as conn:
        if body.account_id is None or body.account_id == actor.account_id:
            token, secret = service.add_token(conn, actor, body.name, body.expires_at, now)
        elif actor.role is Role.OPERATOR:
            token, secret = service.add_regulator_token(
                conn, AccountId(body.account_id), body.name, body.expires_at, now
            )
        else:
            raise RoleError(actor.role, (Role.OPERATOR.value,))
    return NewTokenView(**_token_view(token).model_dump(), token=secret)


@router.get("/tokens")
def list_tokens(db: Db, actor: CurrentActor, account_id: UUID | None = None) -> list[TokenView]:
    """Return the caller's API tokens, newest first; a regulator's account for an operator."""
    account = AccountId(account_id or actor.account_id)
    with db.acting(actor) as conn:
        return [_token_view(token) for token in service.list_tokens(conn, actor, account)]


@router.delete("/tokens/{token_id}")
def revoke_token(token_id: UUID, db: Db, actor: Writer, now: Now) -> TokenView:
    """Revoke an API token of the caller, or a regulator's, at once and for ever."""
    with db.acting(actor) as conn:
        return _token_view(service.revoke_token(conn, actor, TokenId(token_id), now))


def _me(account: Account, party: Party, csrf_token: str | None) -> MeView:
    return MeView(
        account_id=account.id,
        party_id=party.id,
        party_name=party.name,
        login=account.login,
        role=account.role,
        csrf_token=csrf_token,
    )


def _account_view(account: Account) -> AccountView:
    return AccountView(
        id=account.id,
        party_id=account.party_id,
        login=account.login,
        role=account.role,
        active=account.active,
        created_at=account.created_at,
    )


def _party_view(party: Party) -> PartyView:
    return PartyView(id=party.id, name=party.name, created_at=party.created_at)


def _token_view(token: ApiToken) -> TokenView:
    return TokenView(
        id=token.id,
        account_id=token.account_id,
        name=token.name,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
    )
