"""Small drawings as SVG text: a line with marks over time, and bars."""

from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 760
_LEFT: Final = 50
_RIGHT: Final = 14
_TOP: Final = 12
CALM: Final = "#1f5fa8"
DOT: Final = "#8a8f98"
ALARM: Final = "#c0392b"

Mark = tuple[float, float, bool, str]  # Position from 0 to 1, value, whether it alarms, its words.


def timeline(
    line: Sequence[tuple[float, float]],
    marks: Sequence[Mark],
    years: Sequence[tuple[float, str]],
    title: str,
) -> str:
    """Return a line and marks over time; values are shares, drawn from -100 % to 150 %."""
    height, low, high = 260, -1.0, 1.5

    def y_of(share: float) -> float:
        inside = min(high, max(low, share))
        return _TOP + (height - 40) * (high - inside) / (high - low)

    parts = [
        _rule(_LEFT, y_of(at), WIDTH - _RIGHT, y_of(at), "grid")
        + f'<text class="tick" x="4" y="{y_of(at) + 4:.1f}">{at:.0%}</text>'
        for at in (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
    ]
    parts += [
        f'<text class="tick" x="{_x(at):.1f}" y="{height - 6}" text-anchor="middle">'
        f"{escape(name)}</text>"
        for at, name in years
    ]
    parts += [
        f'<circle cx="{_x(at):.1f}" cy="{y_of(value):.1f}" r="{4 if alarms else 1.8}"'
        f' fill="{ALARM if alarms else DOT}"><title>{escape(words)}</title></circle>'
        for at, value, alarms, words in marks
    ]
    path = "L".join(f"{_x(at):.1f} {y_of(value):.1f}" for at, value in line)
    parts.append(f'<path d="M{path}" fill="none" stroke="{CALM}" stroke-width="1.5"/>')
    return _svg(height, parts, title)


def bars(values: Sequence[int], names: Sequence[str], alarms: Sequence[bool], title: str) -> str:
    """Return upright bars; those that alarm stand out."""
    height, floor, most = 170, 140, max([1, *values])
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    shown = max(1, round(46 / step))  # Names need so much room.
    parts = [_rule(_LEFT, floor, WIDTH - _RIGHT, floor, "axis")]
    parts.append(f'<text class="tick" x="4" y="28">{most}</text>')
    for at, (value, name, alarm) in enumerate(zip(values, names, alarms, strict=True)):
        tall, x = value / most * 115, _LEFT + at * step
        parts.append(
            f'<rect x="{x:.1f}" y="{floor - tall:.1f}" width="{step * 0.8:.1f}"'
            f' height="{tall:.1f}" fill="{ALARM if alarm else CALM}">'
            f"<title>{escape(name)}: {value}</title></rect>"
        )
        if at % shown == 0:
            parts.append(
                f'<text class="tick" x="{x + step * 0.4:.1f}" y="{floor + 14}"'
                f' text-anchor="middle">{escape(name)}</text>'
            )
    return _svg(height, parts, title)


def _x(share: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * share


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _svg(height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )
