"""Alerts: the list, and one alert with the readings behind it and what it locks."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request, Response
from pydantic import BaseModel, Field

from backend.alerts import http as alerts_http
from backend.alerts.types import Resolution
from backend.deps import CurrentPrincipal, Db, Now
from backend.errors import NotFoundError
from backend.web.console import AskedPage, done, new_router, render
from backend.web.store import lots as store
from backend.web.types import PAGE_ROWS

router = new_router()


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
    """Show one alert."""
    with db.acting(who.actor) as conn:
        found = store.list_alerts(conn, alert_id=alert_id)
        if not found:
            raise NotFoundError("alert", alert_id)
        alert = found[0]
        evidence = store.list_evidence(conn, alert_id)
        steps = store.list_alert_events(conn, alert_id)
        locks = () if alert.lot_id is None else store.list_locks_of_lot(conn, alert.lot_id)
    return render(
        request, who, "alert.html", alert=alert, evidence=evidence, steps=steps, locks=locks
    )


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
