"""A key whose holder cannot sign: readings are journalled, sealing waits, nothing is lost."""

from contextlib import closing
from pathlib import Path

from gateway.clock import SystemClock
from gateway.errors import UnavailableError
from gateway.outbox.head import HEAD_FILE, Head, HeadFile
from gateway.outbox.rotation import RotationOutcome
from gateway.outbox.store import OutboxStore, StoreParts
from gateway.outbox.writer import Batch, Outbox
from gateway.signing import FileHolder, Signer
from gateway.signing.ed25519 import generate
from tests.unit.gateway.builders import make_event, make_parts, make_scalar, make_segment

SEGMENT = make_segment()


class Removable(FileHolder):
    """A key that can be taken away; ``ready`` may still be hoped for."""

    def __init__(self) -> None:
        super().__init__(generate())
        self.away = False
        self.signatures_left: int | None = None

    def sign(self, text: bytes) -> bytes:
        """Return the signature over ``text``, unless the key is away."""
        if self.signatures_left is not None:
            self.signatures_left -= 1
            self.away = self.signatures_left < 0
        if self.away:
            raise UnavailableError("the key is away")
        return super().sign(text)


def parts_of(folder: Path, holder: Removable, **overrides: object) -> StoreParts:
    """Return what a store under this key needs, its stream begun."""
    signer = Signer(holder)
    with HeadFile(folder / HEAD_FILE) as head_file:
        head_file.save(Head(key_id=signer.key_id))
    return make_parts(folder, signer, **overrides)


def store_of(parts: StoreParts) -> OutboxStore:
    """Return a store whose stream has begun."""
    store = OutboxStore(parts)
    store.begin_stream(Head(key_id=parts.signer.key_id), known=True)
    return store


def test_readings_are_journalled_and_sealed_in_order_when_the_key_is_back(tmp_path: Path) -> None:
    """What was read while the key was away is in the file, and then in envelopes."""
    holder = Removable()
    with closing(store_of(parts_of(tmp_path, holder))) as store:
        holder.away = True
        for first in range(0, 12, 4):
            readings = [make_scalar(value=float(first + i)) for i in range(4)]
            outcome = store.write([(SEGMENT, readings)], flush=True)
            assert (outcome.sealed, outcome.unsealed) == (0, first + 4)
            assert not outcome.refused
        holder.away = False
        assert store.write([], flush=True).sealed == 3
        assert store.stats().sealed_readings == 12


def test_key_that_goes_in_the_middle_keeps_what_it_sealed(tmp_path: Path) -> None:
    """Two of three envelopes are sealed, the third waits; numbers have no gap."""
    holder = Removable()
    with closing(store_of(parts_of(tmp_path, holder))) as store:
        holder.signatures_left = 2
        readings = [make_scalar(value=float(i)) for i in range(12)]
        outcome = store.write([(SEGMENT, readings)], flush=True)
        assert (outcome.sealed, outcome.unsealed) == (2, 4)
        holder.signatures_left = None
        holder.away = False
        assert store.write([], flush=True).sealed == 1
        store.sync_head_file()
        assert [e.number for e in store.envelopes_after(0, 10)] == [1, 2, 3]


def test_thinning_waits_for_the_key(tmp_path: Path) -> None:
    """A nearly full outbox is not thinned, and not torn, while a digest cannot be signed."""
    holder = Removable()
    parts = parts_of(tmp_path, holder, bytes_max=1_048_576, window=1)
    with closing(store_of(parts)) as store:
        while not store.write(
            [(SEGMENT, [make_scalar(value=float(i)) for i in range(400)])], flush=True
        ).refused:
            pass
        store.sync_head_file()
        before = store.stats()
        holder.away = True
        assert store.thin() == 0
        assert store.stats() == before
        holder.away = False
        assert sum(store.thin() for _ in range(8)) > 0


def test_rotation_that_begins_while_the_key_is_away_goes_on_later(tmp_path: Path) -> None:
    """The last reading under the key is journalled at once and sealed when the key is back."""
    holder = Removable()
    with closing(store_of(parts_of(tmp_path, holder))) as store:
        holder.away = True
        outcome = store.begin_rotation(SEGMENT, make_event(), bytes(8))
        assert outcome is RotationOutcome.BEGUN
        assert store.write([], flush=True).sealed == 0
        holder.away = False
        assert store.write([], flush=True).sealed == 1


def test_daemon_ends_in_order_while_the_key_is_away(tmp_path: Path) -> None:
    """Closing journals what was handed over and does not wait for the key."""
    holder = Removable()
    parts = parts_of(tmp_path, holder)
    outbox = Outbox(parts, SystemClock(), age_s=0.01, notify=lambda: None)
    holder.away = True
    readings = [make_scalar(value=float(i)) for i in range(5)]
    outbox.put(Batch(segment=SEGMENT, readings=readings, urgent=True))
    outbox.close()
    assert not outbox.alive
    holder.away = False
    with closing(OutboxStore(parts)) as store:
        assert store.last_sequence == 5
        store.write([], flush=True)
        assert store.stats().sealed_readings == 5
