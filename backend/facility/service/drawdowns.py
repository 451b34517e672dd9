"""Drawdowns in two phases, and repayments.

Each step holds the facility's row before it reads anything that it decides on, and values and
locks the facility anew inside its own transaction: no stored lock set and no older valuation is
trusted. A refusal is kept with its reasons, so it is an answer here and no exception: the edge
commits it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from backend.db import Conn
from backend.errors import NotFoundError
from backend.facility.errors import IdReusedError, WrongStateError
from backend.facility.rules.dues import decide_owed
from backend.facility.rules.money import decide_drawdown, split_repayment
from backend.facility.service import books
from backend.facility.service.refusals import note_refusal
from backend.facility.service.signatures import Said, Signed, check_signature
from backend.facility.service.standings import (
    assess_one,
    drawdown_event,
    end_drawdown,
    hold,
    opener,
    settle,
)
from backend.facility.store import drawdowns as store
from backend.facility.store import facilities, loans
from backend.facility.types import (
    Drawdown,
    DrawdownState,
    NewEvent,
    Reason,
    Refuse,
    Repayment,
    Schedule,
    Standing,
)
from backend.ids import DrawdownId, FacilityId, RepaymentId
from backend.money import Minor
from backend.parties.types import Actor
from schemas.drawdown import Act

# Ends without money: asked to go on, a drawdown answers again with the reasons that it has.
FAILED: Final = (DrawdownState.REFUSED, DrawdownState.VOIDED, DrawdownState.EXPIRED)
PENDING_FOR: Final = timedelta(hours=1)  # Longer, and the valuation that it rests on is history.


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDrawdown:
    """What a borrower asks for; the id is the caller's, ``message`` as it was signed, in hex."""

    id: DrawdownId
    facility_id: FacilityId
    amount_minor: Minor
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRepayment:
    """Money that comes back; the id is the caller's."""

    id: RepaymentId
    facility_id: FacilityId
    amount_minor: Minor


def request_drawdown(conn: Conn, actor: Actor, new: NewDrawdown, now: datetime) -> Drawdown:
    """Store a request: waiting for the lender, or refused at once with its reasons.

    Raises:
        NotFoundError: There is no such facility.
        IdReusedError: The id was used for something else.
    """
    hold(conn, new.facility_id)
    body = _body_sha256("drawdown", actor, new.facility_id, new.amount_minor)
    known = store.load_drawdown(conn, new.id)
    if known is not None:
        if known.body_sha256 != body:
            raise IdReusedError("drawdown", new.id)
        return known
    standing = assess_one(conn, new.facility_id, now)
    said = Said(
        act=Act.REQUEST, drawdown_id=new.id, amount_minor=new.amount_minor, message=new.message
    )
    refused, signed = _decide(conn, actor, standing, said, now)
    drawdown = Drawdown(
        id=new.id,
        facility_id=new.facility_id,
        amount_minor=new.amount_minor,
        state=DrawdownState.REFUSED if refused else DrawdownState.REQUESTED,
        body_sha256=body,
        requested_by=actor.account_id,
        requested_at=now,
        decided_by="rules" if refused else None,
        decided_at=now if refused else None,
        valuation_id=None,
        expires_at=None,
        ended_at=now if refused else None,
        reasons=refused,
        request_message=None if signed is None else signed.message,
        request_key_id=None if signed is None else signed.key_id,
    )
    if not store.add_drawdown(conn, drawdown):
        raise IdReusedError("drawdown", new.id)  # by somebody whose rows the actor may not see
    if refused:
        about = "request_drawdown", new.id, refused
        note_refusal(conn, standing, about, now, opener(actor))
    facilities.append_events(conn, [drawdown_event(drawdown, now, opener(actor))])
    return drawdown


