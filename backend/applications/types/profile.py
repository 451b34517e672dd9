"""A borrower's history on the platform, and the credit profile that follows from it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that happened, as the platform recorded it: which record, when, and what."""

    record: str
    id: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the platform knows of a borrower; each a list of records, oldest first.

    ``facilities`` were opened for it, ``repaid`` were drawn and are repaid in full; ``on_time``
    are repayments made while nothing was overdue; ``overdue`` and ``calls`` say when a facility
    became so; ``incidents`` and ``unresolved`` are critical alerts on its goods.
    """

    facilities: tuple[Happened, ...] = ()
    repaid: tuple[Happened, ...] = ()
    on_time: tuple[Happened, ...] = ()
    overdue: tuple[Happened, ...] = ()
    calls: tuple[Happened, ...] = ()
    incidents: tuple[Happened, ...] = ()
    unresolved: tuple[Happened, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What one criterion gave, why, and on which records it rests."""

    code: str
    title: str
    points: int
    explanation: str
    events: tuple[Happened, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A credit profile: the points are those of its lines, within 0 to 100."""

    at: datetime
    points: int
    rating: str
    lines: tuple[Scored, ...]
