"""Which readings the file takes, and which wait for a disk that others have filled.

The outbox's own bound refuses for good, each rank at a share of its own of a reserve. A disk that
others filled has room again some day: what finds none waits, with all that came after it, so that
the order stays. The reserve of the disk is for what ranks highest of all that waits: what came
before an alarm goes with it, down to the alarm's share.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from gateway.outbox.database import PAGE_BYTES
from gateway.outbox.ranks import Rank, rank_of, share
from gateway.reading import ClockSegment, Entry

RESERVE_SHARE: Final = 0.1  # Kept free of scalars: a share each for what ranks above them.
SEAL_BYTES: Final = 512 * 1024  # What the sealing of one envelope may need for a moment.
ROW_OVERHEAD_BYTES: Final = 16  # SQLite's header of a small row, rounded up.

Batches = Sequence[tuple[ClockSegment, Sequence[Entry]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """To how many pages the file can grow by one bound, and how many are left of them."""

    pages_max: int
    pages_left: int


class Gate:
    """Lets the entries in that there is room for, in their order.

    ``settled`` of them were let in or ``refused``; the rest waits.
    """

    def __init__(self, own: Space, disk: Space, batches: Batches, behind: Rank) -> None:
        """Stand before the first of ``batches``; ``behind`` is the highest rank after them."""
        self.settled = 0
        self.refused: list[Entry] = []
        self._own, self._disk = _reserves(own), _reserves(disk)
        self._ample_bytes = min(self._own.ample_bytes, self._disk.ample_bytes)
        self._taken_bytes = 0
        self._batches = batches
        self._behind = behind
        self._wanted: Sequence[Rank] | None = None  # At each place, the highest from there on.

    def admitted(self) -> Generator[tuple[ClockSegment, Entry]]:
        """Yield entry after entry; whoever journals one says before the next how long it is."""
        for segment, entries in self._batches:
            for entry in entries:
                if self._taken_bytes < self._ample_bytes:
                    self.settled += 1
                    yield segment, entry
                    continue
                rank = rank_of(entry)
                refused = self._own.lacks(rank, self._taken_bytes)
                if not refused and self._waits(rank):
                    return
                self.settled += 1
                if refused:
                    self.refused.append(entry)
                else:
                    yield segment, entry

    def note_taken(self, row_bytes: int) -> None:
        """Note that the row of the last entry has so many bytes."""
        self._taken_bytes += row_bytes + ROW_OVERHEAD_BYTES

    def _waits(self, rank: Rank) -> bool:
        if not self._disk.lacks(rank, self._taken_bytes):
            return False
        if self._wanted is None:
            self._wanted = self._wanted_ranks()
        return self._disk.lacks(self._wanted[self.settled], self._taken_bytes)

    def _wanted_ranks(self) -> Sequence[Rank]:
        ranks = [rank_of(entry) for _, entries in self._batches for entry in entries]
        return [*accumulate(reversed(ranks), max, initial=self._behind)][:0:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reserves:
    """The bytes that are left, and how many of them each rank must leave."""

    left_bytes: int
    of_rank: Sequence[int]

    @property
    def ample_bytes(self) -> int:
        """How many bytes there are for whatever comes."""
        return self.left_bytes - self.of_rank[Rank.PERIODIC]

    def lacks(self, rank: Rank, taken_bytes: int) -> bool:
        """Tell whether there is no room for an entry of ``rank``."""
        return self.left_bytes - taken_bytes <= self.of_rank[rank]


def _reserves(space: Space) -> _Reserves:
    reserve_bytes = int(max(space.pages_max, 0) * RESERVE_SHARE) * PAGE_BYTES
    floor_bytes = min(SEAL_BYTES, reserve_bytes // 2)
    return _Reserves(
        left_bytes=space.pages_left * PAGE_BYTES,
        of_rank=[share(rank, reserve_bytes, floor_bytes) for rank in Rank],
    )
