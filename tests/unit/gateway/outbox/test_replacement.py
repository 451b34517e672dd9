"""Beginning anew after a fork or a revocation: the old is set aside whole, the new begins at 1."""

from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.outbox.head import HEAD_FILE
from gateway.outbox.identity import (
    KEY_FILE,
    NEXT_KEY_FILE,
    OUTBOX_FILE,
    enrolling_signer,
    next_signer,
    open_identity,
    replace_identity,
)
from gateway.outbox.recovery import open_store
from gateway.signing import load_key
from tests.unit.gateway.builders import T0_UNIX_US, make_parts, make_scalar, make_segment


def _put(folder: Path, value: float) -> tuple[int, bytes]:
    """Start, journal and seal one reading; return number and key of the stream's head."""
    signer, _ = open_identity(folder)
    store, quarantine = open_store(make_parts(folder, signer), now_unix_us=T0_UNIX_US)
    assert quarantine is None
    with closing(store):
        store.write([(make_segment(), [make_scalar(value=value)])], flush=True)
        head = store.stream()
        assert head is not None
        return head.number, head.key_id


def test_old_key_and_outbox_are_set_aside_whole(tmp_path: Path) -> None:
    """They are evidence: what was sealed and never receipted is still there to be read."""
    _put(tmp_path, 1.0)
    assert _put(tmp_path, 2.0)[0] == 2
    old = load_key(tmp_path / KEY_FILE)
    next_signer(tmp_path)
    new = enrolling_signer(tmp_path)
    assert enrolling_signer(tmp_path).key_id == new.key_id, "asked again, it is the same key"

    aside = replace_identity(tmp_path, T0_UNIX_US)

    assert load_key(aside / KEY_FILE).key_id == old.key_id
    names = {path.name for path in aside.iterdir()}
    assert {OUTBOX_FILE, HEAD_FILE, NEXT_KEY_FILE, KEY_FILE} <= names
    assert _put(tmp_path, 3.0) == (1, new.key_id)
    assert open_identity(tmp_path)[0].key_id == new.key_id


def test_replacement_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    """The power went after the outbox was moved: the same command ends what it began."""
    _put(tmp_path, 1.0)
    new = enrolling_signer(tmp_path)
    (tmp_path / "replaced-1").mkdir()
    (tmp_path / OUTBOX_FILE).rename(tmp_path / "replaced-1" / OUTBOX_FILE)

    replace_identity(tmp_path, T0_UNIX_US)

    assert _put(tmp_path, 2.0) == (1, new.key_id)


def test_nothing_is_replaced_without_an_enrolled_key(tmp_path: Path) -> None:
    """The key is made before the backend is asked."""
    _put(tmp_path, 1.0)
    with pytest.raises(StateError):
        replace_identity(tmp_path, T0_UNIX_US)
    assert _put(tmp_path, 2.0)[0] == 2
