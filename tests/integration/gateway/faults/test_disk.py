"""A disk that runs full under the daemon, and has room again: a small tmpfs of the test's own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.broker import EmbeddedBroker
from schemas.quantities import EventType
from tests.integration.gateway.daemons import daemon
from tests.integration.gateway.faults.site import REGISTERS, UNITS, FaultSite, fault_site
from tests.integration.gateway.faults.test_files import events
from tests.integration.gateway.support import until

DISK_BYTES = 5 * 1024 * 1024 + 512 * 1024  # 4 MiB of it are for the write-ahead log.
POLLS_WHILE_FULL = 100
READINGS_WHILE_FULL = 30_000  # Half a minute of 1,000 readings/s.
CHUNK = 4_096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a tmpfs")
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    options = f"size={DISK_BYTES},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Write a file until the disk takes no more."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(CHUNK))
        except OSError:
            return


def disk_faults(site: FaultSite) -> list[dict[str, Any]]:
    """Return what the gateway tells of full disks."""
    return [body for body in events(site, EventType.FAULT) if body["why"] == "disk_full"]


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_daemon_survives_a_full_disk_and_tells_what_it_cost(
    small_disk: Path, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Without receipts it thins before the disk is full; then others fill it; then there is room.

    The bound of the queue is far above the disk. The daemon never ends, the stream never forks,
    every reading of the devices is stored or thinned, and that the disk was full is a reading.
    """
    async with fault_site(tmp_path, broker) as site:
        config = site.configure(broker.url)
        async with daemon(config) as process:
            await until(lambda: site.backend.readings > 0, 30.0)
            site.backend.forget = lambda _number: True
            await until(lambda: site.stats.thinned_readings > 0, 90.0)
            ballast = small_disk / "ballast"
            fill(ballast)
            begun = site.polls
            await until(lambda: site.polls > begun + POLLS_WHILE_FULL, 30.0)
            assert process.returncode is None
            ballast.unlink()
            site.backend.forget = lambda _number: False
            held = site.stats.emitted
            await until(lambda: site.backend.readings > held + 1_000, 60.0)
            await until(lambda: bool(disk_faults(site)), 30.0)
            site.resting = True
            await site.until_drained()
            assert process.returncode is None
        await site.until_drained()

    dropped = sum(body["count"] for body in events(site, EventType.READINGS_DROPPED))
    polled = sum(sum(counts) for counts in site.counters.reads.values())
    told = sum(len(envelope.scalars) for envelope in site.backend.envelopes)
    told += sum(d.readings - len(d.events) for d in site.backend.digests)
    assert site.backend.forks == 0
    assert site.backend.digests
    assert dropped == 0
    assert told == polled


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_half_a_minute_of_a_full_disk_and_no_receipts_loses_nothing(
    small_disk: Path, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """What is read meanwhile waits in memory: each reading arrives once, in order, not thinned."""
    async with fault_site(tmp_path, broker) as site:
        config = site.configure(broker.url)
        async with daemon(config) as process:
            await until(lambda: site.backend.readings > UNITS * REGISTERS, 30.0)
            site.backend.forget = lambda _number: True
            ballast = small_disk / "ballast"
            fill(ballast)
            begun = site.polls
            enough = READINGS_WHILE_FULL // REGISTERS
            await until(lambda: site.polls > begun + enough, 90.0)
            ballast.unlink()
            site.backend.forget = lambda _number: False
            site.resting = True  # 30,000 readings wait, behind a pause of the uplink.
            await until(lambda: bool(disk_faults(site)), 150.0)
            await site.until_drained()
            assert process.returncode is None
        await site.until_drained()

    assert not site.backend.digests
    assert not events(site, EventType.READINGS_DROPPED)
    for unit, counts in site.counters.reads.items():
        for register, count in enumerate(counts[:REGISTERS]):
            assert site.values[f"u{unit}-r{register}"] == list(range(1, count + 1))
