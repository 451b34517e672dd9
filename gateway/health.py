"""Decide each sensor's health from when its readings arrived. Pure: the caller brings the time.

A sensor is *late* when one of its channels gave no good reading for ``late_s``, *silent* after
three times that, *implausible* while its values are outside their bounds, else *up*. Each change
is reported once, and each state again every ``HEARTBEAT_S``: a backend that hears neither knows
that nobody watches. A sensor that is new has until it is late to speak for the first time, but no
longer than a heartbeat: until then nothing is reported of it.

There may be ten thousand sensors: what is kept of each is small, and shared where it is alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HEARTBEAT_S: Final = 30.0
SILENT_FACTOR: Final = 3.0  # Silent after so many times the span after which a sensor is late.
_SOONER_S: Final = 1e-3  # Looked at before it is due: sums of times are not exact.
_BEAT_S: Final = 0.25  # Sensors are looked at together that are due within one beat.
_NO_BEAT: Final = -1
_HASTENED_S: Final = float("-inf")


class HealthState(StrEnum):
    """Whether a sensor's readings can be relied on."""

    UP = "up"
    LATE = "late"
    SILENT = "silent"
    IMPLAUSIBLE = "implausible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A sensor to watch; it is up only while every one of its channels speaks."""

    sensor: str
    late_s: float
    channels: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """What to report of one sensor; ``changed`` tells news from a heartbeat."""

    sensor: str
    state: HealthState
    why: str
    changed: bool


@dataclass(slots=True, kw_only=True)
class _Sensor:
    watched: Watched
    began_s: float
    heard_s: list[float | None]  # When each of its channels spoke last.
    implausible: frozenset[str] = frozenset()  # Shared while empty: there may be many sensors.
    trouble: str = ""  # The driver's last error, until a reading comes.
    failed: bool = False  # The driver itself has ended: late at once.
    state: HealthState | None = None
    reported_s: float = 0.0
    beat: int = _NO_BEAT  # Before this, time alone brings nothing to report.


class Pulses:
    """Channels that are heard together, looked up once; see ``HealthMonitor.pulses``."""

    __slots__ = ("distinct", "places", "sensors")

    def __init__(self, sensors: Sequence[_Sensor], places: Sequence[int]) -> None:
        """Take the sensor of each channel, and the channel's place among its channels."""
        self.sensors = sensors
        self.places = places
        self.distinct = list({id(sensor): sensor for sensor in sensors}.values())

    def select(self, index: Iterable[int]) -> "Pulses":
        """Return those of the channels at ``index``."""
        chosen = list(index)
        return Pulses([self.sensors[i] for i in chosen], [self.places[i] for i in chosen])


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorHealth:
    """How one sensor is at this moment; ``age_s`` is None while nothing was ever heard."""

    sensor: str
    state: HealthState
    why: str
    age_s: float | None


