"""What gives way first when there is no room: weights, then tags, then events, alarms last. Pure.

A flood of one rank fills its own share at most: what ranks above it still finds room.
"""

from enum import IntEnum
from typing import Final, assert_never

from gateway.reading import Entry, EventReading, Scalar, Sighting, Sweep
from schemas.quantities import EventType


class Rank(IntEnum):
    """How long readings are taken as room gets scarce; the greatest the longest."""

    PERIODIC = 0  # The next one says nearly the same.
    SIGHTING = 1
    EVENT = 2
    ALARM = 3  # Tampering, lost integrity, and what the stream says of itself.


_ALARMS: Final = frozenset(
    {
        EventType.CAMERA_TAMPER,
        EventType.GNSS_INTEGRITY,
        EventType.GATEWAY_START,
        EventType.CLOCK_STEP,
        EventType.READINGS_DROPPED,
        EventType.OUTBOX_QUARANTINED,
        EventType.COMMAND_DONE,
        EventType.CHALLENGE_ANSWER,
        EventType.KEY_ROTATED,
    }
)


def rank_of(entry: Entry) -> Rank:
    """Return the rank of ``entry``."""
    match entry:
        case Scalar() | Sweep():
            return Rank.PERIODIC
        case Sighting():
            return Rank.SIGHTING
        case EventReading():
            return Rank.ALARM if entry.type in _ALARMS else Rank.EVENT
        case _:
            assert_never(entry)


def share(rank: Rank, first: int, last: int) -> int:
    """Return the bound of ``rank`` between ``first``, of what gives way first, and ``last``."""
    return first + (last - first) * rank // max(Rank)
