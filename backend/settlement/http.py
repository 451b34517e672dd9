"""Routes of the settlement centre: accounts, statements, lines, exceptions, prompts."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from backend.deps import AsLender, AsOperator, CurrentActor, Db, Now
from backend.errors import InvalidError, NotFoundError
from backend.facility.service.standings import opener
from backend.ids import DrawdownId, FacilityId
from backend.settlement.service import accounts, exceptions, prompts
from backend.settlement.service.statements import receive_statement
from backend.settlement.store import lines as line_store
from backend.settlement.store import statements as statement_store
from backend.settlement.types import DedicatedAccount, Line, StatementFile, StatementLineState

router = APIRouter(prefix="/api/settlement", tags=["settlement"])

Reason = Annotated[str, Field(min_length=1, max_length=500)]


class DedicatedAccountBody(BaseModel):
    """A bank account whose statements will come; without a facility, the lender's for all."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(min_length=1, max_length=60)
    currency: str = Field(pattern="^[A-Z]{3}$")
    name: str = Field(min_length=1, max_length=120)
    facility_id: UUID | None = None


class DedicatedAccountView(BaseModel):
    """A dedicated account."""

    id: UUID
    number: str
    currency: str
    name: str
    facility_id: UUID | None


class FileView(BaseModel):
    """A bank's message, and what became of it; nothing of what it says."""

    id: UUID
    kind: str
    message_id: str
    sha256: str
    state: str
    detail: str
    received_at: datetime
    received_by: str
    lines: int
    duplicates: int
    not_booked: int


class StatementLineView(BaseModel):
    """A payment of a statement, and where it belongs or why a person must say."""

    id: UUID
    account_number: str
    booked_on: date
    direction: str
    amount_minor: int
    currency: str
    is_reversal: bool
    counterparty: str
    reference: str
    end_to_end_id: str
    remittance: str
    state: str
    why: str | None
    detail: str
    facility_id: UUID | None
    drawdown_id: UUID | None


class AssignBody(BaseModel):
    """Where a line's money belongs: a facility if it came, a drawdown if it went; and why."""

    model_config = ConfigDict(extra="forbid")

    facility_id: UUID | None = None
    drawdown_id: UUID | None = None
    reason: Reason


class ReturnBody(BaseModel):
    """Why money is sent back."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class PromptView(BaseModel):
    """What is to be paid: by when, where to, under which creditor reference (ISO 11649)."""

    facility_id: UUID
    facility_name: str
    currency: str
    due_on: date | None
    when: str
    amount_minor: int
    reference: str
    account_number: str | None


@router.post("/accounts", status_code=201)
def open_settlement_account(
    body: DedicatedAccountBody, db: Db, actor: AsLender, now: Now
) -> DedicatedAccountView:
    """Register a bank account whose statements will come."""
    facility_id = None if body.facility_id is None else FacilityId(body.facility_id)
    asked = (body.number, body.currency, body.name)
    with db.acting(actor) as conn:
        return _account_view(accounts.open_account(conn, actor, asked, facility_id, now))


@router.get("/accounts")
def list_settlement_accounts(db: Db, actor: CurrentActor) -> list[DedicatedAccountView]:
    """Return the dedicated accounts that the caller may see."""
    with db.acting(actor) as conn:
        return [_account_view(each) for each in statement_store.list_accounts(conn)]


@router.post("/statements.xml", status_code=202)
def import_statement(
    content: Annotated[bytes, Body(media_type="application/octet-stream")],
    db: Db,
    actor: AsOperator,
    now: Now,
) -> FileView:
    """Take a camt.053 or camt.054 message in; the same bytes again are the same message."""
    with db.acting(actor) as conn:
        return _file_view(receive_statement(conn, content, opener(actor), now))


@router.get("/statements")
def list_statements(db: Db, actor: CurrentActor) -> list[FileView]:
    """Return the newest bank messages and what became of them."""
    with db.acting(actor) as conn:
        return [_file_view(each) for each in statement_store.list_files(conn)]


@router.get("/statements/{file_id}")
def get_statement(file_id: UUID, db: Db, actor: CurrentActor) -> FileView:
    """Return what became of a bank's message."""
    with db.acting(actor) as conn:
        found = statement_store.load_file(conn, file_id)
    if found is None:
        raise NotFoundError("statement", file_id)
    return _file_view(found)


