"""Dedicated accounts, bank messages and their lines, and what became of each."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from backend.ids import DrawdownId, FacilityId, PartyId, RepaymentId
from backend.money import Minor


class Direction(StrEnum):
    """Whether money came or went."""

    CREDIT = "credit"
    DEBIT = "debit"


class StatementLineState(StrEnum):
    """How far a line has come."""

    RECEIVED = "received"
    MATCHED = "matched"
    EXCEPTION = "exception"
    RETURNING = "returning"
    REVERSED = "reversed"


class FileState(StrEnum):
    """How far a bank's message has come."""

    RECEIVED = "received"
    UNPACKED = "unpacked"
    REFUSED = "refused"


class Why(StrEnum):
    """Why a line waits for a person."""

    NO_REFERENCE = "no_reference"
    BAD_REFERENCE = "bad_reference"
    UNKNOWN_REFERENCE = "unknown_reference"
    AMBIGUOUS = "ambiguous"
    CURRENCY_DIFFERS = "currency_differs"
    FACILITY_CLOSED = "facility_closed"
    AMOUNT_DIFFERS = "amount_differs"
    NO_PROMISE = "no_promise"
    NO_ORIGINAL = "no_original"
    REVERSAL_BLOCKED = "reversal_blocked"
    DISBURSEMENT_RETURNED = "disbursement_returned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLine:
    """One payment as the bank tells it: an entry, or a transaction of an entry.

    ``entry_key`` is the bank's own name of the entry, the same in a statement and in a
    notification; ``entry_minor`` the entry's amount, of which this may be a part.
    """

    account_number: str
    currency: str
    direction: Direction
    amount_minor: Minor
    entry_key: str
    entry_minor: Minor
    part: int
    is_reversal: bool
    booked_on: date
    end_to_end_id: str = ""
    reference: str = ""
    remittance: str = ""
    counterparty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankMessage:
    """A camt.053 or camt.054 message: what is booked in it, and how many entries are not yet."""

    kind: str
    message_id: str
    lines: tuple[BankLine, ...]
    not_booked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DedicatedAccount:
    """A bank account whose statements come here: of one facility, or a lender's own."""

    id: UUID
    number: str
    currency: str
    name: str
    facility_id: FacilityId | None
    party_id: PartyId | None

    @property
    def owner(self) -> UUID:
        """Whose book the account's money is in."""
        owner = self.facility_id or self.party_id
        assert owner is not None
        return owner


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A bank's message as it was imported, and what became of it."""

    id: UUID
    kind: str
    message_id: str
    sha256: bytes
    state: FileState
    detail: str
    received_at: datetime
    received_by: str
    lines: int
    duplicates: int
    not_booked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line as it is kept."""

    id: UUID
    account_id: UUID
    file_id: UUID
    line: BankLine
    state: StatementLineState
    why: Why | None
    detail: str
    facility_id: FacilityId | None
    drawdown_id: DrawdownId | None
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A facility that money on an account may be meant for."""

    facility_id: FacilityId
    reference: str
    currency: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A repayment that a party said it made, and whether a statement has shown it."""

    repayment_id: RepaymentId
    facility_id: FacilityId
    amount_minor: Minor
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A drawdown that a payment names."""

    drawdown_id: DrawdownId
    facility_id: FacilityId
    amount_minor: Minor
    currency: str
    state: str
    expired: bool
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repays:
    """The money is a facility's."""

    facility_id: FacilityId


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirms:
    """The money is what a party said it had paid."""

    facility_id: FacilityId
    repayment_id: RepaymentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Disburses:
    """The money is a drawdown's; ``first``: nobody has said yet that it was paid out."""

    facility_id: FacilityId
    drawdown_id: DrawdownId
    first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """The money is what a person sent back."""

    line_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoes:
    """The bank takes an earlier line back."""

    line_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """A person must say."""

    why: Why
    detail: str


Decision = Repays | Confirms | Disburses | Returns | Undoes | Unclear


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is to be paid: by when, where to, and under which reference."""

    facility_id: FacilityId
    facility_name: str
    currency: str
    due_on: date | None
    when: str
    amount_minor: Minor
    reference: str
    account_number: str | None
