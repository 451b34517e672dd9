"""A backtest's results as one page of HTML: no scripts, nothing from elsewhere."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Final

from backend.market.types import PriceTable
from backend.risk_cli.drawings import bars, timeline
from backend.risk_cli.facts import facts
from backend.valuation.rules.backtest import PROMISED_RATE, Backtest
from backend.valuation.rules.coverage_tests import Light, traffic_light

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
body{color:#1c2430}table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.2rem .7rem;border-bottom:1px solid #dde2e8}
th{text-align:left;font-weight:600}td{text-align:right}
svg{width:100%;height:auto}.grid{stroke:#e3e7ec}.axis{stroke:#7b8694}
.tick{font-size:11px;fill:#5b6673}
.green{color:#1e7d3c}.yellow{color:#9a6b00}.red{color:#c0392b}
"""


def backtest_page(
    name: str, table: PriceTable, results: Sequence[Backtest], windows_said: str
) -> str:
    """Return the page; the first result is the one that was asked for."""
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>Backtest of {escape(name)}</title>',
        f"<style>{_STYLE}</style></head><body><h1>Backtest of {escape(name)}</h1>",
        f"<p>{len(table.rows)} daily prices, {table.rows[0].day} to {table.rows[-1].day};"
        f" {len(table.skipped_lines)} lines without a price left out,"
        f" {sum(row.value <= 0 for row in table.rows)} prices of zero or below.</p>",
        f"<p>Windows of {results[0].horizon_days} trading days; {escape(windows_said)}. A window"
        " is exceeded when the price at its end has lost more than the haircut of its beginning."
        " A price of zero or below counts in the volatility as a fall by nine tenths, at a"
        " window's end as a loss of all or more; at its beginning nothing is lent.</p>",
        _table(results),
        *(_drawn(each) for each in results),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(results: Sequence[Backtest]) -> str:
    told = [facts(each) for each in results]
    rows = [
        f"<tr><th>{escape(label)}</th>"
        + "".join(_cell(label, column[at][1]) for column in told)
        + "</tr>"
        for at, (label, _) in enumerate(told[0])
    ]
    return "<table>" + "".join(rows) + "</table>"


def _cell(label: str, value: str) -> str:
    style = f' class="{escape(value.lower())}"' if label == "traffic light" else ""
    return f"<td{style}>{escape(value)}</td>"


def _drawn(result: Backtest) -> str:
    windows = result.windows
    first, span = windows[0].begin, max(1, (windows[-1].begin - windows[0].begin).days)

    def place(day: date) -> float:
        return (day - first).days / span

    marks = [
        (
            place(window.begin),
            window.loss,
            window.exceeded,
            f"{window.begin} to {window.end}: {window.begin_price:g} to {window.end_price:g},"
            f" loss {window.loss:.1%}, haircut {window.haircut:.1%}",
        )
        for window in windows
    ]
    years = sorted({window.begin.year for window in windows})
    shown = [year for year in years if year % 5 == 0 and date(year, 1, 1) >= first]
    by_year = Counter(window.begin.year for window in windows if window.exceeded)
    lights = [
        traffic_light(x, n, PROMISED_RATE) is not Light.GREEN
        for x, n in zip(result.phases, result.phase_windows, strict=True)
    ]
    return "\n".join(
        [
            f"<h2>{escape(result.model.value)}</h2>",
            "<h3>Haircut (line) and loss of each window (dots; large: exceeded)</h3>",
            timeline(
                [(place(window.begin), window.haircut) for window in windows],
                marks,
                [(place(date(year, 1, 1)), str(year)) for year in shown],
                "Haircuts and losses over time",
            ),
            "<h3>Exceeded windows by year</h3>",
            bars(
                [by_year[year] for year in years],
                [str(year) for year in years],
                [False] * len(years),
                "Exceeded windows by year",
            ),
            "<h3>Exceeded windows if the series ends so many days before the newest price</h3>",
            bars(
                result.phases,
                [str(phase) for phase in range(len(result.phases))],
                lights,
                "Exceeded windows of each series",
            ),
        ]
    )
