"""What is owed and promised, what may be drawn, and how repayments are applied. Pure."""

from collections.abc import Sequence

from backend.facility.rules.dues import outstanding
from backend.facility.rules.waterfall import Claim, Part, Waterfall, When, pour
from backend.facility.types import (
    Allow,
    Drawdown,
    DrawdownDecision,
    Facility,
    Lock,
    Owed,
    Position,
    Reason,
    Refuse,
    Split,
)
from backend.money import Minor


def exposure_minor(facility: Facility) -> Minor:
    """Return what is owed under a facility: the only place where it is added up."""
    return outstanding(facility).total_minor


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


def keep_promises(promised: Sequence[Drawdown], room_minor: int) -> Sequence[Drawdown]:
    """Return the promised drawdowns that fit into the room, giving up the newest ones first."""
    kept = list(promised)
    while kept and sum(each.amount_minor for each in kept) > room_minor:
        kept.pop()
    return kept


def split_repayment(facility: Facility, owed: Owed, amount_minor: Minor) -> Split:
    """Return how a repayment is applied: what is most pressing first; the rest is surplus."""
    waterfall = Waterfall(lender=facility.lender_party, rest_to=facility.borrower_party)
    poured = pour(amount_minor, claims_of(owed), waterfall)
    return Split(
        penalty_minor=poured.of_part(Part.PENALTY),
        fees_minor=poured.of_part(Part.FEE),
        interest_minor=poured.of_part(Part.INTEREST),
        principal_minor=poured.of_part(Part.PRINCIPAL),
        surplus_minor=poured.rest_minor,
    )


def claims_of(owed: Owed) -> dict[Claim, Minor]:
    """Return what is owed as the waterfall's claims."""
    ages = (
        (When.PAST_DUE, owed.past_due),
        (When.DUE, owed.due),
        (When.IN_ADVANCE, owed.in_advance),
    )
    claims: dict[Claim, Minor] = {}
    for when, parts in ages:
        claims[when, Part.PENALTY] = parts.penalty_minor
        claims[when, Part.FEE] = parts.fees_minor
        claims[when, Part.INTEREST] = parts.interest_minor
        claims[when, Part.PRINCIPAL] = parts.principal_minor
    return claims
