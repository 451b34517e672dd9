"""The report as one HTML file that needs nothing beside it: for a reader at a bank."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from deploy.evaluate import drawings
from deploy.evaluate.figures import (
    DELAY_GOAL_S,
    FALSE_CRITICALS_GOAL,
    GOAL_HARMS,
    HOURS,
    RECALL_GOAL,
    Figures,
    KindFigures,
    errors_of,
)
from deploy.evaluate.noise_table import NOISE
from deploy.evaluate.options import Options
from deploy.evaluate.outcome import Result
from deploy.evaluate.statistics import Estimate
from deploy.evaluate.table import goal_lines, moment, percent, replay_of, seconds

CASES_MAX: Final = 50
FALSES_MAX: Final = 50
_NO_ESTIMATE: Final = "-"

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;color:#1b1f24;max-width:66rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.7rem}h2{font-size:1.25rem;margin-top:2.2rem;border-bottom:1px solid #d0d7de}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:.3rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid #e3e7eb}
th{color:#57606a}
th:first-child,td:first-child,td.text{text-align:left}td.text{white-space:normal}
.wide{overflow-x:auto}svg{width:100%;height:auto;font:12px system-ui,sans-serif}
.grid{stroke:#e3e7eb}
.axis{stroke:#57606a}.goal{stroke:#c0392b;stroke-dasharray:4 3}.tick{fill:#57606a;font-size:11px}
.met{color:#1a7f37}.missed{color:#b42318}.note{color:#57606a;font-size:.9rem}code{font-size:.85em}
ul.goals{list-style:none;padding:0}
"""


def render(options: Options, results: Sequence[Result], ours: Figures, naive: Figures) -> str:
    """Return the page."""
    parts = [
        "<h1>How good detection is</h1>",
        _what(options, results, ours),
        "<h2>Goals</h2>",
        _goals(ours),
        "<h2>Found, by what was done</h2>",
        "<p class=note>Blue: ours. Brown: the threshold rule. Bars: 95 % intervals (Wilson). "
        f"Dashed: the goal, {RECALL_GOAL:.0%}. The threshold rule alarms so often that one of its "
        "alarms falls into most incidents by chance; its recall is worth no more than its "
        "precision.</p>",
        drawings.intervals(_recalls(ours, naive), RECALL_GOAL),
        _kinds(ours, naive),
        "<h2>How soon</h2>",
        f"<p class=note>Which share was found after how long; dashed: {DELAY_GOAL_S:.0f} s.</p>",
        drawings.steps(_curves(ours, naive), DELAY_GOAL_S),
        "<h2>False alarms</h2>",
        _falses(ours, naive),
        "<p class=note>False critical alerts by the hour of the day (UTC) at which they came.</p>",
        drawings.bars(ours.by_hour, [f"{hour:02d}" for hour in range(HOURS)], "By hour"),
        "<h2>Harmless things, and whether they alarmed</h2>",
        _harmless(ours, naive),
        "<h2>Where it was late or blind</h2>",
        _misses(ours),
        "<h2>False critical alerts</h2>",
        _false_cases(ours),
        _errors(results),
        "<h2>The noise</h2>",
        _table(("sensor", "model"), [(name, _text(text)) for name, text in NOISE]),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Detection, evaluated</title><style>{_STYLE}</style><body>"
        + "\n".join(parts)
        + "</body></html>"
    )


def _what(options: Options, results: Sequence[Result], ours: Figures) -> str:
    readings = sum(result.readings for result in results)
    compared = sum(result.compared for result in results)
    differing = sum(len(result.differences) for result in results)
    without = f", without {', '.join(options.without)}" if options.without else ""
    equal = "all were equal" if not differing else f"{differing} differed"
    return (
        f"<p>Scenario <code>{escape(options.scenario)}</code>: {options.sites} sites for "
        f"{options.days} days, {len(options.seeds)} seeds{without}: {ours.site_months:.1f} "
        f"site-months, {readings / 1e6:.0f} million readings. Warehouses, goods and incidents are "
        "simulated; the gateway's own filter, envelope and clock and the backend's own rules "
        "work on them in virtual time. Each incident is labelled with what is true. "
        f"{compared} random minutes went through real signed envelopes as well; {equal}.</p>"
        "<p>Beside ours stands the rule that a buyer would write himself: a tag not read for "
        "30 s is missing, one weight too light is a shortfall, one fix outside the fence a "
        "relocation, one reading over a limit damage, any camera event tampering.</p>"
    )


def _goals(ours: Figures) -> str:
    lines = "".join(
        f'<li class="{"missed" if "missed" in line or "short of" in line else "met"}">'
        f"{escape(line)}</li>"
        for line in goal_lines(ours)
    )
    return f'<ul class="goals">{lines}</ul>'


def _recalls(
    ours: Figures, naive: Figures
) -> list[tuple[str, drawings.Interval | None, drawings.Interval | None]]:
    others = {kind.name: kind for kind in naive.kinds}
    return [
        (
            f"{kind.name} ({kind.count})",
            _interval(kind.recall),
            _interval(others[kind.name].recall) if kind.name in others else None,
        )
        for kind in ours.kinds
    ]


def _interval(estimate: Estimate | None) -> drawings.Interval | None:
    return None if estimate is None else (estimate.value, estimate.low, estimate.high)


