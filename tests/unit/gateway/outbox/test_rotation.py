"""The turn from one key to the next: nothing lost, nothing twice, wherever the power goes."""

from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.outbox.head import HEAD_FILE, Head, HeadFile
from gateway.outbox.identity import (
    KEY_FILE,
    NEXT_KEY_FILE,
    next_signer,
    open_identity,
    turn_key,
)
from gateway.outbox.recovery import open_store
from gateway.outbox.rotation import RotationOutcome
from gateway.outbox.store import OutboxStore, ReceiptOutcome, StoreParts
from gateway.signing import Signer
from schemas.cose import decode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, Envelope, decode_envelope
from schemas.quantities import EventType
from schemas.receipt import Receipt
from tests.unit.gateway.builders import (
    T0_UNIX_US,
    make_event,
    make_parts,
    make_receipt,
    make_scalar,
    make_segment,
)

SEGMENT = make_segment()


class PowerCutError(Exception):
    """The machine went dark at this instant."""


def _parts(folder: Path) -> StoreParts:
    signer, _ = open_identity(folder)
    return make_parts(folder, signer, turn=partial(turn_key, folder, signer))


def _open(folder: Path, parts: StoreParts | None = None) -> tuple[OutboxStore, Signer]:
    """Start as the daemon does: identity, then the store."""
    parts = parts or _parts(folder)
    store, quarantine = open_store(parts, now_unix_us=T0_UNIX_US)
    assert quarantine is None
    return store, parts.signer


def _put(store: OutboxStore, *values: float) -> None:
    readings = [make_scalar(value=value) for value in values]
    store.write([(SEGMENT, readings)], flush=True)
    store.sync_head_file()


def _begin(store: OutboxStore, folder: Path) -> Signer:
    following = next_signer(folder)
    named = make_event(sensor="gateway", type=EventType.KEY_ROTATED)
    store.begin_rotation(SEGMENT, named, following.key_id)
    return following


def _stored(store: OutboxStore) -> list[tuple[bytes, Envelope]]:
    """Return the key id and the content of every envelope that may be sent."""
    messages = [stored.message for stored in store.envelopes_after(0, 1_000)]
    signed = [decode_sign1(message, bytes_max=ENVELOPE_BYTES_MAX) for message in messages]
    return [(each.key_id, decode_envelope(each)) for each in signed]


def _values(store: OutboxStore) -> list[float]:
    return [value for _, envelope in _stored(store) for value in envelope.scalars.value]


def _final(store: OutboxStore, issued_unix_us: int = T0_UNIX_US) -> Receipt:
    last = store.envelopes_after(0, 1_000)[-1]
    digest = sha256(last.message).digest()
    return make_receipt(last.number, digest, issued_unix_us=issued_unix_us)


def test_last_word_under_a_key_names_the_next(tmp_path: Path) -> None:
    """All before it is sealed; what comes after it waits, journalled, over a restart too."""
    store, signer = _open(tmp_path)
    store.write([(SEGMENT, [make_scalar(value=1.0)])], flush=False)
    following = _begin(store, tmp_path)
    _put(store, 2.0, 3.0)
    store.close()
    store, again = _open(tmp_path)
    with closing(store):
        assert again.key_id == signer.key_id != following.key_id
        (key_id, only), *more = _stored(store)
        assert not more
        assert key_id == signer.key_id
        assert (list(only.scalars.value), only.events.type) == ([1.0], [EventType.KEY_ROTATED])
        assert store.stats().emitted == 4


def test_receipt_for_the_last_word_turns_the_stream(tmp_path: Path) -> None:
    """Number 1 under the next key, chained to nothing, with all that had waited."""
    store, signer = _open(tmp_path)
    old_id = signer.key_id
    with closing(store):
        _put(store, 1.0)
        following = _begin(store, tmp_path)
        _put(store, 2.0)
        early = make_receipt(1, store.envelopes_after(0, 1)[0].sha256)
        assert store.apply_receipt(early, settled=False) is ReceiptOutcome.ADVANCED
        assert store.apply_receipt(_final(store), settled=False) is ReceiptOutcome.TURNED
        assert signer.key_id == following.key_id != old_id
        assert not (tmp_path / NEXT_KEY_FILE).exists()
        _put(store, 3.0)
        envelopes = _stored(store)
        assert [key_id for key_id, _ in envelopes] == [following.key_id] * 2
        assert [(e.number, e.readings_before) for _, e in envelopes] == [(1, 0), (2, 1)]
        assert _values(store) == [2.0, 3.0]


