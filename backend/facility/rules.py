"""What money and collateral allow: exposure, lines, locks, drawdowns, repayments. Pure.

Fail closed: whatever is absent, stale, zero or unreadable is a lock. Safer is always allowed: a
repayment asks for none of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from backend.collateral.types import Condition, Custody, QuantityState, Surveillance
from backend.facility.types import (
    Allow,
    CriticalAlert,
    Drawdown,
    DrawdownDecision,
    Facility,
    Holding,
    Lines,
    LineStanding,
    LineState,
    Lock,
    LockReason,
    OpenLock,
    Position,
    Reason,
    Refuse,
    Split,
    Standing,
    StoredValuation,
)
from backend.market.types import InstrumentQuote, Quotes, Unusable
from backend.money import BPS, Minor
from backend.valuation.rules import sum_valuation, value_lots
from backend.valuation.types import LotFacts, Terms, Valuation

LOCK_DETAIL_CHARACTERS_MAX: Final = 2_000  # A lock says why, it is no log of each lot.

_LOCK_OF_ALERT: Final = {
    "relocation": LockReason.RELOCATED,
    "shortfall": LockReason.QUANTITY_SHORT,
    "damage": LockReason.DAMAGED,
    "tamper": LockReason.TAMPERED,
    "surveillance_lost": LockReason.SENSOR_LOST,
}
_WORSE: Final = (LineState.ABOVE, LineState.WARNING, LineState.CALL, LineState.LIQUIDATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that locks are derived from."""

    lots: Sequence[LotFacts]
    quotes: Quotes
    valuation: Valuation
    alerts: Sequence[CriticalAlert]
    line: LineState
    manual: str | None


def exposure_minor(facility: Facility) -> Minor:
    """Return what is owed under a facility: the only place where it is added up."""
    return Minor(facility.principal_minor + facility.interest_minor + facility.fees_minor)


def decide_position(facility: Facility, base_minor: Minor, pending_minor: Minor) -> Position:
    """Return a facility's money, with what may still be drawn: below zero when too much is out."""
    exposure = exposure_minor(facility)
    available = min(facility.limit_minor, base_minor) - exposure - pending_minor
    return Position(
        limit_minor=facility.limit_minor,
        base_minor=base_minor,
        exposure_minor=exposure,
        pending_minor=pending_minor,
        availability_minor=Minor(available),
    )


def line_of(coverage_bps: int | None, lines: Lines, margin_bps: int = 0) -> LineState:
    """Return the lowest line, raised by a margin, that a coverage is under; None is above all."""
    if coverage_bps is None:
        return LineState.ABOVE
    if coverage_bps < lines.liquidation_bps + margin_bps:
        return LineState.LIQUIDATION
    if coverage_bps < lines.call_bps + margin_bps:
        return LineState.CALL
    if coverage_bps < lines.warning_bps + margin_bps:
        return LineState.WARNING
    return LineState.ABOVE


def move_line(
    standing: LineStanding, lines: Lines, valuation: Valuation, *, is_observation: bool
) -> LineStanding:
    """Return where a facility stands after a valuation: down at once, up only after several.

    A valuation in which some lot has no value moves nothing: it locks by itself, and after an
    outage nobody should be liquidated on half the truth. It also begins the count anew.
    """
    if not valuation.complete:
        return LineStanding(state=standing.state, recovered_valuations=0)
    down = line_of(valuation.coverage_bps, lines)
    if _WORSE.index(down) > _WORSE.index(standing.state):
        return LineStanding(state=down, recovered_valuations=0)
    up = line_of(valuation.coverage_bps, lines, lines.recovery_margin_bps)
    if _WORSE.index(up) >= _WORSE.index(standing.state):
        return LineStanding(state=standing.state, recovered_valuations=0)
    recovered = standing.recovered_valuations + is_observation
    if recovered < lines.recovery_valuations:
        return LineStanding(state=standing.state, recovered_valuations=recovered)
    return LineStanding(state=up, recovered_valuations=0)


def margin_call_minor(valuation: Valuation, lines: Lines) -> Minor:
    """Return how much must be repaid for coverage to reach the call line again, rounded up."""
    bearable = valuation.value_minor * BPS // lines.call_bps
    return Minor(max(0, valuation.exposure_minor - bearable))


