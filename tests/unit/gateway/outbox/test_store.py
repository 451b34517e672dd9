"""The outbox journals, seals, and deletes on a receipt only; a real SQLite file in every test."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import StateError
from gateway.outbox.head import Head
from gateway.outbox.rows import (
    decode_channels,
    decode_entry,
    decode_row,
    encode_channels,
    encode_row,
    encode_sweep,
)
from gateway.outbox.schema import VERSION
from gateway.outbox.store import OutboxStore, ReceiptOutcome, StoreParts
from gateway.reading import Channels, Reading, Sweep
from schemas.cose import decode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, GENESIS_HASH, Envelope, decode_envelope
from tests.unit.gateway.builders import (
    READINGS,
    T0_UNIX_US,
    make_channels,
    make_event,
    make_parts,
    make_receipt,
    make_scalar,
    make_segment,
    make_sighting,
    make_sweep,
    sweeps,
    unfold,
)

SEGMENT = make_segment()


def make_store(parts: StoreParts) -> OutboxStore:
    """Return a store whose stream has begun at number 1."""
    store = OutboxStore(parts)
    if store.key_id() is None:
        store.begin_stream(Head(key_id=parts.signer.key_id), known=True)
    return store


def fill(store: OutboxStore, count: int, *, flush: bool = True) -> None:
    """Journal ``count`` weights and seal them, each with a value of its own."""
    first = store.last_sequence
    readings = [make_scalar(value=float(first + i)) for i in range(count)]
    store.write([(SEGMENT, readings)], flush=flush)
    store.sync_head_file()


def opened(store: OutboxStore) -> list[Envelope]:
    """Return the stored envelopes, their chain and numbers checked."""
    stored = store.envelopes_after(0, 10_000)
    envelopes = [
        decode_envelope(decode_sign1(e.message, bytes_max=ENVELOPE_BYTES_MAX)) for e in stored
    ]
    assert [e.sha256 for e in stored] == [sha256(e.message).digest() for e in stored]
    for before, after, raw in zip(envelopes, envelopes[1:], stored, strict=False):
        assert after.number == before.number + 1
        assert after.previous_sha256 == raw.sha256
        assert after.readings_before == before.readings_before + before.readings
    return envelopes


def values(envelopes: Sequence[Envelope]) -> list[float]:
    """Return the scalars' values in their order."""
    return [value for envelope in envelopes for value in envelope.scalars.value]


@given(READINGS)
def test_reading_survives_its_row(reading: Reading) -> None:
    """A journal row holds every field of a reading."""
    assert decode_row(encode_row(reading)) == reading


@given(st.binary(max_size=60))
def test_torn_row_is_a_value_error(data: bytes) -> None:
    """Bytes that are no row are recognised; nothing else is raised."""
    try:
        decode_row(data)
    except ValueError:
        return


@given(sweeps())
def test_sweep_survives_its_row(sweep: Sweep) -> None:
    """A journal row of a sweep, and that of its channels, hold every field of it."""
    channels = decode_channels(encode_channels(sweep.channels))
    read = decode_entry(encode_sweep(sweep, 7), {7: channels})

    assert unfold([read]) == unfold([sweep])


@given(sweeps(), st.data())
def test_torn_sweep_is_a_value_error(sweep: Sweep, data: st.DataObject) -> None:
    """A row cut short, or of channels that are not kept, is no sweep."""
    row = encode_sweep(sweep, 7)
    cut = row[: data.draw(st.integers(1, len(row) - 1))]
    for torn, known in ((cut, {7: sweep.channels}), (row, {8: sweep.channels})):
        with pytest.raises(ValueError, match="journal row"):
            decode_entry(torn, known)
    with pytest.raises(ValueError, match="does not fit"):
        decode_entry(encode_sweep(make_sweep([1.0, 2.0]), 7), {7: Channels(())})


def test_full_envelopes_are_sealed_and_the_rest_waits(tmp_path: Path) -> None:
    """Ten readings in envelopes of four are two envelopes and two unsealed readings."""
    store = make_store(make_parts(tmp_path))
    fill(store, 10, flush=False)

    assert values(opened(store)) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert store.stats().emitted == 10
    assert store.stats().sealed_readings == 8


def test_sweeps_count_as_their_readings(tmp_path: Path) -> None:
    """Every count is of readings, also while a sweep lies cut between envelope and journal."""
    store = make_store(make_parts(tmp_path))
    block = make_channels(7)
    sweep = make_sweep(range(7), channels=block)
    outcome = store.write([(SEGMENT, [sweep, make_scalar(value=7.0)])], flush=False)
    stats = store.stats()

    assert (outcome.sealed, outcome.unsealed) == (2, 0)
    assert (stats.emitted, stats.sealed_readings) == (8, 8)
    outcome = store.write(
        [(SEGMENT, [make_sweep(range(8, 14), channels=make_channels(6))])], flush=False
    )
    assert (outcome.sealed, outcome.unsealed) == (1, 2)
    assert (store.stats().emitted, store.stats().sealed_readings) == (14, 12)
    store.sync_head_file()
    assert values(opened(store)) == list(range(12))


