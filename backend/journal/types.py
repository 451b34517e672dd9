"""Accounts, transfers and what was said to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from backend.ids import FacilityId, JournalAccountId, PartyId, TransferKey
from backend.money import Minor


class Side(StrEnum):
    """Of an account: where a leg stands."""

    DEBIT = "debit"
    CREDIT = "credit"


class Phase(StrEnum):
    """What an entry counts as: money, a reserve, or the end of a reserve."""

    POSTED = "posted"
    PENDING = "pending"
    RELEASED = "released"


class Step(StrEnum):
    """What a transfer does; all but the first two name another one that they act on."""

    POST = "post"
    RESERVE = "reserve"
    SETTLE = "settle"
    VOID = "void"
    EXPIRE = "expire"
    REVERSE = "reverse"


ENDS = frozenset({Step.SETTLE, Step.VOID, Step.EXPIRE})  # Of a reserve: exactly one of them.


class Why(StrEnum):
    """Why a transfer was refused; when several hold, the first in this order is told."""

    ID_REUSED = "id_reused"
    MALFORMED = "malformed"
    UNKNOWN_TRANSFER = "unknown_transfer"
    NOT_PENDING = "not_pending"
    ALREADY_ENDED = "already_ended"
    PENDING_EXPIRED = "pending_expired"
    NOT_YET_EXPIRED = "not_yet_expired"
    NOT_POSTED = "not_posted"
    ALREADY_REVERSED = "already_reversed"
    OVER_PENDING = "over_pending"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNBALANCED = "unbalanced"
    TOO_LARGE = "too_large"
    BELOW_ZERO = "below_zero"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What stands on an account, from its entries alone."""

    debits_posted_minor: int = 0
    credits_posted_minor: int = 0
    debits_pending_minor: int = 0
    credits_pending_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of a facility's or a party's book.

    ``floor``: what is posted on its normal side covers what is posted and pending on the other.
    """

    id: JournalAccountId
    facility_id: FacilityId | None
    party_id: PartyId | None
    kind: str
    currency: str
    normal: Side
    floor: bool
    balance: Balance = Balance()

    @property
    def posted_minor(self) -> Minor:
        """The balance on the normal side; below zero when the other side has more."""
        net = self.balance.debits_posted_minor - self.balance.credits_posted_minor
        return Minor(net if self.normal is Side.DEBIT else -net)

    @property
    def reserved_minor(self) -> Minor:
        """What pending transfers would add on the normal side."""
        balance = self.balance
        return Minor(
            balance.debits_pending_minor
            if self.normal is Side.DEBIT
            else balance.credits_pending_minor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """So much on one side of an account."""

    account_id: JournalAccountId
    side: Side
    amount_minor: Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A leg as it is kept."""

    leg: Leg
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money to be moved, or a reserve made or ended; the id is the caller's, within its scope.

    ``of_id`` names the transfer of the same scope that is settled, voided, expired or reversed.
    Legs of a settlement may be less than what was reserved; none: all of it. The rest is free.
    """

    scope: UUID
    id: UUID
    step: Step
    what: str
    legs: tuple[Leg, ...] = ()
    of_id: UUID | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """A transfer as the journal has it; ``replayed``: it was there before it was asked for."""

    key: TransferKey
    step: Step
    what: str
    legs: tuple[Leg, ...]
    body_sha256: bytes
    at: datetime
    expires_at: datetime | None
    of_key: TransferKey | None = None
    ended_by: Step | None = None
    reversed: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Nothing was moved, and nothing is kept of it."""

    why: Why
    detail: str
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])


Outcome = Booked | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Everything that a batch is decided on: the accounts held, and what is known of its ids."""

    accounts: Mapping[JournalAccountId, Account]
    known: Mapping[TransferKey, Booked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A transfer's entry as people read it."""

    number: int
    key: TransferKey
    id: UUID
    at: datetime
    actor: str
    what: str
    step: Step
    account_id: JournalAccountId
    kind: str
    currency: str
    side: Side
    phase: Phase
    amount_minor: Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something in the tables that the entries do not say."""

    what: str
    key: str
    found: str
    expected: str
