"""Report by exception over columns: the rules of ``report`` for a whole sweep at once. Pure.

What was told last of each channel is kept by the sweeps' shared channels; when a block of
registers is cut up, its parts begin anew, and each reading is told once more.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from operator import ne
from weakref import WeakKeyDictionary

from gateway.drivers.report import Channel, ReportRule
from gateway.reading import Channels, Sweep


@dataclass(slots=True, kw_only=True)
class _Told:
    """What was reported last of each channel; NaN: nothing yet."""

    deadbands: list[float]
    heartbeats_s: list[float]
    heartbeat_s_min: float
    values: "array[float]"
    quality: bytes
    times_s: list[float]


class SweepReporter:
    """Remembers what was reported last of every channel that is swept."""

    def __init__(self, rules: Mapping[Channel, ReportRule]) -> None:
        self._rules = rules
        self._told: WeakKeyDictionary[Channels, _Told] = WeakKeyDictionary()

    def decide(self, sweep: Sweep, *, now_s: float) -> tuple[Sweep | None, bool]:
        """Return what to report of ``sweep``, and whether any of it is news."""
        told = self._told.get(sweep.channels)
        if told is None:
            told = self._told[sweep.channels] = self._begin(sweep.channels, now_s)
        if sweep.index is not None:
            return _decide_some(sweep, sweep.index, told, now_s)
        quality = sweep.quality or bytes(len(sweep))
        moved = _moved(sweep, told.values, told.deadbands, quality, told.quality)
        if False not in moved:
            told.values, told.quality = sweep.values, quality
            told.times_s = [now_s] * len(sweep)
            return sweep, True
        due = moved
        if now_s - min(told.times_s) >= told.heartbeat_s_min:
            due = [
                m or now_s - t >= h
                for m, t, h in zip(moved, told.times_s, told.heartbeats_s, strict=True)
            ]
        if True not in due:
            return None, False
        chosen = sweep.select(due)
        _note(told, chosen, now_s)
        return chosen, True in moved

    def hasten(self) -> None:
        """Have every heartbeat due: the next sweep of each block is told, whatever it says."""
        for told in self._told.values():
            told.times_s = [-inf] * len(told.times_s)

    def _begin(self, channels: Channels, now_s: float) -> _Told:
        rules = [
            self._rules.get((sensor, quantity)) or self._rules[(sensor, None)]
            for sensor, quantity in channels.rows
        ]
        heartbeats_s = [rule.heartbeat_s for rule in rules]
        return _Told(
            deadbands=[rule.deadband for rule in rules],
            heartbeats_s=heartbeats_s,
            heartbeat_s_min=min(heartbeats_s),
            values=array("d", (nan,)) * len(rules),
            quality=bytes(len(rules)),
            times_s=[now_s] * len(rules),
        )


def _decide_some(
    sweep: Sweep, index: "array[int]", told: _Told, now_s: float
) -> tuple[Sweep | None, bool]:
    """Decide a sweep that holds only some of its channels."""
    moved = _moved(
        sweep,
        array("d", [told.values[i] for i in index]),
        [told.deadbands[i] for i in index],
        sweep.quality or bytes(len(sweep)),
        bytes([told.quality[i] for i in index]),
    )
    due = [
        m or now_s - told.times_s[i] >= told.heartbeats_s[i]
        for m, i in zip(moved, index, strict=True)
    ]
    if True not in due:
        return None, False
    chosen = sweep.select(due)
    _note(told, chosen, now_s)
    return chosen, True in moved


def _moved(
    sweep: Sweep,
    last: "array[float]",
    deadbands: list[float],
    quality: bytes,
    last_quality: bytes,
) -> list[bool]:
    """Return of each reading whether it is news: also true where ``last`` is NaN."""
    if any(deadbands):
        moved = [
            not abs(value - before) <= deadband
            for value, before, deadband in zip(sweep.values, last, deadbands, strict=True)
        ]
    else:
        moved = list(map(ne, sweep.values, last))
    if quality == last_quality:
        return moved
    return [m or a != b for m, a, b in zip(moved, quality, last_quality, strict=True)]


def _note(told: _Told, reported: Sweep, now_s: float) -> None:
    values = array("d", told.values)  # The old one may be part of a sweep that is on its way.
    quality = bytearray(told.quality)
    codes = reported.quality or bytes(len(reported))
    for i, value, code in zip(reported.index or (), reported.values, codes, strict=True):
        values[i] = value
        quality[i] = code
        told.times_s[i] = now_s
    told.values, told.quality = values, bytes(quality)
