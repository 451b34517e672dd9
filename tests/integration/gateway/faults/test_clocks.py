"""Wall clocks that step by two weeks: the order stays, the step is a reading."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy.broker import EmbeddedBroker
from schemas.quantities import EventType
from tests.integration.gateway.daemons import daemon
from tests.integration.gateway.faults.site import FaultSite, fault_site
from tests.integration.gateway.faults.test_files import events
from tests.integration.gateway.support import until

TWO_WEEKS_US = 14 * 86_400 * 1_000_000
TOLERANCE_US = 60_000_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("days", [-14, 14])
async def test_step_by_two_weeks_keeps_the_order_and_is_told(
    days: int, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Every poll arrives once and in order; one event names the step."""
    clock = FakedClock(tmp_path / "offset")
    async with fault_site(tmp_path, broker) as site:
        config = site.configure(broker.url)
        async with daemon(config, program=clock.program) as process:
            await until(lambda: site.polls > 10)
            clock.set(days)
            before = site.polls
            await until(lambda: site.polls > before + 50)
            assert process.returncode is None
        await site.until_drained()

        steps = [body["step_us"] for body in events(site, EventType.CLOCK_STEP)]
        assert len(steps) == 1
        assert abs(abs(steps[0]) - TWO_WEEKS_US) < TOLERANCE_US
        assert (steps[0] > 0) == (days > 0)
        check_order(site)


async def test_boot_two_weeks_back_is_no_trouble(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """A machine without a clock of its own begins in the past, and is set right by and by."""
    clock = FakedClock(tmp_path / "offset")
    async with fault_site(tmp_path, broker) as site:
        config = site.configure(broker.url)
        async with daemon(config, program=clock.program):
            await until(lambda: site.polls > 10)
        clock.set(-14)
        async with daemon(config, program=clock.program):
            before = site.polls
            await until(lambda: site.polls > before + 20)
            clock.set(0)
            before = site.polls
            await until(lambda: site.polls > before + 20)
        await site.until_drained()

        assert len(events(site, EventType.CLOCK_STEP)) == 1
        check_order(site)


class FakedClock:
    """The wall clock of one process, in whole days from the true one; since boot is left alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, days: int) -> None:
        """Step the clock."""
        partial = self._file.with_suffix(".partial")
        partial.write_text(str(days))
        partial.rename(self._file)

    @property
    def program(self) -> tuple[str, ...]:
        """What to run instead of the gateway's own module."""
        return ("tests.integration.gateway.faults.stepped", str(self._file))


def check_order(site: FaultSite) -> None:
    """Every poll is held once, in the order in which it was made, on one chain."""
    assert site.backend.forks == 0
    numbers = [envelope.number for envelope in site.backend.envelopes]
    assert all(b == a + 1 for a, b in pairwise(numbers))
    held: dict[str, list[int]] = site.values
    counts: dict[int, Any] = site.counters.reads
    for unit, reads in counts.items():
        values = held[f"u{unit}-r0"]
        assert all(a < b for a, b in pairwise(values))
        assert len(values) >= reads[0] - 2  # One poll was on its way at each end of a daemon.