class HealthMonitor:
    """The health of all sensors of one gateway."""

    def __init__(self, watched: Iterable[Watched], *, now_s: float) -> None:
        self._sensors: dict[str, _Sensor] = {}
        self._changed: dict[str, None] = {}  # Heard of since the last report.
        self._unwell: set[str] = set()  # At least all that are not up, and without any trouble.
        self._due: dict[int, list[str]] = {}  # By beat; entries that no longer hold stay in.
        self.watch(watched, now_s=now_s)

    def watch(self, watched: Iterable[Watched], *, now_s: float) -> None:
        """Watch further sensors; of one already watched, channels that it keeps stay as heard."""
        for w in watched:
            self._changed[w.sensor] = None
            self._unwell.add(w.sensor)
            known = self._sensors.get(w.sensor)
            if known is None:
                heard_s: list[float | None] = [None] * len(w.channels)
                self._sensors[w.sensor] = _Sensor(watched=w, began_s=now_s, heard_s=heard_s)
                continue
            before = dict(zip(known.watched.channels, known.heard_s, strict=True))
            known.watched = w
            known.began_s = now_s
            known.heard_s = [before.get(channel) for channel in w.channels]
            known.implausible &= set(w.channels)

    def forget(self, sensors: Iterable[str]) -> None:
        """Watch ``sensors`` no longer."""
        for sensor in sensors:
            del self._sensors[sensor]
            self._unwell.discard(sensor)

    def view(self, now_s: float) -> list[SensorHealth]:
        """Return how every sensor is now; reports nothing and changes nothing."""
        views: list[SensorHealth] = []
        for name, sensor in self._sensors.items():
            state, why = decide_health(sensor, now_s)
            heard_s = max((s for s in sensor.heard_s if s is not None), default=None)
            age_s = None if heard_s is None else max(now_s - heard_s, 0.0)
            views.append(SensorHealth(sensor=name, state=state, why=why, age_s=age_s))
        return views

    def hasten(self) -> None:
        """Have every sensor's heartbeat due now."""
        for name, sensor in self._sensors.items():
            sensor.reported_s = _HASTENED_S
            self._changed[name] = None

    @property
    def states(self) -> Mapping[str, HealthState | None]:
        """The state last reported of each sensor."""
        return {name: sensor.state for name, sensor in self._sensors.items()}

    def hear(self, sensor: str, channel: str, *, plausible: bool, now_s: float) -> None:
        """Note that ``channel`` of ``sensor`` gave a reading, and whether it can be true."""
        known = self._sensors[sensor]
        channels = known.watched.channels
        if channel in channels:
            known.heard_s[channels.index(channel)] = now_s
        if not plausible:
            known.implausible |= {channel}
            self._unwell.add(sensor)
        elif known.implausible:
            known.implausible -= {channel}
        self._revive(known)

    def pulses(self, channels: Iterable[tuple[str, str]]) -> Pulses:
        """Return what ``hear_all`` needs for ``channels``, pairs of sensor and channel."""
        sensors: list[_Sensor] = []
        places: list[int] = []
        for name, channel in channels:
            sensor = self._sensors[name]
            sensors.append(sensor)
            places.append(sensor.watched.channels.index(channel))
        return Pulses(sensors, places)

    def hear_all(self, pulses: Pulses, *, now_s: float) -> None:
        """Note that all of ``pulses`` gave readings that can be true."""
        for sensor, place in zip(pulses.sensors, pulses.places, strict=True):
            sensor.heard_s[place] = now_s
        if not self._unwell:
            return
        for sensor in pulses.distinct:
            if sensor.state is HealthState.UP and not (sensor.trouble or sensor.implausible):
                continue
            if sensor.implausible:
                pairs = zip(pulses.sensors, pulses.places, strict=True)
                sensor.implausible -= {s.watched.channels[p] for s, p in pairs if s is sensor}
            self._revive(sensor)

    def note_trouble(self, sensor: str, why: str, *, failed: bool = False) -> None:
        """Note why ``sensor`` gives no readings; with ``failed`` it counts as late at once."""
        known = self._sensors[sensor]
        known.trouble = why
        known.failed = failed
        self._changed[sensor] = None
        self._unwell.add(sensor)

    def report(self, now_s: float) -> list[HealthReport]:
        """Return what is to be reported now: changes, and heartbeats that are due."""
        return self._look_at(self._take_due(now_s), now_s)

    def report_heard(self, now_s: float) -> list[HealthReport]:
        """Return what is to be reported of sensors that were just heard of, and of no other.

        For every arrival; what time alone brings ``report`` looks for, a few times a second.
        """
        if not self._changed:
            return []
        names, self._changed = self._changed, {}
        return self._look_at(names, now_s)

    def _look_at(self, names: Iterable[str], now_s: float) -> list[HealthReport]:
        reports: list[HealthReport] = []
        for name in names:
            sensor = self._sensors.get(name)
            if sensor is None:  # Forgotten since.
                continue
            due_s = _due_s(sensor)
            well = _is_well(sensor)
            if not well or due_s <= now_s:
                report = _report_of(sensor, now_s)
                if report is not None:
                    reports.append(report)
                    sensor.state = report.state
                    sensor.reported_s = now_s
                due_s = _due_s(sensor)
                well = _is_well(sensor)
            if not well:
                self._unwell.add(name)
            elif self._unwell:
                self._unwell.discard(name)
            beat = int(due_s // _BEAT_S)
            if beat != sensor.beat:
                sensor.beat = beat
                self._due.setdefault(beat, []).append(name)
        return reports

    def _take_due(self, now_s: float) -> Iterable[str]:
        """Return the sensors of which there may be something to report, each once."""
        names = self._changed
        self._changed = {}
        now = int(now_s // _BEAT_S)
        for beat in [beat for beat in self._due if beat <= now]:
            for name in self._due.pop(beat):
                sensor = self._sensors.get(name)
                if sensor is not None and sensor.beat == beat:
                    sensor.beat = _NO_BEAT
                    names[name] = None
        return names

    def _revive(self, sensor: _Sensor) -> None:
        """Forget the trouble of a sensor that speaks; look at it anew unless all stays well."""
        if sensor.trouble or sensor.implausible or sensor.state is not HealthState.UP:
            sensor.trouble = ""
            sensor.failed = False
            self._changed[sensor.watched.sensor] = None


def _is_well(sensor: _Sensor) -> bool:
    """Tell whether ``sensor`` was told up, and only time can change that: as of most, mostly."""
    return (
        sensor.state is HealthState.UP
        and not (sensor.trouble or sensor.implausible)
        and None not in sensor.heard_s
    )


def _report_of(sensor: _Sensor, now_s: float) -> HealthReport | None:
    """Return what is to be reported of ``sensor`` now; None: nothing."""
    state, why = decide_health(sensor, now_s)
    changed = state is not sensor.state
    if not changed and now_s - sensor.reported_s < HEARTBEAT_S:
        return None
    if _may_still_speak(sensor, now_s):
        return None
    return HealthReport(sensor=sensor.watched.sensor, state=state, why=why, changed=changed)


def _oldest_s(sensor: _Sensor) -> float:
    """Return when the channel spoke that has been quiet for longest."""
    if len(sensor.heard_s) == 1:  # As of nearly all.
        (heard_s,) = sensor.heard_s
        return sensor.began_s if heard_s is None else heard_s
    return min([sensor.began_s if s is None else s for s in sensor.heard_s])


def _due_s(sensor: _Sensor) -> float:
    """Return before when time alone changes nothing of a sensor that was just looked at."""
    if sensor.state is None:
        return sensor.began_s + min(sensor.watched.late_s, HEARTBEAT_S) - _SOONER_S
    heartbeat_s = sensor.reported_s + HEARTBEAT_S - _SOONER_S
    if sensor.state is HealthState.SILENT:
        return heartbeat_s
    factor = SILENT_FACTOR if sensor.state is HealthState.LATE else 1.0
    return min(_oldest_s(sensor) + factor * sensor.watched.late_s - _SOONER_S, heartbeat_s)


def _may_still_speak(sensor: _Sensor, now_s: float) -> bool:
    """Tell whether ``sensor`` is new, and there is nothing yet to report of it."""
    if sensor.state is not None or sensor.trouble or sensor.reported_s == _HASTENED_S:
        return False
    given_s = min(sensor.watched.late_s, HEARTBEAT_S)
    return None in sensor.heard_s and now_s - sensor.began_s < given_s


def decide_health(sensor: _Sensor, now_s: float) -> tuple[HealthState, str]:
    """Return the state of ``sensor`` and why: the worst of its channels decides."""
    watched = sensor.watched
    ages_s = [now_s - (sensor.began_s if s is None else s) for s in sensor.heard_s]
    age_s = max(ages_s)
    quiet = f"{watched.channels[ages_s.index(age_s)]}: no reading for {age_s:.1f} s"
    why = f"{quiet}; {sensor.trouble}" if sensor.trouble else quiet
    if age_s >= SILENT_FACTOR * watched.late_s:
        return HealthState.SILENT, why
    if age_s >= watched.late_s or sensor.failed:
        return HealthState.LATE, why
    if None in sensor.heard_s:
        return HealthState.LATE, "no reading since the start"
    if sensor.implausible:
        return HealthState.IMPLAUSIBLE, f"out of bounds: {', '.join(sorted(sensor.implausible))}"
    return HealthState.UP, ""
