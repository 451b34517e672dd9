"""Decide each sensor's health from when its readings arrived. Pure: the caller brings the time.

A sensor is *late* when one of its channels gave no good reading for ``late_s``, *silent* after
three times that, *implausible* while its values are outside their bounds, else *up*. Each change
is reported once, and each state again every ``HEARTBEAT_S``: a backend that hears neither knows
that nobody watches.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import Final

HEARTBEAT_S: Final = 30.0
SILENT_FACTOR: Final = 3.0  # Silent after so many times the span after which a sensor is late.
_SOONER_S: Final = 1e-3  # Looked at before it is due: sums of times are not exact.
_NEVER: Final = float("inf")


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
    heard_s: dict[str, float] = field(default_factory=dict[str, float])
    implausible: frozenset[str] = frozenset()  # Shared while empty: there may be many sensors.
    trouble: str = ""  # The driver's last error, until a reading comes.
    failed: bool = False  # The driver itself has ended: late at once.
    state: HealthState | None = None
    reported_s: float = 0.0
    due_s: float = _NEVER  # Before this, time alone brings nothing to report.


class Pulses:
    """Channels that are heard together, looked up once; see ``HealthMonitor.pulses``."""

    __slots__ = ("channels", "sensors")

    def __init__(self, channels: Sequence[tuple[_Sensor, str]]) -> None:
        self.channels = channels
        self.sensors = list({id(sensor): sensor for sensor, _ in channels}.values())


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
        self._due: list[tuple[float, str]] = []  # A heap; entries that no longer hold stay in.
        self.watch(watched, now_s=now_s)

    def watch(self, watched: Iterable[Watched], *, now_s: float) -> None:
        """Watch further sensors; of one already watched, channels that it keeps stay as heard."""
        for w in watched:
            self._changed[w.sensor] = None
            known = self._sensors.get(w.sensor)
            if known is None:
                self._sensors[w.sensor] = _Sensor(watched=w, began_s=now_s)
                continue
            known.watched = w
            known.began_s = now_s
            known.heard_s = {c: at_s for c, at_s in known.heard_s.items() if c in w.channels}
            known.implausible &= set(w.channels)

    def forget(self, sensors: Iterable[str]) -> None:
        """Watch ``sensors`` no longer."""
        for sensor in sensors:
            del self._sensors[sensor]

    def view(self, now_s: float) -> list[SensorHealth]:
        """Return how every sensor is now; reports nothing and changes nothing."""
        views: list[SensorHealth] = []
        for name, sensor in self._sensors.items():
            state, why = decide_health(sensor, now_s)
            heard_s = max(sensor.heard_s.values(), default=None)
            age_s = None if heard_s is None else max(now_s - heard_s, 0.0)
            views.append(SensorHealth(sensor=name, state=state, why=why, age_s=age_s))
        return views

    def hasten(self) -> None:
        """Have every sensor's heartbeat due now."""
        for name, sensor in self._sensors.items():
            sensor.reported_s = -_NEVER
            self._changed[name] = None

    @property
    def states(self) -> Mapping[str, HealthState | None]:
        """The state last reported of each sensor."""
        return {name: sensor.state for name, sensor in self._sensors.items()}

    def hear(self, sensor: str, channel: str, *, plausible: bool, now_s: float) -> None:
        """Note that ``channel`` of ``sensor`` gave a reading, and whether it can be true."""
        known = self._sensors[sensor]
        known.heard_s[channel] = now_s
        if not plausible:
            known.implausible |= {channel}
        elif known.implausible:
            known.implausible -= {channel}
        self._revive(known)

    def pulses(self, channels: Iterable[tuple[str, str]]) -> Pulses:
        """Return what ``hear_all`` needs for ``channels``, pairs of sensor and channel."""
        return Pulses([(self._sensors[sensor], channel) for sensor, channel in channels])

    def hear_all(self, pulses: Pulses, *, now_s: float) -> None:
        """Note that all of ``pulses`` gave readings that can be true."""
        for sensor, channel in pulses.channels:
            sensor.heard_s[channel] = now_s
        for sensor in pulses.sensors:
            if sensor.state is HealthState.UP and not (sensor.trouble or sensor.implausible):
                continue
            sensor.implausible -= {c for s, c in pulses.channels if s is sensor}
            self._revive(sensor)

    def note_trouble(self, sensor: str, why: str, *, failed: bool = False) -> None:
        """Note why ``sensor`` gives no readings; with ``failed`` it counts as late at once."""
        known = self._sensors[sensor]
        known.trouble = why
        known.failed = failed
        self._changed[sensor] = None

    def report(self, now_s: float) -> list[HealthReport]:
        """Return what is to be reported now: changes, and heartbeats that are due."""
        reports: list[HealthReport] = []
        for name in self._take_due(now_s):
            sensor = self._sensors.get(name)
            if sensor is None:  # Forgotten since.
                continue
            state, why = decide_health(sensor, now_s)
            changed = state is not sensor.state
            if changed or now_s - sensor.reported_s >= HEARTBEAT_S:
                reports.append(HealthReport(sensor=name, state=state, why=why, changed=changed))
                sensor.state = state
                sensor.reported_s = now_s
            sensor.due_s = _due_s(sensor)
            heappush(self._due, (sensor.due_s, name))
        return reports

    def _take_due(self, now_s: float) -> Iterable[str]:
        """Return the sensors of which there may be something to report, each once."""
        names = self._changed
        self._changed = {}
        while self._due and self._due[0][0] <= now_s:
            due_s, name = heappop(self._due)
            sensor = self._sensors.get(name)
            if sensor is not None and sensor.due_s == due_s:
                names[name] = None
        return names

    def _revive(self, sensor: _Sensor) -> None:
        """Forget the trouble of a sensor that speaks; look at it anew unless all stays well."""
        if sensor.trouble or sensor.implausible or sensor.state is not HealthState.UP:
            sensor.trouble = ""
            sensor.failed = False
            self._changed[sensor.watched.sensor] = None


def _due_s(sensor: _Sensor) -> float:
    """Return before when time alone changes nothing of a sensor that was just looked at."""
    heartbeat_s = sensor.reported_s + HEARTBEAT_S - _SOONER_S
    if sensor.state is HealthState.SILENT:
        return heartbeat_s
    factor = SILENT_FACTOR if sensor.state is HealthState.LATE else 1.0
    watched = sensor.watched
    oldest_s = min([sensor.heard_s.get(c, sensor.began_s) for c in watched.channels])
    return min(oldest_s + factor * watched.late_s - _SOONER_S, heartbeat_s)


def decide_health(sensor: _Sensor, now_s: float) -> tuple[HealthState, str]:
    """Return the state of ``sensor`` and why: the worst of its channels decides."""
    watched = sensor.watched
    ages = {c: now_s - sensor.heard_s.get(c, sensor.began_s) for c in watched.channels}
    channel, age_s = max(ages.items(), key=lambda item: item[1])
    quiet = f"{channel}: no reading for {age_s:.1f} s"
    why = f"{quiet}; {sensor.trouble}" if sensor.trouble else quiet
    if age_s >= SILENT_FACTOR * watched.late_s:
        return HealthState.SILENT, why
    if age_s >= watched.late_s or sensor.failed:
        return HealthState.LATE, why
    if any(c not in sensor.heard_s for c in watched.channels):
        return HealthState.LATE, "no reading since the start"
    if sensor.implausible:
        return HealthState.IMPLAUSIBLE, f"out of bounds: {', '.join(sorted(sensor.implausible))}"
    return HealthState.UP, ""
