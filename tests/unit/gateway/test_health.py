"""A sensor's health follows from when its readings came, and each change is reported once."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.health import HEARTBEAT_S, HealthMonitor, HealthReport, HealthState, Watched

LATE_S = 3.0


def make_monitor(*channels: str) -> HealthMonitor:
    """Return a monitor of one sensor, started at second 0."""
    watched = Watched(sensor="s", late_s=LATE_S, channels=channels or ("reading",))
    return HealthMonitor([watched], now_s=0.0)


def states(reports: list[HealthReport]) -> list[HealthState]:
    """Return the states of ``reports``."""
    return [report.state for report in reports]


def test_a_sensor_is_not_up_before_it_spoke() -> None:
    """A sensor that never speaks is told late when its time is over, and then silent."""
    monitor = make_monitor()
    seen = {t: states(monitor.report(t)) for t in (0.0, 2.9, 3.0, 8.9, 9.0)}

    assert seen == {
        0.0: [],
        2.9: [],
        3.0: [HealthState.LATE],
        8.9: [],
        9.0: [HealthState.SILENT],
    }


def test_new_sensor_is_reported_within_a_heartbeat() -> None:
    """A sensor that speaks once a day is told late after a heartbeat, not after that day."""
    monitor = HealthMonitor([Watched(sensor="s", late_s=86_400.0, channels=("mass",))], now_s=0.0)

    assert monitor.report(HEARTBEAT_S - 1.0) == []
    (report,) = monitor.report(HEARTBEAT_S)
    assert (report.state, report.why) == (HealthState.LATE, "no reading since the start")


def test_new_sensor_is_told_at_once_when_asked() -> None:
    """A challenge has every sensor told, also one that did not yet speak."""
    monitor = make_monitor()
    monitor.hasten()

    assert states(monitor.report(0.1)) == [HealthState.LATE]


def test_new_sensor_without_its_driver_is_late_at_once() -> None:
    """A device that cannot be opened is told before its sensors' time is over."""
    monitor = make_monitor()
    monitor.note_trouble("s", "no such port", failed=True)

    assert states(monitor.report(0.1)) == [HealthState.LATE]


def test_first_reading_makes_a_sensor_up() -> None:
    """One good reading is a change to up, reported once."""
    monitor = make_monitor()
    monitor.report(0.0)
    monitor.hear("s", "reading", plausible=True, now_s=1.0)

    assert states(monitor.report(1.0)) == [HealthState.UP]
    assert monitor.report(1.1) == []


def test_news_of_one_sensor_brings_no_other_up() -> None:
    """What was heard is reported at once; of another that became late the next beat tells."""
    watched = [Watched(sensor=name, late_s=LATE_S, channels=("reading",)) for name in "ab"]
    monitor = HealthMonitor(watched, now_s=0.0)
    monitor.report(0.0)
    monitor.hear("a", "reading", plausible=True, now_s=LATE_S)

    assert [(r.sensor, r.state) for r in monitor.report_heard(LATE_S)] == [("a", HealthState.UP)]
    assert monitor.report_heard(LATE_S) == []
    assert [(r.sensor, r.state) for r in monitor.report(LATE_S)] == [("b", HealthState.LATE)]


def test_block_that_is_heard_again_is_up_again() -> None:
    """All sensors of a block that was late are told up when it answers, though others are well."""
    watched = [Watched(sensor=name, late_s=LATE_S, channels=("mass",)) for name in "abc"]
    monitor = HealthMonitor(watched, now_s=0.0)
    block = monitor.pulses([("a", "mass"), ("b", "mass")])
    monitor.hear_all(block, now_s=0.0)
    monitor.hear("c", "mass", plausible=True, now_s=0.0)
    monitor.report(0.0)
    monitor.hear("c", "mass", plausible=True, now_s=LATE_S)
    assert states(monitor.report(LATE_S)) == [HealthState.LATE, HealthState.LATE]
    monitor.hear_all(block, now_s=LATE_S + 1.0)

    assert {r.sensor: r.state for r in monitor.report_heard(LATE_S + 1.0)} == {
        "a": HealthState.UP,
        "b": HealthState.UP,
    }


def test_silence_goes_from_late_to_silent() -> None:
    """After late_s a sensor is late, after three times that silent; each is told once."""
    monitor = make_monitor()
    monitor.hear("s", "reading", plausible=True, now_s=0.0)
    seen = [state for tenth in range(120) for state in states(monitor.report(tenth / 10))]

    assert seen == [HealthState.UP, HealthState.LATE, HealthState.SILENT]


