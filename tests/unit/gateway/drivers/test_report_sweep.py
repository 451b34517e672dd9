"""Report by exception over columns says what it would say of each reading alone."""

import random
from array import array
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers.report import Channel, Reporter, ReportRule
from gateway.drivers.report_sweep import SweepReporter
from gateway.reading import Sweep
from tests.unit.gateway.builders import make_channels, make_sweep, unfold

SIZE = 6
CHANNELS = make_channels(SIZE)
RULES: dict[Channel, ReportRule] = {
    row: ReportRule(deadband=(0.0, 2.0)[n % 2], heartbeat_s=(1.0, 5.0, 60.0)[n % 3])
    for n, row in enumerate(CHANNELS.rows)
}


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_sweeps_are_reported_as_their_readings(seed: int, count: int) -> None:
    """The same readings, the same news, with deadbands, heartbeats, qualities and gaps."""
    noise = random.Random(seed)
    sweeps, single = SweepReporter(RULES), Reporter(RULES)
    now_s = 0.0
    for _ in range(count):
        now_s += noise.choice((0.1, 1.0, 4.0))
        sweep = make_sweep(
            [float(noise.randrange(4)) for _ in range(SIZE)],
            channels=CHANNELS,
            quality=noise.choice((b"", bytes(noise.randrange(2) for _ in range(SIZE)))),
        )
        if noise.random() < 0.4:
            sweep = sweep.select([noise.random() < 0.5 for _ in range(SIZE)])
        reported, news = sweeps.decide(sweep, now_s=now_s)
        reports = [single.decide([reading], now_s=now_s) for reading in unfold([sweep])]

        assert unfold([] if reported is None else [reported]) == [
            reading for report in reports for reading in report.readings
        ]
        assert news == any(report.news for report in reports)


def values(sweep: Sweep | None) -> Sequence[float]:
    """Return the values of what was reported."""
    return () if sweep is None else sweep.values


def test_whole_sweep_that_moved_is_passed_on_as_it_is() -> None:
    """Nothing is copied when every value is new."""
    reporter = SweepReporter(RULES)
    sweep = make_sweep([float(n) for n in range(SIZE)], channels=CHANNELS)

    assert reporter.decide(sweep, now_s=0.0) == (sweep, True)
    assert reporter.decide(sweep, now_s=0.1) == (None, False)


def test_what_was_passed_on_is_never_changed_later() -> None:
    """A sweep that waits to be journalled keeps its values while later ones are compared."""
    reporter = SweepReporter(RULES)
    first, _ = reporter.decide(make_sweep([0.0] * SIZE, channels=CHANNELS), now_s=0.0)
    second, _ = reporter.decide(
        make_sweep([9.0] + [0.0] * (SIZE - 1), channels=CHANNELS), now_s=0.1
    )

    assert values(first) == array("d", [0.0] * SIZE)
    assert values(second) == array("d", [9.0])
