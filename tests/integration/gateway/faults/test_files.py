"""Torn, corrupt and missing outbox files: set aside, told, and the daemon goes on."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import cbor2
import pytest

from deploy.broker import EmbeddedBroker
from gateway.outbox.identity import OUTBOX_FILE
from schemas.quantities import EventType
from tests.integration.gateway.daemons import daemon
from tests.integration.gateway.faults.site import FaultSite, fault_site
from tests.integration.gateway.support import until

SEED = 4
PAGE = 4_096


def cut_in_half(file: Path) -> None:
    """Lose the second half, as a power cut on a cheap card may."""
    with file.open("r+b") as opened:
        opened.truncate(max(file.stat().st_size // 2, 1))


def scramble(file: Path) -> None:
    """Overwrite every other page with noise; also the first, which names the format."""
    random = Random(SEED)
    with file.open("r+b") as opened:
        for offset in range(0, file.stat().st_size, 2 * PAGE):
            opened.seek(offset)
            opened.write(random.randbytes(PAGE))


def empty(file: Path) -> None:
    """Leave a file of no bytes."""
    file.write_bytes(b"")


def remove(file: Path) -> None:
    """Leave no file."""
    file.unlink()


def replace_by_text(file: Path) -> None:
    """Leave something else under its name."""
    file.write_text("no database\n" * 1_000)


DAMAGES: Final[tuple[Callable[[Path], None], ...]] = (
    cut_in_half,
    scramble,
    empty,
    remove,
    replace_by_text,
)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("damage", DAMAGES)
async def test_daemon_starts_on_a_damaged_outbox_and_goes_on(
    damage: Callable[[Path], None], broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """After the damage readings arrive again on the same stream, without a fork."""
    async with fault_site(tmp_path, broker) as site:
        config = site.configure(broker.url)
        async with daemon(config):
            await until(lambda: site.backend.readings > 0)
        await site.until_drained()
        held = site.backend.readings
        outbox = tmp_path / "state" / OUTBOX_FILE
        for suffix in ("-wal", "-shm"):
            outbox.with_name(outbox.name + suffix).unlink(missing_ok=True)
        damage(outbox)

        async with daemon(config) as process:
            await until(lambda: site.backend.readings > held + 100, 30.0)
            assert process.returncode is None
        await site.until_drained()

        assert site.backend.forks == 0
        assert site.backend.duplicates == 0
        if damage not in {empty, remove}:  # These are as a new file: the side file tells the rest.
            assert events(site, EventType.OUTBOX_QUARANTINED)
            assert list(outbox.parent.glob(f"{OUTBOX_FILE}.quarantine-*"))


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_outbox_torn_with_unsent_readings_waits_for_the_receipt_and_goes_on(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Sealed envelopes are lost with their file; the stream goes on after what is held."""
    async with fault_site(tmp_path, broker) as site:
        config = site.configure(broker.url)
        async with daemon(config):
            await until(lambda: site.backend.readings > 0)
            site.backend.forget = lambda _number: True
            before = site.polls
            await until(lambda: site.polls > before + 50)
        site.backend.forget = lambda _number: False
        held = site.backend.readings
        assert site.stats.unreceipted > 0
        scramble(tmp_path / "state" / OUTBOX_FILE)

        async with daemon(config):
            await until(lambda: site.backend.readings > held + 100, 30.0)

        assert site.backend.forks == 0
        assert events(site, EventType.OUTBOX_QUARANTINED)


def events(site: FaultSite, kind: EventType) -> list[dict[str, Any]]:
    """Return the bodies of all events of one type that the backend holds."""
    return [
        cbor2.loads(body)
        for envelope in site.backend.envelopes
        for event, body in zip(envelope.events.type, envelope.events.body, strict=True)
        if event is kind
    ]
