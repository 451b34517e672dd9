"""What is sealed from memory is what stands in the file."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox import tail
from gateway.outbox.journal import Journal
from gateway.outbox.schema import migrate
from gateway.outbox.tail import Row
from gateway.reading import Entry, Sweep, count_readings
from tests.unit.gateway.builders import ENTRIES, make_scalar, unfold

STEPS = st.lists(st.tuples(st.lists(ENTRIES, max_size=4), st.integers(1, 40)), max_size=6)


class Written:
    """A journal of a file of its own, and one that reads the same file anew."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self.db)
        self.journal = Journal(self.db)

    def append(self, entries: list[Entry]) -> None:
        """Journal ``entries``."""
        sequence = self.journal.last_sequence
        rows: list[Row] = []
        for entry in entries:
            sequence += count_readings((entry,))
            rows.append(Row(sequence, 1, self.journal.encode(entry), entry))
        self.journal.append(rows)

    def check(self, readings_max: int) -> None:
        """Compare what both say is the oldest."""
        if self.db.execute("SELECT 1 FROM journal").fetchone() is None:
            return
        ours, read = (j.front(readings_max) for j in (self.journal, Journal(self.db)))
        assert (ours.segment, list(ours.sequences)) == (read.segment, list(read.sequences))
        assert unfold(ours.entries) == unfold(read.entries)


@given(STEPS)
def test_front_is_the_same_as_the_file_has(steps: list[tuple[list[Entry], int]]) -> None:
    """Journalled, sealed in part, cut and journalled on: memory and file never differ."""
    written = Written()
    for entries, readings_max in steps:
        written.append(entries)
        written.check(readings_max)
        if not entries:
            continue
        front = written.journal.front(readings_max)
        last = front.entries[-1]
        rest = last.split(1)[1] if isinstance(last, Sweep) and len(last) > 1 else None
        written.journal.remove(front, len(front.entries), rest)
        written.check(readings_max)
    written.db.close()


def test_too_many_are_left_to_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; once all of that is sealed, what follows is kept again."""
    monkeypatch.setattr(tail, "READINGS_KEPT_MAX", 3)
    written = Written()
    written.append([make_scalar(value=float(value)) for value in range(4)])
    written.check(10)
    front = written.journal.front(10)
    written.journal.remove(front, 4, None)
    written.append([make_scalar(value=5.0)])
    written.db.execute("UPDATE journal SET body = x'ff'")

    assert written.journal.front(10).entries == [make_scalar(value=5.0)]
    written.db.close()


def test_what_was_rolled_back_is_not_remembered() -> None:
    """After a transaction that failed only the file is asked."""
    written = Written()
    written.append([make_scalar(value=1.0)])
    written.db.execute("BEGIN")
    written.append([make_scalar(value=2.0)])
    written.db.execute("ROLLBACK")
    written.journal.forget_tail()

    assert written.journal.front(10).entries == [make_scalar(value=1.0)]
    written.db.close()
