"""kill -9 at random moments: what was journalled is sealed once, in order, on one chain."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from gateway.envelope import SealLimits
from gateway.outbox.head import HEAD_FILE, HeadFile
from gateway.outbox.identity import OUTBOX_FILE, open_identity
from gateway.outbox.recovery import open_store
from gateway.outbox.store import OutboxStore, StoreParts
from schemas.cose import decode_sign1
from schemas.envelope import ENVELOPE_BYTES_MAX, GENESIS_HASH, decode_envelope
from tests.integration.gateway.journal_child import GATEWAY

KILLS = 20
ROOT = Path(__file__).parents[3]
SEED = 20_261_122


def run_and_kill(folder: Path, lines: int, spin: int) -> int:
    """Start the child, kill it ``spin`` calls after line ``lines``; return its last value."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.gateway.journal_child", str(folder)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None
        last = 0
        for _ in range(lines):
            last = int(child.stdout.readline())
        for _ in range(spin):  # A moment that no line of the child chooses.
            os.getpid()
        child.kill()
    return last


def open_outbox(folder: Path) -> OutboxStore:
    """Return the store that the killed child left, which must be whole."""
    signer, _ = open_identity(folder)
    parts = StoreParts(
        path=folder / OUTBOX_FILE,
        head_file=HeadFile(folder / HEAD_FILE),
        gateway=GATEWAY,
        signer=signer,
        limits=SealLimits(),
        bytes_max=64 * 1024 * 1024,
        window=1_000_000,  # All that there is may be looked at.
    )
    store, quarantine = open_store(parts, now_unix_us=1)
    assert quarantine is None
    return store


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_killed_gateway_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """After every kill the sealed readings count up without a gap, and the chain is unbroken."""
    random = Random(SEED)
    durable = 0
    for _ in range(KILLS):
        seen = run_and_kill(tmp_path, random.randint(1, 40), random.randint(0, 200_000))
        store = open_outbox(tmp_path)
        emitted = store.stats().emitted
        store.close()
        assert emitted >= max(seen, durable)
        durable = emitted

    store = open_outbox(tmp_path)
    while store.write([], flush=True).unsealed:
        pass
    store.sync_head_file()
    previous, values = GENESIS_HASH, list[float]()
    for number, stored in enumerate(store.envelopes_after(0, 1_000_000), start=1):
        envelope = decode_envelope(decode_sign1(stored.message, bytes_max=ENVELOPE_BYTES_MAX))
        assert (envelope.number, envelope.previous_sha256) == (number, previous)
        assert envelope.readings_before == len(values)
        previous = sha256(stored.message).digest()
        values += envelope.scalars.value
    assert values == list(range(durable))
    store.close()
