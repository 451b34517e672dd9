"""``python -m deploy evaluate``: run it, show how far it is, print and write what it came to."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from deploy.errors import DeployError
from deploy.evaluate.figures import Figures, errors_of, figures_of
from deploy.evaluate.options import (
    Options,
    check_options,
    parse_only,
    parse_seeds,
    parse_without,
)
from deploy.evaluate.outcome import Result
from deploy.evaluate.page import render
from deploy.evaluate.runner import evaluate_all
from deploy.evaluate.table import goal_lines, print_tables
from deploy.evaluate.trace import print_case
from firmware_sim.errors import ScenarioError

TABLE_COLUMNS: Final = 150
ERRORS_SHOWN_MAX: Final = 10


def run_evaluation(options: Options, *, as_json: bool) -> int:
    """Evaluate; return the exit code: 1 if the fast path differed from the real one.

    Raises:
        DeployError: An argument or the scenario is wrong.
    """
    check_options(options)
    errors = Console(stderr=True)
    try:
        if options.only is not None:
            print_case(Console(width=TABLE_COLUMNS, soft_wrap=True), options)
            return 0
        results = _with_progress(options, errors)
    except ScenarioError as error:
        raise DeployError(str(error)) from error
    ours = figures_of(results, lambda result: result.ours)
    naive = figures_of(results, lambda result: result.naive)
    console = Console(width=max(TABLE_COLUMNS, Console().width))
    print_tables(console, ours, naive)
    for error, times in list(errors_of(results).items())[:ERRORS_SHOWN_MAX]:
        console.print(f"not evaluated {times} times: {error}", markup=False, soft_wrap=True)
    _print_cost(console, results)
    differences = [each for result in results for each in result.differences]
    for difference in differences[:ERRORS_SHOWN_MAX]:
        console.print(f"fast path differs: {difference}", markup=False, soft_wrap=True)
    report = _write_report(options, render(options, results, ours, naive))
    console.print(f"report: {report}", markup=False, soft_wrap=True)
    if as_json:
        sys.stdout.write(json.dumps(as_plain(options, results, ours, naive)) + "\n")
    return 1 if differences else 0


def _write_report(options: Options, page: str) -> Path:
    options.out.mkdir(parents=True, exist_ok=True)
    report = options.out / "report.html"
    report.write_text(page, encoding="utf-8")
    return report


def _with_progress(options: Options, console: Console) -> list[Result]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        total = progress.add_task(f"{len(options.seeds)} seeds", total=len(options.seeds))
        parts: dict[int, float] = {}

        def told(seed: int, part: float) -> None:
            parts[seed] = max(part, parts.get(seed, 0.0))
            progress.update(total, completed=sum(parts.values()))

        return evaluate_all(options, told)


def _print_cost(console: Console, results: list[Result]) -> None:
    months = sum(result.site_months for result in results)
    cpu_s = sum(result.cpu_s for result in results)
    readings = sum(result.readings for result in results)
    compared = sum(result.compared for result in results)
    console.print(
        f"{months:.2f} site-months, {readings / 1e6:.1f} million readings, {cpu_s:.0f} s of CPU "
        f"({cpu_s / months:.1f} s a site-month); {compared} minutes went through real envelopes "
        "and were compared",
        highlight=False,
        soft_wrap=True,
    )


def as_plain(
    options: Options, results: list[Result], ours: Figures, naive: Figures
) -> dict[str, object]:
    """Return everything that was found as JSON."""
    settings = asdict(options) | {"out": str(options.out)}
    return {
        "options": settings,
        "goals": goal_lines(ours),
        "ours": _plain(ours),
        "naive": _plain(naive),
        "errors": errors_of(results),
        "readings": sum(result.readings for result in results),
        "cpu_s": round(sum(result.cpu_s for result in results), 1),
        "compared_minutes": sum(result.compared for result in results),
        "differences": [each for result in results for each in result.differences],
    }


def _plain(figures: Figures) -> dict[str, object]:
    plain = asdict(figures)
    plain["false_criticals"] = plain["false_criticals"][:1_000]
    return plain


def default_jobs() -> int:
    """Return how many processes this machine is good for."""
    return len(os.sched_getaffinity(0))


__all__ = [
    "Options",
    "default_jobs",
    "parse_only",
    "parse_seeds",
    "parse_without",
    "run_evaluation",
]
