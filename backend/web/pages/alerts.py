"""Alerts: the list, and one alert with the readings behind it and what it locks."""

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import Form, Request, Response
from pydantic import BaseModel, Field

from backend.alerts import http as alerts_http
from backend.alerts import service
from backend.alerts.rules.outlook import outlook_of
from backend.alerts.types import AlertEvidence, Resolution
from backend.db import Conn
from backend.deps import CurrentPrincipal, Db, Now
from backend.errors import NotFoundError
from backend.ids import AlertId
from backend.images import http as images_http
from backend.images import service as images
from backend.images.types import ImageRecord
from backend.web.console import AskedPage, done, new_router, render
from backend.web.lanes import HEIGHT as LANE_HEIGHT
from backend.web.lanes import lanes_of
from backend.web.store import lots as store
from backend.web.types import PAGE_ROWS

router = new_router()
PICTURES_MAX: Final = 8  # On one page; the others are linked beside their readings.


class Filter(StrEnum):
    """Which alerts to show."""

    UNRESOLVED = "unresolved"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ALL = "all"


class ResolutionFields(BaseModel):
    """What an alert turned out to be, as the form says it."""

    resolution: Resolution
    note: Annotated[str, Field(max_length=2_000)] = ""


@router.get("/alerts")
def list_alerts(
    request: Request,
    db: Db,
    who: CurrentPrincipal,
    pager: AskedPage,
    state: Filter = Filter.UNRESOLVED,
) -> Response:
    """Show alerts, the worst first."""
    with db.acting(who.actor) as conn:
        alerts = store.list_alerts(conn, state.value, window=pager.window)
    return render(
        request,
        who,
        "alerts.html",
        alerts=alerts[:PAGE_ROWS],
        state=state.value,
        filters=list(Filter),
        pager=pager,
        more=len(alerts) > PAGE_ROWS,
    )


@router.get("/alerts/count")
def count_alerts(request: Request, db: Db, who: CurrentPrincipal) -> Response:
    """Show how many alerts wait, for the navigation."""
    with db.acting(who.actor) as conn:
        count, critical = store.count_open_alerts(conn)
    return render(request, who, "parts/alert_count.html", count=count, critical=critical)


@router.get("/alerts/{alert_id}")
def show_alert(alert_id: UUID, request: Request, db: Db, who: CurrentPrincipal) -> Response:
    """Show one alert: what was expected, what each sensor said, and what happens next."""
    with db.acting(who.actor) as conn:
        found = store.list_alerts(conn, alert_id=alert_id)
        if not found:
            raise NotFoundError("alert", alert_id)
        view = service.load_view(conn, AlertId(alert_id))
        around = service.load_surroundings(conn, view.alert, who.actor.role)
        pictures = _pictures(conn, view.evidence)
    alert, standing = view.alert, [lock for lock in around.locks if lock.lifted_at is None]
    lanes = None
    if around.timeline is not None:
        lanes = lanes_of(around.timeline, alert.began_at, alert.opened_at)
    return render(
        request,
        who,
        "alert.html",
        row=found[0],
        alert=alert,
        evidence=view.evidence,
        steps=view.events,
        around=around,
        standing=standing,
        lanes=lanes,
        lane_height=LANE_HEIGHT,
        pictures=pictures,
        outlook=outlook_of(alert, locks=len(standing), concerns_lot=alert.lot_id is not None),
    )


def _pictures(conn: Conn, evidence: Sequence[AlertEvidence]) -> list[ImageRecord]:
    """Return the images that the evidence names, each once, as far as they are known."""
    named = {
        (each.gateway_id, each.image_sha256.hex())
        for each in evidence
        if each.gateway_id is not None and each.image_sha256 is not None
    }
    pictures: list[ImageRecord] = []
    for gateway, sha256 in sorted(named)[:PICTURES_MAX]:
        with suppress(NotFoundError):  # Named by a reading that was thinned out since.
            pictures.append(images.load(conn, images_http.key_of(gateway, sha256)))
    return pictures


@router.post("/alerts/{alert_id}/acknowledge")
def acknowledge_alert(
    alert_id: UUID, request: Request, db: Db, actor: alerts_http.Keeper, now: Now
) -> Response:
    """Say that one has seen an alert."""
    alerts_http.acknowledge_alert(alert_id, db, actor, now)
    return done(
        request, "Acknowledged. It stays open until somebody resolves it.", _page(alert_id)
    )


@router.post("/alerts/{alert_id}/resolve")
def resolve_alert(
    alert_id: UUID,
    request: Request,
    db: Db,
    actor: alerts_http.Keeper,
    now: Now,
    form: Annotated[ResolutionFields, Form()],
) -> Response:
    """Say what an alert turned out to be."""
    note = form.note.strip() or None
    body = alerts_http.ResolutionBody(resolution=form.resolution, note=note)
    alerts_http.resolve_alert(alert_id, body, db, actor, now)
    return done(
        request, "Resolved. Its lock is lifted when nothing else holds it.", _page(alert_id)
    )


def _page(alert_id: UUID) -> str:
    return f"/alerts/{alert_id}"
