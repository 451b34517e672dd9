"""How well the bytes of a line fit each family: valid frames against faults. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.config.serial import ELSEWHERE
from gateway.decode.events import Event, Fault, FaultWhy, ReaderReply
from gateway.decode.families import FAMILIES, Family

FRAMES_MIN: Final = 2  # One valid frame may be chance: a checksum of one byte fits 1 in 256.
# Real lines carry sentences that no decoder needs, and begin in the middle of one. Noise that
# fits by chance stays far below: measured, 1 frame in 100 candidates.
CONFIDENCE_MIN: Final = 0.1
# A valid frame that says that there is no reading: still the family's own voice.
_SPOKEN: Final = frozenset(
    {
        FaultWhy.OVERLOAD,
        FaultWhy.UNDERLOAD,
        FaultWhy.NOT_EXECUTABLE,
        FaultWhy.READER_ERROR,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one family makes of the bytes."""

    family: str
    frames: int
    faults: int
    example: Event | None

    @property
    def confidence(self) -> float:
        """The share of valid frames, 0 to 1."""
        return self.frames / (self.frames + self.faults) if self.frames else 0.0

    @property
    def holds(self) -> bool:
        """Whether that is enough to call it this family."""
        return self.frames >= FRAMES_MIN and self.confidence >= CONFIDENCE_MIN


def serial_families() -> list[Family]:
    """Return the families that a serial line can carry."""
    return [family for family in FAMILIES.values() if family.name not in ELSEWHERE]


def score_family(family: Family, chunks: Iterable[bytes]) -> Score:
    """Return what ``family`` makes of ``chunks``, between which the line paused."""
    decoder = family.make()
    events: list[Event] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
        events += decoder.flush()
    valid = [e for e in events if not isinstance(e, Fault) or e.why in _SPOKEN]
    readings = [e for e in valid if not isinstance(e, Fault | ReaderReply)]
    return Score(
        family=family.name,
        frames=len(valid),
        faults=len(events) - len(valid),
        example=readings[-1] if readings else valid[-1] if valid else None,
    )


def rank(chunks: Sequence[bytes]) -> list[Score]:
    """Return the families that ``chunks`` fit, the best first; none where they fit none."""
    scores = [score_family(family, chunks) for family in serial_families()]
    return sorted((s for s in scores if s.holds), key=lambda s: (-s.confidence, -s.frames))


def equals(best: Score, others: Iterable[Score]) -> list[str]:
    """Return the names of families that fit just as well as ``best``."""
    return [
        other.family
        for other in others
        if other.family != best.family
        and (other.frames, other.faults) == (best.frames, best.faults)
    ]
