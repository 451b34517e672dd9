"""The plant: gateways and their streams, sensors and their readings, refused envelopes."""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Form, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from backend.deps import AsOperator, CurrentActor, CurrentPrincipal, Db, Now, Principal, principal
from backend.errors import NotFoundError
from backend.ids import ChannelId
from backend.parties.errors import RoleError
from backend.parties.types import Role
from backend.plant import http as plant
from backend.plant import store as plant_store
from backend.telemetry import store as telemetry
from backend.telemetry.types import ThinnedRun
from backend.web.console import done, new_router, render
from backend.web.format import span, unit_of
from backend.web.store import plant as store

router = new_router()
SERIES_POINTS: Final = 600  # A point for each two pixels of a wide screen.
REFUSED_SHOWN: Final = 100
ChannelKey = Annotated[int, Path(ge=1, le=2**31 - 1)]
AUDITORS: Final = (Role.OPERATOR, Role.REGULATOR)


def auditor(who: Annotated[Principal, Depends(principal)]) -> Principal:
    """Let operators and regulators pass.

    Raises:
        RoleError: It is somebody else.
    """
    if who.actor.role not in AUDITORS:
        raise RoleError(who.actor.role, tuple(role.value for role in AUDITORS))
    return who


@router.get("/gateways")
def list_gateways(request: Request, db: Db, who: CurrentPrincipal) -> Response:
    """Show each gateway and how far its stream is committed."""
    with db.acting(who.actor) as conn:
        gateways = plant_store.list_gateways(conn)
        sites: dict[UUID, str] = {site.id: site.name for site in plant_store.list_sites(conn)}
        thinned: dict[str, list[ThinnedRun]] = {}
        if any(gateway.readings_thinned for gateway in gateways):
            for run in telemetry.list_thinned(conn):
                thinned.setdefault(run.gateway_id, []).append(run)
    return render(
        request, who, "gateways.html", gateways=gateways, sites=sites, thinned=thinned, span=span
    )


@router.post("/gateways")
def add_gateway(
    request: Request,
    db: Db,
    actor: plant.PlantKeeper,
    gateway_id: Annotated[str, Form()],
    site_id: Annotated[UUID, Form()],
) -> Response:
    """Register a gateway at a site, yet to be enrolled."""
    body = plant.GatewayBody.model_validate({"id": gateway_id.strip(), "site_id": site_id})
    gateway = plant.add_gateway(body, db, actor)
    return done(request, f"{gateway.id} is registered: make a code and enrol it.", "/gateways")


@router.post("/gateways/{gateway_id}/enrolment-codes")
def add_enrolment_code(
    gateway_id: str,
    request: Request,
    db: Db,
    actor: AsOperator,
    now: Now,
    replace: Annotated[bool, Form()] = False,
) -> Response:
    """Make a code that enrols a gateway once, and show it this once."""
    body = plant.CodeBody(replace=replace)
    code = plant.add_enrolment_code(gateway_id, db, actor, now, body)
    return done(
        request,
        f"Enrolment code for {code.gateway_id}: {code.code} (shown only now, works once, until"
        f" {code.expires_at:%Y-%m-%d %H:%M} UTC)",
        "/gateways",
        keep=True,
    )


@router.get("/sensors")
def list_sensors(
    request: Request,
    db: Db,
    who: CurrentPrincipal,
    gateway: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    """Show each sensor with its health, last values and their age."""
    with db.acting(who.actor) as conn:
        sensors = plant_store.list_sensors(conn)
    names = sorted({sensor.gateway_id for sensor in sensors})
    shown = [sensor for sensor in sensors if gateway in (None, "", sensor.gateway_id)]
    return render(request, who, "sensors.html", sensors=shown, gateways=names, gateway=gateway)


@router.get("/sensors/{channel_id}")
def show_sensor(
    channel_id: ChannelKey, request: Request, db: Db, who: CurrentPrincipal
) -> Response:
    """Show one channel's readings as a chart that moves."""
    with db.acting(who.actor) as conn:
        channel = store.load_channel(conn, channel_id)
    if channel is None:
        raise NotFoundError("sensor", channel_id)
    return render(request, who, "sensor.html", channel=channel, unit=unit_of(channel.quantity))


@router.get("/sensors/{channel_id}/points.json")
def sensor_points(
    channel_id: ChannelKey,
    db: Db,
    actor: CurrentActor,
    now: Now,
    minutes: Annotated[int, Query(ge=1, le=24 * 60)] = 15,
) -> JSONResponse:
    """Return least, last and greatest values over time in columns, for the chart."""
    begin = now - timedelta(minutes=minutes)
    with db.acting(actor) as conn:
        if not telemetry.channel_exists(conn, ChannelId(channel_id)):
            raise NotFoundError("sensor", channel_id)
        points = telemetry.fetch_points(conn, ChannelId(channel_id), begin, now, SERIES_POINTS)
    columns = [
        [point.at.timestamp() for point in points],
        [point.value_last for point in points],
        [point.value_min for point in points],
        [point.value_max for point in points],
    ]
    return JSONResponse({"columns": columns, "begin": begin.timestamp(), "end": now.timestamp()})


@router.get("/refused")
def list_refused(
    request: Request,
    db: Db,
    who: Annotated[Principal, Depends(auditor)],
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    """Show envelopes that were refused, and why, newest first."""
    with db.acting(who.actor) as conn:
        rows = plant_store.list_refused(conn, None, before, REFUSED_SHOWN)
    return render(
        request, who, "refused.html", rows=rows, before=before, more=len(rows) == REFUSED_SHOWN
    )
