"""The journal's newest entries as they were journalled: sealing need not read back what it knows.

Only a shortcut: each entry here is in the file, which alone is asked whenever this is not whole.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.reading import Entry, Sweep, count_readings

# About a second of the greatest load; with more unsealed, the key is away or the disk is slow.
READINGS_KEPT_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class Row:
    """An entry and its row: the sequence of its last reading, clock segment, body."""

    sequence: int
    segment: int
    body: bytes
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The oldest entries, all of one clock segment; ``sequences`` names each one's row.

    ``unreadable`` says what is wrong with the oldest row; there is no entry then.
    """

    segment: int
    entries: Sequence[Entry]
    sequences: Sequence[int]
    unreadable: str = ""

    def up_to(self, sequence: int) -> "Front":
        """Return this without what was journalled after ``sequence``."""
        count = sum(each <= sequence for each in self.sequences)
        return replace(self, entries=self.entries[:count], sequences=self.sequences[:count])


class Tail:
    """All entries of the journal, in their order, while it is ``whole``; else none."""

    def __init__(self, *, whole: bool) -> None:
        """Begin empty; ``whole`` tells whether the journal is empty, too."""
        self.whole = whole
        self._kept: deque[tuple[int, int, Entry]] = deque()
        self._readings = 0

    def begin(self) -> None:
        """Begin anew: the journal is empty."""
        self.forget()
        self.whole = True

    def forget(self) -> None:
        """Keep nothing until ``begin``."""
        self.whole = False
        self._kept.clear()
        self._readings = 0

    def append(self, rows: Sequence[Row]) -> None:
        """Keep rows that were journalled behind all others."""
        if not self.whole:
            return
        self._kept.extend((row.sequence, row.segment, row.entry) for row in rows)
        self._readings += count_readings(row.entry for row in rows)
        if self._readings > READINGS_KEPT_MAX:
            self.forget()

    def front(self, readings_max: int) -> Front | None:
        """Return what ``Journal.front`` reads from the file; None: only the file knows."""
        if not self._kept:
            return None
        segment = self._kept[0][1]
        entries: list[Entry] = []
        sequences: list[int] = []
        count = 0
        for sequence, of, entry in self._kept:
            if count >= readings_max or of != segment:
                break
            count += len(entry) if isinstance(entry, Sweep) else 1
            entries.append(entry)
            sequences.append(sequence)
        return Front(segment=segment, entries=entries, sequences=sequences)

    def remove(self, count: int, rest: Sweep | None) -> None:
        """Drop the oldest ``count`` entries, but for the ``rest`` of the last."""
        if not self.whole:
            return
        gone = [self._kept.popleft() for _ in range(count)]
        self._readings -= count_readings(entry for _, _, entry in gone)
        if rest is not None:
            sequence, segment, _ = gone[-1]
            self._kept.appendleft((sequence, segment, rest))
            self._readings += len(rest)
