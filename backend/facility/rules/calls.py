"""Margin calls: opened on a line, cured by valuations alone, enforceable when unmet. Pure.

Money that equals the shortfall cures nothing: only the line state does, and that moves up on
complete, new valuations. A call that is late is still cured by them until a default is declared;
from then on it is the lender's to close.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from backend.errors import InvalidError
from backend.facility.errors import CallRefusedError
from backend.facility.rules.lines import line_of
from backend.facility.types import (
    CallState,
    Cure,
    Facility,
    Lines,
    LineStanding,
    LineState,
    MarginCall,
)
from backend.money import BPS, Minor
from backend.valuation.types import Valuation

CALLED: Final = (LineState.CALL, LineState.LIQUIDATION)
EXTENSION_MAX: Final = timedelta(days=366)  # Longer, and it is another agreement.


def decide_cure(valuation: Valuation, lines: Lines) -> Cure:
    """Return what would bring coverage to the call line and its margin, rounded up."""
    target_bps = lines.call_bps + lines.recovery_margin_bps
    exposure, value = valuation.exposure_minor, valuation.value_minor
    collateral = max(0, -(-exposure * target_bps // BPS) - value)
    lendable = sum(lot.lendable_minor for lot in valuation.lots)
    accepted = sum(lot.value_minor for lot in valuation.lots)
    return Cure(
        cash_minor=Minor(max(0, exposure - value * BPS // target_bps)),
        collateral_minor=Minor(collateral),
        lendable_minor=Minor(-(-collateral * lendable // accepted) if accepted else collateral),
    )


def follow_call(
    facility: Facility,
    call: MarginCall | None,
    line: LineStanding,
    valuation: Valuation,
    now: datetime,
    *,
    is_observation: bool,
) -> MarginCall | None:
    """Return a facility's margin call after a valuation: opened, cured, or further on its way."""
    called = line.state in CALLED
    if call is None:
        if not called or valuation.coverage_bps is None:
            return None  # Nothing is owed: nothing is called for, whatever the line still says.
        return _opened(facility, valuation, now, is_observation)
    if not called:
        if call.state is CallState.DEFAULTED or not valuation.complete:
            return call
        return replace(call, state=CallState.CURED, ended_at=now)
    call = replace(
        call, observations=_observed(facility, call.observations, valuation, is_observation)
    )
    enforceable = (
        valuation.complete and call.observations >= facility.policy.liquidation_observations
    )
    if call.state is CallState.OPEN and now >= call.deadline_at and enforceable:
        return replace(call, state=CallState.LIQUIDATABLE, liquidatable_at=now)
    return call


def _opened(
    facility: Facility, valuation: Valuation, now: datetime, is_observation: bool
) -> MarginCall:
    return MarginCall(
        id=None,
        opened_at=now,
        deadline_at=facility.cure_by or now + timedelta(hours=facility.cure_hours),
        valuation_id=None,
        coverage_bps=valuation.coverage_bps,
        value_minor=valuation.value_minor,
        exposure_minor=valuation.exposure_minor,
        cure=decide_cure(valuation, facility.lines),
        observations=_observed(facility, 0, valuation, is_observation),
    )


def _observed(
    facility: Facility, observations: int, valuation: Valuation, is_observation: bool
) -> int:
    """Return how many complete valuations in a row found a call unmet; counted up to the need."""
    if not valuation.complete:
        return 0  # An outage: what was seen before it says nothing of the prices after it.
    lines = facility.lines
    if line_of(valuation.coverage_bps, lines, lines.recovery_margin_bps) not in CALLED:
        return 0
    return min(facility.policy.liquidation_observations, observations + is_observation)


def extend_call(call: MarginCall, deadline_at: datetime, now: datetime) -> MarginCall:
    """Return a call with a later deadline; one that could be enforced is open again.

    Raises:
        CallRefusedError: A default is declared.
        InvalidError: The deadline is not later than it was and now, or too far away.
    """
    if call.state is CallState.DEFAULTED:
        raise CallRefusedError("call_defaulted", "a default is declared: there is no deadline now")
    least = max(call.deadline_at, now)
    if not least < deadline_at <= now + EXTENSION_MAX:
        bound = f"after {least.isoformat()}, at most {EXTENSION_MAX.days} days from now"
        raise InvalidError("deadline_at", deadline_at.isoformat(), bound)
    return replace(call, state=CallState.OPEN, deadline_at=deadline_at, liquidatable_at=None)


def declare_default(call: MarginCall, now: datetime) -> MarginCall:
    """Return a call that is in default: only its lender ends it.

    Raises:
        CallRefusedError: It may not be enforced yet, or is in default already.
    """
    if call.state is not CallState.LIQUIDATABLE:
        raise CallRefusedError(
            "call_not_liquidatable",
            f"the margin call is {call.state.value}, must be liquidatable:"
            f" unmet at {call.deadline_at.isoformat()} by the valuations since",
        )
    return replace(call, state=CallState.DEFAULTED, defaulted_at=now)


def close_call(call: MarginCall, line: LineStanding, exposure: Minor, now: datetime) -> MarginCall:
    """Return a call that its lender closes after recovery.

    Raises:
        CallRefusedError: No default is declared, or money is owed and coverage is not back.
    """
    if call.state is not CallState.DEFAULTED:
        raise CallRefusedError(
            "call_not_defaulted",
            f"the margin call is {call.state.value}, must be defaulted:"
            " valuations alone end it before",
        )
    if exposure > 0 and line.state in CALLED:
        raise CallRefusedError(
            "call_not_recovered",
            f"{exposure} minor units are owed in line state {line.state.value}, must be"
            " 0 owed, or coverage above the call line",
        )
    return replace(call, state=CallState.CLOSED, ended_at=now)
