"""Routes of alerts."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StringConstraints

from backend.alerts import service
from backend.alerts.service import AlertView as Loaded
from backend.alerts.service import Surroundings
from backend.alerts.store import alerts as store
from backend.alerts.types import (
    Alert,
    AlertKind,
    AlertState,
    Resolution,
    Severity,
    Timeline,
    What,
)
from backend.deps import CurrentActor, Db, Now, require
from backend.ids import AlertId, LotId
from backend.parties.types import Actor, Role

router = APIRouter(prefix="/api", tags=["alerts"])

Keeper = Annotated[Actor, Depends(require(Role.LENDER, Role.LOGISTICS, Role.OPERATOR))]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]


class AlertSummary(BaseModel):
    """An alert.

    ``severity`` is the worst that it was, and locks until it is resolved; ``eased_at``: since when
    it is found less grave. ``ceased_at``: what it found is no longer so, but nobody has resolved
    it. ``unattended_at``: when it was noted that nobody acknowledged it in time.
    """

    id: UUID
    kind: AlertKind
    severity: Severity
    state: AlertState
    lot_id: UUID | None
    gateway_id: str | None
    facility_id: UUID | None
    summary: str
    probability: float
    began_at: datetime | None
    opened_at: datetime
    eased_at: datetime | None
    unattended_at: datetime | None
    ceased_at: datetime | None
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    resolution: Resolution | None
    note: str | None


class EvidenceView(BaseModel):
    """A reading behind an alert.

    ``expected`` is what would have been said if nothing were wrong; ``log_odds`` by how much it
    moved the finding, as the natural logarithm of the likelihood ratio; null: not weighed.
    """

    at: datetime
    recorded_at: datetime
    gateway_id: str | None
    envelope_number: int | None
    sensor: str | None
    quantity: str | None
    value: float | None
    text: str
    image_sha256: str | None
    expected: str
    log_odds: float | None


class AlertEventView(BaseModel):
    """What happened to an alert."""

    at: datetime
    actor: str
    what: What
    note: str | None


class AlertDetail(AlertSummary):
    """An alert with its evidence and history."""

    evidence: list[EvidenceView]
    events: list[AlertEventView]


class HoldingView(BaseModel):
    """Something that still holds, and which reading or act would end it."""

    what: str
    ends_when: str


class ChoiceView(BaseModel):
    """A cause that the caller could resolve an alert with; ``why`` it may not, now."""

    resolution: Resolution
    allowed: bool
    code: str | None
    why: str | None


class CausedLockView(BaseModel):
    """A lock of a facility for which an alert is a reason."""

    facility_id: UUID
    facility: str
    reason: str
    detail: str
    opened_at: datetime
    opened_by: str
    lifted_at: datetime | None


class LotHappeningView(BaseModel):
    """Something that happened to the lot."""

    at: datetime
    actor: str
    what: str
    detail: dict[str, Any]


class MinuteOfValuesView(BaseModel):
    """One minute of one channel's good readings."""

    minute: datetime
    gateway_id: str
    sensor: str
    quantity: str
    count: int
    value_min: float
    value_max: float


class MinuteOfSightingsView(BaseModel):
    """One minute of one reader: how many of the lot's items it read, and how many times."""

    minute: datetime
    gateway_id: str
    sensor: str
    items: int
    reads: int


class SensorEventView(BaseModel):
    """What a sensor of the lot said of itself, or of what it saw."""

    at: datetime
    gateway_id: str
    sensor: str
    type: str
    image_sha256: str | None


class TimelineView(BaseModel):
    """What happened around an alert; readings by their gateways' clocks, the lot by ours."""

    begin: datetime
    end: datetime
    lot: list[LotHappeningView]
    values: list[MinuteOfValuesView]
    sightings: list[MinuteOfSightingsView]
    events: list[SensorEventView]
    cut: bool


class AlertPage(AlertDetail):
    """An alert with what it locks, what holds it, what may be said of it, and the time around it.

    ``locks`` are shown to whoever sees the facility; ``timeline`` is null unless it is a lot's.
    """

    holding: list[HoldingView]
    choices: list[ChoiceView]
    locks: list[CausedLockView]
    timeline: TimelineView | None