def test_receipts_of_the_closed_stream_say_nothing_of_the_new_one(tmp_path: Path) -> None:
    """The broker keeps the last one, and may keep any; a hostile one repeats them."""
    store, _ = _open(tmp_path)
    _put(store, 1.0)
    older = _final(store, T0_UNIX_US - 5)
    _begin(store, tmp_path)
    final = _final(store)
    store.apply_receipt(final, settled=False)
    store.close()
    store, _ = _open(tmp_path)
    with closing(store):
        _put(store, 2.0)
        retained = make_receipt(final.number, final.sha256, issued_unix_us=T0_UNIX_US + 9)
        for receipt in (older, final, retained):
            assert store.apply_receipt(receipt, settled=False) is ReceiptOutcome.STALE
        good = _final(store, T0_UNIX_US + 10)
        assert store.apply_receipt(good, settled=False) is ReceiptOutcome.ADVANCED


def test_rotation_begins_once(tmp_path: Path) -> None:
    """Asked again while it waits, it is the same next key; and later there may be another."""
    store, _ = _open(tmp_path)
    with closing(store):
        first = _begin(store, tmp_path)
        named = make_event(sensor="gateway", type=EventType.KEY_ROTATED)
        assert next_signer(tmp_path).key_id == first.key_id
        outcome = store.begin_rotation(SEGMENT, named, first.key_id)
        assert outcome is RotationOutcome.PENDING
        assert len(_stored(store)) == 1
        store.apply_receipt(_final(store), settled=False)
        second = _begin(store, tmp_path)
        assert second.key_id != first.key_id
        assert (
            store.apply_receipt(_final(store, T0_UNIX_US + 1), settled=False)
            is ReceiptOutcome.TURNED
        )


def test_stream_that_waits_for_a_receipt_does_not_turn(tmp_path: Path) -> None:
    """Without knowing where it stands, nothing can be its last word."""
    store, signer = _open(tmp_path)
    store.close()
    for file in tmp_path.glob("outbox.sqlite3*"):
        file.unlink()
    with HeadFile(tmp_path / HEAD_FILE) as head_file:
        head_file.save(Head(key_id=signer.key_id, number=3, receipted=2))
    store, _ = _open(tmp_path)
    with closing(store):
        named = make_event(sensor="gateway", type=EventType.KEY_ROTATED)
        outcome = store.begin_rotation(SEGMENT, named, next_signer(tmp_path).key_id)
        assert outcome is RotationOutcome.HEAD_UNKNOWN


@pytest.mark.parametrize("instant", ["before-the-file", "before-the-head", "after"])
def test_power_cut_while_the_stream_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instant: str
) -> None:
    """The stream has turned in the file; key file and side file follow at the next start."""

    def cut(*_: object) -> None:
        raise PowerCutError

    parts = _parts(tmp_path)
    if instant == "before-the-file":
        parts = replace(parts, turn=cut)
    store, _ = _open(tmp_path, parts)
    _put(store, 1.0)
    following = _begin(store, tmp_path)
    _put(store, 2.0)
    if instant == "before-the-head":
        monkeypatch.setattr(parts.head_file, "save", cut)
    try:
        store.apply_receipt(_final(store), settled=False)
    except PowerCutError:
        assert instant != "after"
    store.close()

    store, signer = _open(tmp_path)
    with closing(store):
        assert signer.key_id == following.key_id
        assert open_identity(tmp_path)[0].key_id == following.key_id
        assert not (tmp_path / NEXT_KEY_FILE).exists()
        assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
        _put(store, 3.0)
        assert _values(store) == [2.0, 3.0]
        assert {key_id for key_id, _ in _stored(store)} == {following.key_id}


def test_next_key_alone_changes_nothing(tmp_path: Path) -> None:
    """The power went after the key was made and before it was named: it waits for its turn."""
    store, signer = _open(tmp_path)
    store.close()
    following = next_signer(tmp_path)
    store, again = _open(tmp_path)
    with closing(store):
        assert again.key_id == signer.key_id
        assert _begin(store, tmp_path).key_id == following.key_id