def test_every_channel_must_speak() -> None:
    """A humidity that still comes does not hide a temperature that does not."""
    monitor = make_monitor("temperature", "humidity")
    monitor.hear("s", "temperature", plausible=True, now_s=0.0)
    monitor.hear("s", "humidity", plausible=True, now_s=0.0)
    assert states(monitor.report(0.0)) == [HealthState.UP]
    monitor.hear("s", "humidity", plausible=True, now_s=4.0)

    (report,) = monitor.report(4.0)
    assert report.state is HealthState.LATE
    assert "temperature" in report.why


def test_a_value_out_of_bounds_is_told_until_a_good_one_comes() -> None:
    """Implausible is a state of its own, left by the next plausible value."""
    monitor = make_monitor()
    monitor.hear("s", "reading", plausible=False, now_s=1.0)
    assert states(monitor.report(1.0)) == [HealthState.IMPLAUSIBLE]
    monitor.hear("s", "reading", plausible=True, now_s=2.0)

    assert states(monitor.report(2.0)) == [HealthState.UP]


def test_a_failed_driver_makes_its_sensor_late_at_once() -> None:
    """A cable pulled is known before the time-out, with the reason, and ends with a reading."""
    monitor = make_monitor()
    monitor.hear("s", "reading", plausible=True, now_s=1.0)
    monitor.report(1.0)
    monitor.note_trouble("s", "the device is gone", failed=True)

    (report,) = monitor.report(1.1)
    assert (report.state, report.changed) == (HealthState.LATE, True)
    assert "the device is gone" in report.why
    monitor.hear("s", "reading", plausible=True, now_s=1.2)
    assert states(monitor.report(1.2)) == [HealthState.UP]


def test_heartbeats_repeat_the_state() -> None:
    """An unchanged state is told again each heartbeat, and is no news."""
    monitor = make_monitor()
    reports = monitor.report(0.0)
    for second in range(int(HEARTBEAT_S) + 1):
        monitor.hear("s", "reading", plausible=True, now_s=second)
        reports = monitor.report(second)

    assert [(r.state, r.changed) for r in reports] == [(HealthState.UP, False)]


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=30))
def test_state_depends_only_on_the_last_reading(steps: list[tuple[float, bool]]) -> None:
    """Whatever came before, the state is that of the newest reading's age and plausibility."""
    monitor = make_monitor()
    now_s = 0.0
    last: tuple[float, bool] | None = None
    for pause_s, plausible in steps:
        now_s += pause_s
        monitor.hear("s", "reading", plausible=plausible, now_s=now_s)
        last = (now_s, plausible)
        monitor.report(now_s)
    now_s += 2.0
    monitor.report(now_s)

    if last is None:
        assert monitor.states["s"] is None
    else:
        expected = HealthState.UP if last[1] else HealthState.IMPLAUSIBLE
        assert monitor.states["s"] is expected


@given(st.integers(0, 2**32))
def test_looking_only_at_what_can_have_changed_misses_nothing(seed: int) -> None:
    """Whatever is heard, whenever it is asked: each change and each heartbeat is told."""
    noise = Random(seed)
    watched = [Watched(sensor=f"s{n}", late_s=1.0 + n, channels=("a", "b")) for n in range(4)]
    monitor = HealthMonitor(watched, now_s=0.0)
    told: dict[str, tuple[HealthState | None, float]] = {w.sensor: (None, 0.0) for w in watched}
    now_s = 0.0
    for _ in range(60):
        now_s += noise.choice((0.0, 0.3, 2.0, 20.0))
        for _ in range(noise.randrange(4)):
            sensor, channel = f"s{noise.randrange(4)}", noise.choice("ab")
            plausible = noise.random() < 0.8
            monitor.hear(sensor, channel, plausible=plausible, now_s=now_s)
        if noise.random() < 0.3:
            both = [("s0", "a"), ("s0", "b")]
            monitor.hear_all(monitor.pulses(both), now_s=now_s)
        reports = {r.sensor: r.state for r in monitor.report(now_s)}
        for view in monitor.view(now_s):
            state, told_s = told[view.sensor]
            given_s = 1.0 + int(view.sensor[1:])
            if state is None and now_s < given_s and "since the start" in view.why:
                continue
            if view.state is not state or now_s - told_s >= HEARTBEAT_S:
                assert reports.pop(view.sensor) is view.state
                told[view.sensor] = (view.state, now_s)
        assert reports == {}
