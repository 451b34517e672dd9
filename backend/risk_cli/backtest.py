"""``python -m backend backtest``: what a haircut model would have done on a file of prices.

Exit codes: 0 green, 2 the arguments or the file are wrong, 4 yellow, 5 red.
"""

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated, Final

import typer

from backend.clock import SystemClock
from backend.errors import InvalidError
from backend.market.rules import read_price_csv
from backend.market.rules.price_file import FILE_BYTES_MAX
from backend.market.types import PriceTable
from backend.risk_cli.backtest_page import backtest_page
from backend.risk_cli.facts import facts
from backend.terminal import reported
from backend.valuation.rules.backtest import PROMISED_RATE, Backtest, run_backtest
from backend.valuation.rules.coverage_tests import Light
from backend.valuation.types import HaircutModel

EXIT_OF: Final = {Light.GREEN: 0, Light.YELLOW: 4, Light.RED: 5}
REPORT: Final = "backtest.html"
NAMES: Final = {
    "t4-99": HaircutModel.T4_99,
    "normal-99": HaircutModel.NORMAL_EWMA,
    "historical-99": HaircutModel.HISTORICAL,
}
WINDOWS_SAID: Final = (
    "windows do not overlap; the last one ends with the newest price of the file, and none was"
    " chosen by its outcome; the series that begin on the other days are told beside it"
)


def backtest(
    prices: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Lines of Date,Price; daily.")
    ],
    model: Annotated[str, typer.Option(help=f"One of {', '.join(NAMES)}.")] = "t4-99",
    horizon: Annotated[int, typer.Option(help="Trading days until the goods are sold.")] = 20,
    floor_bps: Annotated[int, typer.Option(min=0, max=10_000, help="Least haircut.")] = 0,
    compare: Annotated[bool, typer.Option(help="Show the other models beside it.")] = False,
    out: Annotated[Path | None, typer.Option(help=f"Folder for {REPORT}.")] = None,
) -> None:
    """Test a haircut model on past prices; exit code 0 green, 4 yellow, 5 red."""
    with reported():
        chosen = model_named(model)
        table = read_file(prices)
        models = [chosen, *(each for each in NAMES.values() if compare and each is not chosen)]
        results = [_run(table, each, horizon, floor_bps) for each in models]
        typer.echo(summary(prices.name, table, results))
        if out is not None:
            try:
                out.mkdir(parents=True, exist_ok=True)
                (out / REPORT).write_text(
                    backtest_page(prices.name, table, results, WINDOWS_SAID), encoding="utf-8"
                )
            except OSError as error:
                raise InvalidError("out", str(out), f"a folder to write to: {error}") from error
            typer.echo(f"report: {out / REPORT}")
    raise typer.Exit(EXIT_OF[results[0].light])


def model_named(name: str) -> HaircutModel:
    """Return a model by its short or its full name.

    Raises:
        InvalidError: There is none of that name.
    """
    for short, model in NAMES.items():
        if name in (short, model.value):
            return model
    raise InvalidError("model", name, f"one of {', '.join(NAMES)}")


def read_file(path: Path) -> PriceTable:
    """Return a file's prices.

    Raises:
        InvalidError: It is too long, or a line is not understood.
        RefusedError: It contradicts itself.
    """
    with path.open("rb") as opened:
        content = opened.read(FILE_BYTES_MAX + 1)
    return read_price_csv(content, today=SystemClock().now().astimezone(UTC).date())


def _run(table: PriceTable, model: HaircutModel, horizon: int, floor_bps: int) -> Backtest:
    """Run it with a bar on a terminal; nothing of it where there is none."""
    stderr = typer.get_text_stream("stderr")
    if not stderr.isatty():
        return run_backtest(table, model, horizon, floor=floor_bps / 10_000)
    with typer.progressbar(length=max(1, horizon), label=model.value, file=stderr) as bar:
        return run_backtest(
            table,
            model,
            horizon,
            floor=floor_bps / 10_000,
            told=lambda _done, _all: bar.update(1),
        )


def summary(name: str, table: PriceTable, results: Sequence[Backtest]) -> str:
    """Return the results as text, one column a model."""
    first, last = table.rows[0].day, table.rows[-1].day
    low = sum(row.value <= 0 for row in table.rows)
    lines = [
        f"{name}: {len(table.rows)} daily prices, {first} to {last}; {len(table.skipped_lines)}"
        f" lines without a price left out; {low} prices of zero or below",
        f"{PROMISED_RATE:.0%} of the windows of {results[0].horizon_days} trading days may be"
        f" exceeded; {WINDOWS_SAID}",
        "",
    ]
    labels = [label for label, _ in facts(results[0])]
    columns = [[value for _, value in facts(each)] for each in results]
    widths = [max(len(cell) for cell in column) for column in columns]
    width = max(len(label) for label in labels)
    for at, label in enumerate(labels):
        cells = "  ".join(
            column[at].rjust(wide) for column, wide in zip(columns, widths, strict=True)
        )
        lines.append(f"{label:<{width}}  {cells}")
    return "\n".join(lines)