def _decide(
    conn: Conn, actor: Actor, standing: Standing, said: Said, now: datetime
) -> tuple[tuple[Reason, ...], Signed | None]:
    """Return each reason against a drawdown, its signature's first, and that signature."""
    facility = standing.holding.facility
    signed = check_signature(conn, actor, facility, said, now)
    decision = decide_drawdown(facility, standing.position, standing.locks, said.amount_minor)
    refused = decision.reasons if isinstance(decision, Refuse) else ()
    if isinstance(signed, Reason):
        return (signed, *refused), None
    return refused, signed


def authorise_drawdown(
    conn: Conn,
    actor: Actor,
    drawdown_id: DrawdownId,
    now: datetime,
    message: str | None = None,
) -> Drawdown:
    """Promise a requested drawdown, or refuse it with its reasons.

    Decided on a valuation and locks of this very transaction; the valuation is pinned. ``message``
    is the lender's decision as it was signed, in hexadecimal.

    Raises:
        NotFoundError: There is no such drawdown.
        WrongStateError: It is paid out.
    """
    drawdown = _hold_drawdown(conn, drawdown_id)
    if drawdown.state in (DrawdownState.PENDING, *FAILED):
        return drawdown
    _expect(drawdown, DrawdownState.REQUESTED)
    standing = assess_one(conn, drawdown.facility_id, now)
    valuation_id = settle(conn, standing, now, opener(actor))
    said = Said(
        act=Act.AUTHORISE,
        drawdown_id=drawdown_id,
        amount_minor=drawdown.amount_minor,
        message=message,
    )
    refused, signed = _decide(conn, actor, standing, said, now)
    if refused:
        about = "authorise_drawdown", drawdown_id, refused
        note_refusal(conn, standing, about, now, opener(actor))
    decided = replace(
        drawdown,
        state=DrawdownState.REFUSED if refused else DrawdownState.PENDING,
        decided_by=opener(actor),
        decided_at=now,
        valuation_id=valuation_id,
        expires_at=None if refused else now + PENDING_FOR,
        ended_at=now if refused else None,
        reasons=refused,
        decision_message=None if signed is None else signed.message,
        decision_key_id=None if signed is None else signed.key_id,
    )
    store.save_drawdown(conn, decided)
    if decided.expires_at is not None:
        stamp = books.Stamp(id=decided.id, at=now, actor=opener(actor))
        facility = standing.holding.facility
        books.promise(conn, facility, stamp, decided.amount_minor, decided.expires_at)
    facilities.append_events(conn, [drawdown_event(decided, now, opener(actor))])
    return decided


def disburse_drawdown(
    conn: Conn, actor: Actor, drawdown_id: DrawdownId, now: datetime
) -> Drawdown:
    """Pay out a promised drawdown; void it instead when a lock or a fallen base says so.

    Raises:
        NotFoundError: There is no such drawdown.
        WrongStateError: It is not promised yet.
    """
    drawdown = _hold_drawdown(conn, drawdown_id)
    if drawdown.state in (DrawdownState.DISBURSED, *FAILED):
        return drawdown
    _expect(drawdown, DrawdownState.PENDING)
    standing = assess_one(conn, drawdown.facility_id, now)
    settle(conn, standing, now, opener(actor))
    settled = store.load_drawdown(conn, drawdown_id)
    assert settled is not None
    if settled.state is not DrawdownState.PENDING:
        about = "disburse_drawdown", drawdown_id, settled.reasons
        note_refusal(conn, standing, about, now, opener(actor))
        return settled
    paid = replace(settled, state=DrawdownState.DISBURSED, ended_at=now)
    store.save_drawdown(conn, paid)
    books.disburse(conn, standing.holding.facility, paid.id, now, opener(actor))
    facilities.append_events(conn, [drawdown_event(paid, now, opener(actor))])
    settle(conn, assess_one(conn, drawdown.facility_id, now), now, opener(actor))
    return paid


