"""Alerts against the truth. An alert fits an incident by place, kind and time.

It is about an incident when its lot is among those that the incident touches (or its gateway
watches one of them), when its kind is among the incident's harms, and when it was raised, raised
again or made graver between the incident's begin and its end, and some time after for what was
still on its way. What fits no incident, and happened in none, is false, and counted once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.alerts.types import AlertKind, Severity
from backend.collateral.types import Purpose, SensorKey
from backend.ids import GatewayId, LotId
from deploy.evaluate.alerts import Alert
from deploy.evaluate.outcome import Scored, ScoredAlert, ScoredLabel, Verdict
from deploy.evaluate.registry import Registered
from firmware_sim.months.types import Label, Order, SiteRun

GRACE_US: Final = 600_000_000  # Patience of sensors and people after an incident is over.
SETTLE_US: Final = 3_600_000_000  # After an order's window: a lot's new weight is learned.
_SENSORS: Final = {
    Purpose.PRESENCE: "rfid",
    Purpose.LOAD: "scale",
    Purpose.POSITION: "gps",
    Purpose.CONDITION: "condition",
    Purpose.DOOR: "door",
    Purpose.CAMERA: "camera",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One site's truth, and how its lots and gateways go together."""

    run: SiteRun
    own: Registered
    gateways: Mapping[str, frozenset[str]]  # By lot.
    silences: Mapping[SensorKey, Sequence[tuple[int, int]]]

    @classmethod
    def of(
        cls,
        run: SiteRun,
        own: Registered,
        silences: Mapping[SensorKey, Sequence[tuple[int, int]]],
    ) -> "Truth":
        """Return the truth of one site's run."""
        gateways = {
            own.names[lot]: frozenset(str(row["gateway_id"]) for row in rows)
            for lot, rows in own.bindings.items()
        }
        return cls(run=run, own=own, gateways=gateways, silences=silences)


def score(truths: Sequence[Truth], alerts: Iterable[Alert], seed: int) -> Scored:
    """Return what alerts were about, and what became of each incident."""
    placed = _placed(truths, alerts)
    scored: list[ScoredAlert] = []
    labels: list[ScoredLabel] = []
    moved = alarmed = 0
    for truth in truths:
        mine = placed[truth.own.site]
        judged = [_judge(truth, truths, alert, seed) for alert in mine]
        scored += judged
        alarms = Counter(
            alert.label
            for alert in judged
            if alert.verdict is Verdict.HARMLESS and alert.critical_us is not None
        )
        labels += [
            replace(_found(truth, label, placed, seed), alarms=alarms[label.id])
            for label in truth.run.labels
        ]
        for order in truth.run.orders:
            moved += 1
            alarmed += any(_is_about_order(truth, order, alert) for alert in mine)
    return Scored(
        labels=tuple(labels),
        alerts=tuple(scored),
        movements=moved,
        movements_alarmed=alarmed,
    )


