"""kill -9 while the outbox thins: at any instant the originals are there, or the digest."""

import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from gateway.digest import first_number
from gateway.outbox.database import OutboxStats, connect, read_stats
from gateway.outbox.identity import OUTBOX_FILE
from schemas.digest import Digest
from schemas.envelope import GENESIS_HASH
from tests.integration.gateway.daemons import ROOT
from tests.unit.gateway.outbox.thinned import stored_messages

KILLS = 25
BATCH = 97
BYTES_MAX = 2 * 1024 * 1024
SEED = 11


def run_and_kill(folder: Path, lines: int) -> int:
    """Let a child journal until it has said so many lines; return how much it said is durable."""
    module = "tests.integration.gateway.journal_child"
    with subprocess.Popen(
        [sys.executable, "-m", module, str(folder), str(BATCH), str(BYTES_MAX)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None
        last = 0
        for _ in range(lines):
            last = int(child.stdout.readline())
        child.kill()
    return last


def check(path: Path) -> OutboxStats:
    """Check that the file's messages count up without a gap, thinned or not; return its counts."""
    previous, number, before, kept = GENESIS_HASH, 0, 0, 0
    for message, chained, raw in stored_messages(path):
        assert (first_number(message), message.previous_sha256) == (number + 1, previous)
        assert message.readings_before == before
        values = list(message.scalars.value)
        assert (values[0], values[-1]) == (before, before + message.readings - 1)
        if isinstance(message, Digest):
            assert values == sorted(set(values))
            assert message.last_sha256 == chained
        else:
            assert values == list(range(before, before + message.readings))
            assert sha256(raw).digest() == chained
        previous, number, before = chained, message.number, before + message.readings
        kept += len(values)
    with closing(connect(path)) as db:
        stats = read_stats(db)
    assert (stats.head_number, stats.sealed_readings) == (number, before)
    assert kept + stats.thinned_readings == stats.sealed_readings
    return stats


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_killed_while_thinning_loses_nothing_unaccounted(tmp_path: Path) -> None:
    """After each kill the chain is whole, and readings kept and thinned are those sealed."""
    random = Random(SEED)
    durable = thinned = thinning = 0
    for _ in range(KILLS):
        seen = run_and_kill(tmp_path, random.randint(100, 300))
        stats = check(tmp_path / OUTBOX_FILE)
        assert stats.emitted >= max(seen, durable)
        thinning += stats.thinned_readings > thinned
        durable, thinned = stats.emitted, stats.thinned_readings
    assert thinning > KILLS // 2, "most children were killed in a full outbox"
