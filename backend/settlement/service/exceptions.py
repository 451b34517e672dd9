"""What a person says about a line that nobody could place."""

from datetime import datetime
from uuid import UUID

from backend.db import Conn
from backend.errors import NotFoundError
from backend.facility.service.books import Kind
from backend.facility.service.standings import opener
from backend.ids import DrawdownId, FacilityId
from backend.parties.types import Actor
from backend.settlement.errors import NotAnExceptionError, NotResolvableError
from backend.settlement.rules.matching import check_target
from backend.settlement.service.matching import Working, carry_out, targets_of
from backend.settlement.store import lines, statements
from backend.settlement.store.lines import LineEvent, Place
from backend.settlement.types import Disburses, Line, Repays, StatementLineState


def assign_credit(
    conn: Conn, actor: Actor, line_id: UUID, facility_id: FacilityId, reason: str, now: datetime
) -> Line:
    """Give money that came to a facility, which it repays.

    Raises:
        NotFoundError: There is no such line or facility.
        NotAnExceptionError: It needs nobody's word.
        NotResolvableError: It went out, or the facility can not take it.
    """
    work = _hold(conn, actor, line_id, now)
    if not work.came:
        raise NotResolvableError(line_id, "the money went out: name the drawdown that it paid")
    targets = {target.facility_id: target for target in targets_of(conn, work.account)}
    target = targets.get(facility_id)
    if target is None:
        raise NotFoundError("facility", facility_id)
    if (unclear := check_target(work.line.line, target)) is not None:
        raise NotResolvableError(line_id, unclear.detail)
    carry_out(work, Repays(facility_id=facility_id))
    return _resolved(work, "assigned", reason)


def assign_debit(
    conn: Conn, actor: Actor, line_id: UUID, drawdown_id: DrawdownId, reason: str, now: datetime
) -> Line:
    """Say that money which went out was a drawdown's, also one that had been voided.

    Raises:
        NotFoundError: There is no such line or drawdown.
        NotAnExceptionError: It needs nobody's word.
        NotResolvableError: It came in, or the drawdown is of another amount or was paid before.
    """
    work = _hold(conn, actor, line_id, now)
    if work.came:
        raise NotResolvableError(line_id, "the money came in: name the facility that it repays")
    promised = lines.find_promised(conn, drawdown_id, work.account.owner, now)
    if promised is None:
        raise NotFoundError("drawdown", drawdown_id)
    line = work.line.line
    if (promised.amount_minor, promised.currency) != (line.amount_minor, line.currency):
        detail = f"the drawdown is of {promised.amount_minor} {promised.currency}"
        raise NotResolvableError(line_id, detail)
    if promised.confirmed:
        raise NotResolvableError(line_id, "another line was this drawdown's already")
    decision = Disburses(facility_id=promised.facility_id, drawdown_id=drawdown_id, first=False)
    carry_out(work, decision)
    return _resolved(work, "assigned", reason)


def send_back(conn: Conn, actor: Actor, line_id: UUID, reason: str, now: datetime) -> Line:
    """Have money that came sent back; the bank's line that does so names this one.

    Raises:
        NotFoundError: There is no such line.
        NotAnExceptionError: It needs nobody's word.
        NotResolvableError: It went out.
    """
    work = _hold(conn, actor, line_id, now)
    if not work.came:
        raise NotResolvableError(line_id, "the money went out and can not be sent back")
    work.move("returning", Kind.UNALLOCATED_IN, Kind.RETURNING, "to be sent back")
    work.save(line_id, Place(state=StatementLineState.RETURNING), "returning", reason)
    return _loaded(work)


def _hold(conn: Conn, actor: Actor, line_id: UUID, now: datetime) -> Working:
    line = lines.hold_line(conn, line_id)
    if line is None:
        raise NotFoundError("line", line_id)
    if line.state is not StatementLineState.EXCEPTION:
        raise NotAnExceptionError(line_id, line.state.value)
    account = statements.load_account(conn, line.account_id)
    assert account is not None
    return Working(conn=conn, line=line, account=account, at=now, actor=opener(actor))


def _resolved(work: Working, what: str, reason: str) -> Line:
    """Keep a person's reason beside what it led to."""
    event = LineEvent(at=work.at, actor=work.actor, what=what, detail=reason)
    lines.append_event(work.conn, work.line.id, event)
    return _loaded(work)


def _loaded(work: Working) -> Line:
    line = lines.load_line(work.conn, work.line.id)
    assert line is not None
    return line
