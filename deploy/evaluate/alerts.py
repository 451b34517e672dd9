"""The life of alerts as backend.alerts.service gives it to them, and a person who resolves them.

One cause has one unresolved alert: it escalates, ceases and recurs. Somebody resolves an alert
when it has ceased for a while, which also forgets damage: so the next incident is a new alert.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from backend.alerts.rules.steps import is_worse
from backend.alerts.types import AlertKind, Finding, Severity, Steps
from backend.ids import GatewayId, LotId

RESOLVE_AFTER_US: Final = 600_000_000  # Ten minutes after it ceased.


@dataclass(slots=True, kw_only=True)
class Alert:
    """An alert; ``told`` is when it was opened, escalated and raised again, how gravely."""

    cause: str
    kind: AlertKind
    severity: Severity
    summary: str
    lot: LotId | None
    gateway: GatewayId | None
    told: list[tuple[int, Severity]]
    evidence: tuple[str, ...] = ()
    ceased_us: int | None = None

    @property
    def opened_us(self) -> int:
        """When it was opened."""
        return self.told[0][0]


@dataclass(slots=True)
class AlertBook:
    """All alerts of a run; ``open`` by cause."""

    open: dict[str, Alert] = field(default_factory=dict[str, Alert])
    every: list[Alert] = field(default_factory=list[Alert])

    def take(self, steps: Iterable[Steps], now_us: int) -> None:
        """Raise findings, and note which causes are no more."""
        for step in steps:
            for finding in step.findings:
                self._raise(finding, now_us)
            for cause in step.ceased:
                alert = self.open.get(cause)
                if alert is not None and alert.ceased_us is None:
                    alert.ceased_us = now_us

    def resolve(self, now_us: int) -> list[Alert]:
        """Resolve what has ceased for long enough; return it."""
        done = [
            alert
            for alert in self.open.values()
            if alert.ceased_us is not None and now_us - alert.ceased_us >= RESOLVE_AFTER_US
        ]
        for alert in done:
            del self.open[alert.cause]
        return done

    def _raise(self, finding: Finding, now_us: int) -> None:
        alert = self.open.get(finding.cause)
        if alert is None:
            alert = Alert(
                cause=finding.cause,
                kind=finding.kind,
                severity=finding.severity,
                summary=finding.summary,
                lot=finding.lot_id,
                gateway=finding.gateway,
                told=[(now_us, finding.severity)],
                evidence=tuple(
                    f"{e.sensor}: {e.text}"
                    + ("" if e.log_odds is None else f" ({e.log_odds:+.1f} nats)")
                    for e in finding.evidence
                ),
            )
            self.open[finding.cause] = alert
            self.every.append(alert)
            return
        worse = is_worse(finding.severity, alert.severity)
        if not worse and alert.ceased_us is None:
            return
        alert.ceased_us = None
        if worse:
            alert.severity = finding.severity
            alert.summary = finding.summary
        alert.told.append((now_us, finding.severity))
