"""What a lender does with a margin call: extend it, declare a default, close it after recovery."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from backend.db import Conn
from backend.facility.errors import CallRefusedError
from backend.facility.rules.calls import close_call, declare_default, extend_call
from backend.facility.service.standings import assess_one, call_event, hold, opener, settle
from backend.facility.store import calls, facilities
from backend.facility.types import MarginCall, Standing
from backend.ids import FacilityId
from backend.parties.types import Actor


def extend(
    conn: Conn,
    actor: Actor,
    facility_id: FacilityId,
    until: tuple[datetime, str],
    now: datetime,
) -> MarginCall:
    """Give a borrower longer, for a reason.

    Raises:
        NotFoundError: There is no such facility.
        CallRefusedError: It has no margin call, or a default is declared.
        InvalidError: The deadline is not later, or too far away.
    """
    deadline_at, reason = until

    def extended(call: MarginCall, _: Standing) -> MarginCall:
        return extend_call(call, deadline_at, now)

    return _act(conn, actor, facility_id, (reason, now), extended)


def default(
    conn: Conn, actor: Actor, facility_id: FacilityId, reason: str, now: datetime
) -> MarginCall:
    """Declare a default on a margin call that was not met.

    Raises:
        NotFoundError: There is no such facility.
        CallRefusedError: It has no margin call that may be enforced.
    """
    return _act(
        conn, actor, facility_id, (reason, now), lambda call, _: declare_default(call, now)
    )


def close(
    conn: Conn, actor: Actor, facility_id: FacilityId, reason: str, now: datetime
) -> MarginCall:
    """End a default after recovery.

    Raises:
        NotFoundError: There is no such facility.
        CallRefusedError: No default is declared, or money is owed and coverage is not back.
    """

    def closed(call: MarginCall, standing: Standing) -> MarginCall:
        return close_call(call, standing.line, standing.position.exposure_minor, now)

    return _act(conn, actor, facility_id, (reason, now), closed)


def _act(
    conn: Conn,
    actor: Actor,
    facility_id: FacilityId,
    why: tuple[str, datetime],
    act: Callable[[MarginCall, Standing], MarginCall],
) -> MarginCall:
    """Do something with the margin call as it is now, and settle what follows.

    Raises:
        CallRefusedError: There is none.
    """
    reason, now = why
    hold(conn, facility_id)
    valuation_id = settle(conn, assess_one(conn, facility_id, now), now, opener(actor))
    standing = assess_one(conn, facility_id, now)
    if standing.holding.call is None or standing.call is None:
        raise CallRefusedError("no_margin_call", f"facility {facility_id} has no margin call")
    call = act(standing.call, standing)
    if call.ended_at is not None:
        call = replace(call, ended_valuation_id=valuation_id)
    calls.save_calls(conn, [call])
    event = call_event(standing, call, now, opener(actor), reason)
    facilities.append_events(conn, [event])
    settle(conn, assess_one(conn, facility_id, now), now, opener(actor))
    return call
