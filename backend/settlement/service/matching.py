"""Each line finds where it belongs, in a transaction of its own, or waits for a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID

from backend.db import Conn
from backend.facility.service import books, receipts
from backend.facility.service.books import Kind
from backend.facility.service.receipts import Receipt
from backend.ids import FacilityId, RepaymentId
from backend.journal import service as journal
from backend.journal.errors import JournalRefusedError
from backend.journal.types import Leg, Side, Step, Transfer
from backend.settlement.rules.matching import decide_credit, decide_debit, decide_reversal
from backend.settlement.rules.references import id_in, reference_of
from backend.settlement.service.accounts import place_of
from backend.settlement.store import lines, statements
from backend.settlement.store.lines import LineEvent, Place
from backend.settlement.types import (
    Confirms,
    Decision,
    DedicatedAccount,
    Direction,
    Disburses,
    Line,
    Repays,
    Returns,
    StatementLineState,
    Target,
    Unclear,
    Undoes,
    Why,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """One line being placed: by whom, and when."""

    conn: Conn
    line: Line
    account: DedicatedAccount
    at: datetime
    actor: str

    @property
    def came(self) -> bool:
        """Whether the money came in."""
        return self.line.line.direction is Direction.CREDIT

    def place(self, kind: Kind) -> books.Place:
        """Return a journal account behind the line's bank account."""
        return place_of(self.account, self.line.line.currency, kind)

    def receipt(self, facility_id: FacilityId) -> Receipt:
        """Return the line as money of a facility."""
        kind = Kind.UNALLOCATED_IN if self.came else Kind.UNALLOCATED_OUT
        return Receipt(
            id=self.line.id,
            facility_id=facility_id,
            amount_minor=self.line.line.amount_minor,
            source=place_of(self.account, self.line.line.currency, kind),
        )

    def save(self, line_id: UUID, place: Place, what: str, detail: str = "") -> None:
        """Store what a line is."""
        event = LineEvent(at=self.at, actor=self.actor, what=what, detail=detail or place.detail)
        lines.save_place(self.conn, line_id, place, event)

    def move(self, step: str, debit: Kind, credit: Kind, what: str) -> None:
        """Move the line's amount between accounts behind its bank account."""
        currency, amount = self.line.line.currency, self.line.line.amount_minor
        transfer = Transfer(
            scope=self.account.owner,
            id=books.derived_id(self.line.id, step),
            step=Step.POST,
            what=what,
            legs=tuple(
                Leg(
                    account_id=place_of(self.account, currency, kind),
                    side=side,
                    amount_minor=amount,
                )
                for side, kind in ((Side.DEBIT, debit), (Side.CREDIT, credit))
            ),
        )
        journal.take_all(self.conn, [transfer], at=self.at, actor=self.actor)


def match_line(conn: Conn, line_id: UUID, now: datetime, actor: str) -> None:
    """Place a line that waits, by what is on it; a person's, if that is not enough."""
    line = lines.hold_line(conn, line_id)
    if line is None or line.state is not StatementLineState.RECEIVED:
        return
    account = statements.load_account(conn, line.account_id)
    assert account is not None
    work = Working(conn=conn, line=line, account=account, at=now, actor=actor)
    decision = _decide(work)
    try:
        carry_out(work, decision)
    except JournalRefusedError as error:
        # Only the first entry of a placing can be refused, so nothing was written.
        why = Why.REVERSAL_BLOCKED if isinstance(decision, Undoes) else Why.FAILED
        carry_out(work, Unclear(why=why, detail=error.message))


def leave_to_person(conn: Conn, line_id: UUID, detail: str, now: datetime, actor: str) -> None:
    """Make an exception of a line that waits and that nothing could be done with."""
    line = lines.hold_line(conn, line_id)
    if line is not None and line.state is StatementLineState.RECEIVED:
        place = Place(state=StatementLineState.EXCEPTION, why=Why.FAILED, detail=detail)
        event = LineEvent(at=now, actor=actor, what="exception", detail=detail)
        lines.save_place(conn, line_id, place, event)


