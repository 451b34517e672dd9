"""What happens to every arrival before it is journalled: bounds, health, exceptions, clock.

Knows neither the drivers nor the outbox: arrivals come in, batches of readings go to a sink.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, isfinite
from typing import Final, cast
from weakref import WeakKeyDictionary

import cbor2
import structlog

from gateway.clock import SystemClock
from gateway.drivers.convert import event_of, fault_of
from gateway.drivers.latest import Latest
from gateway.drivers.report import Channel, Reporter, ReportRule
from gateway.drivers.report_sweep import SweepReporter
from gateway.health import HealthMonitor, HealthReport, HealthState, Pulses, SensorHealth, Watched
from gateway.reading import (
    GATEWAY_SENSOR,
    Arrival,
    Channels,
    ClockSegment,
    Entry,
    EventReading,
    Reading,
    Scalar,
    Sighting,
    Sweep,
    step_us,
)
from schemas.bodies import encode_body
from schemas.quantities import QUALITY_CODES, EventType, Quality

CLOCK_STATE_EVERY_S: Final = 10.0
LOGGED_ALONE_MAX: Final = 8  # Sensors that change together; more are told in one line.
NAMED_MAX: Final = 100  # Of those: the registers of one unit. Health readings name them all.
HEALTH_BODIES_MAX: Final = 64  # Remembered: nearly every report is the heartbeat of what is up.
LIFE_CHANNEL: Final = "reading"  # The one channel of a sensor that is not polled by quantity.
_ALIVE_EVENTS: Final = frozenset(
    {
        EventType.CAMERA_OBJECT,
        EventType.CAMERA_STATUS,
        EventType.CAMERA_TAMPER,
        EventType.SNAPSHOT,
    }
)

_GOOD: Final = QUALITY_CODES[Quality.GOOD]
_IMPLAUSIBLE: Final = QUALITY_CODES[Quality.IMPLAUSIBLE]

Sink = Callable[[ClockSegment, Sequence[Entry], bool], None]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """What is known of channels that are swept together: bounds if any, and their pulses."""

    low: Sequence[float]
    high: Sequence[float]
    bounded: bool
    pulses: Pulses


class Intake:
    """The stage between the drivers and the outbox."""

    def __init__(self, plans: Sequence[SensorPlan], clock: SystemClock, sink: Sink) -> None:
        self._rules: dict[Channel, ReportRule] = {}
        self._bounds: dict[Channel, Bounds] = {}
        self._channels: dict[str, frozenset[str]] = {}
        self._clock = clock
        self._sink = sink
        self._reporter = Reporter(self._rules)
        self._sweeps = SweepReporter(self._rules)
        self._blocks: WeakKeyDictionary[Channels, _Block] = WeakKeyDictionary()
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
        alike = {tuple(w.channels): frozenset(w.channels) for w in plan.watched}
        self._channels |= {w.sensor: alike[tuple(w.channels)] for w in plan.watched}
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

    def take(self, arrivals: Sequence[Arrival | Sweep]) -> None:
        """Pass on what is worth reporting of ``arrivals``, which were just received."""
        self._watch_clock()
        now_s = self._clock.monotonic_s()
        readings: list[Entry] = []
        news = False
        for arrival in arrivals:
            if isinstance(arrival, Sweep):
                news = self._take_sweep(arrival, readings, now_s) or news
                continue
            judged = [self._judge(r, now_s) for r in arrival]
            for reading in judged:
                self.latest.note(reading, now_s)
            report = self._reporter.decide(judged, now_s=now_s)
            readings += report.readings
            news = news or report.news
        if readings:
            self._sink(self._segment, readings, news)
        if news:
            self._tell_health(self._health.report_heard(now_s))

    def _take_sweep(self, sweep: Sweep, entries: list[Entry], now_s: float) -> bool:
        """Add to ``entries`` what is worth reporting of ``sweep``; tell whether it is news."""
        news = False
        if not isfinite(sum(sweep.values)):  # Also reached when finite values overflow.
            finite = [isfinite(value) for value in sweep.values]
            for index in sweep.select([not f for f in finite]).index or ():
                sensor = sweep.channels.rows[index][0]
                fault = fault_of(sensor, "not_finite", b"", sweep.time_unix_us)
                self.latest.note(self._judge(fault, now_s), now_s)
                report = self._reporter.decide([fault], now_s=now_s)
                entries += report.readings
                news = news or report.news
            sweep = sweep.select(finite)
        judged = self._judge_sweep(sweep, now_s)
        self.latest.note_sweep(judged, now_s)
        reported, moved = self._sweeps.decide(judged, now_s=now_s)
        if reported is not None:
            entries.append(reported)
        return news or moved

    def announce(self, kind: EventType, body: Mapping[str, object]) -> None:
        """Journal an event of the gateway itself."""
        self._emit([event_of(GATEWAY_SENSOR, kind, body, self._clock.unix_us())])

    def note_failure(self, sensors: Sequence[str], why: str) -> None:
        """Note that the driver of ``sensors`` has ended; they are late until it speaks again."""
        for sensor in sensors:
            self._health.note_trouble(sensor, why, failed=True)
        self.report_health()

    def hasten(self) -> None:
        """Tell every sensor's health now, and every channel's next reading, whatever it says.

        What was told before is not told again: a stale value must not look like a fresh one.
        """
        self._reporter.hasten()
        self._sweeps.hasten()
        self._health.hasten()
        self.report_health()

    def report_health(self) -> None:
        """Journal the health of sensors whose state changed or whose heartbeat is due."""
        self._tell_health(self._health.report(self._clock.monotonic_s()))

    def _tell_health(self, reports: Sequence[HealthReport]) -> None:
        if not reports:
            return
        time_unix_us = self._clock.unix_us()
        changed = [report for report in reports if report.changed]
        if changed:
            for state in HealthState:
                _log_changes(state, [report for report in changed if report.state is state])
        self._emit(
            [
                EventReading(
                    sensor=report.sensor,
                    time_unix_us=time_unix_us,
                    type=EventType.HEALTH,
                    body=_health_body(report.state, report.why),
                )
                for report in reports
            ],
            urgent=bool(changed),
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
                elif reading.type is EventType.READER_EVENT:
                    self._health.note_trouble(reading.sensor, _reader_trouble(reading))
        return reading

    def _judge_sweep(self, sweep: Sweep, now_s: float) -> Sweep:
        """Mark what cannot be true, and note the signs of life."""
        block = self._blocks.get(sweep.channels)
        if block is None:
            block = self._blocks[sweep.channels] = self._block(sweep.channels)
        index = sweep.index
        if block.bounded:
            low, high = block.low, block.high
            if index is not None:
                low, high = [low[i] for i in index], [high[i] for i in index]
            plausible = [a <= v <= b for v, a, b in zip(sweep.values, low, high, strict=True)]
            if False in plausible:
                return self._mark(sweep, plausible, now_s)
        if index is None:
            self._health.hear_all(block.pulses, now_s=now_s)
        else:
            self._health.hear_all(block.pulses.select(index), now_s=now_s)
        return sweep

    def _mark(self, sweep: Sweep, plausible: Sequence[bool], now_s: float) -> Sweep:
        rows = sweep.channels.rows
        index = range(len(rows)) if sweep.index is None else sweep.index
        for i, true in zip(index, plausible, strict=True):
            self._hear(rows[i][0], rows[i][1].value, true, now_s)
        codes = sweep.quality or bytes((_GOOD,)) * len(sweep)
        marked = [c if p else _IMPLAUSIBLE for c, p in zip(codes, plausible, strict=True)]
        return replace(sweep, quality=bytes(marked))

    def _block(self, channels: Channels) -> _Block:
        bounds = [self._bounds.get(row, Bounds()) for row in channels.rows]
        heard = [(s, q.value) for s, q in channels.rows]
        return _Block(
            low=array("d", [-inf if b.min is None else b.min for b in bounds]),
            high=array("d", [inf if b.max is None else b.max for b in bounds]),
            bounded=any(b != Bounds() for b in bounds),
            pulses=self._health.pulses(
                (s, c if c in self._channels[s] else LIFE_CHANNEL) for s, c in heard
            ),
        )

    def _hear(self, sensor: str, channel: str, plausible: bool, now_s: float) -> None:
        known = channel if channel in self._channels[sensor] else LIFE_CHANNEL
        self._health.hear(sensor, known, plausible=plausible, now_s=now_s)


@lru_cache(maxsize=HEALTH_BODIES_MAX)
def _health_body(state: HealthState, why: str) -> bytes:
    return encode_body({"state": state.value, "why": why[:200]})


def _log_changes(state: HealthState, reports: Sequence[HealthReport]) -> None:
    """Log which sensors came into ``state``: many at once, such as a whole bus, in one line."""
    log = _log.info if state is HealthState.UP else _log.warning
    if len(reports) > LOGGED_ALONE_MAX:
        sensors = [report.sensor for report in reports[:NAMED_MAX]]
        log("sensors_health", count=len(reports), state=state, why=reports[0].why, sensors=sensors)
        return
    for report in reports:
        log("sensor_health", sensor=report.sensor, state=state, why=report.why)


def _reader_trouble(event: EventReading) -> str:
    body = cast("dict[str, object]", cbor2.loads(event.body))
    antenna = "" if body.get("antenna") is None else f" (antenna {body['antenna']})"
    return f"the reader says {body.get('what')}{antenna}"


def _is_down(status: EventReading) -> bool:
    body = cast("dict[str, object]", cbor2.loads(status.body))
    return body.get("status") != "online"
