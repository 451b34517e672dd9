"""Networks that drop, brokers that forget: the daemon keeps everything until a receipt."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.broker import EmbeddedBroker
from deploy.ports import free_port
from tests.bench.peers.link import Link, LinkState
from tests.integration.gateway.daemons import daemon
from tests.integration.gateway.faults.site import FaultSite, fault_site
from tests.integration.gateway.support import until

FAULT_S = 5.0  # Longer than keep-alive and receipt time-outs of these tests: each is met.

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@asynccontextmanager
async def polled(folder: Path, broker: EmbeddedBroker) -> AsyncGenerator[tuple[FaultSite, Link]]:
    """Run a daemon behind a link that can fail; afterwards every poll must have arrived once."""
    link = Link(free_port(), broker.port)
    try:
        async with fault_site(folder, broker) as site:
            config = site.configure(f"mqtt://127.0.0.1:{link.port}")
            async with daemon(config) as process:
                await until(lambda: site.backend.readings > 0)
                yield site, link
                link.set(LinkState.OPEN)
                before = site.polls
                await until(lambda: site.polls > before + 10)
                site.resting = True  # What was counted until now was answered, and must arrive.
                await site.until_drained()
                assert process.returncode is None
            assert site.backend.forks == 0
            for unit, counts in site.counters.reads.items():
                assert site.values[f"u{unit}-r0"] == list(range(1, counts[0] + 1))
    finally:
        link.close()


async def test_silent_network_loses_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Packets vanish while connections stay open."""
    async with polled(tmp_path, broker) as (_, link):
        link.set(LinkState.SILENT)
        await asyncio.sleep(FAULT_S)


async def test_stall_and_reset_lose_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """The same, then what was on its way is thrown away."""
    async with polled(tmp_path, broker) as (_, link):
        link.set(LinkState.SILENT)
        await asyncio.sleep(FAULT_S)
        link.reset()


async def test_cut_network_loses_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Nobody can connect."""
    async with polled(tmp_path, broker) as (_, link):
        link.set(LinkState.CUT)
        await asyncio.sleep(FAULT_S)


async def test_broker_that_acknowledges_and_forgets_loses_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """PUBACK comes for everything, and the backend never sees it."""
    async with polled(tmp_path, broker) as (site, _):
        site.backend.forget = lambda _number: True
        await asyncio.sleep(FAULT_S)
        site.backend.forget = lambda _number: False


async def test_killed_broker_loses_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Kill -9 of the broker with all that it had acknowledged; it comes back empty."""
    async with fault_site(tmp_path, broker) as site:
        config = site.configure(broker.url)
        async with daemon(config):
            await until(lambda: site.backend.readings > 0)
            assert broker.child is not None
            await asyncio.to_thread(broker.child.kill)
            before = site.polls
            await until(lambda: site.polls > before + 50)
            await asyncio.to_thread(broker.start)
            async with site.backend.serving(broker.port, username="backend", password="b-secret"):
                before = site.backend.readings
                await until(lambda: site.backend.readings > before, 30.0)
            # The rest arrives, or is still journalled: nothing is gone.
        async with (
            site.backend.serving(broker.port, username="backend", password="b-secret"),
            daemon(config),
        ):
            await site.until_drained()
        assert site.backend.forks == 0
