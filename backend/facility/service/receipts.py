"""Money that a bank's statement shows: repaid, paid out, or taken back again.

A statement is a fact, so nothing here asks a lock, a price or a sensor. ``source`` is the account
of the journal on which the money stands until it is known what it is for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from backend.db import Conn
from backend.errors import NotFoundError
from backend.facility.errors import WrongStateError
from backend.facility.rules.dues import decide_owed
from backend.facility.rules.money import split_repayment
from backend.facility.service import books
from backend.facility.service.standings import drawdown_event, hold
from backend.facility.store import drawdowns as store
from backend.facility.store import facilities, loans
from backend.facility.types import (
    Drawdown,
    DrawdownState,
    Facility,
    NewEvent,
    Repayment,
    Schedule,
    Split,
)
from backend.ids import DrawdownId, FacilityId, JournalAccountId, RepaymentId
from backend.money import Minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money that came for a facility; the id is the statement line's."""

    id: UUID
    facility_id: FacilityId
    amount_minor: Minor
    source: JournalAccountId


def hold_facility(conn: Conn, facility_id: FacilityId) -> Facility:
    """Hold a facility until the transaction ends, and return it as it is then.

    Raises:
        NotFoundError: There is none, or the actor may not see it.
    """
    hold(conn, facility_id)
    facility, _ = facilities.load_facilities(conn, [facility_id])[0]
    return facility


def apply_repayment(
    conn: Conn, facility: Facility, repayment: Repayment, source: books.Place, actor: str
) -> Repayment | None:
    """Spread what came back over what is owed; return it so, or None when its id is taken.

    The facility is held; the repayment's own split is not looked at.
    """
    now = repayment.paid_at
    schedules = loans.load_schedules(conn, [facility.id], now)
    owed = decide_owed(facility, schedules.get(facility.id, Schedule()), now)
    applied = replace(repayment, split=split_repayment(facility, owed, repayment.amount_minor))
    if not store.add_repayment(conn, applied):
        return None
    stamp = books.Stamp(id=books.derived_id(applied.id, "repaid"), at=now, actor=actor)
    books.repay(conn, facility, stamp, applied.split, source)
    detail = {"id": str(applied.id), "amount_minor": applied.amount_minor, **_parts(applied.split)}
    _remember(conn, facility.id, now, actor, "repaid", detail)
    return applied


def take_receipt(conn: Conn, receipt: Receipt, now: datetime, actor: str) -> Repayment:
    """Apply money that came on an account; once, however often it is asked.

    Raises:
        NotFoundError: There is no such facility.
    """
    facility = hold_facility(conn, receipt.facility_id)
    known = store.load_repayment(conn, RepaymentId(receipt.id))
    if known is not None:
        return known
    nothing = Minor(0)
    repayment = Repayment(
        id=RepaymentId(receipt.id),
        facility_id=facility.id,
        amount_minor=receipt.amount_minor,
        split=Split(
            fees_minor=nothing,
            interest_minor=nothing,
            principal_minor=nothing,
            surplus_minor=nothing,
        ),
        body_sha256=sha256(b"statement line " + receipt.id.bytes).digest(),
        paid_by=None,
        paid_at=now,
    )
    applied = apply_repayment(conn, facility, repayment, receipt.source, actor)
    assert applied is not None, "the facility is held, and the id is the line's alone"
    return applied


def reverse_receipt(
    conn: Conn, repayment_id: RepaymentId, why: str, now: datetime, actor: str
) -> None:
    """Undo a repayment by reversing entries: what it had paid is owed again.

    Raises:
        NotFoundError: There is no such repayment.
        JournalRefusedError: What it brought is no longer there: a surplus that was used.
    """
    repayment = store.load_repayment(conn, repayment_id)
    if repayment is None:
        raise NotFoundError("repayment", repayment_id)
    facility = hold_facility(conn, repayment.facility_id)
    stamp = books.Stamp(id=books.derived_id(repayment_id, "repaid back"), at=now, actor=actor)
    of_id = books.derived_id(repayment_id, "repaid")
    books.reverse(conn, facility.id, of_id, stamp, "repayment taken back")
    store.add_reversal(conn, repayment, why, now, actor)
    detail = {"id": str(repayment_id), "amount_minor": repayment.amount_minor, "why": why}
    _remember(conn, facility.id, now, actor, "repayment_reversed", detail)


