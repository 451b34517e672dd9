"""What happens to every arrival before it is journalled: bounds, health, exceptions, clock.

Knows neither the drivers nor the outbox: arrivals come in, batches of readings go to a sink.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, cast

import cbor2
import structlog

from gateway.clock import SystemClock
from gateway.drivers.convert import event_of, fault_of
from gateway.drivers.latest import Latest
from gateway.drivers.report import Channel, Reporter, ReportRule
from gateway.health import HealthMonitor, HealthState, SensorHealth, Watched
from gateway.reading import (
    GATEWAY_SENSOR,
    Arrival,
    ClockSegment,
    EventReading,
    Reading,
    Scalar,
    Sighting,
    step_us,
)
from schemas.quantities import EventType, Quality

CLOCK_STATE_EVERY_S: Final = 10.0
LIFE_CHANNEL: Final = "reading"  # The one channel of a sensor that is not polled by quantity.
_ALIVE_EVENTS: Final = frozenset(
    {EventType.CAMERA_OBJECT, EventType.CAMERA_STATUS, EventType.CAMERA_TAMPER}
)

Sink = Callable[[ClockSegment, Sequence[Reading], bool], None]
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Between which values a channel's readings can be true."""

    min: float | None = None
    max: float | None = None

    def hold(self, value: float) -> bool:
        """Tell whether ``value`` lies within the bounds."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorPlan:
    """What the configuration says about the sensors of one device."""

    watched: Sequence[Watched]
    rules: Mapping[Channel, ReportRule]
    bounds: Mapping[Channel, Bounds]


class Intake:
    """The stage between the drivers and the outbox."""

    def __init__(self, plans: Sequence[SensorPlan], clock: SystemClock, sink: Sink) -> None:
        self._rules: dict[Channel, ReportRule] = {}
        self._bounds: dict[Channel, Bounds] = {}
        self._channels: dict[str, frozenset[str]] = {}
        self._clock = clock
        self._sink = sink
        self._reporter = Reporter(self._rules)
        self._health = HealthMonitor((), now_s=clock.monotonic_s())
        self.latest = Latest()
        self.clock_steps = 0
        for plan in plans:
            self.add(plan)
        self._segment = clock.segment()
        self._state_checked_s = clock.monotonic_s()

    def add(self, plan: SensorPlan) -> None:
        """Take readings of the sensors of ``plan`` from now on."""
        self._rules |= plan.rules
        self._bounds |= plan.bounds
        self._channels |= {w.sensor: frozenset(w.channels) for w in plan.watched}
        self._health.watch(plan.watched, now_s=self._clock.monotonic_s())

    def replace(self, old: Sequence[SensorPlan], new: Sequence[SensorPlan]) -> None:
        """Go by ``new`` in place of ``old``; sensors that are in both keep their health.

        Of sensors only in ``old`` nothing may come any more.
        """
        for plan in old:
            for channel in plan.rules:
                del self._rules[channel]
            for channel in plan.bounds:
                del self._bounds[channel]
        kept = {w.sensor for plan in new for w in plan.watched}
        gone = {w.sensor for plan in old for w in plan.watched} - kept
        for sensor in gone:
            del self._channels[sensor]
        self._health.forget(gone)
        self.latest.forget(gone)
        for plan in new:
            self.add(plan)

    def health(self) -> list[SensorHealth]:
        """Return how every sensor is now."""
        return self._health.view(self._clock.monotonic_s())

    @property
    def segment(self) -> ClockSegment:
        """The clock's present segment."""
        return self._segment

    def take(self, arrivals: Sequence[Arrival]) -> None:
        """Pass on what is worth reporting of ``arrivals``, which were just received."""
        self._watch_clock()
        now_s = self._clock.monotonic_s()
        readings: list[Reading] = []
        news = False
        for arrival in arrivals:
            judged = [self._judge(r, now_s) for r in arrival]
            for reading in judged:
                self.latest.note(reading, now_s)
            report = self._reporter.decide(judged, now_s=now_s)
            readings += report.readings
            news = news or report.news
        if readings:
            self._sink(self._segment, readings, news)
        if news:
            self.report_health()

    def announce(self, kind: EventType, body: Mapping[str, object]) -> None:
        """Journal an event of the gateway itself."""
        self._emit([event_of(GATEWAY_SENSOR, kind, body, self._clock.unix_us())])

    def note_failure(self, sensors: Sequence[str], why: str) -> None:
        """Note that the driver of ``sensors`` has ended; they are late until it speaks again."""
        for sensor in sensors:
            self._health.note_trouble(sensor, why, failed=True)
        self.report_health()

    def report_health(self) -> None:
        """Journal the health of sensors whose state changed or whose heartbeat is due."""
        reports = self._health.report(self._clock.monotonic_s())
        if not reports:
            return
        time_unix_us = self._clock.unix_us()
        for report in reports:
            if report.changed:
                level = "info" if report.state is HealthState.UP else "warning"
                log = getattr(_log, level)
                log("sensor_health", sensor=report.sensor, state=report.state, why=report.why)
        self._emit(
            [
                event_of(
                    report.sensor,
                    EventType.HEALTH,
                    {"state": report.state.value, "why": report.why[:200]},
                    time_unix_us,
                )
                for report in reports
            ],
            urgent=any(report.changed for report in reports),
        )

    def tick(self) -> None:
        """Do what time alone demands: watch the clock and the sensors; call it often."""
        self._watch_clock()
        now_s = self._clock.monotonic_s()
        if now_s - self._state_checked_s >= CLOCK_STATE_EVERY_S:
            self._state_checked_s = now_s
            if (state := self._clock.state()) is not self._segment.state:
                _log.info("clock_state", state=state.name)
                self._segment = replace(self._segment, state=state)
        self.report_health()

    def _emit(self, events: Sequence[EventReading], *, urgent: bool = True) -> None:
        self._sink(self._segment, events, urgent)

    def _watch_clock(self) -> None:
        """Open a new segment when the wall clock stepped, and say so in it."""
        step = step_us(self._segment, self._clock.now())
        if step:
            self._segment = self._clock.segment()
            self.clock_steps += 1
            _log.warning("clock_step", step_us=step)
            self.announce(EventType.CLOCK_STEP, {"step_us": step})

    def _judge(self, reading: Reading, now_s: float) -> Reading:
        """Mark what cannot be true, and note the sign of life."""
        match reading:
            case Scalar():
                if not isfinite(reading.value):
                    return fault_of(reading.sensor, "not_finite", b"", reading.time_unix_us)
                bounds = self._bounds.get((reading.sensor, reading.quantity))
                plausible = bounds is None or bounds.hold(reading.value)
                if not plausible:
                    reading = replace(reading, quality=Quality.IMPLAUSIBLE)
                self._hear(reading.sensor, reading.quantity.value, plausible, now_s)
            case Sighting():
                pass  # A reader's life is its inventory, which comes with tags and without.
            case EventReading() if reading.type in _ALIVE_EVENTS:
                if reading.type is EventType.CAMERA_STATUS and _is_down(reading):
                    self._health.note_trouble(reading.sensor, "the camera is down", failed=True)
                    return reading
                self._hear(reading.sensor, LIFE_CHANNEL, True, now_s)
            case EventReading():
                if reading.type is EventType.FAULT:
                    self._health.note_trouble(reading.sensor, "the device reports a fault")
        return reading

    def _hear(self, sensor: str, channel: str, plausible: bool, now_s: float) -> None:
        known = channel if channel in self._channels[sensor] else LIFE_CHANNEL
        self._health.hear(sensor, known, plausible=plausible, now_s=now_s)


def _is_down(status: EventReading) -> bool:
    body = cast("dict[str, object]", cbor2.loads(status.body))
    return body.get("status") != "online"
