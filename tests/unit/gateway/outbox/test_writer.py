"""The writer's thread journals what it is handed, whatever the disk does."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import cbor2
import pytest

from gateway.clock import SystemClock
from gateway.envelope import SealLimits
from gateway.errors import UnavailableError
from gateway.outbox import buffer, writer
from gateway.outbox.database import OutboxStats
from gateway.outbox.recovery import is_torn, open_store
from gateway.outbox.rows import decode_row
from gateway.outbox.store import OutboxStore, StoreParts
from gateway.outbox.writer import Batch, Outbox
from gateway.reading import Entry
from schemas.cose import decode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, Envelope, decode_envelope
from schemas.quantities import EventType
from tests.unit.gateway.builders import (
    make_event,
    make_parts,
    make_receipt,
    make_scalar,
    make_segment,
    make_sighting,
    make_sweep,
)

DEADLINE_S = 10.0


class Rig:
    """An outbox and what is asked of it."""

    def __init__(self, parts: StoreParts, *, age_s: float = 0.01) -> None:
        self.sealed = threading.Event()
        self.outbox = Outbox(parts, SystemClock(), age_s=age_s, notify=self.sealed.set)

    def put(self, *readings: Entry, urgent: bool = False) -> None:
        """Hand readings over."""
        self.outbox.put(Batch(segment=make_segment(), readings=readings, urgent=urgent))

    def stats(self) -> OutboxStats:
        """Return the counts now."""
        return self.outbox.stats().result(DEADLINE_S)

    def until(self, condition: Callable[[OutboxStats], bool]) -> OutboxStats:
        """Wait for a condition on the counts."""
        pause = threading.Event()
        for _ in range(int(DEADLINE_S / 0.01)):
            try:
                stats = self.stats()
            except UnavailableError:
                pause.wait(0.01)
                continue
            if condition(stats):
                return stats
            pause.wait(0.01)
        pytest.fail(f"never came: {self.stats()}")

    def envelopes(self) -> list[Envelope]:
        """Return all that was sealed."""
        stored = self.outbox.run(lambda s: s.envelopes_after(0, 10_000)).result(DEADLINE_S)
        return [
            decode_envelope(decode_sign1(e.message, bytes_max=ENVELOPE_BYTES_MAX)) for e in stored
        ]


def bodies(envelopes: list[Envelope], kind: EventType) -> list[dict[str, Any]]:
    """Return the bodies of all events of ``kind``."""
    return [
        cbor2.loads(body)
        for envelope in envelopes
        for event, body in zip(envelope.events.type, envelope.events.body, strict=True)
        if event is kind
    ]


def test_reading_is_journalled_sealed_and_announced(tmp_path: Path) -> None:
    """A reading handed over becomes an envelope within the age, and the sender is told."""
    rig = Rig(make_parts(tmp_path))
    rig.put(make_scalar())

    assert rig.sealed.wait(DEADLINE_S)
    assert rig.stats().sealed_readings == 1
    rig.outbox.close()


def test_urgent_readings_do_not_wait_for_the_age(tmp_path: Path) -> None:
    """News is sealed with the very commit that journals it."""
    rig = Rig(make_parts(tmp_path), age_s=3_600.0)
    rig.put(make_event(), urgent=True)

    assert rig.sealed.wait(DEADLINE_S)
    rig.outbox.close()


def test_backlog_is_sealed_in_large_envelopes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is receipted, news does not make an envelope each: days of it must fit."""
    monkeypatch.setattr(writer, "BACKLOG_MIN", 3)
    monkeypatch.setattr(writer, "COMMIT_EVERY_S", 0.0)
    rig = Rig(make_parts(tmp_path, limits=SealLimits(readings_max=50)))
    for count in range(1, 104):
        rig.put(make_event(), urgent=True)
        rig.until(lambda s, count=count: s.emitted == count)

    assert [e.readings for e in rig.envelopes()] == [1, 1, 1, 50, 50]
    rig.outbox.close()


def test_asking_and_leaving_does_not_stop_the_thread(tmp_path: Path) -> None:
    """A question that nobody waits for any more is skipped; the thread lives on."""
    rig = Rig(make_parts(tmp_path))
    entered, leave = threading.Event(), threading.Event()

    def hold(_store: OutboxStore) -> None:
        entered.set()
        leave.wait(DEADLINE_S)

    rig.outbox.run(hold)
    assert entered.wait(DEADLINE_S)
    assert rig.outbox.stats().cancel()
    leave.set()

    assert rig.stats().emitted == 0
    assert rig.outbox.alive
    rig.outbox.close()


def test_closing_seals_what_was_handed_over(tmp_path: Path) -> None:
    """Nothing that a driver handed over is lost by an orderly end."""
    parts = make_parts(tmp_path)
    rig = Rig(parts, age_s=3_600.0)
    for _ in range(100):
        rig.put(make_scalar())
    rig.outbox.close()
    store = OutboxStore(parts)

    assert store.stats().emitted == store.stats().sealed_readings == 100
    store.close()
    with pytest.raises(UnavailableError):
        rig.outbox.stats().result(DEADLINE_S)


