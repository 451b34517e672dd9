"""Who acts: parties, accounts, roles."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.ids import AccountId, PartyId, TokenId


class Role(StrEnum):
    """What an account may do; the database's policies know the same words."""

    BORROWER = "borrower"
    LENDER = "lender"
    LOGISTICS = "logistics"
    OPERATOR = "operator"
    REGULATOR = "regulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The account behind a request, for the party and in the role that it acts."""

    account_id: AccountId
    party_id: PartyId
    role: Role
    login: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A company: a bank, a borrower, a warehouse operator."""

    id: PartyId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A login of a party, in one role; without its password."""

    id: AccountId
    party_id: PartyId
    login: str
    role: Role
    active: bool
    created_at: datetime

    @property
    def actor(self) -> Actor:
        """The account as it acts."""
        return Actor(account_id=self.id, party_id=self.party_id, role=self.role, login=self.login)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a login is checked against."""

    account: Account
    password_hash: str | None
    failed_logins: int
    locked_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login that lasts: the account, what its forms must echo, and its end."""

    account: Account
    csrf_token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A session just opened; the token is known only now, the database keeps its digest."""

    token: str
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A machine's key to an account, without the secret."""

    id: TokenId
    account_id: AccountId
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
