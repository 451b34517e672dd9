"""Opening facilities, locking them by hand, and asking what a drawdown would do."""

from dataclasses import dataclass
from datetime import datetime

from backend.db import Conn
from backend.errors import InvalidError, NotFoundError
from backend.facility.errors import NoManualLockError
from backend.facility.rules import supposing as rules
from backend.facility.rules.money import decide_drawdown
from backend.facility.rules.release import decide_exchange
from backend.facility.rules.standing import decide_standing
from backend.facility.rules.supposing import Supposition
from backend.facility.service.standings import assess_one, hold, opener, settle
from backend.facility.store import facilities, locks
from backend.facility.types import (
    DrawdownDecision,
    Facility,
    Lock,
    LockReason,
    NewEvent,
    Reason,
    Refuse,
    Standing,
)
from backend.ids import FacilityId
from backend.market import service as market
from backend.money import Minor
from backend.parties import store as parties
from backend.parties.types import Actor


def open_facility(conn: Conn, actor: Actor, facility: Facility, now: datetime) -> Standing:
    """Store an agreed line and return it as it stands: locked, until goods are pledged to it.

    Raises:
        InvalidError: The lines are in no order.
        NotFoundError: There is no such borrower.
        FacilityNameTakenError: The lender has one of that name.
    """
    lines = facility.lines
    if not 10_000 <= lines.liquidation_bps <= lines.call_bps <= lines.warning_bps:
        raise InvalidError(
            "lines",
            f"{lines.warning_bps}, {lines.call_bps}, {lines.liquidation_bps}",
            "warning >= call >= liquidation >= 10000",
        )
    if parties.load_party(conn, facility.borrower_party) is None:
        raise NotFoundError("party", facility.borrower_party)
    facilities.add_facility(conn, facility)
    event = NewEvent(
        facility_id=facility.id,
        at=now,
        actor=opener(actor),
        what="opened",
        detail={"limit_minor": facility.limit_minor, "currency": facility.currency},
    )
    facilities.append_events(conn, [event])
    return _settled(conn, actor, facility.id, now)


def check_facility(conn: Conn, facility_id: FacilityId) -> None:
    """Make sure that a facility exists.

    Raises:
        NotFoundError: It does not, or the actor may not see it.
    """
    if not facilities.load_facilities(conn, [facility_id]):
        raise NotFoundError("facility", facility_id)


def lock_manually(
    conn: Conn, actor: Actor, facility_id: FacilityId, detail: str, now: datetime
) -> Standing:
    """Lock a facility for a person's reason, and void what was promised under it.

    Raises:
        NotFoundError: There is no such facility.
    """
    hold(conn, facility_id)
    manual = Lock(reason=LockReason.MANUAL, detail=detail)
    for lock in locks.load_open_locks(conn, [facility_id]).get(facility_id, ()):
        if lock.reason is LockReason.MANUAL:
            locks.save_lock_details(conn, {lock.id: detail})
            break
    else:
        locks.add_locks(conn, [(facility_id, manual)], now, opener(actor))
    event = NewEvent(
        facility_id=facility_id,
        at=now,
        actor=opener(actor),
        what="lock_opened",
        detail={"reason": manual.reason.value, "detail": detail},
    )
    facilities.append_events(conn, [event])
    return _settled(conn, actor, facility_id, now)


def lift_manual_lock(conn: Conn, actor: Actor, facility_id: FacilityId, now: datetime) -> Standing:
    """Lift the lock that a person opened; others hold on.

    Raises:
        NotFoundError: There is no such facility.
        NoManualLockError: It has none.
    """
    hold(conn, facility_id)
    opened = locks.load_open_locks(conn, [facility_id]).get(facility_id, ())
    manual = next((lock for lock in opened if lock.reason is LockReason.MANUAL), None)
    if manual is None:
        raise NoManualLockError(facility_id)
    locks.save_locks_lifted(conn, [manual.id], now, opener(actor))
    event = NewEvent(
        facility_id=facility_id,
        at=now,
        actor=opener(actor),
        what="lock_lifted",
        detail={"reason": manual.reason.value, "detail": manual.detail},
    )
    facilities.append_events(conn, [event])
    return _settled(conn, actor, facility_id, now)


def preview_drawdown(
    conn: Conn, facility_id: FacilityId, amount_minor: Minor, now: datetime
) -> tuple[Standing, DrawdownDecision]:
    """Return how a facility stands and what would be said to a drawdown; nothing is written.

    Raises:
        NotFoundError: There is no such facility.
    """
    standing = assess_one(conn, facility_id, now)
    decision = decide_drawdown(
        standing.holding.facility, standing.position, standing.locks, amount_minor
    )
    return standing, decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """A facility as it is, as it would be, and each reason against what is supposed to be done."""

    before: Standing
    after: Standing
    reasons: tuple[Reason, ...]


def suppose(conn: Conn, facility_id: FacilityId, wish: Supposition, now: datetime) -> Supposed:
    """Return how a facility would stand if things were others; nothing is written.

    Raises:
        NotFoundError: There is no such facility, or no such instrument.
        InvalidError: A lot to release is not pledged to it.
    """
    before = assess_one(conn, facility_id, now)
    holding = before.holding
    wanted = {lot.instrument_id for lot in (*holding.lots, *wish.add_lots)}
    quotes = market.load_quotes(conn, sorted(wanted), now)
    for added in wish.add_lots:
        if added.instrument_id not in quotes:
            raise NotFoundError("instrument", added.instrument_id)
    undrawn = decide_standing(rules.suppose(holding, wish, quotes, now), now)
    reasons: list[Reason] = []
    after = undrawn
    if wish.draw_minor:
        facility = undrawn.holding.facility
        decision = decide_drawdown(facility, undrawn.position, undrawn.locks, wish.draw_minor)
        reasons += decision.reasons if isinstance(decision, Refuse) else ()
        after = decide_standing(rules.draw(undrawn.holding, wish.draw_minor), now)
    if wish.release_lots:
        decision = decide_exchange(before, after)
        reasons += decision.reasons if isinstance(decision, Refuse) else ()
    return Supposed(before=before, after=after, reasons=tuple(reasons))


def _settled(conn: Conn, actor: Actor, facility_id: FacilityId, now: datetime) -> Standing:
    settle(conn, assess_one(conn, facility_id, now), now, opener(actor))
    return assess_one(conn, facility_id, now)
