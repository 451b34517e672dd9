"""The time around an alert as lanes of a drawing: one for each channel and reader. Pure.

Positions are in units of the drawing: x from 0 to ``WIDTH``, y within a lane from 0 to ``HEIGHT``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from backend.alerts.types import MinuteOfSightings, MinuteOfValues, Timeline

WIDTH: Final = 720.0
HEIGHT: Final = 40.0
LANES_MAX: Final = 24  # Of a lot with more channels, those that moved most are drawn.
TICKS_MAX: Final = 6
_PAD: Final = 3.0
_MINUTE: Final = timedelta(minutes=1)
_FLAT_SHARE: Final = 0.02  # Of the value: less than that is drawn as noise, not as mountains.
_Row = TypeVar("_Row", MinuteOfValues, MinuteOfSightings)
_TICK_MINUTES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 240)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One channel or reader; ``area`` is SVG path data from least to greatest of each minute.

    ``low`` and ``high`` are its extremes: of a channel in its unit, of a reader in items.
    ``moved`` says how much of its height the minutes after the alert differ from those before.
    """

    gateway: str
    sensor: str
    quantity: str | None
    area: str
    low: float
    high: float
    moved: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment: where it is, and what it was."""

    x: float
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The whole drawing; ``left_out`` lanes are not in it."""

    lanes: Sequence[Lane]
    ticks: Sequence[Mark]
    marks: Sequence[Mark]
    events: Sequence[Mark]
    left_out: int

    @property
    def height(self) -> float:
        """How high all lanes are together."""
        return HEIGHT * len(self.lanes)


def lanes_of(timeline: Timeline, began_at: datetime | None, opened_at: datetime) -> Lanes:
    """Return the drawing of the time around an alert.

    Args:
        timeline: what is known of it.
        began_at: when the readings say that it began.
        opened_at: when the alert was opened.
    """
    scale = _Scale(begin=timeline.begin, end=timeline.end)
    turn = opened_at if began_at is None else min(began_at, opened_at)
    lanes = [_values_lane(rows, scale, turn) for rows in _grouped(timeline.values)]
    lanes += [_sightings_lane(rows, scale, turn) for rows in _grouped(timeline.sightings)]
    shown = sorted(lanes, key=lambda lane: -lane.moved)[:LANES_MAX]
    marks = [Mark(x=scale.x(opened_at), at=opened_at, text="alert opened")]
    if began_at is not None:
        marks.insert(0, Mark(x=scale.x(began_at), at=began_at, text="began"))
    events = [
        Mark(x=scale.x(each.at), at=each.at, text=f"{each.sensor}: {each.type.replace('_', ' ')}")
        for each in timeline.events
    ]
    return Lanes(
        lanes=sorted(shown, key=lambda lane: (lane.gateway, lane.sensor, lane.quantity or "")),
        ticks=_ticks(scale),
        marks=marks,
        events=events,
        left_out=len(lanes) - len(shown),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    begin: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        """Return where a moment is; one outside is at the edge."""
        share = (at - self.begin) / max(self.end - self.begin, _MINUTE)
        return round(min(max(share, 0.0), 1.0) * WIDTH, 1)


def _grouped(rows: Iterable[_Row]) -> list[list[_Row]]:
    groups: dict[tuple[str, str, str], list[_Row]] = {}
    for row in rows:
        quantity = row.quantity if isinstance(row, MinuteOfValues) else ""
        groups.setdefault((row.gateway_id, row.sensor, quantity), []).append(row)
    return list(groups.values())


def _values_lane(rows: Sequence[MinuteOfValues], scale: _Scale, turn: datetime) -> Lane:
    spans = [(row.minute, row.value_min, row.value_max) for row in rows]
    return _lane(rows[0], rows[0].quantity, spans, scale, turn)


def _sightings_lane(rows: Sequence[MinuteOfSightings], scale: _Scale, turn: datetime) -> Lane:
    spans = [(row.minute, 0.0, float(row.items)) for row in rows]
    return _lane(rows[0], None, spans, scale, turn)


def _lane(
    of: MinuteOfValues | MinuteOfSightings,
    quantity: str | None,
    spans: Sequence[tuple[datetime, float, float]],
    scale: _Scale,
    turn: datetime,
) -> Lane:
    low, high = min(least for _, least, _ in spans), max(most for _, _, most in spans)
    middle = (low + high) / 2
    half = max((high - low) / 2, abs(middle) * _FLAT_SHARE / 2, 1e-9)

    def y(value: float) -> float:
        return HEIGHT / 2 - (value - middle) / half * (HEIGHT / 2 - _PAD)

    boxes = [
        f"M{scale.x(at):.1f} {y(most) - 0.75:.1f}H{scale.x(at + _MINUTE):.1f}"
        f"V{y(least) + 0.75:.1f}H{scale.x(at):.1f}Z"
        for at, least, most in spans
    ]
    before = [(least + most) / 2 for at, least, most in spans if at + _MINUTE <= turn]
    after = [(least + most) / 2 for at, least, most in spans if at + _MINUTE > turn]
    moved = 1.0  # A lane that begins or ends with the alert tells of it.
    if before and after:
        moved = abs(sum(after) / len(after) - sum(before) / len(before)) / half
    return Lane(
        gateway=of.gateway_id,
        sensor=of.sensor,
        quantity=quantity,
        area="".join(boxes),
        low=low,
        high=high,
        moved=moved,
    )


def _ticks(scale: _Scale) -> list[Mark]:
    minutes = (scale.end - scale.begin) / _MINUTE
    step = next((m for m in _TICK_MINUTES if minutes / m <= TICKS_MAX), _TICK_MINUTES[-1])
    of_day = scale.begin.hour * 60 + scale.begin.minute
    at = scale.begin.replace(second=0, microsecond=0) - timedelta(minutes=of_day % step)
    marks: list[Mark] = []
    while (at := at + timedelta(minutes=step)) < scale.end and len(marks) < 2 * TICKS_MAX:
        marks.append(Mark(x=scale.x(at), at=at, text=f"{at:%H:%M}"))
    return marks
