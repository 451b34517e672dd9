"""What waits in memory for the disk: bounded, each rank to its own share."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.outbox.bounds import find_fault
from gateway.outbox.losses import Losses
from gateway.outbox.ranks import Rank, rank_of, share
from gateway.reading import ClockSegment, Entry, count_readings

SCALARS_BUFFERED_MAX: Final = 50_000  # About 10 MB, 5 s at 10,000 readings/s.
READINGS_BUFFERED_MAX: Final = 60_000  # The rest is for sightings and events, alarms last.


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Readings of one clock segment; ``urgent`` ones are news and are sealed at once."""

    segment: ClockSegment
    readings: Sequence[Entry]
    urgent: bool


def rest_of(batches: Sequence[Batch], count: int) -> list[Batch]:
    """Return ``batches`` without their first ``count`` entries."""
    rest: list[Batch] = []
    for batch in batches:
        if count < len(batch.readings):
            rest.append(replace(batch, readings=batch.readings[count:]) if count else batch)
        count = max(count - len(batch.readings), 0)
    return rest


class Buffer:
    """Batches in their order; false while there is none. For one thread at a time."""

    def __init__(self, losses: Losses) -> None:
        self.readings = 0
        self._losses = losses
        self._batches: deque[tuple[Batch, Rank]] = deque()
        self._of_rank = [0] * len(Rank)  # How many batches hold that rank, and none above it.

    def __bool__(self) -> bool:
        return bool(self._batches)

    @property
    def rank(self) -> Rank:
        """The highest rank that waits."""
        return next((rank for rank in reversed(Rank) if self._of_rank[rank]), Rank.PERIODIC)

    def put(self, batch: Batch) -> None:
        """Add what of ``batch`` an envelope can hold and there is room for; count the rest."""
        kept = [entry for entry in batch.readings if self._is_sound(entry)]
        count = count_readings(kept)
        if self.readings + count > SCALARS_BUFFERED_MAX:
            kept = self._fitting(kept)
            fitting = count_readings(kept)
            self._losses.drop("buffer_full", count - fitting)
            count = fitting
        if count:
            if len(kept) < len(batch.readings):
                batch = replace(batch, readings=kept)
            self._batches.append(self._noted(batch))
            self.readings += count

    def put_back(self, batches: Sequence[Batch]) -> None:
        """Put what ``take`` gave in front again, whatever the bound."""
        self._batches.extendleft(self._noted(batch) for batch in reversed(batches))
        self.readings += sum(count_readings(b.readings) for b in batches)

    def append(self, batch: Batch) -> None:
        """Add a batch of the outbox's own, whatever the bound."""
        self._batches.append(self._noted(batch))
        self.readings += count_readings(batch.readings)

    def take(self, readings_max: int) -> list[Batch]:
        """Take the oldest batches: until they are so many readings, or all."""
        batches: list[Batch] = []
        count = 0
        while self._batches and count < readings_max:
            batch, rank = self._batches.popleft()
            self._of_rank[rank] -= 1
            count += count_readings(batch.readings)
            batches.append(batch)
        self.readings -= count
        return batches

    def _noted(self, batch: Batch) -> tuple[Batch, Rank]:
        readings = batch.readings
        rank = rank_of(readings[0]) if len(readings) == 1 else max(map(rank_of, readings))
        self._of_rank[rank] += 1
        return batch, rank

    def _is_sound(self, entry: Entry) -> bool:
        fault = find_fault(entry)
        if fault is not None:
            self._losses.note_fault(fault, count_readings((entry,)))
        return fault is None

    def _fitting(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the entries for whose rank there is room; there is none for periodic ones."""
        fitting: list[Entry] = []
        taken = self.readings
        for entry in entries:
            rank = rank_of(entry)
            bound = share(rank, SCALARS_BUFFERED_MAX, READINGS_BUFFERED_MAX)
            if rank is not Rank.PERIODIC and taken < bound:
                fitting.append(entry)
                taken += 1
        return fitting
