"""Small drawings as SVG text: intervals, bars and steps, with their scales."""

from collections.abc import Sequence
from html import escape
from math import ceil, log10
from typing import Final

WIDTH: Final = 720
_LEFT: Final = 170
_RIGHT: Final = 20
_ROW: Final = 22
_INNER: Final = WIDTH - _LEFT - _RIGHT
OURS: Final = "#1f5fa8"
NAIVE: Final = "#b5651d"

_MARKS: Final = (
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (600, "10 min"),
    (3_600, "1 h"),
    (86_400, "1 d"),
)

Interval = tuple[float, float, float]  # Value, low, high.


def intervals(rows: Sequence[tuple[str, Interval | None, Interval | None]], goal: float) -> str:
    """Return shares with their intervals, ours over the naive rule's, and the goal's line."""
    height = len(rows) * _ROW + 40
    parts = [_ticks([(0.25 * step, f"{25 * step} %") for step in range(5)], height)]
    parts.append(_line(_x(goal), 8, _x(goal), height - 26, "goal"))
    for index, (name, ours, naive) in enumerate(rows):
        y = 18 + index * _ROW
        parts.append(_label(name, y + 4))
        parts += [
            _interval(interval, y + shift, colour)
            for interval, shift, colour in ((ours, -3, OURS), (naive, 5, NAIVE))
            if interval is not None
        ]
    return _svg(height, parts, "Recall by kind of incident, with 95 % intervals")


def bars(values: Sequence[int], names: Sequence[str], title: str) -> str:
    """Return upright bars."""
    height, floor, most = 170, 140, max([1, *values])
    step = (WIDTH - 60) / max(1, len(values))
    parts: list[str] = []
    for index, (value, name) in enumerate(zip(values, names, strict=True)):
        tall = value / most * 115
        x = 40 + index * step
        parts.append(
            f'<rect x="{x:.1f}" y="{floor - tall:.1f}" width="{step * 0.8:.1f}" '
            f'height="{tall:.1f}" fill="{OURS}"><title>{escape(name)}: {value}</title></rect>'
        )
        parts.append(
            f'<text class="tick" x="{x + step * 0.4:.1f}" y="{floor + 14}" '
            f'text-anchor="middle">{escape(name)}</text>'
        )
    parts.append(f'<text class="tick" x="4" y="30">{most}</text>')
    parts.append(_line(38, floor, WIDTH - 20, floor, "axis"))
    return _svg(height, parts, title)


def steps(curves: Sequence[tuple[str, Sequence[float], int, str]], goal_s: float) -> str:
    """Return which share was found after how long: (name, seconds, of how many, colour).

    Time is on a logarithmic scale, from a second to a day.
    """
    height, floor = 220, 180
    day = log10(86_400.0)

    def x_of(seconds: float) -> float:
        return 40 + (WIDTH - 60) * min(1.0, log10(max(1.0, seconds)) / day)

    parts = [
        _line(x_of(at), 10, x_of(at), floor, "grid")
        + f'<text class="tick" x="{x_of(at):.1f}" y="{floor + 14}" '
        f'text-anchor="middle">{name}</text>'
        for at, name in _MARKS
    ]
    parts.append(_line(x_of(goal_s), 10, x_of(goal_s), floor, "goal"))
    for index, (name, seconds, count, colour) in enumerate(curves):
        path = f"M40 {floor}"
        for place, value in enumerate(sorted(seconds), 1):
            path += f"H{x_of(value):.1f}V{floor - place / max(1, count) * 165:.1f}"
        path += f"H{WIDTH - 20}"
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<text x="{50 + index * 160}" y="{height - 6}" fill="{colour}">{escape(name)}</text>'
        )
    parts.append('<text class="tick" x="6" y="20">100 %</text>')
    return _svg(height, parts, "Share found after a time")


def _x(share: float) -> float:
    return _LEFT + _INNER * min(1.0, max(0.0, share))


def _ticks(marks: Sequence[tuple[float, str]], height: int) -> str:
    return "".join(
        _line(_x(share), 8, _x(share), height - 26, "grid")
        + f'<text class="tick" x="{_x(share):.1f}" y="{height - 10}" '
        f'text-anchor="middle">{name}</text>'
        for share, name in marks
    )


def _interval(interval: Interval, y: float, colour: str) -> str:
    value, low, high = interval
    return (
        f'<line x1="{_x(low):.1f}" y1="{y}" x2="{_x(high):.1f}" y2="{y}" stroke="{colour}" '
        f'stroke-width="2"/><circle cx="{_x(value):.1f}" cy="{y}" r="4" fill="{colour}">'
        f"<title>{value:.3f} [{low:.3f}, {high:.3f}]</title></circle>"
    )


def _label(name: str, y: float) -> str:
    return f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{escape(name)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}"/>'


def _svg(height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {ceil(height)}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )
