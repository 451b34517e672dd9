"""kill -9 of the whole daemon at hundreds of random moments."""

import asyncio
import signal
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from deploy.broker import EmbeddedBroker
from tests.integration.gateway.faults.site import UNITS, fault_site, zygote
from tests.integration.gateway.support import until

KILLS = 500
LIFE_S_MAX = 0.4  # From the fork to the kill: start, connect, poll, seal, send, receipts.
SEED = 20_261_122
IN_FLIGHT_POLLS_MAX = (
    4  # Of a unit, at a kill: answered and not yet committed (40 ms, 20 ms each).
)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_500_kills_lose_nothing_that_was_journalled_and_double_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Journalled = held by the backend, each register's counts rise, the chain never forks."""
    random = Random(SEED)
    async with fault_site(tmp_path, broker) as site, zygote() as parent:
        config = site.configure(broker.url)
        for _ in range(KILLS):
            await parent.start(config)
            await asyncio.sleep(random.uniform(0.0, LIFE_S_MAX))
            assert await parent.end(signal.SIGKILL) == -signal.SIGKILL
        polls = site.polls
        await parent.start(config)
        await until(lambda: site.polls > polls)  # It runs, and ends in order when it is asked to.
        await site.until_drained()
        assert await parent.end(signal.SIGTERM) == 0
        await site.until_drained()

        assert site.backend.forks == 0
        assert site.stats.emitted == site.stats.sealed_readings == site.backend.readings
        assert site.polls > KILLS
        missing = 0
        for values in site.values.values():
            assert all(a < b for a, b in pairwise(values))
            missing += values[-1] - len(values)
        assert missing <= KILLS * IN_FLIGHT_POLLS_MAX * len(site.values) / UNITS
