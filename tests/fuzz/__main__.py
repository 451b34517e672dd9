"""``python -m tests.fuzz [--family NAME] [--minutes 10] [--seed N]``: mutate, feed, keep findings.

Progress goes to standard error, one line of JSON a family to standard output.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tests.fuzz.findings import FINDINGS
from tests.fuzz.run import Summary, fuzz
from tests.fuzz.targets import TARGETS, target

app = typer.Typer(add_completion=False)


@app.command()
def main(
    family: Annotated[
        list[str] | None, typer.Option(help="What to fuzz; may be given again. Default: all.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="For each family.")] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same cases.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Families at the same time.")] = 1,
    findings: Annotated[Path, typer.Option(help="Where findings are written.")] = FINDINGS,
) -> None:
    """Feed mutated bytes to whatever reads bytes; exit with 1 if something did not hold."""
    names = family or list(TARGETS)
    try:
        for name in names:
            target(name)
    except ValueError as error:
        sys.stderr.write(f"--{error}\n")
        raise typer.Exit(2) from None
    found = 0
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        runs = [pool.submit(_fuzz, name, minutes * 60, seed, findings) for name in names]
        for run in as_completed(runs):
            summary = run.result()
            found += summary.findings
            sys.stdout.write(json.dumps(asdict(summary)) + "\n")
            sys.stdout.flush()
    raise typer.Exit(1 if found else 0)


def _fuzz(name: str, seconds: float, seed: int, folder: Path) -> Summary:
    return fuzz(target(name), seed=seed, folder=folder, seconds=seconds, progress=_tell)


def _tell(summary: Summary) -> None:
    sys.stderr.write(
        f"{summary.family}: {summary.seconds:.0f} s, {summary.cases} cases,"
        f" {summary.findings} findings\n"
    )


if __name__ == "__main__":
    app()
