"""Routes of the journal: accounts and entries of the books that the caller may see."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from backend.deps import CurrentActor, Db
from backend.journal import store
from backend.money import MINOR_MAX

router = APIRouter(prefix="/api/journal", tags=["journal"])


class JournalAccountView(BaseModel):
    """An account, with what stands and what is reserved on its normal side, in minor units."""

    id: UUID
    kind: str
    currency: str
    normal: str
    may_go_below_zero: bool
    posted_minor: int
    reserved_minor: int


class JournalLineView(BaseModel):
    """An entry of a transfer; ``phase`` tells money from a reserve and from its end."""

    number: int
    transfer_id: UUID
    at: datetime
    actor: str
    what: str
    step: str
    account: str
    currency: str
    side: str
    phase: str
    amount_minor: int


@router.get("/accounts")
def list_journal_accounts(owner: UUID, db: Db, actor: CurrentActor) -> list[JournalAccountView]:
    """Return the accounts of a facility's, or the caller's own, book as they stand."""
    with db.acting(actor) as conn:
        found = store.list_accounts(conn, owner)
    return [
        JournalAccountView(
            id=each.id,
            kind=each.kind,
            currency=each.currency,
            normal=each.normal.value,
            may_go_below_zero=not each.floor,
            posted_minor=each.posted_minor,
            reserved_minor=each.reserved_minor,
        )
        for each in found
    ]


@router.get("/entries")
def list_journal_entries(
    owner: UUID,
    db: Db,
    actor: CurrentActor,
    before: Annotated[int, Query(ge=1, le=MINOR_MAX)] = MINOR_MAX,
) -> list[JournalLineView]:
    """Return the entries of a facility's, or the caller's own, book; newest first."""
    with db.acting(actor) as conn:
        found = store.list_lines(conn, owner, before)
    return [
        JournalLineView(
            number=each.number,
            transfer_id=each.id,
            at=each.at,
            actor=each.actor,
            what=each.what,
            step=each.step.value,
            account=each.kind,
            currency=each.currency,
            side=each.side.value,
            phase=each.phase.value,
            amount_minor=each.amount_minor,
        )
        for each in found
    ]