@router.get("/lines")
def list_settlement_lines(
    db: Db, actor: CurrentActor, state: Annotated[StatementLineState | None, Query()] = None
) -> list[StatementLineView]:
    """Return payments of statements, newest first; ``state=exception`` is the queue."""
    with db.acting(actor) as conn:
        return [_line_view(each) for each in line_store.list_lines(conn, state)]


@router.post("/lines/{line_id}/assign")
def assign_line(
    line_id: UUID, body: AssignBody, db: Db, actor: AsLender, now: Now
) -> StatementLineView:
    """Say where the money of an exception belongs."""
    if (body.facility_id is None) == (body.drawdown_id is None):
        raise InvalidError("facility_id, drawdown_id", "both or none", "exactly one of them")

    def assign() -> StatementLineView:
        with db.acting(actor) as conn:
            if body.facility_id is not None:
                key = FacilityId(body.facility_id)
                found = exceptions.assign_credit(conn, actor, line_id, key, body.reason, now)
            else:
                assert body.drawdown_id is not None
                drawn = DrawdownId(body.drawdown_id)
                found = exceptions.assign_debit(conn, actor, line_id, drawn, body.reason, now)
            return _line_view(found)

    return db.retrying(assign)


@router.post("/lines/{line_id}/return")
def return_line(
    line_id: UUID, body: ReturnBody, db: Db, actor: AsLender, now: Now
) -> StatementLineView:
    """Have the money of an exception sent back; the bank's debit for it names this line's id."""

    def send_back() -> StatementLineView:
        with db.acting(actor) as conn:
            return _line_view(exceptions.send_back(conn, actor, line_id, body.reason, now))

    return db.retrying(send_back)


@router.get("/prompts")
def list_prompts(db: Db, actor: CurrentActor, now: Now) -> list[PromptView]:
    """Return what is past due, due and due next, with the account and reference to pay under."""
    with db.acting(actor) as conn:
        found = prompts.list_prompts(conn, now)
    return [
        PromptView(
            facility_id=each.facility_id,
            facility_name=each.facility_name,
            currency=each.currency,
            due_on=each.due_on,
            when=each.when,
            amount_minor=each.amount_minor,
            reference=each.reference,
            account_number=each.account_number,
        )
        for each in found
    ]


def _account_view(account: DedicatedAccount) -> DedicatedAccountView:
    return DedicatedAccountView(
        id=account.id,
        number=account.number,
        currency=account.currency,
        name=account.name,
        facility_id=account.facility_id,
    )


def _file_view(file: StatementFile) -> FileView:
    return FileView(
        id=file.id,
        kind=file.kind,
        message_id=file.message_id,
        sha256=file.sha256.hex(),
        state=file.state.value,
        detail=file.detail,
        received_at=file.received_at,
        received_by=file.received_by,
        lines=file.lines,
        duplicates=file.duplicates,
        not_booked=file.not_booked,
    )


def _line_view(line: Line) -> StatementLineView:
    return StatementLineView(
        id=line.id,
        account_number=line.line.account_number,
        booked_on=line.line.booked_on,
        direction=line.line.direction.value,
        amount_minor=line.line.amount_minor,
        currency=line.line.currency,
        is_reversal=line.line.is_reversal,
        counterparty=line.line.counterparty,
        reference=line.line.reference,
        end_to_end_id=line.line.end_to_end_id,
        remittance=line.line.remittance,
        state=line.state.value,
        why=None if line.why is None else line.why.value,
        detail=line.detail,
        facility_id=line.facility_id,
        drawdown_id=line.drawdown_id,
    )
