"""What the bound refuses, what waits for the disk, and what goes with an alarm."""

import os
import threading
from pathlib import Path

import pytest

from gateway.outbox import room, writer
from gateway.outbox.admission import ROW_OVERHEAD_BYTES, Gate, Space
from gateway.outbox.buffer import Batch, Buffer, rest_of
from gateway.outbox.database import PAGE_BYTES
from gateway.outbox.losses import Losses
from gateway.outbox.ranks import Rank
from gateway.reading import Entry
from schemas.quantities import EventType
from tests.unit.gateway.builders import (
    make_event,
    make_parts,
    make_scalar,
    make_segment,
    make_sighting,
)
from tests.unit.gateway.outbox.test_writer import DEADLINE_S, Rig, bodies

PAGES = 1_000  # A tenth is for what ranks above weights, the half of that for alarms alone.
AMPLE = Space(pages_max=PAGES, pages_left=PAGES)
TIGHT = Space(pages_max=PAGES, pages_left=PAGES // 10)
NONE = Space(pages_max=PAGES // 2, pages_left=-PAGES // 10)
SCALAR, EVENT = make_scalar(), make_event()
ALARM = make_event(EventType.CAMERA_TAMPER, {"what": "covered", "active": True})


def let_in(gate: Gate, row_bytes: int = 20) -> list[Entry]:
    """Return what the gate lets in when every row is so long."""
    entries: list[Entry] = []
    for _, entry in gate.admitted():
        entries.append(entry)
        gate.note_taken(row_bytes)
    return entries


def gate_of(*entries: Entry, own: Space = AMPLE, disk: Space = AMPLE, behind: int = 0) -> Gate:
    """Return a gate before these entries, in one batch."""
    return Gate(own, disk, [(make_segment(), entries)], Rank(behind))


def test_where_there_is_room_all_is_let_in() -> None:
    """Nothing is refused, nothing waits."""
    gate = gate_of(SCALAR, ALARM, SCALAR)
    assert let_in(gate) == [SCALAR, ALARM, SCALAR]
    assert (gate.settled, gate.refused) == (3, [])


def test_the_bound_refuses_by_rank_and_lets_what_ranks_higher_pass() -> None:
    """A weight gives way for good; the alarm after it is journalled."""
    gate = gate_of(SCALAR, ALARM, SCALAR, own=TIGHT)
    assert let_in(gate) == [ALARM]
    assert (gate.settled, gate.refused) == (3, [SCALAR, SCALAR])


def test_what_the_disk_has_no_room_for_waits_with_all_that_follows() -> None:
    """Nothing is refused, and nothing overtakes."""
    gate = gate_of(SCALAR, SCALAR, disk=TIGHT)
    assert let_in(gate) == []
    assert (gate.settled, gate.refused) == (0, [])
    assert let_in(gate_of(ALARM, disk=NONE)) == []


def test_what_comes_before_an_alarm_goes_with_it() -> None:
    """The disk's reserve is for the highest that waits, in this write or behind it."""
    gate = gate_of(SCALAR, EVENT, ALARM, SCALAR, disk=TIGHT)
    assert let_in(gate) == [SCALAR, EVENT, ALARM]
    assert gate.settled == 3
    assert let_in(gate_of(SCALAR, disk=TIGHT, behind=Rank.ALARM)) == [SCALAR]


def test_room_is_used_up_to_the_reserve() -> None:
    """The rows' own bytes count."""
    pages = PAGES // 10 + 2
    gate = gate_of(*[SCALAR] * 5, disk=Space(pages_max=PAGES, pages_left=pages))
    assert len(let_in(gate, PAGE_BYTES - ROW_OVERHEAD_BYTES)) == 2
    assert gate.settled == 2


def test_buffer_knows_the_highest_rank_that_waits() -> None:
    """As batches come, go, and come back in their order."""
    waiting = Buffer(Losses())
    assert waiting.rank is Rank.PERIODIC
    batches = [
        Batch(segment=make_segment(), readings=readings, urgent=False)
        for readings in ([SCALAR, SCALAR], [SCALAR, make_sighting(), ALARM])
    ]
    for batch in batches:
        waiting.put(batch)
    assert waiting.rank is Rank.ALARM
    taken = waiting.take(100)
    assert (taken, waiting.rank) == (batches, Rank.PERIODIC)
    waiting.put(batches[0])
    waiting.put_back(rest_of(taken, 3))
    assert (waiting.rank, waiting.readings) == (Rank.ALARM, 4)
    assert [b.readings for b in waiting.take(100)] == [[make_sighting(), ALARM], [SCALAR, SCALAR]]


@pytest.mark.parametrize("settled", range(6))
def test_rest_is_what_was_not_seen_to(settled: int) -> None:
    """Over the borders of batches, whatever their lengths."""
    scalars = [make_scalar(value=float(n)) for n in range(5)]
    batches = [
        Batch(segment=make_segment(), readings=readings, urgent=True)
        for readings in (scalars[:2], scalars[2:3], scalars[3:])
    ]
    rest = rest_of(batches, settled)
    assert [entry for batch in rest for entry in batch.readings] == scalars[settled:]
    assert all(batch.urgent for batch in rest)


class Disk:
    """What the disk says that others have left of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._met = threading.Event()
        self._statvfs = os.statvfs
        monkeypatch.setattr(room.os, "statvfs", self._answer)

    def _answer(self, path: Path) -> os.statvfs_result:
        fields = list(self._statvfs(path))
        if self.full:
            fields[4] = 0  # f_bavail
            self._met.set()
        return os.statvfs_result(fields)

    def until_met(self) -> None:
        """Wait until the writer has asked, and was told that it is full."""
        assert self._met.wait(DEADLINE_S), "nobody has tried to write"


def test_weights_wait_for_a_disk_that_others_fill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is lost, none overtakes, none is twice; that it was full is a reading."""
    monkeypatch.setattr(writer, "LOSSES_TOLD_EVERY_S", 0.0)
    disk = Disk(monkeypatch)
    rig = Rig(make_parts(tmp_path))
    rig.put(make_scalar(value=0.0))
    rig.until(lambda s: s.sealed_readings == 1)
    disk.full = True
    for value in range(1, 3_001):
        rig.put(make_scalar(value=float(value)), urgent=value % 100 == 0)
    rig.put(ALARM, urgent=True)
    disk.until_met()
    for _ in range(20):
        assert rig.stats().emitted == 1
    disk.full = False
    rig.until(lambda s: s.sealed_readings == 3_003)
    rig.outbox.run(lambda s: s.sync_head_file()).result(10.0)

    assert [v for e in rig.envelopes() for v in e.scalars.value] == list(range(3_001))
    assert rig.outbox.dropped == 0
    assert bodies(rig.envelopes(), EventType.READINGS_DROPPED) == []
    (fault,) = bodies(rig.envelopes(), EventType.FAULT)
    assert (fault["why"], fault["field"]) == ("disk_full", "disk")
    rig.outbox.close()


def test_beyond_the_buffer_weights_are_lost_and_counted_once_the_disk_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded: the newest weights give way, the alarm after them does not."""
    monkeypatch.setattr("gateway.outbox.buffer.SCALARS_BUFFERED_MAX", 100)
    monkeypatch.setattr(writer, "LOSSES_TOLD_EVERY_S", 0.0)
    disk = Disk(monkeypatch)
    rig = Rig(make_parts(tmp_path))
    rig.put(make_scalar(value=0.0))  # The thread has begun: what it meets next, readings met.
    rig.until(lambda s: s.sealed_readings == 1)
    disk.full = True
    for value in range(1, 251):
        rig.put(make_scalar(value=float(value)))
    rig.put(ALARM)
    disk.until_met()
    assert rig.stats().emitted == 1
    disk.full = False
    rig.until(lambda s: s.sealed_readings == 104)

    assert [v for e in rig.envelopes() for v in e.scalars.value] == list(range(101))
    assert bodies(rig.envelopes(), EventType.READINGS_DROPPED) == [
        {"count": 150, "why": "buffer_full"}
    ]
    assert bodies(rig.envelopes(), EventType.CAMERA_TAMPER)
    rig.outbox.close()


def test_at_the_end_what_waits_takes_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that stops while the disk is full journals what the reserve can hold."""
    parts = make_parts(tmp_path)
    rig = Rig(parts)
    rig.put(make_scalar())
    rig.until(lambda s: s.sealed_readings == 1)
    pages = rig.outbox.run(lambda s: s.pages_left).result(10.0)

    def spaces(_: room.Room) -> tuple[Space, Space]:
        return Space(pages_max=pages, pages_left=pages), TIGHT

    monkeypatch.setattr(room.Room, "spaces", spaces)
    rig.put(*[make_scalar(value=2.0)] * 3)
    for _ in range(20):
        assert rig.stats().emitted == 1
    rig.outbox.close()
    monkeypatch.undo()
    again = Rig(parts)
    assert again.stats().emitted == 4
    again.outbox.close()