def _curves(ours: Figures, naive: Figures) -> list[tuple[str, Sequence[float], int, str]]:
    return [
        (name, *_delays(figures.kinds), colour)
        for name, figures, colour in (
            ("ours", ours, drawings.OURS),
            ("threshold rule", naive, drawings.NAIVE),
        )
    ]


def _delays(kinds: Iterable[KindFigures]) -> tuple[list[float], int]:
    own = list(kinds)
    return [delay for kind in own for delay in kind.delays_s], sum(kind.count for kind in own)


def _kinds(ours: Figures, naive: Figures) -> str:
    others = {kind.name: kind for kind in (*naive.groups, *naive.kinds)}
    head = (
        "kind",
        "n",
        "recall",
        "critical",
        "median time",
        "95 % within",
        "to critical",
        "threshold rule",
    )
    rows = [
        (
            kind.name,
            str(kind.count),
            percent(kind.recall),
            _NO_ESTIMATE if kind.critical_recall is None else f"{kind.critical_recall.value:.3f}",
            seconds(kind.delay_median_s),
            seconds(kind.delay_p95_s),
            seconds(kind.critical_median_s),
            percent(others[kind.name].recall) if kind.name in others else _NO_ESTIMATE,
        )
        for kind in (*[g for g in ours.groups if g.name in GOAL_HARMS], *ours.kinds)
    ]
    return _table(head, rows)


def _falses(ours: Figures, naive: Figures) -> str:
    mine = {(f.severity, f.kind): f for f in ours.falses}
    theirs = {(f.severity, f.kind): f for f in naive.falses}
    rows = [
        (
            f"{severity}, {kind}",
            *(
                cell
                for found in (mine.get((severity, kind)), theirs.get((severity, kind)))
                for cell in (
                    ("0", _NO_ESTIMATE)
                    if found is None
                    else (str(found.count), _rate(found.per_month))
                )
            ),
        )
        for severity, kind in sorted({*mine, *theirs})
    ]
    precise = ("", percent(ours.precision), "", percent(naive.precision))
    rows.append(("precision of criticals", *precise))
    note = (
        f"<p class=note>The goal is fewer than {FALSE_CRITICALS_GOAL:g} critical a site-month. "
        "Intervals are exact (Poisson). An alert that a sensor is lost while it truly is, or "
        "while its link is out, is not false.</p>"
    )
    head = ("alert", "ours", "ours, a site-month", "threshold rule", "rule, a site-month")
    return note + _table(head, rows)


def _rate(estimate: Estimate | None) -> str:
    if estimate is None:
        return _NO_ESTIMATE
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _harmless(ours: Figures, naive: Figures) -> str:
    others = {kind: alarmed for kind, _, alarmed in naive.harmless}
    rows = [
        (
            "movement under a release order",
            str(ours.movements),
            str(ours.movements_alarmed),
            str(naive.movements_alarmed),
        )
    ]
    rows += [
        (kind, str(count), str(alarmed), str(others.get(kind, 0)))
        for kind, count, alarmed in ours.harmless
    ]
    return _table(("what", "how many", "alarmed", "alarmed the threshold rule"), rows)


def _misses(ours: Figures) -> str:
    if not ours.misses:
        return "<p>Nowhere: each incident was found, gravely, and in time.</p>"
    rows: list[tuple[str, ...]] = []
    for label in ours.misses[:CASES_MAX]:
        if label.found_us is None:
            what = "not found"
        elif label.critical_us is None:
            what = f"a warning after {label.delay_s:.0f} s, never critical"
        else:
            what = f"after {label.delay_s:.0f} s"
        case = replay_of(label.seed, label.site, label.id)
        sensors = ", ".join(label.shown_by)
        cells = (what, moment(label.begins_us), label.lot or "", sensors, label.truth, case)
        rows.append((label.kind, *map(_text, cells)))
    head = (
        "kind",
        "what came of it",
        "when (UTC)",
        "lot",
        "could be shown by",
        "what was true",
        "ONLY=",
    )
    return _table(head, rows)


def _false_cases(ours: Figures) -> str:
    if not ours.false_criticals:
        return "<p>There was none.</p>"
    rows = [
        (
            alert.kind,
            *(
                _text(cell)
                for cell in (
                    f"seed {alert.seed}, {alert.site}, {alert.lot}",
                    moment(alert.opened_us),
                    alert.verdict.value,
                    alert.summary,
                )
            ),
        )
        for alert in ours.false_criticals[:FALSES_MAX]
    ]
    return _table(("kind", "where", "when (UTC)", "because", "what it said"), rows)


def _errors(results: Sequence[Result]) -> str:
    found = errors_of(results)
    if not found:
        return ""
    rows = [(error, str(times)) for error, times in found.items()]
    return "<h2>Lots that could not be evaluated</h2>" + _table(("error", "times"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell that begins with its own tag is taken as it is."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(
        "<tr>"
        + "".join(
            f"{cell}</td>" if cell.startswith("<td") else f"<td>{escape(cell)}</td>"
            for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{heads}</tr>{lines}</table></div>'


def _text(cell: str) -> str:
    """Return a cell of words, which begin at the left."""
    return f'<td class="text">{escape(cell)}'
