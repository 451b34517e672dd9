"""Which locks hold, derived from everything that is known. Pure.

Fail closed: whatever is absent, stale, zero or unreadable is a lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from backend.collateral.types import (
    UNCONFIRMED_SHORT_G,
    Condition,
    Custody,
    QuantityState,
    Surveillance,
)
from backend.facility.types import (
    CallState,
    CriticalAlert,
    LineState,
    Lock,
    LockReason,
    MarginCall,
    OpenLock,
    Owed,
    PledgeFacts,
    Policy,
)
from backend.ids import InstrumentId
from backend.market.rules import decide_goods_price
from backend.market.types import Quotes, Unusable
from backend.valuation.types import LotFacts, Valuation

LOCK_DETAIL_CHARACTERS_MAX: Final = 2_000  # A lock says why, it is no log of each lot.

_LOCK_OF_ALERT: Final = {
    "relocation": LockReason.RELOCATED,
    "shortfall": LockReason.QUANTITY_SHORT,
    "damage": LockReason.DAMAGED,
    "tamper": LockReason.TAMPERED,
    "surveillance_lost": LockReason.SENSOR_LOST,
    "double_pledge": LockReason.DOUBLE_PLEDGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that locks are derived from."""

    lots: Sequence[LotFacts]
    quotes: Quotes
    currency: str
    valuation: Valuation
    alerts: Sequence[CriticalAlert]
    line: LineState
    manual: str | None
    call: MarginCall | None = None
    pledges: Sequence[PledgeFacts] = ()
    policy: Policy = field(default_factory=Policy)
    owed: Owed = field(default_factory=Owed)


def derive_locks(evidence: Evidence) -> tuple[Lock, ...]:
    """Return every lock that the evidence asks for, each once, with all its causes in words.

    What is not returned is lifted: opening and lifting are the same derivation.
    """
    causes = [
        *_causes_of_lots(evidence.lots),
        *_causes_of_alerts(evidence.alerts, evidence.lots),
        *_causes_of_prices(evidence.lots, evidence.quotes, evidence.currency),
        *_causes_of_valuation(evidence.valuation, evidence.line),
        *_causes_of_call(evidence.call, evidence.line),
        *_causes_of_pledges(evidence),
        *_causes_of_dues(evidence.owed),
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
            yield LockReason.QUANTITY_SHORT, f"{lot.name}: {_shortfall(lot)}"
        if lot.state.condition is not Condition.SOUND:
            yield LockReason.DAMAGED, f"{lot.name}: its condition is {_words(lot.state.condition)}"
        if lot.state.tampered:
            yield LockReason.TAMPERED, f"{lot.name}: what watches it has been tampered with"
        if lot.state.surveillance is Surveillance.DARK:
            yield LockReason.SENSOR_LOST, f"{lot.name}: nothing watches it"


def _shortfall(lot: LotFacts) -> str:
    """Say how much is short, once more than one weight or count has said it."""
    if lot.state.short_mass_g <= UNCONFIRMED_SHORT_G:
        return f"short of {lot.pledged_mass_g} g pledged, by how much is being confirmed"
    return f"{lot.state.short_mass_g} g short of {lot.pledged_mass_g} g pledged"


def _causes_of_alerts(alerts: Sequence[CriticalAlert], lots: Sequence[LotFacts]) -> Causes:
    names = {lot.lot_id: lot.name for lot in lots}
    for alert in sorted(alerts, key=lambda alert: alert.id):
        reason = _LOCK_OF_ALERT.get(alert.kind)
        if reason is not None and alert.lot_id in names:
            yield reason, f"{names[alert.lot_id]}: {alert.summary} (alert {alert.id})"


def _causes_of_prices(lots: Sequence[LotFacts], quotes: Quotes, currency: str) -> Causes:
    for _, detail in unusable_prices(lots, quotes, currency):
        yield LockReason.PRICE_STALE, detail


def unusable_prices(
    lots: Sequence[LotFacts], quotes: Quotes, currency: str
) -> Sequence[tuple[InstrumentId, str]]:
    """Return each instrument at whose price nothing may be lent, and why, with its lots' names.

    A price that may not be used, a grade without a differential, a rate of exchange that is
    missing or stale, and a price of zero or below.
    """
    found: dict[InstrumentId, list[str]] = {}
    goods = sorted({(lot.instrument_id, lot.grade or "") for lot in lots})
    for instrument_id, grade in goods:
        match decide_goods_price(quotes, instrument_id, grade or None, currency):
            case Unusable(detail=detail):
                why = detail
            case price if price.price <= 0:
                why = f"{instrument_id} is quoted at {price.price:f}: worth nothing"
            case _:
                continue
        names = ", ".join(
            sorted(
                lot.name
                for lot in lots
                if lot.instrument_id == instrument_id and (lot.grade or "") == grade
            )
        )
        found.setdefault(instrument_id, []).append(f"{names}: {why}")
    return [(instrument_id, "; ".join(details)) for instrument_id, details in found.items()]


def _causes_of_valuation(valuation: Valuation, line: LineState) -> Causes:
    for lot in valuation.lots:
        if not lot.complete:
            yield LockReason.UNEVALUATED, f"{lot.name}: not valued, {', '.join(lot.reasons)}"
    if line in (LineState.CALL, LineState.LIQUIDATION):
        coverage = valuation.coverage_bps
        shown = "nothing is owed" if coverage is None else f"coverage is {coverage} bps"
        yield LockReason.BELOW_CALL_LINE, f"the line state is {line.value}; {shown}"


def _causes_of_call(call: MarginCall | None, line: LineState) -> Causes:
    if call is None:
        return
    if call.state is CallState.DEFAULTED:
        yield LockReason.BELOW_CALL_LINE, "a default is declared; the lender has not closed it"
    elif call.state is CallState.LIQUIDATABLE and line in (LineState.CALL, LineState.LIQUIDATION):
        deadline = call.deadline_at.isoformat()
        yield LockReason.BELOW_CALL_LINE, f"the margin call was not met by {deadline}"


def _causes_of_pledges(evidence: Evidence) -> Causes:
    control, value = evidence.policy.control_value_minor, evidence.valuation.value_minor
    if value < control:
        yield (
            LockReason.CONTROL_VALUE,
            f"the pledged goods are worth {value}, under the control value of {control}",
        )
    names = {lot.lot_id: lot.name for lot in evidence.lots}
    for pledge in sorted(evidence.pledges, key=lambda pledge: pledge.id):
        if evidence.policy.registry_required and pledge.registry is None:
            yield LockReason.REGISTRY_MISSING, f"pledge {pledge.id} names no registration"
        for lot_id in sorted(pledge.doubled):
            name = names.get(lot_id, str(lot_id))
            yield (
                LockReason.DOUBLE_PLEDGE,
                f"{name}: offered to, or registered for, another lender too",
            )


def _causes_of_dues(owed: Owed) -> Causes:
    late = owed.past_due
    if late.total_minor:
        yield (
            LockReason.OVERDUE,
            f"{late.total_minor} minor units are past due: principal {late.principal_minor},"
            f" interest {late.interest_minor}, fees {late.fees_minor},"
            f" penalty {late.penalty_minor}",
        )


def _words(condition: Condition) -> str:
    return condition.value.replace("_", " ")


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
