"""The intake judges every arrival, watches health and clock, and passes on what is news."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cbor2
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.drivers.intake import LIFE_CHANNEL, LOGGED_ALONE_MAX, Bounds, Intake, SensorPlan
from gateway.drivers.report import ReportRule
from gateway.health import Watched
from gateway.reading import (
    Channels,
    ClockSegment,
    Entry,
    EventReading,
    Instant,
    Reading,
    Scalar,
    Sweep,
)
from schemas.envelope import ClockState
from schemas.quantities import EventType, Quality, Quantity
from tests.unit.gateway.builders import T0_UNIX_US, make_event, make_scalar, make_sweep, unfold

SENSOR = "scale-1"


class SteppingClock(SystemClock):
    """Clocks that the test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.wall_us = T0_UNIX_US
        self.boot_us = 0
        self.discipline = ClockState.NTP

    def pass_s(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.wall_us += round(seconds * 1_000_000)
        self.boot_us += round(seconds * 1_000_000)

    def now(self) -> Instant:
        """Return the moment as the test set it."""
        return Instant(unix_us=self.wall_us, boot_us=self.boot_us)

    def unix_us(self) -> int:
        """Return the wall clock."""
        return self.wall_us

    def monotonic_s(self) -> float:
        """Return the steady clock."""
        return self.boot_us / 1_000_000

    def state(self) -> ClockState:
        """Return the discipline as the test set it."""
        return self.discipline


@dataclass(slots=True)
class Journal:
    """What the intake passed on."""

    batches: list[tuple[ClockSegment, Sequence[Reading], bool]] = field(
        default_factory=list[tuple[ClockSegment, Sequence[Reading], bool]]
    )

    def put(self, segment: ClockSegment, readings: Sequence[Entry], urgent: bool) -> None:
        """Take a batch."""
        self.batches.append((segment, unfold(readings), urgent))

    def readings(self) -> list[Reading]:
        """Return all readings."""
        return [reading for _, readings, _ in self.batches for reading in readings]

    def bodies(self, kind: EventType) -> list[dict[str, object]]:
        """Return the bodies of all events of one type."""
        events = [r for r in self.readings() if isinstance(r, EventReading)]
        return [cbor2.loads(event.body) for event in events if event.type is kind]


def make_plan(sensor: str = SENSOR, *, mass_max: float = 3e6) -> SensorPlan:
    """Return the plan of one scale."""
    return SensorPlan(
        watched=[Watched(sensor=sensor, late_s=3.0, channels=(LIFE_CHANNEL,))],
        rules={(sensor, None): ReportRule(heartbeat_s=5.0)},
        bounds={(sensor, Quantity.MASS): Bounds(min=-1e5, max=mass_max)},
    )


def make_intake() -> tuple[Intake, SteppingClock, Journal]:
    """Return an intake of one scale that may weigh up to 3 t."""
    clock, journal = SteppingClock(), Journal()
    return Intake([make_plan()], clock, journal.put), clock, journal


def test_first_reading_is_passed_on_as_news_with_the_health() -> None:
    """A sensor that begins to speak is journalled and up at once."""
    intake, _, journal = make_intake()
    intake.take([[make_scalar()]])

    assert journal.batches[0][1:] == ([make_scalar()], True)
    assert [b["state"] for b in journal.bodies(EventType.HEALTH)] == ["up"]


def test_impossible_value_is_marked_and_told() -> None:
    """A spike beyond the bounds keeps its value, loses its quality, and shows in the health."""
    intake, _, journal = make_intake()
    intake.take([[make_scalar(value=9e9)]])

    scalar = journal.readings()[0]
    assert isinstance(scalar, Scalar)
    assert (scalar.value, scalar.quality) == (9e9, Quality.IMPLAUSIBLE)
    assert [b["state"] for b in journal.bodies(EventType.HEALTH)] == ["implausible"]


def test_what_is_no_number_becomes_a_fault() -> None:
    """NaN and infinity never reach an envelope."""
    intake, _, journal = make_intake()
    intake.take([[make_scalar(value=float("nan"))], [make_scalar(value=float("inf"))]])

    assert not any(isinstance(r, Scalar) for r in journal.readings())
    assert [b["why"] for b in journal.bodies(EventType.FAULT)] == ["not_finite"]


def test_faults_are_no_sign_of_life() -> None:
    """A scale that only reports overload becomes late, then silent."""
    intake, clock, journal = make_intake()
    intake.take([[make_scalar()]])
    for _ in range(100):
        clock.pass_s(0.1)
        intake.take([[make_event(body={"why": "overload", "bytes": b""})]])
        intake.tick()

    assert [b["state"] for b in journal.bodies(EventType.HEALTH)] == ["up", "late", "silent"]


def test_camera_that_says_offline_is_late_at_once() -> None:
    """The word of a camera that it is down is no sign of life."""
    intake, _, journal = make_intake()
    intake.take([[make_event(EventType.CAMERA_STATUS, {"status": "online", "role": "r"})]])
    intake.take([[make_event(EventType.CAMERA_STATUS, {"status": "offline", "role": "r"})]])

    assert [b["state"] for b in journal.bodies(EventType.HEALTH)] == ["up", "late"]


def test_step_of_the_clock_opens_a_segment_and_is_told() -> None:
    """A wall clock set two weeks forward is noticed before the next reading is journalled."""
    intake, clock, journal = make_intake()
    intake.take([[make_scalar()]])
    step_us = 14 * 86_400 * 1_000_000
    clock.wall_us += step_us
    intake.take([[make_scalar(value=2.0)]])

    first, last = journal.batches[0][0], journal.batches[-1][0]
    assert last.offset_us - first.offset_us == step_us
    assert journal.bodies(EventType.CLOCK_STEP) == [{"step_us": step_us}]


def test_drift_is_no_step() -> None:
    """What NTP slews away opens no segment."""
    intake, clock, journal = make_intake()
    clock.wall_us += 100_000
    intake.take([[make_scalar()]])

    assert journal.bodies(EventType.CLOCK_STEP) == []


def test_change_of_discipline_opens_a_segment() -> None:
    """Readings before and after NTP was lost do not share an envelope."""
    intake, clock, journal = make_intake()
    intake.take([[make_scalar()]])
    clock.discipline = ClockState.FREE_RUNNING
    clock.pass_s(11.0)
    intake.tick()
    intake.take([[make_scalar(value=2.0)]])

    assert journal.batches[0][0].state is ClockState.NTP
    assert journal.batches[-1][0].state is ClockState.FREE_RUNNING


def test_nothing_stale_is_sent_while_nothing_arrives() -> None:
    """Time alone brings health, never a value."""
    intake, clock, journal = make_intake()
    intake.take([[make_scalar()]])
    for _ in range(600):
        clock.pass_s(0.1)
        intake.tick()

    assert sum(isinstance(r, Scalar) for r in journal.readings()) == 1


def test_newest_reading_is_known_also_when_it_was_not_worth_reporting() -> None:
    """What an installer sees is the last value that came, and how many came of which quality."""
    intake, clock, _ = make_intake()
    intake.take([[make_scalar()]])
    clock.pass_s(1.0)
    intake.take([[make_scalar()]])
    clock.pass_s(2.0)
    (newest,) = intake.latest.of(SENSOR)
    (health,) = intake.health()

    assert newest.reading == make_scalar()
    assert clock.monotonic_s() - newest.heard_s == 2.0
    assert intake.latest.counts == {(SENSOR, Quality.GOOD): 2}
    assert (health.sensor, health.state.value, health.age_s) == (SENSOR, "up", 2.0)


def test_many_sensors_that_change_together_are_logged_in_one_line() -> None:
    """Each still has its own health reading; a few sensors have their own lines."""
    clock, journal = SteppingClock(), Journal()
    names = [f"s-{n}" for n in range(LOGGED_ALONE_MAX + 1)]
    intake = Intake([make_plan(name) for name in names], clock, journal.put)
    with capture_logs() as lines:
        intake.take([[make_scalar(sensor=name)] for name in names])
        intake.note_failure(names[:2], "unplugged")

    assert len(journal.bodies(EventType.HEALTH)) == len(names) + 2
    told = [(line["event"], line.get("count"), str(line["state"])) for line in lines]
    alone = ("sensor_health", None, "late")
    assert told == [("sensors_health", len(names), "up"), alone, alone]
    assert lines[0]["sensors"] == names


def test_sensor_can_be_added_while_others_are_read() -> None:
    """A new plan's sensor is told when it speaks; the others' state is not told again."""
    intake, _, journal = make_intake()
    intake.take([[make_scalar()]])
    intake.add(make_plan("scale-2"))
    intake.tick()
    intake.take([[make_scalar(sensor="scale-2")]])

    states = [body["state"] for body in journal.bodies(EventType.HEALTH)]
    assert states == ["up", "up"]
    assert [h.state.value for h in intake.health()] == ["up", "up"]


def test_replaced_plan_judges_by_the_new_bounds_and_keeps_the_health() -> None:
    """A sensor whose bounds change is not reported as late for it."""
    intake, _, journal = make_intake()
    intake.take([[make_scalar()]])
    intake.replace([make_plan()], [make_plan(mass_max=500.0)])
    intake.tick()
    intake.take([[make_scalar(value=600.0)]])

    states = [body["state"] for body in journal.bodies(EventType.HEALTH)]
    assert states == ["up", "implausible"]


def test_removed_sensor_is_forgotten() -> None:
    """Of a sensor that is no longer configured nothing is shown and no health is told."""
    intake, clock, journal = make_intake()
    intake.take([[make_scalar()]])
    intake.replace([make_plan()], [])
    clock.pass_s(60.0)
    intake.tick()

    assert intake.health() == []
    assert intake.latest.of(SENSOR) == []
    assert [body["state"] for body in journal.bodies(EventType.HEALTH)] == ["up"]


def test_sensor_may_move_from_one_device_to_another() -> None:
    """Two devices that trade their sensors keep both, whichever plan is replaced first."""
    intake, _, _ = make_intake()
    intake.add(make_plan("scale-2"))
    intake.replace(
        [make_plan(), make_plan("scale-2")], [make_plan("scale-2"), make_plan(mass_max=500.0)]
    )
    intake.take([[make_scalar()], [make_scalar(sensor="scale-2")]])

    assert {h.sensor: h.state.value for h in intake.health()} == {
        SENSOR: "implausible",
        "scale-2": "up",
    }


BLOCK = Channels(
    [("t-1", Quantity.TEMPERATURE), ("t-1", Quantity.HUMIDITY), ("t-2", Quantity.TILT)]
)


def make_sweeping_intake() -> tuple[Intake, SteppingClock, Journal]:
    """Return an intake of two sensors that are read in one block; temperature is bounded."""
    clock, journal = SteppingClock(), Journal()
    channels = {"t-1": ("temperature", "humidity"), "t-2": ("tilt",)}
    plan = SensorPlan(
        watched=[Watched(sensor=s, late_s=3.0, channels=c) for s, c in channels.items()],
        rules={(sensor, None): ReportRule(heartbeat_s=5.0) for sensor in channels},
        bounds={("t-1", Quantity.TEMPERATURE): Bounds(min=-40.0, max=85.0)},
    )
    return Intake([plan], clock, journal.put), clock, journal


def sweep(*values: float) -> Sweep:
    """Return a sweep of the block."""
    return make_sweep(values, channels=BLOCK)


def states(journal: Journal, sensor: str) -> list[object]:
    """Return the states of one sensor's health that were journalled."""
    events = [r for r in journal.readings() if isinstance(r, EventReading) and r.sensor == sensor]
    return [cbor2.loads(e.body)["state"] for e in events if e.type is EventType.HEALTH]


def test_sweep_is_passed_on_whole_with_the_health_of_its_sensors() -> None:
    """A block's first answer is news, and brings every sensor up at once."""
    intake, _, journal = make_sweeping_intake()
    intake.take([sweep(20.0, 50.0, 1.0)])

    scalars = [r for r in journal.readings() if isinstance(r, Scalar)]
    assert [(s.sensor, s.value) for s in scalars] == [("t-1", 20.0), ("t-1", 50.0), ("t-2", 1.0)]
    assert journal.batches[0][2]
    assert (states(journal, "t-1"), states(journal, "t-2")) == (["up"], ["up"])


def test_impossible_value_in_a_sweep_is_marked_alone() -> None:
    """Its neighbours stay good, and only its own sensor is implausible, until a good one comes."""
    intake, _, journal = make_sweeping_intake()
    intake.take([sweep(400.0, 50.0, 1.0)])
    intake.take([sweep(20.0, 51.0, 2.0)])

    scalars = [r for r in journal.readings() if isinstance(r, Scalar)]
    assert [s.quality for s in scalars[:3]] == [Quality.IMPLAUSIBLE, Quality.GOOD, Quality.GOOD]
    assert [s.quality for s in scalars[3:]] == [Quality.GOOD] * 3
    assert states(journal, "t-1") == ["implausible", "up"]
    assert states(journal, "t-2") == ["up"]


def test_what_is_no_number_in_a_sweep_becomes_a_fault() -> None:
    """NaN and infinity never reach an envelope; the rest of the sweep does."""
    intake, _, journal = make_sweeping_intake()
    intake.take([sweep(20.0, float("nan"), float("inf"))])

    assert [r.value for r in journal.readings() if isinstance(r, Scalar)] == [20.0]
    assert {b["why"] for b in journal.bodies(EventType.FAULT)} == {"not_finite"}
    assert states(journal, "t-2") == ["late"]


def test_numbers_too_large_to_be_summed_are_numbers() -> None:
    """Finite values whose sum is not are passed on."""
    intake, _, journal = make_sweeping_intake()
    intake.take([sweep(20.0, 1.7e308, 1.7e308)])

    assert len([r for r in journal.readings() if isinstance(r, Scalar)]) == 3


def test_register_that_fails_makes_its_sensor_late() -> None:
    """While one register of a block gives nothing, the block's others stay up."""
    intake, clock, journal = make_sweeping_intake()
    for second in range(5):
        clock.pass_s(1.0)
        whole = sweep(20.0 + second, 50.0 + second, 1.0 + second)
        intake.take([whole if second == 0 else whole.select([True, False, True])])
        intake.tick()

    assert states(journal, "t-1") == ["up", "late"]
    assert states(journal, "t-2") == ["up"]


def test_newest_reading_of_each_channel_is_kept() -> None:
    """Of whole sweeps, of parts of them, and of implausible ones; each reading is counted."""
    intake, clock, _ = make_sweeping_intake()
    intake.take([sweep(20.0, 50.0, 1.0), sweep(400.0, 51.0, 2.0)])
    clock.pass_s(1.0)
    intake.take([sweep(21.0, 52.0, 3.0).select([True, False, True])])

    newest = {
        r.reading.quantity: r.reading.value
        for r in intake.latest.of("t-1")
        if isinstance(r.reading, Scalar)
    }
    assert newest == {Quantity.TEMPERATURE: 21.0, Quantity.HUMIDITY: 51.0}
    assert intake.latest.counts["t-1", Quality.GOOD] == 4
    assert intake.latest.counts["t-1", Quality.IMPLAUSIBLE] == 1
    intake.latest.forget({"t-1"})
    assert intake.latest.of("t-1") == []
