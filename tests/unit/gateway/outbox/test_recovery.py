"""A torn outbox is set aside, the daemon goes on, and no number is signed twice."""

from dataclasses import replace
from pathlib import Path

import cbor2
import pytest

from gateway.errors import StateError
from gateway.outbox.evidence import KEPT_MAX
from gateway.outbox.head import HEAD_FILE, HeadFile
from gateway.outbox.identity import KEY_FILE, lock_state, open_identity
from gateway.outbox.losses import NAMES_MAX, Losses
from gateway.outbox.recovery import open_store
from gateway.outbox.store import OutboxStore, ReceiptOutcome, StoreParts
from gateway.signing import new_signer
from tests.unit.gateway.builders import make_parts, make_receipt, make_scalar, make_segment

SEGMENT = make_segment()


def open_new(parts: StoreParts) -> OutboxStore:
    """Return the store, which must not have been set aside."""
    store, quarantine = open_store(parts, now_unix_us=1)
    assert quarantine is None
    return store


def write(store: OutboxStore, count: int) -> None:
    """Journal and seal ``count`` readings."""
    store.write([(SEGMENT, [make_scalar()] * count)], flush=True)
    store.sync_head_file()


def lose_outbox(parts: StoreParts) -> None:
    """Overwrite the outbox with noise."""
    for suffix in ("-wal", "-shm"):
        parts.path.with_name(parts.path.name + suffix).unlink(missing_ok=True)
    parts.path.write_bytes(b"\xa5" * 20_000)


def test_new_gateway_begins_at_number_1(tmp_path: Path) -> None:
    """A new key's stream needs nobody's permission to begin."""
    store = open_new(make_parts(tmp_path))
    write(store, 1)

    assert [e.number for e in store.envelopes_after(0, 10)] == [1]