def confirm_repayment(conn: Conn, receipt: Receipt, now: datetime, actor: str) -> None:
    """Note that money which a party said it paid has come.

    Raises:
        NotFoundError: There is no such facility.
    """
    facility = hold_facility(conn, receipt.facility_id)
    stamp = books.Stamp(id=books.derived_id(receipt.id, "confirmed"), at=now, actor=actor)
    amounts = (receipt.source, books.Kind.CLEARING, receipt.amount_minor)
    books.move(conn, facility, stamp, amounts, "declared repayment seen on a statement")


def unconfirm_repayment(conn: Conn, receipt: Receipt, now: datetime, actor: str) -> None:
    """Undo a confirmation: the money is only declared again.

    Raises:
        NotFoundError: There is no such facility.
        JournalRefusedError: It was undone before.
    """
    hold(conn, receipt.facility_id)
    stamp = books.Stamp(id=books.derived_id(receipt.id, "unconfirmed"), at=now, actor=actor)
    of_id = books.derived_id(receipt.id, "confirmed")
    books.reverse(conn, receipt.facility_id, of_id, stamp, "confirmation taken back")


def confirm_drawdown(
    conn: Conn, drawdown_id: DrawdownId, paid: Receipt, now: datetime, actor: str
) -> Drawdown:
    """Note that a drawdown's money has left; what was not yet disbursed is, from now on.

    Raises:
        NotFoundError: There is no such drawdown.
        WrongStateError: It is another facility's.
    """
    facility = hold_facility(conn, paid.facility_id)
    drawdown = store.load_drawdown(conn, drawdown_id)
    if drawdown is None or drawdown.facility_id != facility.id:
        raise NotFoundError("drawdown", drawdown_id)
    if drawdown.amount_minor != paid.amount_minor:
        raise WrongStateError(drawdown.id, f"of {drawdown.amount_minor}", [f"{paid.amount_minor}"])
    if drawdown.state is not DrawdownState.DISBURSED:
        if drawdown.state is DrawdownState.PENDING and not _is_over(drawdown, now):
            books.disburse(conn, facility, drawdown.id, now, actor)
        else:
            if drawdown.state is DrawdownState.PENDING:
                books.release(conn, facility.id, drawdown.id, now, actor)
            stamp = books.Stamp(id=books.derived_id(drawdown.id, "paid"), at=now, actor=actor)
            what = f"drawdown paid though {drawdown.state.value}"
            books.pay_out(conn, facility, stamp, drawdown.amount_minor, what)
        drawdown = replace(drawdown, state=DrawdownState.DISBURSED, ended_at=now)
        store.save_drawdown(conn, drawdown)
        facilities.append_events(conn, [drawdown_event(drawdown, now, actor)])
    stamp = books.Stamp(id=books.derived_id(paid.id, "confirmed"), at=now, actor=actor)
    amounts = (books.Kind.CLEARING, paid.source, paid.amount_minor)
    books.move(conn, facility, stamp, amounts, "disbursement seen on a statement")
    return drawdown


def _is_over(drawdown: Drawdown, now: datetime) -> bool:
    return drawdown.expires_at is not None and drawdown.expires_at <= now


def _parts(split: Split) -> Mapping[str, int]:
    return {
        "penalty_minor": split.penalty_minor,
        "fees_minor": split.fees_minor,
        "interest_minor": split.interest_minor,
        "principal_minor": split.principal_minor,
        "surplus_minor": split.surplus_minor,
    }


def _remember(
    conn: Conn,
    facility_id: FacilityId,
    now: datetime,
    actor: str,
    what: str,
    detail: Mapping[str, object],
) -> None:
    event = NewEvent(facility_id=facility_id, at=now, actor=actor, what=what, detail=detail)
    facilities.append_events(conn, [event])