def derive_locks(evidence: Evidence) -> tuple[Lock, ...]:
    """Return every lock that the evidence asks for, each once, with all its causes in words.

    What is not returned is lifted: opening and lifting are the same derivation.
    """
    causes = [
        *_causes_of_lots(evidence.lots),
        *_causes_of_alerts(evidence.alerts, evidence.lots),
        *_causes_of_prices(evidence.lots, evidence.quotes),
        *_causes_of_valuation(evidence.valuation, evidence.line),
    ]
    if evidence.manual is not None:
        causes.append((LockReason.MANUAL, evidence.manual))
    details: dict[LockReason, dict[str, None]] = {}
    for reason, detail in causes:
        details.setdefault(reason, {})[detail] = None
    return tuple(
        Lock(reason=reason, detail="; ".join(details[reason])[:LOCK_DETAIL_CHARACTERS_MAX])
        for reason in LockReason
        if reason in details
    )


Causes = Iterable[tuple[LockReason, str]]


def _causes_of_lots(lots: Sequence[LotFacts]) -> Causes:
    if not lots:
        yield LockReason.UNEVALUATED, "no lot is pledged to this facility"
    for lot in sorted(lots, key=lambda lot: (lot.name, lot.lot_id)):
        if not lot.state.evaluated:
            yield LockReason.UNEVALUATED, f"{lot.name}: its state could not be evaluated"
        if lot.state.custody is Custody.MISSING:
            yield LockReason.QUANTITY_SHORT, f"{lot.name}: goods are missing"
        if lot.state.custody is Custody.RELOCATED:
            yield LockReason.RELOCATED, f"{lot.name}: goods are outside their zone"
        if lot.state.quantity is QuantityState.SHORT:
            yield (
                LockReason.QUANTITY_SHORT,
                f"{lot.name}: {lot.state.short_mass_g} g short of {lot.pledged_mass_g} g pledged",
            )
        if lot.state.condition is not Condition.SOUND:
            yield LockReason.DAMAGED, f"{lot.name}: its condition is {_words(lot.state.condition)}"
        if lot.state.tampered:
            yield LockReason.TAMPERED, f"{lot.name}: what watches it has been tampered with"
        if lot.state.surveillance is Surveillance.DARK:
            yield LockReason.SENSOR_LOST, f"{lot.name}: nothing watches it"


def _causes_of_alerts(alerts: Sequence[CriticalAlert], lots: Sequence[LotFacts]) -> Causes:
    names = {lot.lot_id: lot.name for lot in lots}
    for alert in sorted(alerts, key=lambda alert: alert.id):
        reason = _LOCK_OF_ALERT.get(alert.kind)
        if reason is not None and alert.lot_id in names:
            yield reason, f"{names[alert.lot_id]}: {alert.summary} (alert {alert.id})"


def _causes_of_prices(lots: Sequence[LotFacts], quotes: Quotes) -> Causes:
    for instrument_id in sorted({lot.instrument_id for lot in lots}):
        names = ", ".join(sorted(lot.name for lot in lots if lot.instrument_id == instrument_id))
        match quotes.get(instrument_id):
            case None:
                yield LockReason.PRICE_STALE, f"{names}: {instrument_id} is not known"
            case InstrumentQuote(decision=Unusable(detail=detail)):
                yield LockReason.PRICE_STALE, f"{names}: {detail}"
            case InstrumentQuote(decision=usable):
                assert not isinstance(usable, Unusable)
                if usable.price <= 0:
                    yield (
                        LockReason.PRICE_STALE,
                        f"{names}: {instrument_id} is quoted at {usable.price:f}: worth nothing",
                    )


def _causes_of_valuation(valuation: Valuation, line: LineState) -> Causes:
    for lot in valuation.lots:
        if not lot.complete:
            yield LockReason.UNEVALUATED, f"{lot.name}: not valued, {', '.join(lot.reasons)}"
    if line in (LineState.CALL, LineState.LIQUIDATION):
        coverage = valuation.coverage_bps
        shown = "nothing is owed" if coverage is None else f"coverage is {coverage} bps"
        yield LockReason.BELOW_CALL_LINE, f"the line state is {line.value}; {shown}"


def _words(condition: Condition) -> str:
    return condition.value.replace("_", " ")