def _placed(truths: Sequence[Truth], alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    """Return alerts by site."""
    of_lot = {lot: truth.own.site for truth in truths for lot in truth.own.lots}
    of_gateway = {
        gateway: truth.own.site for truth in truths for gateway in truth.run.scenario.gateways()
    }
    placed: dict[str, list[Alert]] = {truth.own.site: [] for truth in truths}
    for alert in alerts:
        site = of_gateway[str(alert.gateway)] if alert.lot is None else of_lot[alert.lot]
        placed[site].append(alert)
    return placed


def _lot_name(truth: Truth, lot: LotId | None) -> str | None:
    return None if lot is None else truth.own.names[lot]


def _touches(truth: Truth, label: Label, alert: Alert) -> bool:
    """Return whether an alert is of a lot that an incident touches, or of its gateway."""
    lots = {*label.lots, *([label.lot] if label.lot else [])}
    if alert.lot is not None:
        return truth.own.names.get(alert.lot) in lots
    return any(str(alert.gateway) in truth.gateways.get(lot, frozenset()) for lot in lots)


def _until_us(truth: Truth, label: Label) -> int:
    """Return until when an alert may be about an incident: what waits for its link comes later."""
    until_us = label.ends_us + GRACE_US
    lots = {*label.lots, *([label.lot] if label.lot else [])}
    gateways = {gateway for lot in lots for gateway in truth.gateways.get(lot, frozenset())}
    late = [
        outage.ends_us + GRACE_US
        for outage in truth.run.outages
        if outage.gateway in gateways
        and outage.begins_us < until_us
        and outage.ends_us > label.begins_us
    ]
    return max([until_us, *late])


def _within(truth: Truth, label: Label, alert: Alert) -> list[tuple[int, Severity]]:
    until_us = _until_us(truth, label)
    return [each for each in alert.told if label.begins_us <= each[0] <= until_us]


def _fits(label: Label, alert: Alert) -> bool:
    return alert.kind.value in {harm.value for harm in label.harms}


def _labels_of(truth: Truth, truths: Sequence[Truth]) -> list[tuple[Truth, Label]]:
    """Return the incidents that a site's sensors may show: its own, and clones read at it."""
    return [
        (other, label)
        for other in truths
        for label in other.run.labels
        if other is truth or label.other_site == truth.own.site
    ]


def _judge(truth: Truth, truths: Sequence[Truth], alert: Alert, seed: int) -> ScoredAlert:
    verdict, label = _verdict(truth, truths, alert)
    critical = [at for at, severity in alert.told if severity is Severity.CRITICAL]
    return ScoredAlert(
        seed=seed,
        site=truth.own.site,
        lot=_lot_name(truth, alert.lot),
        kind=alert.kind.value,
        cause=alert.cause,
        opened_us=alert.opened_us,
        critical_us=critical[0] if critical else None,
        summary=alert.summary,
        verdict=verdict,
        label=None if label is None else label.id,
        evidence=alert.evidence,
    )


def _verdict(truth: Truth, truths: Sequence[Truth], alert: Alert) -> tuple[Verdict, Label | None]:
    during: list[Label] = []
    for home, label in _labels_of(truth, truths):
        foreign = home is not truth
        if not (foreign or _touches(home, label, alert)) or not _within(home, label, alert):
            continue
        if not label.harmless and _fits(label, alert):
            return Verdict.TRUE, label
        if not foreign:
            during.append(label)
    if _is_of_outage(truth, alert):
        return Verdict.OUTAGE, None
    harmful = [label for label in during if not label.harmless]
    if harmful:
        return Verdict.BESIDE, harmful[0]
    if any(_is_about_order(truth, order, alert, any_severity=True) for order in truth.run.orders):
        return Verdict.AUTHORISED, None
    if during:
        return Verdict.HARMLESS, during[0]
    return Verdict.FALSE, None


def _is_of_outage(truth: Truth, alert: Alert) -> bool:
    """Return whether something was out that an alert rightly says is out."""
    if alert.kind is not AlertKind.SURVEILLANCE_LOST:
        return False
    if alert.lot is None:
        gateways = frozenset((str(alert.gateway),))
    else:
        gateways = truth.gateways[truth.own.names[alert.lot]]
    spans = [(o.begins_us, o.ends_us) for o in truth.run.outages if o.gateway in gateways]
    spans += [
        (e.begins_us, e.ends_us)
        for e in truth.run.clock_errors
        if e.offset_us and e.gateway in gateways
    ]
    gateway, _, sensor = alert.cause.rsplit(":", 1)[-1].partition("/")
    spans += truth.silences.get((GatewayId(gateway), sensor), ())
    return any(begins_us <= alert.opened_us <= ends_us + GRACE_US for begins_us, ends_us in spans)


def _is_about_order(
    truth: Truth, order: Order, alert: Alert, *, any_severity: bool = False
) -> bool:
    """Return whether an alert blames what the lender has released."""
    if alert.lot is None or truth.own.names[alert.lot] != order.lot:
        return False
    if alert.kind is AlertKind.SURVEILLANCE_LOST:
        return False
    within = [
        severity
        for at_us, severity in alert.told
        if order.from_us <= at_us <= order.until_us + SETTLE_US
        and (any_severity or severity is Severity.CRITICAL)
    ]
    told = {at_us for at_us, _ in alert.told}
    during = any(
        order.lot in {*label.lots, label.lot}
        and not label.harmless
        and any(label.begins_us <= at <= _until_us(truth, label) for at in told)
        for label in truth.run.labels
    )
    return bool(within) and not during


def _found(
    truth: Truth,
    label: Label,
    placed: Mapping[str, Sequence[Alert]],
    seed: int,
) -> ScoredLabel:
    candidates = [alert for alert in placed[truth.own.site] if _touches(truth, label, alert)]
    if label.other_site is not None:
        candidates += placed.get(label.other_site, ())
    fitting = [
        (at_us, severity, alert)
        for alert in candidates
        if _fits(label, alert)
        for at_us, severity in _within(truth, label, alert)
    ]
    grave = [at_us for at_us, severity, _ in fitting if severity is Severity.CRITICAL]
    first = min(fitting, key=lambda each: each[0], default=None)
    lot = None if label.lot is None else truth.own.lot_named(label.lot)
    bound = () if lot is None else truth.own.bindings[lot]
    purposes = {Purpose(row["purpose"]) for row in bound}
    return ScoredLabel(
        seed=seed,
        site=truth.own.site,
        id=label.id,
        kind=label.kind,
        lot=label.lot,
        truth=label.truth,
        harms=tuple(harm.value for harm in label.harms),
        harmless=label.harmless,
        begins_us=label.begins_us,
        ends_us=label.ends_us,
        begins_s=(label.begins_us - truth.run.begins_us) / 1e6,
        found_us=None if first is None else first[0],
        critical_us=min(grave, default=None),
        found_as="" if first is None else first[2].summary,
        alarms=0,
        sensors=tuple(sorted({_SENSORS[purpose] for purpose in purposes})),
        shown_by=label.shown_by,
        outage=_until_us(truth, label) > label.ends_us + GRACE_US,
    )
