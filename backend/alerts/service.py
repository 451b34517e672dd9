"""Alerts follow findings, and people's word on them; callers open the transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from backend.alerts.rules.life import (
    UNATTENDED_AFTER,
    check_acknowledge,
    check_resolve,
    choices_of,
    holding_of,
    item_of,
    locks_of,
    span_of,
)
from backend.alerts.rules.steps import is_worse, steps_of, stream_steps
from backend.alerts.store import alerts as store
from backend.alerts.store import around
from backend.alerts.types import (
    Alert,
    AlertEvent,
    AlertEvidence,
    AlertKind,
    CausedLock,
    Choice,
    Finding,
    Holding,
    Resolution,
    Severity,
    Steps,
    Timeline,
    What,
)
from backend.collateral.service import hold, unlatch
from backend.collateral.types import LotChange
from backend.db import Conn
from backend.errors import NotFoundError
from backend.ids import AlertId, LotId
from backend.ingest.types import StreamFault
from backend.parties.types import Actor, Role
from schemas.quantities import Quantity

MACHINE: Final = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """An alert with everything known of it."""

    alert: Alert
    evidence: Sequence[AlertEvidence]
    events: Sequence[AlertEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What stands around an alert; a timeline of alerts on lots only."""

    holding: Sequence[Holding]
    choices: Sequence[Choice]
    locks: Sequence[CausedLock]
    timeline: Timeline | None


def follow(conn: Conn, changes: Iterable[LotChange], now: datetime) -> list[Finding]:
    """Open, escalate, end and reopen alerts after changes of lots; return what was raised."""
    return take(conn, [steps_of(change) for change in changes], now)


def follow_streams(conn: Conn, faults: Iterable[StreamFault], now: datetime) -> list[Finding]:
    """Do the same after changes of gateways' streams and clocks."""
    return take(conn, [stream_steps(fault) for fault in faults], now)


def take(conn: Conn, steps: Sequence[Steps], now: datetime) -> list[Finding]:
    """Take steps: raise findings, and note which causes are no more; return what was raised."""
    findings = [finding for step in steps for finding in step.findings]
    eased = [finding for step in steps for finding in step.eased]
    ceased = [cause for step in steps for cause in step.ceased]
    if not findings and not eased and not ceased:
        return []
    known = store.load_unresolved(conn, {*ceased, *(f.cause for f in (*findings, *eased))})
    ended = [alert for cause in ceased if (alert := known.get(cause)) and alert.ceased_at is None]
    if not findings and not eased and not ended:
        return []
    with conn.pipeline():  # A lock waits for this: not for an answer to each statement.
        for finding in findings:
            _raise(conn, known.get(finding.cause), finding, now)
        for finding in eased:
            alert = known.get(finding.cause)
            if alert is not None:
                _ease(conn, alert, finding, now)
        for alert in ended:
            store.save_ceased(conn, alert.id, now)
            store.add_event(conn, alert.id, now, MACHINE, (What.CEASED, None))
    return findings


def _raise(conn: Conn, alert: Alert | None, finding: Finding, now: datetime) -> None:
    if alert is None:
        alert_id = AlertId(uuid4())
        store.add(conn, alert_id, finding, now)
        store.add_event(conn, alert_id, now, MACHINE, (What.OPENED, finding.summary))
        store.add_evidence(conn, alert_id, finding, now)
        return
    worse = is_worse(finding.severity, alert.severity)
    again = alert.eased_at is not None and finding.severity is alert.severity
    if not worse and not again and alert.ceased_at is None:
        _ease(conn, alert, finding, now)
        return
    severity: Severity = finding.severity if worse else alert.severity
    store.save_raised(conn, alert.id, severity, finding, now)
    if alert.ceased_at is not None:
        store.add_event(conn, alert.id, now, MACHINE, (What.RECURRED, finding.summary))
    if worse or again:
        store.add_event(conn, alert.id, now, MACHINE, (What.ESCALATED, severity.value))
    store.add_evidence(conn, alert.id, finding, now)


def _ease(conn: Conn, alert: Alert, finding: Finding, now: datetime) -> None:
    """Note that an alert is found less grave; its severity, which locks, is a person's to end."""
    if alert.eased_at is None and is_worse(alert.severity, finding.severity):
        store.save_eased(conn, alert.id, finding, now)
        event = What.DEESCALATED, finding.severity.value
        store.add_event(conn, alert.id, now, MACHINE, event)
        store.add_evidence(conn, alert.id, finding, now)