@pytest.mark.parametrize("noise", [b"", b"\0" * 5_000, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_torn_file_is_kept_aside_and_named(tmp_path: Path, noise: bytes) -> None:
    """Whatever the file holds, the store opens; what was there is renamed, not deleted."""
    parts = make_parts(tmp_path)
    parts.path.write_bytes(noise)
    store, quarantine = open_store(parts, now_unix_us=17)

    assert store.stats().emitted == 0
    if noise:
        assert quarantine is not None
        assert quarantine.file.name == "outbox.sqlite3.quarantine-17"
        assert quarantine.file.read_bytes() == noise


def test_page_torn_in_the_middle_is_found(tmp_path: Path) -> None:
    """Damage behind a good header is found at the start, not when it is read."""
    parts = make_parts(tmp_path)
    store = open_new(parts)
    for _ in range(50):
        write(store, 16)
    store.close()
    data = bytearray(parts.path.read_bytes())
    data[8_192:20_480] = bytes(12_288)
    parts.path.write_bytes(data)

    _, quarantine = open_store(parts, now_unix_us=2)
    assert quarantine is not None


def test_stream_goes_on_where_all_was_receipted(tmp_path: Path) -> None:
    """When nothing was on its way, the side file is enough to go on without a gap."""
    parts = make_parts(tmp_path)
    store = open_new(parts)
    write(store, 4)
    (first,) = store.envelopes_after(0, 10)
    store.apply_receipt(make_receipt(1, first.sha256, readings=4), settled=False)
    store.sync_head_file()
    store.close()
    lose_outbox(parts)

    store, quarantine = open_store(parts, now_unix_us=3)
    write(store, 1)
    assert quarantine is not None
    assert [e.number for e in store.envelopes_after(0, 10)] == [2]
    assert store.stats().emitted == 5


def lose_with_unreceipted(parts: StoreParts) -> tuple[OutboxStore, bytes, bytes]:
    """Return a new store after losing envelopes 1 and 2 unreceipted, and their hashes."""
    store = open_new(parts)
    write(store, 4)
    write(store, 4)
    first, second = store.envelopes_after(0, 10)
    store.close()
    lose_outbox(parts)
    store, _ = open_store(parts, now_unix_us=4)
    write(store, 3)
    return store, first.sha256, second.sha256


def test_sealing_waits_for_a_receipt_when_envelopes_were_lost(tmp_path: Path) -> None:
    """Readings are journalled meanwhile, but no number is signed for a second time."""
    store, _, _ = lose_with_unreceipted(make_parts(tmp_path))

    assert store.envelopes_after(0, 10) == []
    assert not store.stats().head_known
    assert store.stats().emitted == 11


def test_receipt_for_the_lost_head_opens_the_stream_at_once(tmp_path: Path) -> None:
    """The backend holds all that was sealed: the stream goes on behind it."""
    store, _, second = lose_with_unreceipted(make_parts(tmp_path))
    outcome = store.apply_receipt(make_receipt(2, second, readings=8), settled=False)
    write(store, 0)

    assert outcome is ReceiptOutcome.ADOPTED
    assert [e.number for e in store.envelopes_after(0, 10)] == [3]
    assert store.stats().emitted == 11


def test_receipt_below_the_lost_head_must_settle_first(tmp_path: Path) -> None:
    """An envelope still under way could be committed yet: only then is its number free."""
    store, first, _ = lose_with_unreceipted(make_parts(tmp_path))
    receipt = make_receipt(1, first, readings=4)
    assert store.apply_receipt(receipt, settled=False) is ReceiptOutcome.UNSETTLED
    assert store.envelopes_after(0, 10) == []

    assert store.apply_receipt(receipt, settled=True) is ReceiptOutcome.ADOPTED
    write(store, 0)
    assert [e.number for e in store.envelopes_after(0, 10)] == [2]


def test_replayed_receipt_does_not_rewind_a_lost_stream(tmp_path: Path) -> None:
    """A broker that shows an old receipt cannot make the gateway sign old numbers again."""
    parts = make_parts(tmp_path)
    store = open_new(parts)
    for _ in range(3):
        write(store, 4)
    first, second, _ = store.envelopes_after(0, 10)
    store.apply_receipt(make_receipt(2, second.sha256), settled=False)
    store.sync_head_file()
    store.close()
    lose_outbox(parts)
    store, _ = open_store(parts, now_unix_us=5)

    outcome = store.apply_receipt(make_receipt(1, first.sha256), settled=True)
    assert outcome is ReceiptOutcome.STALE


def test_without_side_file_only_a_receipt_tells_the_head(tmp_path: Path) -> None:
    """A key whose files are all gone does not begin at 1 again by itself."""
    signer = new_signer()
    store, quarantine = open_store(make_parts(tmp_path, signer), now_unix_us=6)
    write(store, 2)
    assert quarantine is None
    assert store.envelopes_after(0, 10) == []

    store.apply_receipt(make_receipt(41, bytes(range(32)), readings=900), settled=True)
    write(store, 0)
    (envelope,) = store.envelopes_after(0, 10)
    assert envelope.number == 42


def test_side_file_catches_up_after_a_crash(tmp_path: Path) -> None:
    """A crash between sealing and the side file is repaired at the next start."""
    parts = make_parts(tmp_path)
    store = open_new(parts)
    store.write([(SEGMENT, [make_scalar()])], flush=True)
    store.close()

    store = open_new(parts)
    assert [e.number for e in store.envelopes_after(0, 10)] == [1]


def test_new_key_starts_a_new_file_and_keeps_the_old(tmp_path: Path) -> None:
    """After re-enrolment the old key's envelopes are evidence, not part of the new stream."""
    write(open_new(make_parts(tmp_path)), 4)
    store, quarantine = open_store(make_parts(tmp_path), now_unix_us=8)
    write(store, 1)

    assert quarantine is not None
    assert quarantine.why == "key_changed"
    assert [e.number for e in store.envelopes_after(0, 10)] == [1]


def test_stream_of_another_gateway_is_refused(tmp_path: Path) -> None:
    """A changed gateway.id must not put a second name into one chain; nothing is set aside."""
    parts = make_parts(tmp_path)
    write(open_new(parts), 4)
    with pytest.raises(StateError, match=r"is of gateway 'gw-test', gateway\.id is 'gw-other'"):
        open_store(replace(parts, gateway="gw-other"), now_unix_us=9)

    assert [e.number for e in open_new(parts).envelopes_after(0, 10)] == [1]


def test_files_set_aside_are_bounded_and_what_was_deleted_is_named(tmp_path: Path) -> None:
    """A card that tears every file fills no disk; the oldest evidence and the newest are kept."""
    parts = make_parts(tmp_path)
    named: list[str] = []
    for clock in (10, 11, 12, 5, 14, 15, 16, 17):  # The clock went back once.
        parts.path.write_bytes(b"torn" * clock)
        store, quarantine = open_store(parts, now_unix_us=clock)
        store.close()
        assert quarantine is not None
        named += quarantine.deleted
    kept = sorted(int(f.name.rsplit("-", 1)[1]) for f in tmp_path.glob("*.quarantine-*"))

    assert len(kept) == KEPT_MAX
    assert {10, 11, 17} < set(kept)
    assert {int(name.rsplit("-", 1)[1]) for name in named} == {12, 13, 14, 15}


def test_files_set_aside_are_bounded_in_bytes(tmp_path: Path) -> None:
    """Beyond twice the outbox's bound only the oldest and the newest stay."""
    parts = make_parts(tmp_path, bytes_max=1_000_000)
    for clock in (1, 2, 3):
        parts.path.write_bytes(b"torn" * 200_000)
        store, quarantine = open_store(parts, now_unix_us=clock)
        store.close()

    assert quarantine is not None
    assert list(quarantine.deleted) == ["outbox.sqlite3.quarantine-2"]


def test_record_of_a_quarantine_names_what_was_deleted_for_it(tmp_path: Path) -> None:
    """The signed record counts all and names some, however many an older program had left."""
    parts = make_parts(tmp_path)
    for clock in range(1_000):
        parts.path.with_name(f"outbox.sqlite3.quarantine-{clock}").touch()
    parts.path.write_bytes(b"torn" * 1_000)
    store, quarantine = open_store(parts, now_unix_us=1_000)
    store.close()
    assert quarantine is not None
    losses = Losses()
    losses.note_quarantine(quarantine, 1)
    (record,) = losses.take_records(1)

    body = cbor2.loads(record.body)
    assert (body["file"], body["deleted"]) == ("outbox.sqlite3.quarantine-1000", 997)
    assert len(body["deleted_files"]) == NAMES_MAX


def test_key_and_its_first_head_are_made_together(tmp_path: Path) -> None:
    """A new identity knows that its stream is empty, and is the same the next time."""
    signer, new = open_identity(tmp_path / "state")
    again, new_again = open_identity(tmp_path / "state")

    assert (new, new_again) == (True, False)
    assert signer.public_key == again.public_key
    with HeadFile(tmp_path / "state" / HEAD_FILE) as file:
        head = file.head(signer.key_id)
    assert head is not None
    assert head.number == 0
    assert (tmp_path / "state" / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_state_folder_is_taken_once(tmp_path: Path) -> None:
    """Two daemons on one folder would fork the stream: the second is refused."""
    lock_state(tmp_path)
    with pytest.raises(StateError, match="another gateway is running"):
        lock_state(tmp_path)
