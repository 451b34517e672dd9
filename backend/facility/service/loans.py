"""Rates, fees, the schedule of dues, write-offs, and the end of a facility.

Callers open the transaction. Each act holds the facility and settles what follows from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from backend.db import Conn
from backend.errors import InvalidError
from backend.facility.errors import IdReusedError, LoanRefusedError
from backend.facility.rules.closing import Remaining, check_write_off, decide_close
from backend.facility.rules.waterfall import Part
from backend.facility.service import books
from backend.facility.service.refusals import note_refusal
from backend.facility.service.standings import assess_one, hold, opener, settle
from backend.facility.store import accruals, calls, drawdowns, facilities, loans, locks, pledges
from backend.facility.store.loans import Charge, WriteOff
from backend.facility.types import (
    CallState,
    Component,
    Due,
    Facility,
    Lock,
    LockReason,
    NewEvent,
    Parts,
    Rate,
    Refuse,
    Standing,
)
from backend.ids import FacilityId
from backend.money import Minor
from backend.parties.types import Actor

BACKDATED_MAX: Final = timedelta(days=366)  # A rate agreed late; longer, and books are closed.
DUES_MAX: Final = 400  # Of one facility: monthly for thirty years.
DUE_AHEAD_MAX: Final = timedelta(days=36_525)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCharge:
    """A fee to charge; the id is the caller's."""

    id: UUID
    facility_id: FacilityId
    kind: str
    name: str
    amount_minor: Minor
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWriteOff:
    """What to give up; the id is the caller's."""

    id: UUID
    facility_id: FacilityId
    parts: Parts
    reason: str


def set_rate(
    conn: Conn, actor: Actor, facility_id: FacilityId, rate: Rate, now: datetime
) -> Sequence[Rate]:
    """Charge another rate from a day on, and return all of them.

    Raises:
        NotFoundError: There is no such facility.
        InvalidError: The day is booked already, or too long ago.
        LoanRefusedError: It is closed, or there is a rate from that day on.
    """
    _held_open(conn, facility_id, now)
    booked = accruals.load_accrued_through(conn, facility_id)
    least = now.date() - BACKDATED_MAX
    if booked is not None:
        least = max(least, booked + timedelta(days=1))
    known = accruals.load_rates(conn, facility_id)
    if booked is not None and known:
        least = max(least, known[0].from_day)
    if rate.from_day < least:
        bound = f"{least.isoformat()} or later: earlier days are booked"
        raise InvalidError("from_day", rate.from_day.isoformat(), bound)
    if not accruals.add_rate(conn, facility_id, rate, actor.account_id, now):
        raise LoanRefusedError("rate_set", f"there is a rate from {rate.from_day.isoformat()} on")
    detail: dict[str, object] = {
        "from_day": rate.from_day.isoformat(),
        "day_count": rate.day_count.value,
        "annual_bps": rate.annual_bps,
        "commitment_bps": rate.commitment_bps,
        "penalty_bps": rate.penalty_bps,
    }
    _note(conn, actor, facility_id, ("rate_set", detail), now)
    return accruals.load_rates(conn, facility_id)


def charge(conn: Conn, actor: Actor, new: NewCharge, now: datetime) -> Charge:
    """Charge a fee by its name; the same sent again is answered as before.

    Raises:
        NotFoundError: There is no such facility.
        InvalidError: It would be due in the past.
        IdReusedError: The id was used for something else.
        LoanRefusedError: The facility is closed.
    """
    hold(conn, new.facility_id)
    body = _digest(
        "charge", actor, new.facility_id, new.kind, new.name, new.amount_minor, new.due_on
    )
    for known in loans.list_charges(conn, new.facility_id, new.id):
        if known.body_sha256 != body:
            raise IdReusedError("charge", new.id)
        return known
    facility = _held_open(conn, new.facility_id, now)
    _check_day("due_on", new.due_on, now)
    charged = Charge(
        id=new.id,
        facility_id=new.facility_id,
        kind=new.kind,
        name=new.name,
        amount_minor=new.amount_minor,
        due_on=new.due_on,
        body_sha256=body,
        charged_at=now,
        charged_by=actor.account_id,
    )
    if not loans.add_charge(conn, charged):
        raise IdReusedError("charge", new.id)  # under a facility that the actor may not see
    fee = books.Charge(
        facility=facility,
        stamp=books.Stamp(id=books.derived_id(new.id, "charged"), at=now, actor=opener(actor)),
        part=Part.FEE,
        amount_minor=new.amount_minor,
        what=new.name,
    )
    books.charge(conn, [fee])
    detail: dict[str, object] = {
        "id": str(new.id),
        "name": new.name,
        "amount_minor": new.amount_minor,
        "due_on": new.due_on.isoformat(),
    }
    _note(conn, actor, new.facility_id, ("charged", detail), now)
    return charged


