"""Facilities as they stand: assessed without a write, settled in the database, relocked.

Whoever settles holds the facilities' rows (``store.facilities.lock_facilities``) and has read
everything else after that: then no drawdown is decided between the evidence and its lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import uuid4

import structlog
from prometheus_client import Counter

from backend.alerts import service as alerts
from backend.db import Conn
from backend.errors import NotFoundError
from backend.facility.rules.locks import diff_locks
from backend.facility.rules.standing import alert_steps, decide_standing
from backend.facility.service import books
from backend.facility.service.holdings import load_holdings
from backend.facility.store import calls, drawdowns, facilities, locks
from backend.facility.types import (
    Drawdown,
    DrawdownState,
    Holding,
    LineState,
    Lock,
    LockReason,
    MarginCall,
    NewEvent,
    OpenLock,
    Reason,
    Standing,
)
from backend.ids import FacilityId, ValuationId
from backend.parties.types import Actor
from backend.valuation import store as valuations
from backend.valuation.types import Valuation

log = structlog.get_logger()

LockChanges = tuple[Sequence[Lock], Mapping[int, str], Sequence[OpenLock]]

# What a rule raises when it meets what it was not made for. Not what the database raises.
RULE_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
UNEVALUATED: Final = Counter(
    "pledgewatch_facilities_unevaluated", "Facilities whose rules raised.", ("error",)
)


def relock(
    conn: Conn, facility_ids: Iterable[FacilityId], now: datetime, opened_by: str
) -> Sequence[Standing]:
    """Value facilities anew, open and lift their locks, and void what was promised under a lock.

    Alerts on the facilities follow: on lines that are crossed and prices that may not be used.
    Holds the facilities until the transaction ends, in the order of their ids.
    A facility on which the rules raise is locked as unevaluated: evidence of others goes on.
    """
    held = facilities.lock_facilities(conn, facility_ids)
    if not held:
        return []
    standings: list[Standing] = []
    for holding in load_holdings(conn, held, now):
        try:
            standing = decide_standing(holding, now)
        except RULE_ERRORS as error:
            _lock_unevaluated(conn, holding, error, now, opened_by)
        else:
            standings.append(standing)
    settle_all(conn, standings, now, opened_by)
    alerts.take(conn, [alert_steps(standing) for standing in standings], now)
    return standings


def _lock_unevaluated(
    conn: Conn, holding: Holding, error: Exception, now: datetime, actor: str
) -> None:
    """Lock a facility that nobody can say anything about, and void what was promised under it."""
    name, key = type(error).__name__, holding.facility.id
    UNEVALUATED.labels(name).inc()
    log.error("facility_unevaluated", facility_id=str(key), error=name, exc_info=error)
    reason, detail = LockReason.UNEVALUATED, f"the rules could not be applied: {name}"
    events: list[NewEvent] = []
    if all(lock.reason is not reason for lock in holding.opened):
        locks.add_locks(conn, [(key, Lock(reason=reason, detail=detail))], now, actor)
        events.append(_lock_event(key, "lock_opened", reason, detail, now, actor))
    why = (Reason(code=reason.value, detail=detail),)
    events += [
        end_drawdown(conn, each, DrawdownState.VOIDED, why, now, actor) for each in holding.pending
    ]
    facilities.append_events(conn, events)


def assess(conn: Conn, facility_ids: Sequence[FacilityId], now: datetime) -> Sequence[Standing]:
    """Return facilities as everything known now says they are, by id; nothing is written."""
    return [decide_standing(holding, now) for holding in load_holdings(conn, facility_ids, now)]


def assess_one(conn: Conn, facility_id: FacilityId, now: datetime) -> Standing:
    """Return one facility as it stands now; nothing is written.

    Raises:
        NotFoundError: There is none, or the actor may not see it.
    """
    standings = assess(conn, [facility_id], now)
    if not standings:
        raise NotFoundError("facility", facility_id)
    return standings[0]


def opener(actor: Actor) -> str:
    """Return how a person or machine is named in locks and history."""
    return f"api:{actor.login}"


def hold(conn: Conn, facility_id: FacilityId) -> None:
    """Hold a facility until the transaction ends.

    Raises:
        NotFoundError: There is none, or the actor may not see it.
    """
    if not facilities.lock_facilities(conn, [facility_id]):
        raise NotFoundError("facility", facility_id)


def settle(conn: Conn, standing: Standing, now: datetime, actor: str) -> ValuationId:
    """Store what an assessment of a held facility found; return the valuation that is in force."""
    return settle_all(conn, [standing], now, actor)[0]


def settle_all(
    conn: Conn, standings: Sequence[Standing], now: datetime, actor: str
) -> Sequence[ValuationId]:
    """Store what assessments of held facilities found, with a few statements for all of them.

    Returns the valuations that are in force, in the standings' order.
    """
    new: dict[ValuationId, Valuation] = {}
    in_force: list[ValuationId] = []
    for standing in standings:
        newest = standing.holding.newest
        if newest is None or standing.is_new:
            in_force.append(ValuationId(uuid4()))
            new[in_force[-1]] = standing.valuation
        else:
            in_force.append(newest.id)
    pairs = list(zip(standings, in_force, strict=True))
    valuations.append_valuations(conn, new)
    facilities.save_valued(conn, [_valued(*pair) for pair in pairs if _has_moved(*pair)])
    changes = [diff_locks(each.holding.opened, each.locks) for each in standings]
    _settle_locks(conn, standings, changes, now, actor)
    events = [*_settle_calls(conn, pairs, now, actor)]
    for (standing, valuation_id), (to_open, _, to_lift) in zip(pairs, changes, strict=True):
        key = standing.holding.facility.id
        events += [
            *_line_events(standing, valuation_id, now, actor),
            *(_lock_event(key, "lock_opened", e.reason, e.detail, now, actor) for e in to_open),
            *(_lock_event(key, "lock_lifted", e.reason, e.detail, now, actor) for e in to_lift),
            *_settle_promises(conn, standing, now, actor),
        ]
    facilities.append_events(conn, events)
    return in_force


def _has_moved(standing: Standing, valuation_id: ValuationId) -> bool:
    facility, newest = standing.holding.facility, standing.holding.newest
    return (
        newest is None
        or newest.id != valuation_id
        or facility.standing != standing.line
        or facility.cure_by != standing.cure_by
    )


def _valued(standing: Standing, valuation_id: ValuationId) -> facilities.Valued:
    return facilities.Valued(
        facility_id=standing.holding.facility.id,
        valuation_id=valuation_id,
        standing=standing.line,
        cure_by=standing.cure_by,
    )


def _line_events(
    standing: Standing, valuation_id: ValuationId, now: datetime, actor: str
) -> Sequence[NewEvent]:
    facility = standing.holding.facility
    if facility.standing.state is standing.line.state:
        return []
    worse = list(LineState).index(standing.line.state) > list(LineState).index(
        facility.standing.state
    )
    return [
        NewEvent(
            facility_id=facility.id,
            at=now,
            actor=actor,
            what="line_fallen" if worse else "line_recovered",
            detail={
                "from": facility.standing.state.value,
                "to": standing.line.state.value,
                "coverage_bps": standing.valuation.coverage_bps,
                "value_minor": standing.valuation.value_minor,
                "exposure_minor": standing.valuation.exposure_minor,
                "valuation_id": str(valuation_id),
                "cure_by": None if standing.cure_by is None else standing.cure_by.isoformat(),
            },
        )
    ]


def _settle_calls(
    conn: Conn, pairs: Sequence[tuple[Standing, ValuationId]], now: datetime, actor: str
) -> Sequence[NewEvent]:
    """Store the margin calls that are new or have changed, and return what to remember."""
    opened: dict[FacilityId, MarginCall] = {}
    changed: list[MarginCall] = []
    moved: list[tuple[Standing, MarginCall]] = []
    for standing, valuation_id in pairs:
        before, call = standing.holding.call, standing.call
        if call is None or call == before:
            continue
        if before is None:
            opened[standing.holding.facility.id] = replace(call, valuation_id=valuation_id)
            continue
        if call.ended_at is not None:
            call = replace(call, ended_valuation_id=valuation_id)
        changed.append(call)
        if call.state is not before.state:
            moved.append((standing, call))
    keys = calls.add_calls(conn, opened)
    calls.save_calls(conn, changed)
    moved += [
        (standing, replace(opened[key], id=keys[key]))
        for standing, _ in pairs
        if (key := standing.holding.facility.id) in keys
    ]
    return [call_event(standing, call, now, actor) for standing, call in moved]


def call_event(
    standing: Standing, call: MarginCall, now: datetime, actor: str, reason: str | None = None
) -> NewEvent:
    """Return what to remember of a margin call that came to its state just now."""
    detail: dict[str, object] = {
        "call": call.id,
        "deadline_at": call.deadline_at.isoformat(),
        "coverage_bps": standing.valuation.coverage_bps,
        "value_minor": standing.valuation.value_minor,
        "exposure_minor": standing.valuation.exposure_minor,
        "cash_minor": call.cure.cash_minor,
        "collateral_minor": call.cure.collateral_minor,
        "lendable_minor": call.cure.lendable_minor,
    }
    return NewEvent(
        facility_id=standing.holding.facility.id,
        at=now,
        actor=actor,
        what=f"margin_call_{call.state.value}",
        detail=detail if reason is None else {**detail, "reason": reason},
    )


def _settle_locks(
    conn: Conn,
    standings: Sequence[Standing],
    changes: Sequence[LockChanges],
    now: datetime,
    actor: str,
) -> None:
    """Open, reword and lift the locks of all of them."""
    locks.add_locks(
        conn,
        [
            (standing.holding.facility.id, lock)
            for standing, (to_open, _, _) in zip(standings, changes, strict=True)
            for lock in to_open
        ],
        now,
        actor,
    )
    reworded = {key: detail for _, details, _ in changes for key, detail in details.items()}
    locks.save_lock_details(conn, reworded)
    to_lift = [lock.id for _, _, lifted in changes for lock in lifted]
    locks.save_locks_lifted(conn, to_lift, now, actor)


def _lock_event(
    facility_id: FacilityId, what: str, reason: LockReason, detail: str, now: datetime, actor: str
) -> NewEvent:
    return NewEvent(
        facility_id=facility_id,
        at=now,
        actor=actor,
        what=what,
        detail={"reason": reason.value, "detail": detail},
    )


def _settle_promises(
    conn: Conn, standing: Standing, now: datetime, actor: str
) -> Sequence[NewEvent]:
    why = tuple(Reason(code=lock.reason.value, detail=lock.detail) for lock in standing.locks) or (
        Reason(
            code="OVER_BASE",
            detail="the limit or the borrowing base has fallen under what is owed and promised",
            numbers={
                "exposure_minor": standing.position.exposure_minor,
                "limit_minor": standing.position.limit_minor,
                "base_minor": standing.position.base_minor,
            },
        ),
    )
    over = (Reason(code="EXPIRED", detail="it was not disbursed in time"),)
    return [
        *(
            end_drawdown(conn, each, DrawdownState.VOIDED, why, now, actor)
            for each in standing.voided
        ),
        *(
            end_drawdown(conn, each, DrawdownState.EXPIRED, over, now, actor)
            for each in standing.expired
        ),
    ]


def end_drawdown(
    conn: Conn,
    drawdown: Drawdown,
    state: DrawdownState,
    reasons: tuple[Reason, ...],
    now: datetime,
    actor: str,
) -> NewEvent:
    """Store that a drawdown has ended, and return what to remember of it."""
    ended = replace(drawdown, state=state, reasons=reasons, ended_at=now)
    drawdowns.save_drawdown(conn, ended)
    if drawdown.state is DrawdownState.PENDING:
        books.release(conn, drawdown.facility_id, drawdown.id, now, actor)
    return drawdown_event(ended, now, actor)


def drawdown_event(drawdown: Drawdown, now: datetime, actor: str) -> NewEvent:
    """Return what to remember of a drawdown that came to its state just now."""
    return NewEvent(
        facility_id=drawdown.facility_id,
        at=now,
        actor=actor,
        what=f"drawdown_{drawdown.state.value}",
        detail={
            "id": str(drawdown.id),
            "amount_minor": drawdown.amount_minor,
            "reasons": [{"code": each.code, "detail": each.detail} for each in drawdown.reasons],
        },
    )
