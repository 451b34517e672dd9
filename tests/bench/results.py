"""What a benchmark reports: a figure, its yardstick of the same run, their ratio and its spread.

A benchmark is a module of this folder with ``measure() -> list[Result]``. Every run is measured
next to its own yardstick, so that a machine that slows down meanwhile slows both; the ratio is
the median of the runs' ratios, never the ratio of two medians.
"""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.table import Table

RUNS_MIN = 5  # Fewer have no spread worth the name.


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of ``bench-results.json``.

    ``spread`` is the distance of the greatest from the least run, as a share of the median.
    """

    name: str
    value: float
    unit: str
    yardstick: str
    yardstick_value: float
    ratio: float
    goal: str
    runs: int
    spread: float
    machine: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is measured, and what it is held against."""

    name: str
    unit: str
    yardstick: str
    goal: str


def summarise(what: Measured, values: Sequence[float], yardsticks: Sequence[float]) -> Result:
    """Return the result of runs; ``yardsticks[i]`` was measured beside ``values[i]``."""
    ratios = [value / yardstick for value, yardstick in zip(values, yardsticks, strict=True)]
    middle = median(values)
    return Result(
        name=what.name,
        value=significant(middle),
        unit=what.unit,
        yardstick=what.yardstick,
        yardstick_value=significant(median(yardsticks)),
        ratio=significant(median(ratios)),
        goal=what.goal,
        runs=len(values),
        spread=significant((max(values) - min(values)) / middle),
        machine=machine(),
        command=f"make bench ONLY={what.name}",
    )


def significant(value: float) -> float:
    """Return ``value`` with four significant digits: no benchmark knows more."""
    return float(f"{value:.4g}")


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which ``share`` of ``values`` lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> str:
    """Return what the figures were measured on: cores that we may use, model, software."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {_model()}, {platform.system()}, Python {platform.python_version()}"


def save(path: Path, results: Sequence[Result]) -> None:
    """Write ``results`` to ``path`` and keep its lines of other names."""
    kept: list[dict[str, object]] = []
    if path.exists():
        measured = {result.name for result in results}
        kept = [row for row in json.loads(path.read_text()) if row["name"] not in measured]
    rows = sorted([*kept, *map(asdict, results)], key=lambda row: str(row["name"]))
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def table_of(results: Iterable[Result]) -> Table:
    """Return the results for a terminal."""
    table = Table(title="Benchmarks", title_justify="left")
    for column in ("name", "value", "unit", "yardstick", "its value", "ratio", "goal", "spread"):
        table.add_column(column, justify="right" if "value" in column else "left")
    for each in results:
        table.add_row(
            each.name,
            f"{each.value:,g}",
            each.unit,
            each.yardstick,
            f"{each.yardstick_value:,g}",
            f"{each.ratio:.3g}",
            each.goal,
            f"{each.spread:.0%} of {each.runs} runs",
        )
    return table


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