def add_dues(
    conn: Conn,
    actor: Actor,
    facility_id: FacilityId,
    wanted: Sequence[tuple[date, Component, Minor | None]],
    now: datetime,
) -> Sequence[Due]:
    """Add to the schedule of what falls due, and return all of it.

    Raises:
        NotFoundError: There is no such facility.
        InvalidError: A day is over, an amount is missing or not wanted, or there are too many.
        LoanRefusedError: It is closed, or a day has such a due already.
    """
    _held_open(conn, facility_id, now)
    known = loans.list_dues(conn, facility_id)
    if len(known) + len(wanted) > DUES_MAX:
        raise InvalidError("dues", len(known) + len(wanted), f"at most {DUES_MAX} in all")
    for due_on, component, amount_minor in wanted:
        _check_day("due_on", due_on, now)
        if (component is Component.PRINCIPAL) == (amount_minor is None):
            bound = "an amount for principal, null for interest: all that has accrued by then"
            raise InvalidError("amount_minor", amount_minor, bound)
        due = Due(due_on=due_on, component=component, amount_minor=amount_minor, set_at=now)
        if not loans.add_due(conn, facility_id, due, actor.account_id):
            what = f"{component.value} falls due on {due_on.isoformat()} already"
            raise LoanRefusedError("due_set", what)
    days = [due_on.isoformat() for due_on, _, _ in wanted]
    _note(conn, actor, facility_id, ("dues_set", {"days": days}), now)
    return loans.list_dues(conn, facility_id)


def write_off(conn: Conn, actor: Actor, new: NewWriteOff, now: datetime) -> WriteOff:
    """Give up what is owed. Nothing is drawn afterwards until the lender lifts the lock of it.

    Raises:
        NotFoundError: There is no such facility.
        InvalidError: More than is owed, or nothing.
        IdReusedError: The id was used for something else.
    """
    hold(conn, new.facility_id)
    body = _digest("write_off", actor, new.facility_id, new.parts, new.reason)
    for known in loans.list_write_offs(conn, new.facility_id, new.id):
        if known.body_sha256 != body:
            raise IdReusedError("write-off", new.id)
        return known
    facility, _ = facilities.load_facilities(conn, [new.facility_id])[0]
    check_write_off(facility, new.parts)
    written = WriteOff(
        id=new.id,
        facility_id=new.facility_id,
        parts=new.parts,
        reason=new.reason,
        body_sha256=body,
        written_at=now,
        written_by=actor.account_id,
    )
    if not loans.add_write_off(conn, written):
        raise IdReusedError("write-off", new.id)  # under a facility that the actor may not see
    parts = new.parts
    stamp = books.Stamp(id=books.derived_id(new.id, "written_off"), at=now, actor=opener(actor))
    given_up = {
        Part.PENALTY: parts.penalty_minor,
        Part.FEE: parts.fees_minor,
        Part.INTEREST: parts.interest_minor,
        Part.PRINCIPAL: parts.principal_minor,
    }
    books.write_off(conn, facility, stamp, given_up, f"written off: {new.reason}")
    opened = locks.load_open_locks(conn, [new.facility_id]).get(new.facility_id, ())
    if all(lock.reason is not LockReason.MANUAL for lock in opened):
        manual = Lock(reason=LockReason.MANUAL, detail=f"written off: {new.reason}")
        locks.add_locks(conn, [(new.facility_id, manual)], now, opener(actor))
    detail: dict[str, object] = {
        "id": str(new.id),
        "penalty_minor": parts.penalty_minor,
        "fees_minor": parts.fees_minor,
        "interest_minor": parts.interest_minor,
        "principal_minor": parts.principal_minor,
        "reason": new.reason,
    }
    _note(conn, actor, new.facility_id, ("written_off", detail), now)
    return written


def close(
    conn: Conn, actor: Actor, facility_id: FacilityId, reason: str, now: datetime
) -> Standing | Refuse:
    """Close a facility for ever, if nothing is owed, promised or pledged.

    Raises:
        NotFoundError: There is no such facility.
    """
    hold(conn, facility_id)
    standing = assess_one(conn, facility_id, now)
    facility = standing.holding.facility
    if not facility.open:
        return standing
    counts = Remaining(
        drawdowns=drawdowns.count_waiting(conn, facility_id),
        pledges=pledges.count_active(conn, facility_id),
        unbooked=accruals.is_behind(conn, facility_id, now),
    )
    decision = decide_close(facility, counts)
    if isinstance(decision, Refuse):
        refused = "close", facility_id, decision.reasons
        note_refusal(conn, standing, refused, now, opener(actor))
        return decision
    if (call := standing.holding.call) is not None:
        ended = replace(call, state=CallState.CLOSED, ended_at=now)
        calls.save_calls(conn, [ended])
    facilities.save_closed(conn, facility_id, now)
    _note(conn, actor, facility_id, ("closed", {"reason": reason}), now, settles=False)
    return assess_one(conn, facility_id, now)


def _held_open(conn: Conn, facility_id: FacilityId, now: datetime) -> Facility:
    hold(conn, facility_id)
    facility = assess_one(conn, facility_id, now).holding.facility
    if not facility.open:
        raise LoanRefusedError("facility_closed", f"facility {facility_id} is closed")
    return facility


def _check_day(field: str, day: date, now: datetime) -> None:
    if not now.date() <= day <= now.date() + DUE_AHEAD_MAX:
        bound = f"{now.date().isoformat()} or later, within a hundred years"
        raise InvalidError(field, day.isoformat(), bound)


def _note(
    conn: Conn,
    actor: Actor,
    facility_id: FacilityId,
    what: tuple[str, dict[str, object]],
    now: datetime,
    *,
    settles: bool = True,
) -> None:
    """Remember what was done, and settle what follows from it."""
    event = NewEvent(
        facility_id=facility_id, at=now, actor=opener(actor), what=what[0], detail=what[1]
    )
    facilities.append_events(conn, [event])
    if settles:
        settle(conn, assess_one(conn, facility_id, now), now, opener(actor))


def _digest(kind: str, actor: Actor, *parts: object) -> bytes:
    """Return what tells the same request sent again from another one under its id."""
    said = (kind, actor.party_id, *parts)
    return sha256(repr([str(part) for part in said]).encode()).digest()
