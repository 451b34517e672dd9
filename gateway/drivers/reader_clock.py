"""How far a reader's clock is from ours, as far as its messages tell. Pure.

A message arrives after its reader's stamp by its own delay, which is never negative: the largest
"theirs minus ours" of the last messages is the one that was delayed least, and nearest the truth.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

OFFSET_US_MAX: Final = 1_000_000  # NTP on a site's network keeps within a tenth of it.
SAMPLES_MIN: Final = 4  # Fewer could all have been late.
_SAMPLES: Final = (
    32  # Some eight rounds: a network that stalled for a moment is no clock that moved.
)


@dataclass(slots=True)
class ReaderClock:
    """The offset of one reader's clock during one connection."""

    _samples: deque[int] = field(default_factory=lambda: deque[int](maxlen=_SAMPLES))
    _told_us: int = 0

    @property
    def offset_us(self) -> int | None:
        """Theirs minus ours; None before enough was heard."""
        return max(self._samples) if len(self._samples) >= SAMPLES_MIN else None

    def hear(self, theirs_us: int, ours_us: int) -> int | None:
        """Note a stamp at its arrival; return the offset where that is news.

        News is an offset that has moved by more than ``OFFSET_US_MAX`` from the one last told,
        which at first is none: too large, jumped, drifted, or good again.
        """
        sample = theirs_us - ours_us
        known = self.offset_us
        # Nothing arrives before it was sent: the clock was put forward, and what was heard before
        # no longer counts. One put back shows when the old samples are gone.
        if known is not None and sample - known > OFFSET_US_MAX:
            self._samples.clear()
        self._samples.append(sample)
        offset_us = self.offset_us
        if offset_us is None or abs(offset_us - self._told_us) <= OFFSET_US_MAX:
            return None
        self._told_us = offset_us
        return offset_us