def decide_drawdown(
    facility: Facility, position: Position, locks: Sequence[Lock], amount_minor: Minor
) -> DrawdownDecision:
    """Return whether so much more may be drawn: each reason against it, in this order.

    The facility is closed; each lock; the limit; the borrowing base. Judged on what is owed and
    promised *after* the drawdown.
    """
    reasons: list[Reason] = []
    if not facility.open:
        reasons.append(Reason(code="FACILITY_CLOSED", detail=f"{facility.name} is closed"))
    reasons += [Reason(code=lock.reason.value, detail=lock.detail) for lock in locks]
    after = position.exposure_minor + position.pending_minor + amount_minor
    bounds = (
        ("OVER_LIMIT", "the limit", position.limit_minor),
        ("OVER_BASE", "the borrowing base", position.base_minor),
    )
    for code, name, bound in bounds:
        if after > bound:
            reasons.append(
                Reason(
                    code=code,
                    detail=f"{after} {facility.currency} minor units would be out,"
                    f" over {name} of {bound}",
                    numbers={
                        "amount_minor": amount_minor,
                        "exposure_minor": position.exposure_minor,
                        "pending_minor": position.pending_minor,
                        "after_minor": after,
                        "bound_minor": bound,
                    },
                )
            )
    return Refuse(reasons=tuple(reasons)) if reasons else Allow()


def decide_standing(holding: Holding, now: datetime) -> Standing:
    """Return a facility as everything known now says it is: valued, placed, locked, and its money.

    A lock ends every promise; so does a base or limit that has fallen under what is owed and
    promised, the newest promise first.
    """
    facility = holding.facility
    terms = Terms(
        currency=facility.currency,
        liquidation_horizon_days=facility.liquidation_horizon_days,
        reserve_minor=facility.reserve_minor,
        ttl_s=facility.valuation_ttl_s,
    )
    exposure = exposure_minor(facility)
    lots = value_lots(holding.lots, holding.quotes, terms)
    valuation = sum_valuation(facility.id, lots, terms, exposure, now, holding.quotes)
    observes = is_observation(holding.newest, valuation, facility.valuation_ttl_s)
    line = move_line(facility.standing, facility.lines, valuation, is_observation=observes)
    evidence = Evidence(
        lots=holding.lots,
        quotes=holding.quotes,
        valuation=valuation,
        alerts=holding.alerts,
        line=line.state,
        manual=next((o.detail for o in holding.opened if o.reason is LockReason.MANUAL), None),
    )
    locks = derive_locks(evidence)
    promised = [each for each in holding.pending if not _is_over(each, now)]
    room = -1 if locks else min(facility.limit_minor, valuation.base_minor) - exposure
    kept = keep_promises(promised, room)
    called = line.state in (LineState.CALL, LineState.LIQUIDATION)
    cure_by = facility.cure_by or now + timedelta(hours=facility.cure_hours)
    return Standing(
        holding=holding,
        valuation=valuation,
        is_new=observes
        or (holding.newest is not None and holding.newest.exposure_minor != exposure),
        line=line,
        cure_by=cure_by if called else None,
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


def keep_promises(promised: Sequence[Drawdown], room_minor: int) -> Sequence[Drawdown]:
    """Return the promised drawdowns that fit into the room, giving up the newest ones first."""
    kept = list(promised)
    while kept and sum(each.amount_minor for each in kept) > room_minor:
        kept.pop()
    return kept


def _is_over(drawdown: Drawdown, now: datetime) -> bool:
    return drawdown.expires_at is not None and drawdown.expires_at <= now


def diff_locks(
    opened: Sequence[OpenLock], derived: Sequence[Lock]
) -> tuple[Sequence[Lock], Mapping[int, str], Sequence[OpenLock]]:
    """Return the locks to open, what to say anew of those that stay, and those to lift."""
    held = {lock.reason: lock for lock in opened}
    wanted = {lock.reason: lock for lock in derived}
    return (
        [lock for reason, lock in wanted.items() if reason not in held],
        {
            held[reason].id: lock.detail
            for reason, lock in wanted.items()
            if reason in held and held[reason].detail != lock.detail
        },
        [lock for reason, lock in held.items() if reason not in wanted],
    )


def split_repayment(facility: Facility, amount_minor: Minor) -> Split:
    """Return how a repayment is applied: fees, interest, principal; the rest is surplus."""
    fees = min(amount_minor, facility.fees_minor)
    interest = min(amount_minor - fees, facility.interest_minor)
    principal = min(amount_minor - fees - interest, facility.principal_minor)
    return Split(
        fees_minor=Minor(fees),
        interest_minor=Minor(interest),
        principal_minor=Minor(principal),
        surplus_minor=Minor(amount_minor - fees - interest - principal),
    )
