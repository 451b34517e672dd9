"""The figures of a whole evaluation, out of the results of its seeds, and the goals."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.evaluate.outcome import Result, Scored, ScoredAlert, ScoredLabel, Verdict
from deploy.evaluate.statistics import Estimate, quantile, rate, share

# Design, quality.md, "Detection".
RECALL_GOAL: Final = 0.99
DELAY_GOAL_S: Final = 60.0
FALSE_CRITICALS_GOAL: Final = 1.0  # A site-month.
GOAL_HARMS: Final = ("shortfall", "relocation", "damage", "tamper")
WORST_MAX: Final = 50
HOURS: Final = 24
_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFigures:
    """One kind of incident, or several together."""

    name: str
    count: int
    found: int
    critical: int
    recall: Estimate | None
    critical_recall: Estimate | None
    delay_median_s: Estimate | None
    delay_p95_s: Estimate | None
    critical_median_s: Estimate | None
    delays_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Falses:
    """False alerts of one severity and kind; ``per_month`` is of a site."""

    severity: str
    kind: str
    count: int
    per_month: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far a kind is from its goal, and which sensor closes it: recall with and without it."""

    name: str
    recall: float
    missing: float
    closes: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one detector came to."""

    site_months: float
    groups: tuple[KindFigures, ...]
    kinds: tuple[KindFigures, ...]
    falses: tuple[Falses, ...]
    precision: Estimate | None
    precision_of: tuple[tuple[str, Estimate | None], ...]
    movements: int
    movements_alarmed: int
    harmless: tuple[tuple[str, int, int], ...]  # Kind, how many, how many of them alarmed.
    by_hour: tuple[int, ...]
    misses: tuple[ScoredLabel, ...]
    false_criticals: tuple[ScoredAlert, ...]
    gaps: tuple[Gap, ...]

    @property
    def false_criticals_rate(self) -> Estimate | None:
        """False criticals a site-month."""
        return next(
            (f.per_month for f in self.falses if (f.severity, f.kind) == ("critical", "all")), None
        )


def figures_of(results: Sequence[Result], pick: Callable[[Result], Scored]) -> Figures:
    """Return the figures of one detector over all seeds."""
    months = sum(result.site_months for result in results)
    labels = [label for result in results for label in pick(result).labels]
    alerts = [alert for result in results for alert in pick(result).alerts]
    harmful = [label for label in labels if not label.harmless]
    critical = [alert for alert in alerts if alert.critical_us is not None]
    wrong = [alert for alert in critical if alert.verdict.is_false]
    kinds = tuple(
        _kind(name, [label for label in harmful if label.kind == name])
        for name in sorted({label.kind for label in harmful})
    )
    return Figures(
        site_months=months,
        groups=tuple(
            _kind(harm, group)
            for harm in (*GOAL_HARMS, "surveillance_lost", "double_pledge")
            if (group := [label for label in harmful if label.harms and label.harms[0] == harm])
        ),
        kinds=kinds,
        falses=_falses(alerts, months),
        precision=share(len(critical) - len(wrong), len(critical)),
        precision_of=_precision(critical),
        movements=sum(pick(result).movements for result in results),
        movements_alarmed=sum(pick(result).movements_alarmed for result in results),
        harmless=_harmless(labels),
        by_hour=_by_hour(wrong),
        misses=_misses(harmful),
        false_criticals=tuple(sorted(wrong, key=lambda a: (a.seed, a.site, a.opened_us))),
        gaps=tuple(gap for each in kinds if (gap := _gap(each, harmful)) is not None),
    )


def _kind(name: str, labels: Sequence[ScoredLabel]) -> KindFigures:
    delays = sorted(d for label in labels if (d := label.delay_s) is not None)
    grave = [d for label in labels if (d := label.critical_s) is not None]
    return KindFigures(
        name=name,
        count=len(labels),
        found=len(delays),
        critical=len(grave),
        recall=share(len(delays), len(labels)),
        critical_recall=share(len(grave), len(labels)),
        delay_median_s=quantile(delays, 0.5),
        delay_p95_s=quantile(delays, 0.95),
        critical_median_s=quantile(grave, 0.5),
        delays_s=tuple(delays),
    )


def _falses(alerts: Iterable[ScoredAlert], months: float) -> tuple[Falses, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for alert in alerts:
        if alert.verdict.is_false:
            severity = "warning" if alert.critical_us is None else "critical"
            counts[severity, alert.kind] += 1
            counts[severity, "all"] += 1
    for severity in ("critical", "warning"):
        counts.setdefault((severity, "all"), 0)
    return tuple(
        Falses(severity=severity, kind=kind, count=count, per_month=rate(count, months))
        for (severity, kind), count in sorted(counts.items())
    )


def _precision(critical: Sequence[ScoredAlert]) -> tuple[tuple[str, Estimate | None], ...]:
    kinds = sorted({alert.kind for alert in critical})
    of_kind = {kind: [alert for alert in critical if alert.kind == kind] for kind in kinds}
    return tuple(
        (kind, share(sum(not alert.verdict.is_false for alert in own), len(own)))
        for kind, own in of_kind.items()
    )


def _harmless(labels: Iterable[ScoredLabel]) -> tuple[tuple[str, int, int], ...]:
    counts: dict[str, tuple[int, int]] = {}
    for label in labels:
        if label.harmless:
            count, alarmed = counts.get(label.kind, (0, 0))
            counts[label.kind] = count + 1, alarmed + (label.alarms > 0)
    return tuple((kind, count, alarmed) for kind, (count, alarmed) in sorted(counts.items()))


def _by_hour(alerts: Iterable[ScoredAlert]) -> tuple[int, ...]:
    hours = [0] * HOURS
    for alert in alerts:
        hours[alert.opened_us // _HOUR_US % HOURS] += 1
    return tuple(hours)


def _misses(labels: Iterable[ScoredLabel]) -> tuple[ScoredLabel, ...]:
    """Return the worst cases: not found at all, never critical, then the slowest."""

    def rank(label: ScoredLabel) -> tuple[int, float]:
        if label.found_us is None:
            return 0, 0.0
        if label.critical_us is None:
            return 1, -(label.delay_s or 0.0)
        return 2, -(label.delay_s or 0.0)

    worst = [
        label
        for label in labels
        if label.critical_us is None or (label.delay_s or 0.0) > DELAY_GOAL_S
    ]
    return tuple(sorted(worst, key=rank)[:WORST_MAX])


def _gap(kind: KindFigures, labels: Sequence[ScoredLabel]) -> Gap | None:
    """Return how far a kind is from its goal; for each sensor, recall with it and without."""
    own = [label for label in labels if label.kind == kind.name]
    goal = any(harm in GOAL_HARMS for label in own for harm in label.harms)
    if kind.recall is None or not goal or kind.recall.value >= RECALL_GOAL:
        return None
    closes: list[tuple[str, float, float]] = []
    for sensor in sorted({sensor for label in labels for sensor in label.sensors}):
        having = [label for label in own if sensor in label.sensors]
        lacking = [label for label in own if sensor not in label.sensors]
        if having and lacking:
            closes.append((sensor, _recall(having), _recall(lacking)))
    better = [each for each in closes if each[1] > each[2]]
    return Gap(
        name=kind.name,
        recall=kind.recall.value,
        missing=RECALL_GOAL - kind.recall.value,
        closes=tuple(sorted(better, key=lambda each: each[2] - each[1])),
    )


def _recall(labels: Sequence[ScoredLabel]) -> float:
    return sum(label.found_us is not None for label in labels) / len(labels)


def errors_of(results: Iterable[Result]) -> dict[str, int]:
    """Return what rules raised, and how often: such lots were not evaluated, which locks."""
    found: Counter[str] = Counter()
    for result in results:
        found.update(dict(result.raised))
    return dict(found.most_common())


__all__ = [
    "DELAY_GOAL_S",
    "FALSE_CRITICALS_GOAL",
    "RECALL_GOAL",
    "Figures",
    "KindFigures",
    "Verdict",
    "errors_of",
    "figures_of",
]
