"""A facility as everything known now says it is: valued, placed, locked, and its money. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from backend.alerts.types import AlertKind, Finding, Severity, Steps
from backend.facility.rules.calls import follow_call
from backend.facility.rules.dues import decide_owed
from backend.facility.rules.lines import move_line
from backend.facility.rules.locks import Evidence, derive_locks, unusable_prices
from backend.facility.rules.money import decide_position, exposure_minor, keep_promises
from backend.facility.types import (
    CallState,
    Drawdown,
    Holding,
    LineState,
    LockReason,
    MarginCall,
    Standing,
    StoredValuation,
)
from backend.ids import InstrumentId
from backend.market.types import UnusableReason, Usable
from backend.money import Minor
from backend.valuation.rules import default_policy, sum_valuation, value_lots
from backend.valuation.types import Terms, Valuation


def decide_standing(holding: Holding, now: datetime) -> Standing:
    """Return a facility as everything known now says it is: valued, placed, locked, and its money.

    A lock ends every promise; so does a base or limit that has fallen under what is owed and
    promised, the newest promise first.
    """
    facility = holding.facility
    policy = holding.lending_policy or default_policy(
        facility.reserve_minor, facility.valuation_ttl_s, facility.liquidation_horizon_days
    )
    terms = Terms(currency=facility.currency, policy=policy)
    exposure = exposure_minor(facility)
    lots = value_lots(holding.lots, holding.quotes, terms, now)
    valuation = sum_valuation(facility.id, lots, terms, exposure, now, holding.quotes)
    observes = is_observation(holding.newest, valuation, policy.ttl_s)
    line = move_line(facility.standing, facility.lines, valuation, is_observation=observes)
    call = follow_call(facility, holding.call, line, valuation, now, is_observation=observes)
    owed = decide_owed(facility, holding.schedule, now)
    evidence = Evidence(
        lots=holding.lots,
        quotes=holding.quotes,
        currency=facility.currency,
        valuation=valuation,
        alerts=holding.alerts,
        line=line.state,
        manual=next((o.detail for o in holding.opened if o.reason is LockReason.MANUAL), None),
        call=call,
        pledges=holding.pledges,
        policy=facility.policy,
        owed=owed,
    )
    locks = derive_locks(evidence)
    promised = [each for each in holding.pending if not _is_over(each, now)]
    room = -1 if locks else min(facility.limit_minor, valuation.base_minor) - exposure
    kept = keep_promises(promised, room)
    return Standing(
        holding=holding,
        valuation=valuation,
        is_new=observes
        or (holding.newest is not None and holding.newest.exposure_minor != exposure),
        line=line,
        cure_by=None if call is None or call.ended_at is not None else call.deadline_at,
        call=call,
        owed=owed,
        locks=locks,
        voided=tuple(each for each in promised if each not in kept),
        expired=tuple(each for each in holding.pending if _is_over(each, now)),
        position=decide_position(
            facility, valuation.base_minor, Minor(sum(each.amount_minor for each in kept))
        ),
    )


def is_observation(newest: StoredValuation | None, valuation: Valuation, ttl_s: int) -> bool:
    """Return whether a valuation rests on something new, or was due again.

    Only such ones count for moving up a line: repaying three times a cent observes nothing.
    """
    if newest is None or newest.content_sha256 != valuation.content_sha256:
        return True
    return valuation.at >= min(newest.expires_at, newest.at + timedelta(seconds=ttl_s) / 2)


def _is_over(drawdown: Drawdown, now: datetime) -> bool:
    return drawdown.expires_at is not None and drawdown.expires_at <= now


def alert_steps(standing: Standing) -> Steps:
    """Return what a facility's standing asks of its alerts, and which causes are no more."""
    facility, holding = standing.holding.facility, standing.holding
    prices = {
        each: f"facility:{facility.id}:price:{each}"
        for each in sorted({lot.instrument_id for lot in holding.lots})
    }
    findings = [
        Finding(
            cause=prices[instrument_id],
            kind=_price_kind(holding, instrument_id),
            severity=Severity.CRITICAL,
            summary=detail,
            facility_id=facility.id,
        )
        for instrument_id, detail in unusable_prices(
            holding.lots, holding.quotes, facility.currency
        )
    ]
    findings += _findings(standing)
    raised = {finding.cause for finding in findings}
    kinds = (f"facility:{facility.id}:{what}" for what in _CAUSES)
    ceased = [cause for cause in (*prices.values(), *kinds) if cause not in raised]
    return Steps(findings=tuple(findings), ceased=tuple(ceased))


