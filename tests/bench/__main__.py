"""``python -m tests.bench [--only NAME]``: measure, print a table, write bench-results.json."""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.bench.results import Result, save, table_of

BENCHES = (
    "ingest_worker",
    "ingest_end_to_end",
    "sensor_to_lock",
    "console",
    "gateway_cpu",
    "gateway_faults",
    "revaluation",
    "tick_to_locks",
    "journal_transfers",
)
"""Modules of this folder, each with ``measure() -> list[Result]``; in the order of running."""

app = typer.Typer(add_completion=False)


@app.command()
def bench(
    only: Annotated[str | None, typer.Option(help="The one to run. Default: all.")] = None,
    output: Annotated[Path, typer.Option(help="Where the results go.")] = Path(
        "bench-results.json"
    ),
) -> None:
    """Measure against yardsticks and write the results."""
    if only is not None and only not in BENCHES:
        sys.stderr.write(f"--only {only}: must be one of {', '.join(BENCHES)}\n")
        raise typer.Exit(2)
    console = Console(width=None if sys.stdout.isatty() else 160)
    results: list[Result] = []
    for name in BENCHES if only is None else (only,):
        console.print(f"Measuring {name} ...")
        measured: list[Result] = importlib.import_module(f"tests.bench.{name}").measure()
        save(output, measured)
        results += measured
    console.print(table_of(results))


if __name__ == "__main__":
    app()
