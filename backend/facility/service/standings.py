"""Facilities as they stand: assessed without a write, settled in the database, relocked.

Whoever settles holds the facilities' rows (``store.facilities.lock_facilities``) and has read
everything else after that: then no drawdown is decided between the evidence and its lock.
"""

from collections.abc import Iterable, Sequence
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
from backend.facility.store import calls, drawdowns, facilities, loans, locks, pledges
from backend.facility.types import (
    CriticalAlert,
    Drawdown,
    DrawdownState,
    Holding,
    LineState,
    Lock,
    LockReason,
    MarginCall,
    NewEvent,
    Reason,
    Schedule,
    Standing,
)
from backend.ids import FacilityId, InstrumentId, LotId, ValuationId
from backend.market import service as market
from backend.parties.types import Actor
from backend.valuation import store as valuations
from backend.valuation.types import LotFacts

log = structlog.get_logger()

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
            settle(conn, standing, now, opened_by)
            standings.append(standing)
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
        locks.add_locks(conn, key, [Lock(reason=reason, detail=detail)], now, actor)
        events.append(_lock_event(key, "lock_opened", reason, detail, now, actor))
    why = (Reason(code=reason.value, detail=detail),)
    events += [
        end_drawdown(conn, each, DrawdownState.VOIDED, why, now, actor) for each in holding.pending
    ]
    facilities.append_events(conn, events)


def assess(conn: Conn, facility_ids: Sequence[FacilityId], now: datetime) -> Sequence[Standing]:
    """Return facilities as everything known now says they are, by id; nothing is written."""
    return [decide_standing(holding, now) for holding in load_holdings(conn, facility_ids, now)]


def load_holdings(
    conn: Conn, facility_ids: Sequence[FacilityId], now: datetime
) -> Sequence[Holding]:
    """Return all that decisions on facilities rest on, by id."""
    found = facilities.load_facilities(conn, facility_ids)
    policies = valuations.load_policies(conn, facility_ids)
    baskets = valuations.load_baskets(conn, facility_ids)
    lots = [lot for basket in baskets.values() for lot in basket]
    instruments: list[InstrumentId] = sorted({lot.instrument_id for lot in lots})
    quotes = market.load_quotes(conn, instruments, now)
    alerts_of: dict[LotId, list[CriticalAlert]] = {}
    for alert in locks.load_critical_alerts(conn, [lot.lot_id for lot in lots]):
        alerts_of.setdefault(alert.lot_id, []).append(alert)
    pending = drawdowns.load_pending(conn, facility_ids)
    opened = locks.load_open_locks(conn, facility_ids)
    called = calls.load_calls(conn, facility_ids)
    pledged = pledges.load_pledges(conn, facility_ids)
    schedules = loans.load_schedules(conn, facility_ids, now)
    holdings: list[Holding] = []
    for facility, newest in found:
        basket = baskets.get(facility.id, ())
        own = [alert for lot in basket for alert in alerts_of.get(lot.lot_id, ())]
        holdings.append(
            Holding(
                facility=facility,
                newest=newest,
                lots=tuple(_with_alerts(lot, alerts_of.get(lot.lot_id, ())) for lot in basket),
                quotes=quotes,
                alerts=tuple(sorted(own, key=lambda alert: alert.id)),
                pending=tuple(pending.get(facility.id, ())),
                opened=tuple(opened.get(facility.id, ())),
                call=called.get(facility.id),
                pledges=tuple(pledged.get(facility.id, ())),
                schedule=schedules.get(facility.id, Schedule()),
                lending_policy=policies.get(facility.id),
            )
        )
    return holdings


def _with_alerts(lot: LotFacts, found: Sequence[CriticalAlert]) -> LotFacts:
    """Return a lot with its alerts' ids: evidence for what its state says."""
    return replace(lot, alert_ids=tuple(alert.id for alert in found)) if found else lot


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
    newest = standing.holding.newest
    if newest is None or standing.is_new:
        valuation_id = ValuationId(uuid4())
        valuations.append_valuations(conn, {valuation_id: standing.valuation})
    else:
        valuation_id = newest.id
    events = [
        *_settle_line(conn, standing, valuation_id, now, actor),
        *_settle_call(conn, standing, valuation_id, now, actor),
        *_settle_locks(conn, standing, now, actor),
        *_settle_promises(conn, standing, now, actor),
    ]
    if events:
        facilities.append_events(conn, events)
    return valuation_id


def _settle_line(
    conn: Conn, standing: Standing, valuation_id: ValuationId, now: datetime, actor: str
) -> Sequence[NewEvent]:
    facility, newest = standing.holding.facility, standing.holding.newest
    unchanged = (
        newest is not None
        and newest.id == valuation_id
        and facility.standing == standing.line
        and facility.cure_by == standing.cure_by
    )
    if not unchanged:
        facilities.save_valued(conn, facility.id, valuation_id, standing.line, standing.cure_by)
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


def _settle_call(
    conn: Conn, standing: Standing, valuation_id: ValuationId, now: datetime, actor: str
) -> Sequence[NewEvent]:
    before, call = standing.holding.call, standing.call
    if call is None or call == before:
        return []
    if before is None:
        key = calls.add_call(
            conn, standing.holding.facility.id, replace(call, valuation_id=valuation_id)
        )
        return [call_event(standing, replace(call, id=key), now, actor)]
    if call.ended_at is not None:
        call = replace(call, ended_valuation_id=valuation_id)
    calls.save_call(conn, call)
    return [call_event(standing, call, now, actor)] if call.state is not before.state else []


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


def _settle_locks(conn: Conn, standing: Standing, now: datetime, actor: str) -> Sequence[NewEvent]:
    facility_id = standing.holding.facility.id
    to_open, reworded, to_lift = diff_locks(standing.holding.opened, standing.locks)
    if to_open:
        locks.add_locks(conn, facility_id, to_open, now, actor)
    if reworded:
        locks.save_lock_details(conn, reworded)
    if to_lift:
        locks.save_locks_lifted(conn, [lock.id for lock in to_lift], now, actor)
    return [
        *(
            _lock_event(facility_id, "lock_opened", lock.reason, lock.detail, now, actor)
            for lock in to_open
        ),
        *(
            _lock_event(facility_id, "lock_lifted", lock.reason, lock.detail, now, actor)
            for lock in to_lift
        ),
    ]


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