def test_locked_file_delays_and_loses_nothing(tmp_path: Path) -> None:
    """While somebody else holds the file, readings wait in memory; then they are journalled."""
    parts = make_parts(tmp_path)
    rig = Rig(parts)
    rig.put(make_scalar(value=1.0))
    rig.until(lambda s: s.emitted == 1)
    blocker = sqlite3.connect(parts.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    rig.put(make_scalar(value=2.0))
    rig.put(make_scalar(value=3.0))
    blocker.execute("COMMIT")
    blocker.close()

    assert rig.until(lambda s: s.sealed_readings == 3).emitted == 3
    assert [v for e in rig.envelopes() for v in e.scalars.value] == [1.0, 2.0, 3.0]
    rig.outbox.close()


def test_file_torn_while_in_use_is_replaced_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage met while running: set aside, a new file, a signed record, readings go on."""
    monkeypatch.setattr(writer, "LOSSES_TOLD_EVERY_S", 0.0)
    monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.01)
    parts = make_parts(tmp_path)
    rig = Rig(parts)
    rig.put(make_scalar())
    rig.until(lambda s: s.sealed_readings == 1)

    def tear(_store: OutboxStore) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    with pytest.raises(UnavailableError, match="malformed"):
        rig.outbox.run(tear).result(DEADLINE_S)
    rig.put(make_scalar())
    # The record and the reading are journalled; sealing waits for the backend's receipt.
    assert not rig.until(lambda s: s.emitted == 3).head_known
    assert list(tmp_path.glob("outbox.sqlite3.quarantine-*"))
    rig.outbox.close()


def test_folder_that_is_away_for_a_while_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an I/O error the healthy file is opened anew, however often that fails first."""
    monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.01)
    folder, away = tmp_path / "state", tmp_path / "away"
    folder.mkdir()
    rig = Rig(make_parts(folder))
    rig.put(make_scalar(value=1.0))
    rig.until(lambda s: s.sealed_readings == 1)

    def fail(_store: OutboxStore) -> None:
        folder.rename(away)
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(UnavailableError, match="I/O"):
        rig.outbox.run(fail).result(DEADLINE_S)
    for value in range(2, 22):  # Each is refused after a try to open the file that failed.
        rig.put(make_scalar(value=float(value)))
        with pytest.raises(UnavailableError, match="not open"):
            rig.stats()
    away.rename(folder)

    assert rig.until(lambda s: s.sealed_readings == 21).unreceipted > 0
    assert [v for e in rig.envelopes() for v in e.scalars.value] == list(range(1, 22))
    assert list(folder.glob("*.quarantine-*")) == []
    rig.outbox.close()


@pytest.mark.parametrize(
    ("error", "torn"),
    [
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), False),
        (sqlite3.OperationalError("disk I/O error"), False),
        (sqlite3.DatabaseError("database disk image is malformed"), True),
        (sqlite3.OperationalError("no such table: journal"), True),
    ],
)
def test_only_what_the_file_holds_makes_it_torn(error: Exception, torn: bool) -> None:
    """What may be better the next time, or is our own mistake, sets no file aside."""
    assert is_torn(error) is torn


def test_what_the_buffer_cannot_take_is_counted_and_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the buffer scalars are dropped, events still taken; the count becomes a record."""
    monkeypatch.setattr(buffer, "SCALARS_BUFFERED_MAX", 10)
    monkeypatch.setattr(buffer, "READINGS_BUFFERED_MAX", 20)
    monkeypatch.setattr(writer, "LOSSES_TOLD_EVERY_S", 0.0)
    rig = Rig(make_parts(tmp_path))
    rig.put(*[make_scalar()] * 25, make_event())

    rig.until(lambda s: s.sealed_readings == 2)
    assert bodies(rig.envelopes(), EventType.READINGS_DROPPED) == [
        {"count": 25, "why": "buffer_full"}
    ]
    rig.outbox.close()


def test_reading_out_of_bounds_is_told_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An antenna that no envelope can hold is a fault with field, value and bound, and counted."""
    monkeypatch.setattr(writer, "LOSSES_TOLD_EVERY_S", 0.0)
    rig = Rig(make_parts(tmp_path))
    rig.put(make_sighting(antenna=300), make_scalar())
    rig.until(lambda s: s.sealed_readings == 3)

    assert bodies(rig.envelopes(), EventType.READINGS_DROPPED) == [
        {"count": 1, "why": "out_of_bounds"}
    ]
    assert bodies(rig.envelopes(), EventType.FAULT) == [
        {
            "why": "out_of_bounds",
            "field": "antenna",
            "value": "300",
            "bound": "an integer from 0 to 255",
        }
    ]
    rig.outbox.close()


