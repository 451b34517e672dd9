"""Routes of alerts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, StringConstraints

from backend.alerts import service, store
from backend.alerts.service import AlertView as Loaded
from backend.alerts.types import (
    Alert,
    AlertKind,
    AlertState,
    Resolution,
    Severity,
    What,
)
from backend.deps import CurrentActor, Db, Now, require
from backend.ids import AlertId, LotId
from backend.parties.types import Actor, Role

router = APIRouter(prefix="/api", tags=["alerts"])

Keeper = Annotated[Actor, Depends(require(Role.LENDER, Role.LOGISTICS, Role.OPERATOR))]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)]


class AlertSummary(BaseModel):
    """An alert; ``ceased_at``: what it found is no longer so, but nobody has resolved it."""

    id: UUID
    kind: AlertKind
    severity: Severity
    state: AlertState
    lot_id: UUID | None
    gateway_id: str | None
    facility_id: UUID | None
    summary: str
    opened_at: datetime
    ceased_at: datetime | None
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    resolution: Resolution | None
    note: str | None


class EvidenceView(BaseModel):
    """A reading behind an alert."""

    at: datetime
    recorded_at: datetime
    gateway_id: str | None
    envelope_number: int | None
    sensor: str | None
    quantity: str | None
    value: float | None
    text: str
    image_sha256: str | None


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
def get_alert(alert_id: UUID, db: Db, actor: CurrentActor) -> AlertDetail:
    """Return an alert with the readings behind it and what was done about it."""
    with db.acting(actor) as conn:
        return _detail(service.load_view(conn, AlertId(alert_id)))


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