_CAUSES: Final = ("line", "call", "overdue", "control_value", "double_pledge")
_ALERT_OF_LOCK: Final = {
    LockReason.OVERDUE: ("overdue", AlertKind.OVERDUE),
    LockReason.CONTROL_VALUE: ("control_value", AlertKind.BELOW_LINE),
    LockReason.DOUBLE_PLEDGE: ("double_pledge", AlertKind.DOUBLE_PLEDGE),
}


def _findings(standing: Standing) -> Iterable[Finding]:
    """Yield what is wrong with a facility's line, margin call, dues and pledges."""
    facility, call = standing.holding.facility, standing.call

    def finding(cause: str, kind: AlertKind, severity: Severity, summary: str) -> Finding:
        return Finding(
            cause=f"facility:{facility.id}:{cause}",
            kind=kind,
            severity=severity,
            summary=summary,
            facility_id=facility.id,
        )

    if standing.line.state is not LineState.ABOVE:
        warning = standing.line.state is LineState.WARNING
        asked = "" if call is None or call.ended_at is not None else f"; {_cure_text(call)}"
        yield finding(
            "line",
            AlertKind.BELOW_LINE,
            Severity.WARNING if warning else Severity.CRITICAL,
            f"{facility.name} has fallen to line state {standing.line.state.value}:"
            f" value {standing.valuation.value_minor}, owed"
            f" {standing.valuation.exposure_minor} minor units of {facility.currency}{asked}",
        )
    if call is not None and call.state in (CallState.LIQUIDATABLE, CallState.DEFAULTED):
        unmet = f"{facility.name}: the margin call was not met by {_deadline(call)}"
        what = (
            "it may be liquidated"
            if call.state is CallState.LIQUIDATABLE
            else "a default is declared"
        )
        yield finding("call", AlertKind.BELOW_LINE, Severity.CRITICAL, f"{unmet}; {what}")
    for lock in standing.locks:
        if lock.reason in _ALERT_OF_LOCK and not _is_known(standing, lock.reason):
            cause, kind = _ALERT_OF_LOCK[lock.reason]
            yield finding(cause, kind, Severity.CRITICAL, f"{facility.name}: {lock.detail}")


def _is_known(standing: Standing, reason: LockReason) -> bool:
    """Return whether a lock follows from an alert on a lot alone: then there is an alert."""
    doubled = any(pledge.doubled for pledge in standing.holding.pledges)
    return reason is LockReason.DOUBLE_PLEDGE and not doubled


def _cure_text(call: MarginCall) -> str:
    cure = call.cure
    return (
        f"margin call until {_deadline(call)}: repay {cure.cash_minor} or add collateral worth"
        f" {cure.collateral_minor}, {cure.lendable_minor} after haircut"
    )


def _deadline(call: MarginCall) -> str:
    return call.deadline_at.isoformat(timespec="minutes")


def _price_kind(holding: Holding, instrument_id: InstrumentId) -> AlertKind:
    """Return whether a price that may not be used has fallen, or is missing or old."""
    quote = holding.quotes.get(instrument_id)
    if quote is None:
        return AlertKind.PRICE_STALE
    if isinstance(quote.decision, Usable):
        fallen = quote.decision.price <= 0
        return AlertKind.PRICE_DROP if fallen else AlertKind.PRICE_STALE
    held = quote.decision.reason is UnusableReason.HELD_FALL
    return AlertKind.PRICE_DROP if held else AlertKind.PRICE_STALE