def test_rest_of_a_sweep_survives_reopening(tmp_path: Path) -> None:
    """What no envelope held yet of a sweep is sealed after a restart, and nothing twice."""
    parts = make_parts(tmp_path)
    store = make_store(parts)
    store.write(
        [(SEGMENT, [make_sweep(range(6), quality=bytes((0, 1, 2, 3, 0, 1)))])], flush=False
    )
    store.close()
    again = OutboxStore(parts)
    again.check()
    again.write([(SEGMENT, [make_sweep([6.0, 7.0])])], flush=True)
    again.sync_head_file()
    envelopes = opened(again)

    assert values(envelopes) == list(range(8))
    assert [q for e in envelopes for q in e.scalars.quality] == [0, 1, 2, 3, 0, 1, 0, 0]
    assert again.stats().emitted == again.last_sequence == 8


def test_file_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    """Readings journalled by an older program are sealed; sweeps go behind them."""
    parts = make_parts(tmp_path)
    store = make_store(parts)
    fill(store, 2, flush=False)
    store.close()
    with closing(sqlite3.connect(parts.path)) as db:
        for table in added_since_version_1(db):
            db.execute(f"DROP TABLE {table}")
        for column in ("sendable", "readings_thinned"):
            db.execute(f"ALTER TABLE stream DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 1")
    again = OutboxStore(parts)
    again.write([(SEGMENT, [make_sweep([2.0, 3.0])])], flush=True)
    again.sync_head_file()

    assert values(opened(again)) == [0, 1, 2, 3]


def added_since_version_1(db: sqlite3.Connection) -> list[str]:
    """Return the tables that version 1 did not have."""
    first = {"stream", "journal", "segments", "envelopes", "sqlite_sequence"}
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return [name for (name,) in rows if name not in first]


def test_flush_seals_the_rest(tmp_path: Path) -> None:
    """With flush nothing stays unsealed; the chain has no gap."""
    store = make_store(make_parts(tmp_path))
    fill(store, 10)

    assert values(opened(store)) == list(range(10))
    assert opened(store)[0].previous_sha256 == GENESIS_HASH


def test_readings_of_two_clock_segments_never_share_an_envelope(tmp_path: Path) -> None:
    """One envelope has one clock: a step in between starts another."""
    store = make_store(make_parts(tmp_path))
    stepped = make_segment(offset_us=SEGMENT.offset_us - 1_000_000_000)
    readings = [make_scalar(), make_sighting()]
    store.write([(SEGMENT, readings), (stepped, readings)], flush=True)
    store.sync_head_file()
    first, second = opened(store)

    assert first.clock.monotonic_us + 1_000_000_000 == second.clock.monotonic_us
    assert first.readings == second.readings == 2


def test_everything_survives_reopening(tmp_path: Path) -> None:
    """Unsealed readings, envelopes, counts and segments are there again after a restart."""
    parts = make_parts(tmp_path)
    store = make_store(parts)
    fill(store, 6, flush=False)
    before = store.stats()
    store.close()
    again = make_store(parts)

    assert again.stats() == before
    fill(again, 0)
    assert values(opened(again)) == list(range(6))


def test_receipt_deletes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    """Envelopes up to the receipt go; those behind it stay."""
    store = make_store(make_parts(tmp_path))
    fill(store, 12)
    second = store.envelopes_after(0, 10)[1]
    receipt = make_receipt(second.number, second.sha256)

    assert store.apply_receipt(receipt, settled=False) is ReceiptOutcome.ADVANCED
    assert [e.number for e in store.envelopes_after(0, 10)] == [3]
    assert store.apply_receipt(receipt, settled=False) is ReceiptOutcome.REPEATED
    assert store.stats().unreceipted == 1


def test_late_receipt_changes_nothing(tmp_path: Path) -> None:
    """A receipt older than the last one is stale."""
    store = make_store(make_parts(tmp_path))
    fill(store, 12)
    first, second, _ = store.envelopes_after(0, 10)
    store.apply_receipt(make_receipt(2, second.sha256), settled=False)

    outcome = store.apply_receipt(make_receipt(1, first.sha256), settled=False)
    assert outcome is ReceiptOutcome.STALE