def note_unattended(conn: Conn, now: datetime) -> Sequence[AlertId]:
    """Note which critical alerts nobody has acknowledged in time; return them, each once."""
    found = store.note_unattended(conn, now - UNATTENDED_AFTER, now)
    minutes = int(UNATTENDED_AFTER.total_seconds() // 60)
    for alert_id in found:
        note = f"nobody acknowledged it within {minutes} minutes"
        store.add_event(conn, alert_id, now, MACHINE, (What.UNATTENDED, note))
    return found


def load_view(conn: Conn, alert_id: AlertId) -> AlertView:
    """Return an alert with its evidence and history.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
    """
    alert = store.load(conn, alert_id)
    if alert is None:
        raise NotFoundError("alert", alert_id)
    return AlertView(
        alert=alert,
        evidence=store.fetch_evidence(conn, alert_id),
        events=store.fetch_events(conn, alert_id),
    )


def load_surroundings(conn: Conn, alert: Alert, role: Role) -> Surroundings:
    """Return what an alert causes, what holds it, and what happened around it."""
    lot_id, least_g = alert.lot_id, None
    pledged = lot_id is not None and store.is_pledged(conn, lot_id)
    timeline = None
    if lot_id is not None:
        least_g = around.load_least_gross_g(conn, lot_id)
        timeline = _load_timeline(conn, alert, lot_id)
    subject = lot_id, alert.facility_id
    return Surroundings(
        holding=holding_of(alert, least_g),
        choices=choices_of(
            alert,
            role,
            pledged=pledged,
            holds=alert.ceased_at is None,
            covered=_is_covered(conn, alert),
        ),
        locks=around.fetch_locks(conn, subject, locks_of(alert.kind), alert.opened_at),
        timeline=timeline,
    )


def _load_timeline(conn: Conn, alert: Alert, lot_id: LotId) -> Timeline:
    begin, end = span_of(alert)
    values = around.fetch_values(conn, lot_id, begin, end)
    sightings = around.fetch_sightings(conn, lot_id, begin, end)
    events = around.fetch_sensor_events(conn, lot_id, begin, end)
    happenings = around.fetch_lot_happenings(conn, lot_id, begin, end)
    minutes, others = max(len(values), len(sightings)), max(len(events), len(happenings))
    return Timeline(
        begin=begin,
        end=end,
        lot=happenings,
        values=values,
        sightings=sightings,
        events=events,
        cut=minutes >= around.MINUTES_MAX or others >= around.HAPPENINGS_MAX,
    )


def acknowledge(conn: Conn, alert_id: AlertId, actor: Actor, now: datetime) -> AlertView:
    """Note that somebody has seen an alert.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
        AlertRefusedError: It is not open any more.
    """
    alert = _locked(conn, alert_id)
    check_acknowledge(alert)
    store.save_acknowledged(conn, alert_id, actor.account_id, now)
    store.add_event(conn, alert_id, now, actor.login, (What.ACKNOWLEDGED, None))
    return load_view(conn, alert_id)


def resolve(
    conn: Conn,
    alert_id: AlertId,
    actor: Actor,
    said: tuple[Resolution, str | None],
    now: datetime,
) -> AlertView:
    """Note what an alert turned out to be; damage that it was about is forgotten.

    Raises:
        NotFoundError: There is none, or the actor may not know of it.
        AlertRefusedError: Resolved already, not this role's to say, or still true.
    """
    _hold_lot(conn, alert_id)
    alert = _locked(conn, alert_id)
    lot_id, quantity = alert.lot_id, _damaged_quantity(alert)
    pledged = lot_id is not None and store.is_pledged(conn, lot_id)
    holds = alert.ceased_at is None
    covered = _is_covered(conn, alert)
    check_resolve(alert, said[0], actor.role, pledged=pledged, holds=holds, covered=covered)
    store.save_resolved(conn, alert_id, actor.account_id, now, said)
    store.add_event(conn, alert_id, now, actor.login, (What.RESOLVED, said[0].value))
    if lot_id is not None and quantity is not None:
        unlatch(conn, lot_id, quantity, now, actor.login)
    return load_view(conn, alert_id)


def _is_covered(conn: Conn, alert: Alert) -> bool:
    """Return whether a release order explains what an alert found."""
    if alert.lot_id is None:
        return False
    began_at = alert.opened_at if alert.began_at is None else alert.began_at
    return around.is_covered(conn, alert.lot_id, item_of(alert), began_at)


def _hold_lot(conn: Conn, alert_id: AlertId) -> None:
    """Lock the alert's lot before the alert: the worker takes them in that order."""
    alert = store.load(conn, alert_id)
    if alert is not None and alert.lot_id is not None:
        hold(conn, alert.lot_id)


def _locked(conn: Conn, alert_id: AlertId) -> Alert:
    alert = store.load(conn, alert_id, lock=True)
    if alert is None:
        raise NotFoundError("alert", alert_id)
    return alert


def _damaged_quantity(alert: Alert) -> Quantity | None:
    if alert.kind is not AlertKind.DAMAGE:
        return None
    return Quantity(alert.cause.rsplit(":", 1)[-1])