def test_journalled_reading_that_cannot_be_sealed_stops_nothing(tmp_path: Path) -> None:
    """The file of an older program holds one: it is set aside, told, and all else is sealed."""
    parts = make_parts(tmp_path)
    store, _ = open_store(parts, now_unix_us=1)
    unsealable = make_sighting(antenna=300)
    store.write([(make_segment(), [make_scalar(value=1.0), unsealable])], flush=False)
    store.close()
    rig = Rig(parts)
    rig.put(make_scalar(value=2.0))
    stats = rig.until(lambda s: s.sealed_readings == 3)

    assert stats.emitted == 3
    assert [v for e in rig.envelopes() for v in e.scalars.value] == [1.0, 2.0]
    (record,) = bodies(rig.envelopes(), EventType.READINGS_DROPPED)
    assert (record["count"], record["why"]) == (1, "unsealable")
    assert (record["sensor"], record["field"], record["value"]) == ("rfid-1", "antenna", "300")
    rig.outbox.close()
    with closing(sqlite3.connect(parts.path)) as db:
        ((why, body),) = db.execute("SELECT why, body FROM aside")
    assert "antenna is 300" in why
    assert decode_row(body) == unsealable


def test_flood_of_one_rank_leaves_room_for_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sightings fill their share of the buffer, events theirs; alarms are taken still."""
    monkeypatch.setattr(buffer, "SCALARS_BUFFERED_MAX", 10)
    monkeypatch.setattr(buffer, "READINGS_BUFFERED_MAX", 40)
    monkeypatch.setattr(writer, "LOSSES_TOLD_EVERY_S", 0.0)
    rig = Rig(make_parts(tmp_path))
    alarm = make_event(EventType.CAMERA_TAMPER, {"what": "covered", "active": True})
    rig.put(*[make_sighting()] * 50, *[make_event()] * 50, *[alarm] * 50)
    rig.until(lambda s: s.sealed_readings == 41)

    events = [kind for e in rig.envelopes() for kind in e.events.type]
    assert sum(len(e.sightings) for e in rig.envelopes()) == 20
    assert events.count(EventType.FAULT) == events.count(EventType.CAMERA_TAMPER) == 10
    assert bodies(rig.envelopes(), EventType.READINGS_DROPPED) == [
        {"count": 110, "why": "buffer_full"}
    ]
    rig.outbox.close()


def test_what_the_disk_cannot_take_is_counted_and_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the bound, weights are dropped; how many is told in the stream itself."""
    monkeypatch.setattr(writer, "LOSSES_TOLD_EVERY_S", 0.0)
    monkeypatch.setattr(writer, "BACKLOG_AGE_S", 0.01)
    rig = Rig(make_parts(tmp_path, bytes_max=1024 * 1024, limits=SealLimits()))
    for _ in range(400):
        rig.put(*[make_scalar()] * 256)
        rig.stats()
    full = rig.envelopes()
    last = rig.outbox.run(lambda s: s.envelopes_after(len(full) - 1, 1)).result(DEADLINE_S)[0]
    receipt = make_receipt(last.number, last.sha256)
    rig.outbox.run(lambda s: s.apply_receipt(receipt, settled=False)).result(DEADLINE_S)

    early = [record["count"] for record in bodies(full, EventType.READINGS_DROPPED)]

    def counts() -> list[int]:
        records = bodies(rig.envelopes(), EventType.READINGS_DROPPED)
        return early + [record["count"] for record in records]

    # Every reading is either in the stream or counted in it.
    rig.until(lambda s: s.emitted - len(counts()) + sum(counts()) == 400 * 256)
    assert counts()
    rig.outbox.close()


def test_news_of_large_polls_is_sealed_together(tmp_path: Path) -> None:
    """Two hundred polls in a moment are a few envelopes, long before the age; none is left out."""
    rig = Rig(make_parts(tmp_path, limits=SealLimits(readings_max=8_192)), age_s=60.0)
    for poll in range(200):
        rig.put(make_sweep([float(poll)] * writer.BULK_READINGS_MIN), urgent=True)
    expected = 200 * writer.BULK_READINGS_MIN
    stats = rig.until(lambda s: s.sealed_readings == expected)
    rig.outbox.close()

    assert stats.emitted == expected
    assert stats.sealed_envelopes <= 20


def test_alarm_does_not_wait_for_large_polls(tmp_path: Path) -> None:
    """An event among polls is sealed with the write that journals it."""
    rig = Rig(make_parts(tmp_path, limits=SealLimits(readings_max=8_192)), age_s=60.0)
    poll = make_sweep([1.0] * writer.BULK_READINGS_MIN)
    rig.put(poll, urgent=True)
    rig.until(lambda s: s.sealed_envelopes == 1)
    rig.put(poll, urgent=True)
    rig.put(make_event(), urgent=True)
    stats = rig.until(lambda s: s.emitted == 2 * writer.BULK_READINGS_MIN + 1)
    rig.outbox.close()

    assert stats.sealed_readings == stats.emitted
