"""Whether a facility can spare goods that its lender would let go. Pure."""

from backend.facility.rules.lines import line_of
from backend.facility.rules.money import exposure_minor
from backend.facility.types import (
    Allow,
    DrawdownDecision,
    LineState,
    LockReason,
    Reason,
    Refuse,
    Standing,
)


def decide_release(standing: Standing) -> DrawdownDecision:
    """Return whether goods may go: each reason against it, in this order.

    The facility is locked; coverage would fall under the warning line; the base under what is owed
    and promised. While nothing is, all of it may go.

    Args:
        standing: the facility as it would stand with the order, its goods not counted.
    """
    facility = standing.holding.facility
    promised = sum(each.amount_minor for each in standing.holding.pending)
    owed = exposure_minor(facility) + promised
    if owed == 0:
        return Allow()
    reasons = [_locked(standing, lock.reason, lock.detail) for lock in standing.locks]
    coverage = standing.valuation.coverage_bps
    if line_of(coverage, facility.lines) is not LineState.ABOVE:
        reasons.append(
            Reason(
                code="COVERAGE",
                detail=f"coverage would be {coverage} bps, under the warning line of"
                f" {facility.lines.warning_bps} bps",
                numbers={"warning_bps": facility.lines.warning_bps, "coverage_bps": coverage or 0},
            )
        )
    base = standing.valuation.base_minor
    if base < owed:
        reasons.append(
            Reason(
                code="OVER_BASE",
                detail=f"the borrowing base would be {base}, under the {owed} minor units of"
                f" {facility.currency} that are owed and promised",
                numbers={"base_minor": base, "owed_minor": owed},
            )
        )
    return Refuse(reasons=tuple(reasons)) if reasons else Allow()


def decide_exchange(before: Standing, after: Standing) -> DrawdownDecision:
    """Return whether pledged goods may go or be exchanged: it ends safe, or is safer than before.

    Args:
        before: the facility as it stands.
        after: as it would stand afterwards.
    """
    return Allow() if is_safer(before, after) else decide_release(after)


def is_safer(before: Standing, after: Standing) -> bool:
    """Return whether nothing is worse: neither value nor base is less, and no lock is new."""
    held = {lock.reason for lock in before.locks}
    return (
        after.valuation.complete >= before.valuation.complete
        and after.valuation.value_minor >= before.valuation.value_minor
        and after.valuation.base_minor >= before.valuation.base_minor
        and all(lock.reason in held for lock in after.locks)
    )


def _locked(standing: Standing, reason: LockReason, detail: str) -> Reason:
    numbers: dict[str, int] = {}
    if reason is LockReason.CONTROL_VALUE:
        numbers = {
            "value_minor": standing.valuation.value_minor,
            "control_value_minor": standing.holding.facility.policy.control_value_minor,
        }
    return Reason(code=reason.value, detail=detail, numbers=numbers)
