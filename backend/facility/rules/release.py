"""Whether a facility can spare goods that its lender would let go. Pure."""

from backend.facility.rules.lines import line_of
from backend.facility.rules.money import exposure_minor
from backend.facility.types import Allow, DrawdownDecision, LineState, Reason, Refuse, Standing


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
    reasons = [Reason(code=lock.reason.value, detail=lock.detail) for lock in standing.locks]
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
