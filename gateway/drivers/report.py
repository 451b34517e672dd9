"""Report by exception: what is worth journalling. Pure: the caller brings the time.

A value is reported when it moved beyond the deadband, when its quality changed, or when nothing
was reported for a heartbeat and a fresh reading is here: a stale value is never sent again.
Readings of one arrival are reported together or not at all.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Final, assert_never, cast

import cbor2

from gateway.reading import Arrival, EventReading, Reading, Scalar, Sighting
from schemas.bodies import encode_body
from schemas.envelope import RSSI_UNKNOWN
from schemas.quantities import EventType, Quality, Quantity

KEYS_MAX: Final = 8_192  # Tags and objects remembered; the longest unseen is forgotten first.
RSSI_CDBM_MOVED_MIN: Final = 1_200  # Four standard deviations of a still tag's noise (3 dB).
# A position's own accompaniments: they travel with it and never cause a report.
_COMPANIONS: Final = frozenset({Quantity.HDOP})

_Key = tuple[Hashable, ...]
Channel = tuple[
    str, Quantity | None
]  # None: everything of the sensor that has no rule of its own.


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRule:
    """When a channel's value is worth reporting; ``deadband`` is in the unit of the quantity."""

    deadband: float = 0.0
    heartbeat_s: float = 5.0


@dataclass(slots=True)
class _Last:
    """What was reported last of one channel, and what was held back since."""

    time_s: float
    value: object
    held: int = 0
    best_cdbm: int = RSSI_UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What to journal of one arrival; ``news`` tells a change from a heartbeat."""

    readings: Arrival
    news: bool


@dataclass(slots=True)
class Reporter:
    """Remembers what was reported last of every channel of one gateway."""

    _rules: Mapping[Channel, ReportRule]
    _last: OrderedDict[_Key, _Last] = field(default_factory=OrderedDict[_Key, _Last])

    def decide(self, arrival: Arrival, *, now_s: float) -> Report:
        """Return what to report of ``arrival``, by the rules of its channels."""
        due = news = False
        for reading in arrival:
            changed, heartbeat = self._verdict(reading, self._rule_of(reading), now_s)
            news = news or changed
            due = due or changed or heartbeat
        if not due:
            for reading in arrival:
                self._hold(reading)
            return Report(readings=(), news=False)
        return Report(readings=[self._release(r, now_s) for r in arrival], news=news)

    def hasten(self) -> None:
        """Have every heartbeat due: the next reading of each channel is told, whatever it says."""
        for last in self._last.values():
            last.time_s = -inf

    def _rule_of(self, reading: Reading) -> ReportRule:
        if isinstance(reading, Scalar):
            rule = self._rules.get((reading.sensor, reading.quantity))
            if rule is not None:
                return rule
        return self._rules[(reading.sensor, None)]

    def _verdict(self, reading: Reading, rule: ReportRule, now_s: float) -> tuple[bool, bool]:
        """Return whether ``reading`` is news, and whether its heartbeat is due."""
        last = self._last.get(_key(reading))
        if last is None:
            return True, True
        heartbeat = now_s - last.time_s >= rule.heartbeat_s
        match reading:
            case Scalar():
                if reading.quantity in _COMPANIONS:
                    return False, False
                deadband = 0.0 if reading.quantity is Quantity.FIX else rule.deadband
                return _moved(cast("tuple[float, Quality]", last.value), reading, deadband), (
                    heartbeat
                )
            case Sighting():
                return _rssi_moved(cast("int", last.value), reading), heartbeat
            case EventReading():
                return last.value != _event_value(reading), heartbeat
            case _:
                assert_never(reading)

    def _hold(self, reading: Reading) -> None:
        if (last := self._last.get(_key(reading))) is not None:
            last.held += reading.count if isinstance(reading, Sighting) else 1
            if isinstance(reading, Sighting):
                last.best_cdbm = max(last.best_cdbm, reading.rssi_cdbm)

    def _release(self, reading: Reading, now_s: float) -> Reading:
        """Note that ``reading`` is reported; return it with the count of what was held back."""
        key = _key(reading)
        last = self._last.pop(key, None)
        held = 0 if last is None else last.held
        match reading:
            case Scalar():
                value: object = (reading.value, reading.quality)
            case Sighting():
                value = reading.rssi_cdbm
                best = max(reading.rssi_cdbm, RSSI_UNKNOWN if last is None else last.best_cdbm)
                reading = replace(reading, count=reading.count + held, rssi_cdbm=best)
            case EventReading():
                value = _event_value(reading)
                if reading.type is EventType.FAULT and held:
                    body = _body(reading) | {"count": held + 1}
                    reading = replace(reading, body=encode_body(body))
            case _:
                assert_never(reading)
        self._last[key] = _Last(now_s, value)
        if len(self._last) > KEYS_MAX:
            self._last.popitem(last=False)
        return reading


def _key(reading: Reading) -> _Key:
    match reading:
        case Scalar():
            return (reading.sensor, reading.quantity)
        case Sighting():
            return (reading.sensor, reading.epc, reading.antenna)
        case EventReading():
            return (reading.sensor, reading.type, *_event_key(reading))
        case _:
            assert_never(reading)


def _event_key(event: EventReading) -> _Key:
    """Return what tells apart things of which the newest state counts."""
    body = _body(event)
    match event.type:
        case EventType.FAULT:
            return (body.get("why"),)
        case EventType.CAMERA_OBJECT:
            return (body.get("label") == "review", body.get("id"))
        case EventType.CAMERA_STATUS:
            return (body.get("role"),)
        case EventType.CAMERA_TAMPER:
            return (body.get("what"),)
        case _:
            return ()


def _event_value(event: EventReading) -> object:
    """Return the part of an event whose change is news; the rest waits for the heartbeat."""
    body = _body(event)
    match event.type:
        case EventType.FAULT:
            return None  # The bytes differ each time; the fault is the same.
        case EventType.CAMERA_OBJECT:
            names = ("phase", "label", "zones", "severity")
            return [body.get(name) for name in names]
        case EventType.SNAPSHOT:
            return event.time_unix_us  # Its driver decides which image is told.
        case _:
            return event.body


def _body(event: EventReading) -> dict[str, Any]:
    return cast("dict[str, Any]", cbor2.loads(event.body))


def _moved(last: tuple[float, Quality], now: Scalar, deadband: float) -> bool:
    value, quality = last
    if quality is not now.quality:
        return True
    return now.value != value if deadband <= 0 else abs(now.value - value) > deadband


def _rssi_moved(last_cdbm: int, now: Sighting) -> bool:
    if RSSI_UNKNOWN in (last_cdbm, now.rssi_cdbm):
        return last_cdbm != now.rssi_cdbm
    return abs(now.rssi_cdbm - last_cdbm) >= RSSI_CDBM_MOVED_MIN
