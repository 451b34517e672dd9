"""Whether a facility may be closed for ever, and what may be written off. Pure."""

from dataclasses import dataclass

from backend.errors import InvalidError
from backend.facility.rules.dues import outstanding
from backend.facility.types import Allow, DrawdownDecision, Facility, Parts, Reason, Refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Remaining:
    """What a facility still has: drawdowns that wait, pledges, days that are not booked."""

    drawdowns: int
    pledges: int
    unbooked: bool


def decide_close(facility: Facility, remaining: Remaining) -> DrawdownDecision:
    """Return whether a facility may be closed: nothing owed, promised, pledged or unbooked."""
    owed = outstanding(facility).total_minor
    found = (
        ("OWED", owed, "minor units are owed", "owed_minor"),
        ("PROMISED", remaining.drawdowns, "drawdowns wait for an answer or payment", "drawdowns"),
        ("PLEDGED", remaining.pledges, "pledges back it: release them first", "pledges"),
        ("UNBOOKED", int(remaining.unbooked), "or more days are over and not booked yet", "days"),
    )
    reasons = tuple(
        Reason(code=code, detail=f"{count} {what}", numbers={name: count})
        for code, count, what, name in found
        if count
    )
    return Refuse(reasons=reasons) if reasons else Allow()


def check_write_off(facility: Facility, parts: Parts) -> None:
    """Check that no more is given up than is owed.

    Raises:
        InvalidError: A part is more than is owed of it, or nothing is given up.
    """
    owed = outstanding(facility)
    for name, given, most in (
        ("penalty_minor", parts.penalty_minor, owed.penalty_minor),
        ("fees_minor", parts.fees_minor, owed.fees_minor),
        ("interest_minor", parts.interest_minor, owed.interest_minor),
        ("principal_minor", parts.principal_minor, owed.principal_minor),
    ):
        if not 0 <= given <= most:
            raise InvalidError(name, given, f"0 to the {most} that are owed")
    if parts.total_minor == 0:
        raise InvalidError("parts", 0, "more than nothing")
