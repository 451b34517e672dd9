"""What gives way first at the bound of the file, and the clock segments it keeps."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from gateway.envelope import SealLimits
from gateway.outbox import segments
from gateway.outbox.ranks import Rank, rank_of, share
from gateway.outbox.recovery import open_store
from gateway.reading import Entry
from schemas.quantities import EventType
from tests.unit.gateway.builders import (
    make_event,
    make_parts,
    make_scalar,
    make_segment,
    make_sighting,
    make_sweep,
)

ALARM = make_event(EventType.CAMERA_TAMPER, {"what": "covered", "active": True})
BY_RANK: list[Entry] = [make_scalar(), make_sighting(), make_event(), ALARM]


def test_ranks_are_in_the_order_of_what_cannot_be_had_again() -> None:
    """A weight is measured again, a sighting perhaps, an alarm never."""
    assert [rank_of(entry) for entry in BY_RANK] == list(Rank)
    assert rank_of(make_sweep([1.0])) is Rank.PERIODIC
    assert rank_of(make_event(EventType.READINGS_DROPPED)) is Rank.ALARM
    assert [share(rank, 90, 0) for rank in Rank] == [90, 60, 30, 0]


@pytest.mark.parametrize("flood", BY_RANK[:-1], ids=[rank.name for rank in list(Rank)[:-1]])
def test_flood_at_the_bound_leaves_room_for_what_ranks_above_it(
    flood: Entry, tmp_path: Path
) -> None:
    """Until the file refuses it, a rank takes its share, and every higher one is taken then."""
    limits = SealLimits(readings_max=8_192, bytes_max=256 * 1024)
    store, _ = open_store(
        make_parts(tmp_path, bytes_max=2 * 1024 * 1024, limits=limits), now_unix_us=1
    )
    rank = rank_of(flood)
    for _ in range(1_000):
        if len(store.write([(make_segment(), [flood] * 500)], flush=False).refused) == 500:
            break
    outcome = store.write([(make_segment(), [*BY_RANK] * 5)], flush=False)

    assert Counter(map(rank_of, outcome.refused)) == {Rank(r): 5 for r in range(rank + 1)}
    store.close()


def test_clock_segments_that_no_row_needs_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that steps a thousand times leaves no thousand rows; those needed are kept."""
    monkeypatch.setattr(segments, "SEGMENTS_MIN", 8)
    parts = make_parts(tmp_path)
    store, _ = open_store(parts, now_unix_us=1)
    for step in range(100):
        batches = [(make_segment(offset_us=step), [make_scalar(value=float(step))])]
        store.write(batches, flush=step != 95)
    store.close()
    with closing(sqlite3.connect(parts.path)) as db:
        ((kept,),) = db.execute("SELECT COUNT(*) FROM segments")
        orphans = db.execute(
            "SELECT 1 FROM journal WHERE segment NOT IN (SELECT id FROM segments)"
        )
        assert orphans.fetchall() == []
    assert kept <= 9

    again, _ = open_store(parts, now_unix_us=1)
    again.write([], flush=True)
    assert again.stats().sealed_readings == 100
    again.close()