def void_drawdown(conn: Conn, actor: Actor, drawdown_id: DrawdownId, now: datetime) -> Drawdown:
    """End a drawdown that is requested or promised; never refused, because it is safer.

    Raises:
        NotFoundError: There is no such drawdown.
        WrongStateError: It has ended in another way.
    """
    drawdown = _hold_drawdown(conn, drawdown_id)
    if drawdown.state is DrawdownState.VOIDED:
        return drawdown
    _expect(drawdown, DrawdownState.REQUESTED, DrawdownState.PENDING)
    by = Reason(code="VOIDED_BY_PARTY", detail=f"voided by {actor.login} ({actor.role.value})")
    event = end_drawdown(conn, drawdown, DrawdownState.VOIDED, (by,), now, opener(actor))
    facilities.append_events(conn, [event])
    return replace(drawdown, state=DrawdownState.VOIDED, reasons=(by,), ended_at=now)


def repay(conn: Conn, actor: Actor, new: NewRepayment, now: datetime) -> Repayment:
    """Apply money that came back. Always allowed: no lock, price or sensor is asked.

    Raises:
        NotFoundError: There is no such facility.
        IdReusedError: The id was used for something else.
    """
    hold(conn, new.facility_id)
    body = _body_sha256("repayment", actor, new.facility_id, new.amount_minor)
    known = store.load_repayment(conn, new.id)
    if known is not None:
        if known.body_sha256 != body:
            raise IdReusedError("repayment", new.id)
        return known
    facility, _ = facilities.load_facilities(conn, [new.facility_id])[0]
    schedules = loans.load_schedules(conn, [new.facility_id], now)
    owed = decide_owed(facility, schedules.get(new.facility_id, Schedule()), now)
    repayment = Repayment(
        id=new.id,
        facility_id=new.facility_id,
        amount_minor=new.amount_minor,
        split=split_repayment(facility, owed, new.amount_minor),
        body_sha256=body,
        paid_by=actor.account_id,
        paid_at=now,
    )
    if not store.add_repayment(conn, repayment):
        raise IdReusedError("repayment", new.id)  # by somebody whose rows the actor may not see
    stamp = books.Stamp(id=books.derived_id(new.id, "repaid"), at=now, actor=opener(actor))
    books.repay(conn, facility, stamp, repayment.split)
    detail = {
        "id": str(repayment.id),
        "amount_minor": repayment.amount_minor,
        "penalty_minor": repayment.split.penalty_minor,
        "fees_minor": repayment.split.fees_minor,
        "interest_minor": repayment.split.interest_minor,
        "principal_minor": repayment.split.principal_minor,
        "surplus_minor": repayment.split.surplus_minor,
    }
    event = NewEvent(
        facility_id=new.facility_id, at=now, actor=opener(actor), what="repaid", detail=detail
    )
    facilities.append_events(conn, [event])
    return repayment


def _hold_drawdown(conn: Conn, drawdown_id: DrawdownId) -> Drawdown:
    """Hold a drawdown's facility, and return the drawdown as it is then.

    Raises:
        NotFoundError: There is none, or the actor may not see it.
    """
    seen = store.load_drawdown(conn, drawdown_id)
    if seen is None:
        raise NotFoundError("drawdown", drawdown_id)
    hold(conn, seen.facility_id)
    drawdown = store.load_drawdown(conn, drawdown_id)
    assert drawdown is not None
    return drawdown


def _expect(drawdown: Drawdown, *wanted: DrawdownState) -> None:
    """Refuse a step that does not begin where the drawdown is.

    Raises:
        WrongStateError: It does not.
    """
    if drawdown.state not in wanted:
        raise WrongStateError(drawdown.id, drawdown.state, wanted)


def _body_sha256(kind: str, actor: Actor, facility_id: FacilityId, amount_minor: Minor) -> bytes:
    """Return what tells the same request sent again from another one under its id."""
    parts: Sequence[UUID | int | str] = (kind, actor.party_id, facility_id, amount_minor)
    return sha256(repr([str(part) for part in parts]).encode()).digest()
