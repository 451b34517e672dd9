"""The journal's rows: entries in the order of their arrival, a sweep in one row of its own.

A row's sequence is that of its last reading, so that the newest sequence is the count of all
readings ever journalled, whatever the rows hold. Part of the store's transactions: it begins none.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from gateway.outbox.rows import (
    decode_channels,
    decode_entry,
    encode_channels,
    encode_row,
    encode_sweep,
)
from gateway.outbox.tail import Front, Row, Tail
from gateway.reading import Channels, Entry, Sweep
from schemas.quantities import Quantity

# Blocks of registers whose channels are kept; a gateway has under a thousand, but a configuration
# that changes often leaves old ones behind.
CHANNELS_MAX: Final = 8_192
# Evidence of what went wrong: the first ones tell it, and one that fits no envelope is rare.
ASIDE_ROWS_MAX: Final = 256
ASIDE_BYTES_MAX: Final = 8_192
ASIDE_WHY_MAX: Final = 200


class Journal:
    """The journal of one outbox file, on the connection of its store."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Load which channels the file knows.

        Raises:
            sqlite3.Error: The file is torn or unreadable.
            ValueError: A row of channels is not one of ours.
        """
        self._db = db
        self._channels: dict[int, Channels] = {}
        self._numbers: dict[tuple[tuple[str, Quantity], ...], int] = {}
        self._known: WeakKeyDictionary[Channels, int] = WeakKeyDictionary()
        self._tail = Tail(whole=self._is_empty())
        for number, body in db.execute("SELECT id, body FROM channels"):
            self._keep(number, decode_channels(body))

    @property
    def last_sequence(self) -> int:
        """The sequence number of the newest reading ever journalled in this file; 0: none."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
        return 0 if row is None else int(row[0])

    def encode(self, entry: Entry) -> bytes:
        """Return ``entry`` as the body of a row; the channels of a sweep are kept first."""
        if not isinstance(entry, Sweep):
            return encode_row(entry)
        number = self._known.get(entry.channels)
        return encode_sweep(entry, self._number(entry.channels) if number is None else number)

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows behind all others."""
        self._db.executemany(
            "INSERT INTO journal (sequence, segment, body) VALUES (?, ?, ?)",
            [(row.sequence, row.segment, row.body) for row in rows],
        )
        self._tail.append(rows)

    def front(self, readings_max: int) -> Front:
        """Return the oldest entries, of at least ``readings_max`` readings if there are so many.

        There must be one. They end before a row that is not one of ours.
        """
        known = self._tail.front(readings_max)
        return self._read_front(readings_max) if known is None else known

    def forget_tail(self) -> None:
        """Go by the file alone: what was journalled last may have been taken back."""
        self._tail.forget()

    def _read_front(self, readings_max: int) -> Front:
        entries: list[Entry] = []
        sequences: list[int] = []
        count = 0
        segment = -1
        unreadable = ""
        cursor = self._db.execute("SELECT sequence, segment, body FROM journal ORDER BY sequence")
        for sequence, of, body in cursor:
            if count >= readings_max or (entries and of != segment):
                break
            try:
                entry = decode_entry(body, self._channels)
            except (ValueError, TypeError) as error:
                if not entries:
                    segment, unreadable = of, str(error)
                    sequences.append(sequence)
                break
            segment = of
            count += len(entry) if isinstance(entry, Sweep) else 1
            entries.append(entry)
            sequences.append(sequence)
        cursor.close()
        return Front(segment=segment, entries=entries, sequences=sequences, unreadable=unreadable)

    def remove(self, front: Front, count: int, rest: Sweep | None) -> int:
        """Delete the first ``count`` entries of ``front``, but for the ``rest`` of the last.

        Return the sequence of the last reading that is gone.
        """
        last = front.sequences[count - 1]
        self._tail.remove(count, rest)
        if rest is None:
            self._db.execute("DELETE FROM journal WHERE sequence <= ?", (last,))
            self._note_whole()
            return last
        self._db.execute("DELETE FROM journal WHERE sequence < ?", (last,))
        self._db.execute(
            "UPDATE journal SET body = ? WHERE sequence = ?", (self.encode(rest), last)
        )
        return last - len(rest)

    def set_aside(self, front: Front, why: str) -> None:
        """Take the oldest row out of the journal; it is kept, unless very many were before."""
        self._tail.forget()
        (kept,) = self._db.execute("SELECT COUNT(*) FROM aside").fetchone()
        if kept < ASIDE_ROWS_MAX:
            self._db.execute(
                "INSERT OR IGNORE INTO aside SELECT sequence, ?, SUBSTR(body, 1, ?) FROM journal"
                " WHERE sequence = ?",
                (why[:ASIDE_WHY_MAX], ASIDE_BYTES_MAX, front.sequences[0]),
            )
        self._db.execute("DELETE FROM journal WHERE sequence = ?", (front.sequences[0],))

    def _note_whole(self) -> None:
        if not self._tail.whole and self._is_empty():
            self._tail.begin()

    def _is_empty(self) -> bool:
        return self._db.execute("SELECT 1 FROM journal LIMIT 1").fetchone() is None

    def _number(self, channels: Channels) -> int:
        """Return the number under which the file keeps ``channels``, from now on if not yet."""
        number = self._numbers.get(channels.rows)
        if number is None:
            if len(self._channels) >= CHANNELS_MAX:
                self._forget()
            number = max(self._channels, default=0) + 1
            self._db.execute(
                "INSERT INTO channels VALUES (?, ?)", (number, encode_channels(channels))
            )
            self._keep(number, channels)
        self._known[channels] = number
        return number

    def _keep(self, number: int, channels: Channels) -> None:
        self._channels[number] = channels
        self._numbers[channels.rows] = number

    def _forget(self) -> None:
        """Forget all channels, unless a row still needs some."""
        if self._is_empty():
            self._db.execute("DELETE FROM channels")
            self._channels.clear()
            self._numbers.clear()
            self._known.clear()