@pytest.mark.parametrize("number", [1, 2, 3, 4, 1_000])
def test_receipt_for_another_envelope_is_a_fork_and_deletes_nothing(
    tmp_path: Path, number: int
) -> None:
    """A hash that is not ours, or a number that we never sealed, keeps everything."""
    store = make_store(make_parts(tmp_path))
    fill(store, 12)
    store.apply_receipt(make_receipt(1, store.envelopes_after(0, 1)[0].sha256), settled=False)
    outcome = store.apply_receipt(make_receipt(number, bytes(32)), settled=False)

    assert outcome is ReceiptOutcome.FORKED
    assert [e.number for e in store.envelopes_after(0, 10)] == [2, 3]


def test_receipt_for_nothing_yet_is_no_fork(tmp_path: Path) -> None:
    """Number 0 is the backend's word that it holds nothing."""
    store = make_store(make_parts(tmp_path))
    fill(store, 4)
    outcome = store.apply_receipt(make_receipt(0, GENESIS_HASH), settled=False)

    assert outcome is ReceiptOutcome.REPEATED
    assert store.stats().unreceipted == 1


def test_envelope_unknown_to_the_side_file_is_not_given_out(tmp_path: Path) -> None:
    """Until the head is on disk beside the outbox, its envelope must not be sent."""
    store = make_store(make_parts(tmp_path))
    store.write([(SEGMENT, [make_scalar()])], flush=True)

    assert store.envelopes_after(0, 10) == []
    store.sync_head_file()
    assert [e.number for e in store.envelopes_after(0, 10)] == [1]


def test_full_outbox_refuses_scalars_first_and_never_grows(tmp_path: Path) -> None:
    """When the bound is near, weights are refused and counted; sightings and events go on."""
    bytes_max = 1024 * 1024
    store = make_store(make_parts(tmp_path, bytes_max=bytes_max))
    refused = 0
    for _ in range(400):
        refused += len(store.write([(SEGMENT, [make_scalar()] * 64)], flush=True).refused)
    store.sync_head_file()
    kept = store.write([(SEGMENT, [make_sighting(), make_event(), make_scalar()])], flush=True)

    assert refused > 0
    assert kept.refused == [make_scalar()]
    assert sum(file.stat().st_size for file in tmp_path.glob("outbox.sqlite3*")) <= bytes_max + (
        64 * 1024  # The index of the write-ahead log; its size is fixed.
    )
    assert store.stats().emitted == 400 * 64 - refused + 2
    assert len(values(opened(store))) == 400 * 64 - refused


def test_full_outbox_refuses_everything_at_last_but_still_seals(tmp_path: Path) -> None:
    """A flood of events ends at the hard reserve; a receipt makes room for all again."""
    store = make_store(make_parts(tmp_path, bytes_max=1024 * 1024))
    event = make_event(body={"why": "noise", "bytes": bytes(4_000)})
    refused = 0
    for _ in range(400):
        refused += len(store.write([(SEGMENT, [event])], flush=True).refused)
    store.sync_head_file()
    assert refused > 0
    assert store.stats().emitted == store.stats().sealed_readings == 400 - refused

    last = store.envelopes_after(0, 10_000)[-1]
    store.apply_receipt(make_receipt(last.number, last.sha256), settled=False)
    assert store.write([(SEGMENT, [event, make_scalar()])], flush=True).refused == []


def test_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """A file that a newer program wrote is refused, not migrated down."""
    parts = make_parts(tmp_path)
    make_store(parts).close()
    with sqlite3.connect(parts.path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")

    with pytest.raises(StateError, match=f"must be at most {VERSION}"):
        OutboxStore(parts)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["write", "flush", "receipt", "reopen"]), st.integers(0, 9)),
        max_size=15,
    )
)
def test_no_order_of_steps_loses_or_doubles_a_reading(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Whatever happens in whatever order, the receipted and the stored are what was journalled."""
    parts = make_parts(tmp_path_factory.mktemp("outbox"))
    store = make_store(parts)
    committed: list[float] = []
    written = 0
    for what, number in steps:
        if what in {"write", "flush"}:
            readings = [
                make_scalar(value=float(written + i), time_unix_us=T0_UNIX_US + i)
                for i in range(number)
            ]
            store.write([(SEGMENT, readings)], flush=what == "flush")
            store.sync_head_file()
            written += number
        elif what == "receipt" and (stored := store.envelopes_after(0, number)):
            envelopes = opened(store)[: len(stored)]
            store.apply_receipt(make_receipt(stored[-1].number, stored[-1].sha256), settled=False)
            committed += values(envelopes)
        elif what == "reopen":
            store.close()
            store = make_store(parts)
    store.write([], flush=True)
    store.sync_head_file()

    assert committed + values(opened(store)) == list(range(written))
    assert store.stats().emitted == written
    store.close()
