"""The figures as tables for a terminal."""

from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table

from deploy.evaluate.figures import (
    DELAY_GOAL_S,
    FALSE_CRITICALS_GOAL,
    GOAL_HARMS,
    RECALL_GOAL,
    Figures,
    KindFigures,
)
from deploy.evaluate.outcome import ScoredAlert, ScoredLabel
from deploy.evaluate.statistics import Estimate

SHOWN_MAX: Final = 12
_MINUTE_S: Final = 120.0


def print_tables(console: Console, ours: Figures, naive: Figures) -> None:
    """Print what both detectors came to, goals, look-alikes, and the worst cases."""
    console.print(_recall_table("Incidents by harm", ours.groups, naive.groups))
    console.print(_recall_table("Incidents by kind", ours.kinds, naive.kinds))
    console.print(_false_table(ours, naive))
    console.print(_harmless_table(ours, naive))
    for line in goal_lines(ours):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    _print_cases(console, ours)


def goal_lines(ours: Figures) -> list[str]:
    """Return each goal and whether it is met, or by how much it is missed."""
    lines: list[str] = []
    for group in ours.groups:
        if group.name not in GOAL_HARMS or group.recall is None:
            continue
        missing = RECALL_GOAL - group.recall.value
        said = "met" if missing <= 0 else f"missed by {missing:.3f}"
        lines.append(f"recall of {group.name} >= {RECALL_GOAL}: {said} ({percent(group.recall)})")
        if group.delay_median_s is not None:
            over_s = group.delay_median_s.value - DELAY_GOAL_S
            said = "met" if over_s < 0 else f"missed by {over_s:.0f} s"
            took = seconds(group.delay_median_s)
            lines.append(f"median time of {group.name} < {DELAY_GOAL_S:.0f} s: {said} ({took})")
    falses = ours.false_criticals_rate
    if falses is not None:
        over = falses.value - FALSE_CRITICALS_GOAL
        said = "met" if over < 0 else f"missed by {over:.2f}"
        shown = f"{falses.value:.2f} [{falses.low:.2f}, {falses.high:.2f}]"
        lines.append(f"false criticals a site-month < {FALSE_CRITICALS_GOAL:g}: {said} ({shown})")
    said = "met" if ours.movements_alarmed == 0 else f"missed by {ours.movements_alarmed}"
    lines.append(f"authorised movements that alarmed, of {ours.movements}: {said}")
    for gap in ours.gaps:
        better = ", ".join(
            f"{sensor} (recall {having:.2f} with it, {lacking:.2f} without)"
            for sensor, having, lacking in gap.closes
        )
        help_ = f"; would be closer with {better}" if better else "; no sensor kind tells why"
        lines.append(f"{gap.name}: {gap.missing:.3f} short of the goal{help_}")
    return lines


def percent(estimate: Estimate | None) -> str:
    """Return a share with its interval."""
    if estimate is None:
        return "-"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def seconds(estimate: Estimate | None) -> str:
    """Return a time with its interval."""
    if estimate is None:
        return "-"
    scale, unit = (1.0, "s") if estimate.value < _MINUTE_S else (60.0, "min")
    value, low, high = (v / scale for v in (estimate.value, estimate.low, estimate.high))
    return f"{value:.0f} [{low:.0f}, {high:.0f}] {unit}"


def moment(unix_us: int) -> str:
    """Return a time in words, UTC."""
    return datetime.fromtimestamp(unix_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def replay_of(seed: int, site: str, label: str) -> str:
    """Return how a case can be looked at again."""
    return f"{seed}:{site}:{label}"


def _recall_table(
    title: str, ours: tuple[KindFigures, ...], naive: tuple[KindFigures, ...]
) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("kind", "n", "recall", "critical", "median", "p95", "to critical"):
        table.add_column(name, justify="left" if name == "kind" else "right", no_wrap=True)
    table.add_column("naive recall", justify="right", no_wrap=True)
    table.add_column("naive median", justify="right", no_wrap=True)
    others = {kind.name: kind for kind in naive}
    for kind in ours:
        other = others.get(kind.name)
        table.add_row(
            kind.name,
            str(kind.count),
            percent(kind.recall),
            "-" if kind.critical_recall is None else f"{kind.critical_recall.value:.3f}",
            seconds(kind.delay_median_s),
            "-"
            if kind.delay_p95_s is None
            else seconds(kind.delay_p95_s).split(" [")[0]
            + (" s" if kind.delay_p95_s.value < _MINUTE_S else " min"),
            seconds(kind.critical_median_s).split(" [")[0],
            "-" if other is None or other.recall is None else f"{other.recall.value:.3f}",
            "-" if other is None else seconds(other.delay_median_s).split(" [")[0],
        )
    return table


def _false_table(ours: Figures, naive: Figures) -> Table:
    table = Table(title=f"False alerts, {ours.site_months:.2f} site-months", title_justify="left")
    for name in ("severity", "kind", "count", "a site-month", "naive count", "naive a site-month"):
        table.add_column(name, justify="left" if name in ("severity", "kind") else "right")
    mine = {(f.severity, f.kind): f for f in ours.falses}
    theirs = {(f.severity, f.kind): f for f in naive.falses}
    for key in sorted({*mine, *theirs}):
        own, other = mine.get(key), theirs.get(key)
        table.add_row(
            *key,
            "0" if own is None else str(own.count),
            "-" if own is None or own.per_month is None else _rate(own.per_month),
            "0" if other is None else str(other.count),
            "-" if other is None or other.per_month is None else _rate(other.per_month),
        )
    table.add_row(
        "precision", "criticals", "", percent(ours.precision), "", percent(naive.precision)
    )
    return table


def _rate(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _harmless_table(ours: Figures, naive: Figures) -> Table:
    table = Table(title="Harmless, and alarmed (critical)", title_justify="left")
    for name in ("what", "n", "alarmed", "naive alarmed"):
        table.add_column(name, justify="left" if name == "what" else "right")
    others = {kind: alarmed for kind, _, alarmed in naive.harmless}
    table.add_row(
        "authorised movement",
        str(ours.movements),
        str(ours.movements_alarmed),
        str(naive.movements_alarmed),
    )
    for kind, count, alarmed in ours.harmless:
        table.add_row(kind, str(count), str(alarmed), str(others.get(kind, 0)))
    return table


def _print_cases(console: Console, ours: Figures) -> None:
    lines = [_miss_line(label) for label in ours.misses[:SHOWN_MAX]]
    lines += [_false_line(alert) for alert in ours.false_criticals[:SHOWN_MAX]]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _miss_line(label: ScoredLabel) -> str:
    if label.found_us is None:
        what = "not found"
    elif label.critical_us is None:
        what = f"never critical, found after {label.delay_s:.0f} s"
    else:
        what = f"found after {label.delay_s:.0f} s"
    where = replay_of(label.seed, label.site, label.id)
    return f"{what}: {where} {moment(label.begins_us)} {label.lot}: {label.truth}"


def _false_line(alert: ScoredAlert) -> str:
    return (
        f"false critical ({alert.verdict.value}): seed {alert.seed} {alert.site} "
        f"{moment(alert.opened_us)} {alert.lot} {alert.kind}: {alert.summary}"
    )
