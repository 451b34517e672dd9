"""Small drawings as numbers for the templates' SVG. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backend.facility.types import Lines

GAUGE_WIDTH: Final = 240.0
GAUGE_FROM_BPS: Final = 8_000  # Left end: well under the liquidation line.
GAUGE_OVER_WARNING_BPS: Final = 7_000  # Right end, above the warning line.
SPARK_WIDTH: Final = 160.0
SPARK_HEIGHT: Final = 36.0
FLAT_SHARE: Final = 0.02  # Of the value: less than that is drawn as noise, not as mountains.


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Where coverage stands between the lines; positions from the left end, in units of width."""

    marker: float | None
    liquidation: float
    call: float
    warning: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A line through means; ``path`` is SVG path data, None when there is nothing to draw."""

    path: str | None
    value_min: float | None
    value_max: float | None


def coverage_gauge(coverage_bps: int | None, lines: Lines) -> Gauge:
    """Return the gauge of a coverage; without exposure there is nothing to mark."""
    end_bps = lines.warning_bps + GAUGE_OVER_WARNING_BPS
    scale = GAUGE_WIDTH / (end_bps - GAUGE_FROM_BPS)

    def place(bps: int) -> float:
        return round((min(max(bps, GAUGE_FROM_BPS), end_bps) - GAUGE_FROM_BPS) * scale, 1)

    return Gauge(
        marker=None if coverage_bps is None else place(coverage_bps),
        liquidation=place(lines.liquidation_bps),
        call=place(lines.call_bps),
        warning=place(lines.warning_bps),
    )


def sparkline(points: Sequence[tuple[float, float]], begin: float, end: float) -> Spark:
    """Return the line through (seconds, value) from ``begin`` to ``end``, newest at the right."""
    if not points or end <= begin:
        return Spark(path=None, value_min=None, value_max=None)
    values = [value for _, value in points]
    low, high = min(values), max(values)
    middle = (low + high) / 2
    half = max((high - low) / 2, abs(middle) * FLAT_SHARE / 2, 1e-9)
    across, up = SPARK_WIDTH / (end - begin), (SPARK_HEIGHT - 4) / (2 * half)
    steps = [
        f"{(at - begin) * across:.1f} {SPARK_HEIGHT / 2 - (value - middle) * up:.1f}"
        for at, value in points
    ]
    if len(steps) == 1:
        steps.append(f"{SPARK_WIDTH:.1f} {steps[0].split()[1]}")
    return Spark(path="M" + "L".join(steps), value_min=low, value_max=high)
