"""The scorecard: a borrower's history in points, each of them explained. Pure.

It is advice to the lender, who decides. It counts what the platform has recorded and nothing else:
no guess at what it does not know, and a stranger stands in the middle.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from backend.applications.types.profile import Happened, History, Profile, Scored

START: Final = 50  # Of somebody of whom nothing is known, neither good nor bad.
POINTS_MAX: Final = 100
LOOK_BACK: Final = timedelta(days=3 * 365)  # What is older says little of who works there now.
QUARTER: Final = timedelta(days=91)
EVENTS_SHOWN_MAX: Final = 50  # Of one criterion: all are counted, the newest are named.
RATINGS: Final = ((80, "A"), (65, "B"), (50, "C"), (0, "D"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """How much each of something gives or takes, and how much all of them together at most."""

    code: str
    title: str
    each: int
    at_most: int


STANDING: Final = Criterion(
    code="standing", title="full quarters since its first facility", each=2, at_most=10
)
REPAID: Final = Criterion(
    code="repaid", title="facilities drawn and repaid in full", each=5, at_most=15
)
ON_TIME: Final = Criterion(
    code="on_time", title="repayments while nothing was overdue", each=1, at_most=15
)
OVERDUE: Final = Criterion(code="overdue", title="times overdue", each=-10, at_most=40)
CALLS: Final = Criterion(
    code="calls", title="falls to a margin call or lower", each=-5, at_most=20
)
INCIDENTS: Final = Criterion(
    code="incidents", title="true incidents with its goods", each=-5, at_most=20
)
UNRESOLVED: Final = Criterion(
    code="unresolved",
    title="critical alerts on its goods that nobody resolved",
    each=-10,
    at_most=20,
)
CRITERIA: Final = (STANDING, REPAID, ON_TIME, OVERDUE, CALLS, INCIDENTS, UNRESOLVED)


def score(history: History, now: datetime) -> Profile:
    """Return the credit profile that a history gives; the same history gives the same one."""
    quarters = 0
    if history.facilities:
        first_at = min(each.at for each in history.facilities)
        quarters = max(0, (now - first_at) // QUARTER)
    lines = (
        _line(STANDING, quarters, history.facilities[:1]),
        _line(REPAID, len(history.repaid), history.repaid),
        *(
            _line(criterion, len(recent), recent)
            for criterion, events in (
                (ON_TIME, history.on_time),
                (OVERDUE, history.overdue),
                (CALLS, history.calls),
                (INCIDENTS, history.incidents),
            )
            for recent in [_recent(events, now)]
        ),
        _line(UNRESOLVED, len(history.unresolved), history.unresolved),
    )
    points = min(POINTS_MAX, max(0, START + sum(line.points for line in lines)))
    return Profile(at=now, points=points, rating=rating(points), lines=lines)


def rating(points: int) -> str:
    """Return the rating of so many points."""
    return next(name for least, name in RATINGS if points >= least)


def profile_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as it is kept."""
    return {
        "at": profile.at.isoformat(),
        "points": profile.points,
        "rating": profile.rating,
        "start": START,
        "lines": [
            {**asdict(line), "events": [_event_json(event) for event in line.events]}
            for line in profile.lines
        ],
    }


def _recent(events: Sequence[Happened], now: datetime) -> Sequence[Happened]:
    return [event for event in events if event.at > now - LOOK_BACK]


def _line(criterion: Criterion, count: int, events: Sequence[Happened]) -> Scored:
    most = criterion.at_most
    points = max(-most, min(most, count * criterion.each))
    capped = "" if points == count * criterion.each else f", at most {most:+d}"
    if criterion.each < 0:
        capped = capped.replace("+", "-")
    explanation = f"{count} {criterion.title}, {criterion.each:+d} each{capped}"
    return Scored(
        code=criterion.code,
        title=criterion.title,
        points=points,
        explanation=explanation,
        events=tuple(events[-EVENTS_SHOWN_MAX:]),
    )


def _event_json(event: Happened) -> dict[str, str]:
    return {
        "record": event.record,
        "id": event.id,
        "at": event.at.isoformat(),
        "text": event.text,
    }
