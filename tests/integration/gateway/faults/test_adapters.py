"""Serial adapters that are pulled out and come back as another device."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.broker import EmbeddedBroker
from tests.integration.gateway.daemons import daemon, scale_section
from tests.integration.gateway.faults.site import fault_site
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import until


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_adapter_back_under_another_name_is_read_by_its_stable_name(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """The kernel renumbers the port; the name by id leads to it, and the other sensors go on."""
    by_id = tmp_path / "usb-scale-port0"
    async with fault_site(tmp_path, broker) as site:
        with Line() as first, Line() as second:
            by_id.symlink_to(first.path)
            config = site.configure(
                broker.url, scale_section("scale-1", str(by_id), "late_s = 1.0")
            )
            async with daemon(config) as process:
                await until(lambda: first.is_open)
                first.send(b"ST,GS,+0001.00kg\r\n")
                await until(lambda: values_of(site.backend.scalars("scale-1")) == (1_000.0,))
                first.cut()
                by_id.unlink()
                polls = site.polls
                await until(lambda: site.polls > polls + 50)
                by_id.symlink_to(second.path)
                await until(lambda: second.is_open, 30.0)
                second.send(b"ST,GS,+0002.00kg\r\n")
                await until(lambda: 2_000.0 in values_of(site.backend.scalars("scale-1")))
                site.resting = True  # What was counted until now was answered, and must arrive.
                await site.until_drained()
                assert process.returncode is None
        for unit, counts in site.counters.reads.items():
            assert site.values[f"u{unit}-r0"] == list(range(1, counts[0] + 1))


def values_of(scalars: Sequence[tuple[int, float]]) -> tuple[float, ...]:
    """Return the values of (time, value) pairs."""
    return tuple(value for _, value in scalars)