class ResolutionBody(BaseModel):
    """What an alert turned out to be."""

    model_config = ConfigDict(extra="forbid")

    resolution: Resolution
    note: Note | None = None


@router.get("/alerts")
def list_alerts(
    db: Db, actor: CurrentActor, state: AlertState | None = None, lot: UUID | None = None
) -> list[AlertSummary]:
    """Return the alerts that concern the caller, unresolved ones first."""
    with db.acting(actor) as conn:
        found = store.fetch(conn, state, None if lot is None else LotId(lot))
    return [AlertSummary.model_validate(_summary(alert)) for alert in found]


@router.get("/alerts/{alert_id}")
def get_alert(alert_id: UUID, db: Db, actor: CurrentActor) -> AlertPage:
    """Return an alert: the readings behind it, what it locks, what would end it, what happened."""
    with db.acting(actor) as conn:
        view = service.load_view(conn, AlertId(alert_id))
        found = service.load_surroundings(conn, view.alert, actor.role)
    return AlertPage.model_validate({**_detail(view).model_dump(), **_surroundings(found)})


@router.post("/alerts/{alert_id}/acknowledge")
def acknowledge_alert(alert_id: UUID, db: Db, actor: Keeper, now: Now) -> AlertDetail:
    """Say that one has seen an alert."""
    with db.acting(actor) as conn:
        return _detail(service.acknowledge(conn, AlertId(alert_id), actor, now))


@router.post("/alerts/{alert_id}/resolve")
def resolve_alert(
    alert_id: UUID, body: ResolutionBody, db: Db, actor: Keeper, now: Now
) -> AlertDetail:
    """Say what an alert turned out to be; refused while it is still true."""
    said = body.resolution, body.note
    with db.acting(actor) as conn:
        return _detail(service.resolve(conn, AlertId(alert_id), actor, said, now))


def _summary(alert: Alert) -> dict[str, object]:
    return {name: getattr(alert, name) for name in AlertSummary.model_fields}


def _detail(view: Loaded) -> AlertDetail:
    evidence = [
        EvidenceView(
            at=each.at,
            recorded_at=each.recorded_at,
            gateway_id=each.gateway_id,
            envelope_number=each.envelope_number,
            sensor=each.sensor,
            quantity=each.quantity,
            value=each.value,
            text=each.text,
            image_sha256=None if each.image_sha256 is None else each.image_sha256.hex(),
            expected=each.expected,
            log_odds=each.log_odds,
        )
        for each in view.evidence
    ]
    events = [
        AlertEventView(at=each.at, actor=each.actor, what=each.what, note=each.note)
        for each in view.events
    ]
    return AlertDetail.model_validate(
        {**_summary(view.alert), "evidence": evidence, "events": events}
    )


def _surroundings(found: Surroundings) -> dict[str, object]:
    timeline = found.timeline
    choices = [
        ChoiceView(
            resolution=each.resolution, allowed=each.code is None, code=each.code, why=each.why
        )
        for each in found.choices
    ]
    return {
        "holding": [HoldingView(**asdict(each)) for each in found.holding],
        "choices": choices,
        "locks": [CausedLockView(**asdict(each)) for each in found.locks],
        "timeline": None if timeline is None else _timeline(timeline),
    }


def _timeline(timeline: Timeline) -> TimelineView:
    events = [
        SensorEventView(
            at=each.at,
            gateway_id=each.gateway_id,
            sensor=each.sensor,
            type=each.type,
            image_sha256=None if each.image_sha256 is None else each.image_sha256.hex(),
        )
        for each in timeline.events
    ]
    return TimelineView(
        begin=timeline.begin,
        end=timeline.end,
        lot=[
            LotHappeningView(at=e.at, actor=e.actor, what=e.what, detail=dict(e.detail))
            for e in timeline.lot
        ],
        values=[MinuteOfValuesView(**asdict(each)) for each in timeline.values],
        sightings=[MinuteOfSightingsView(**asdict(each)) for each in timeline.sightings],
        events=events,
        cut=timeline.cut,
    )