def targets_of(conn: Conn, account: DedicatedAccount) -> list[Target]:
    """Return the facilities that an account's money may be for."""
    return [
        Target(facility_id=key, reference=reference_of(key), currency=currency, open=is_open)
        for key, currency, is_open in statements.list_targets(conn, account)
    ]


def _decide(work: Working) -> Decision:
    line, owner = work.line.line, work.account.owner
    named = id_in(line.end_to_end_id)
    if line.is_reversal:
        return decide_reversal(line, lines.list_earlier(work.conn, work.line))
    if line.direction is Direction.CREDIT:
        declared = None if named is None else lines.find_declared(work.conn, named, owner)
        targets = targets_of(work.conn, work.account)
        return decide_credit(line, work.account.facility_id, targets, declared)
    returning = None if named is None else lines.load_line(work.conn, named)
    if returning is not None and returning.account_id != work.account.id:
        returning = None
    promised = None if named is None else lines.find_promised(work.conn, named, owner, work.at)
    return decide_debit(line, promised, returning)


def carry_out(work: Working, decision: Decision) -> None:
    """Do with a line what was decided.

    Raises:
        JournalRefusedError: An account does not have what is to be moved; nothing was written.
    """
    match decision:
        case Repays(facility_id=key):
            receipts.take_receipt(work.conn, work.receipt(key), work.at, work.actor)
            place = Place(
                state=StatementLineState.MATCHED,
                facility_id=key,
                repayment_id=RepaymentId(work.line.id),
            )
            work.save(work.line.id, place, "repaid")
        case Confirms(facility_id=key, repayment_id=repayment_id):
            receipts.confirm_repayment(work.conn, work.receipt(key), work.at, work.actor)
            place = Place(
                state=StatementLineState.MATCHED, facility_id=key, repayment_id=repayment_id
            )
            work.save(work.line.id, place, "confirmed")
        case Disburses(facility_id=key, drawdown_id=drawdown_id):
            paid = work.receipt(key)
            receipts.confirm_drawdown(work.conn, drawdown_id, paid, work.at, work.actor)
            place = Place(
                state=StatementLineState.MATCHED, facility_id=key, drawdown_id=drawdown_id
            )
            work.save(work.line.id, place, "disbursed")
        case Returns(line_id=original):
            work.move("returned", Kind.RETURNING, Kind.UNALLOCATED_OUT, "sent back")
            work.save(
                original,
                Place(state=StatementLineState.REVERSED, other_line=work.line.id),
                "returned",
            )
            work.save(
                work.line.id,
                Place(state=StatementLineState.MATCHED, other_line=original),
                "returns",
            )
        case Undoes(line_id=original):
            _undo(work, original)
        case Unclear(why=why, detail=detail):
            work.save(
                work.line.id,
                Place(state=StatementLineState.EXCEPTION, why=why, detail=detail),
                "exception",
            )
        case _:
            assert_never(decision)


def _undo(work: Working, original_id: UUID) -> None:
    """Take an earlier line back: what it had done is undone by reversing entries."""
    original = lines.hold_line(work.conn, original_id)
    assert original is not None
    if original.facility_id is not None and original.state is StatementLineState.MATCHED:
        repayment_id = lines.load_repayment_of(work.conn, original_id)
        why = f"taken back by the bank: line {work.line.id}"
        if repayment_id == original_id:
            receipts.reverse_receipt(work.conn, RepaymentId(original_id), why, work.at, work.actor)
        else:
            earlier = Working(
                conn=work.conn, line=original, account=work.account, at=work.at, actor=work.actor
            )
            came = earlier.receipt(original.facility_id)
            receipts.unconfirm_repayment(work.conn, came, work.at, work.actor)
    work.move("undone", Kind.UNALLOCATED_IN, Kind.UNALLOCATED_OUT, "taken back by the bank")
    place = Place(
        state=StatementLineState.REVERSED,
        facility_id=original.facility_id,
        other_line=work.line.id,
    )
    work.save(original_id, place, "reversed")
    place = Place(
        state=StatementLineState.MATCHED, facility_id=original.facility_id, other_line=original_id
    )
    work.save(work.line.id, place, "reverses")
