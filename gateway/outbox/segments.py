"""The clock segments of one outbox file, by number: part of the store's transactions."""

import sqlite3
from typing import Final

from gateway.reading import ClockSegment
from schemas.envelope import ClockState

SEGMENTS_MIN: Final = 64  # So many are kept without a look at whether a row still needs them.


class Segments:
    """Which segments the file knows; those that no row needs any more go by and by."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Load them.

        Raises:
            sqlite3.Error: The file is torn or unreadable.
            ValueError: A state is none of ours.
        """
        self._db = db
        self._prune_at = SEGMENTS_MIN
        self._of: dict[int, ClockSegment] = {
            number: ClockSegment(boot_id=boot_id, offset_us=offset_us, state=ClockState(state))
            for number, boot_id, offset_us, state in db.execute("SELECT * FROM segments")
        }
        self._numbers = {segment: number for number, segment in self._of.items()}

    def of(self, number: int) -> ClockSegment:
        """Return the segment ``number``.

        Raises:
            ValueError: The file does not know it, though a row is of it: the file is torn.
        """
        segment = self._of.get(number)
        if segment is None:
            raise ValueError(f"journal row: clock segment {number} is not kept")
        return segment

    def number(self, segment: ClockSegment) -> int:
        """Return the number under which the file keeps ``segment``, from now on if not yet."""
        number = self._numbers.get(segment)
        if number is None:
            number = max(self._of, default=0) + 1
            self._db.execute(
                "INSERT INTO segments VALUES (?, ?, ?, ?)",
                (number, segment.boot_id, segment.offset_us, int(segment.state)),
            )
            self._of[number] = segment
            self._numbers[segment] = number
        return number

    def prune(self) -> None:
        """If there are many, forget those that no row needs; what is numbered has its rows."""
        if len(self._of) < self._prune_at:
            return
        needed = {number for (number,) in self._db.execute("SELECT DISTINCT segment FROM journal")}
        for number in self._of.keys() - needed:
            self._db.execute("DELETE FROM segments WHERE id = ?", (number,))
            del self._numbers[self._of.pop(number)]
        # The look reads the whole journal: not again before twice as many are kept as are needed.
        self._prune_at = max(2 * len(self._of), SEGMENTS_MIN)
