"""The api: composes the domains' routes, the console and what stands around every request."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from backend import problems
from backend.alerts import http as alerts
from backend.applications import http as applications
from backend.certificates import http as certificates
from backend.clock import Clock, SystemClock
from backend.collateral import http as collateral
from backend.commands import http as commands
from backend.config import Settings, load_settings
from backend.db import Database
from backend.deps import Db
from backend.exports import http as exports
from backend.facility import http as facility
from backend.images import http as images
from backend.journal import http as journal
from backend.keys import BackendKey, load_secret
from backend.log import configure_log
from backend.market import http as market
from backend.metrics import CONTENT_TYPE, CountRequests, Metrics
from backend.middleware import BodyLimit, SecurityHeaders
from backend.notifications import http as notifications
from backend.notifications.service import SECRET_FILE
from backend.parties import http as parties
from backend.party_keys import http as party_keys
from backend.plant import http as plant
from backend.releases import http as releases
from backend.settlement import http as settlement
from backend.stock_takes import http as stock_takes
from backend.telemetry import http as telemetry
from backend.uplink import http as uplink
from backend.web import http as web

BROKER_KEY_FILE: Final = "broker.secret"
VERSION: Final = "0.1.0"

_own = APIRouter(tags=["service"])


class HealthView(BaseModel):
    """Whether the api can work."""

    status: str


def app_from_environment() -> FastAPI:
    """Return the application as each process of uvicorn makes its own.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    configure_log()
    settings = load_settings()
    return create_app(settings, Database(settings.database_url), SystemClock())


def create_app(settings: Settings, db: Database, clock: Clock) -> FastAPI:
    """Return the application; serving it opens ``db`` when the caller has not.

    Raises:
        ConfigurationError: The backend's key can not be read.
    """
    app = FastAPI(
        title="Pledgewatch",
        version=VERSION,
        summary="Collateral watched by sensors; the loan locked when it fails.",
        generate_unique_id_function=_operation_id,
        responses=problems.RESPONSES,
        docs_url=None,  # Its page runs scripts from elsewhere; the console is the page.
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.db = db
    app.state.clock = clock
    app.state.backend_key = BackendKey.load(settings.state_dir)
    app.state.broker_secret = _broker_secret(settings)
    app.state.notification_secret = load_secret(settings.state_dir / SECRET_FILE)
    app.state.metrics = Metrics()
    problems.install(app)
    for http in (
        parties,
        party_keys,
        plant,
        certificates,
        commands,
        images,
        telemetry,
        market,
        collateral,
        alerts,
        facility,
        releases,
        stock_takes,
        notifications,
        applications,
        exports,
        journal,
        settlement,
        uplink,
        web,
    ):
        app.include_router(http.router)
    app.include_router(_own)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(CountRequests, metrics=app.state.metrics, clock=clock)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the database's pool, unless the caller has, and close what was opened here."""
    db = app.state.db
    assert isinstance(db, Database)
    if db.is_open:
        yield
        return
    with db:
        yield


@_own.get("/health")
def health(db: Db) -> HealthView:
    """Return 200 when the database answers, 503 when not."""
    db.check()
    return HealthView(status="ok")


@_own.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Return the api's metrics in Prometheus' text format."""
    return Response(request.app.state.metrics.render(), media_type=CONTENT_TYPE)


def _broker_secret(settings: Settings) -> str:
    """Return what gateways' broker passwords are derived from: configured, else made and kept."""
    if settings.broker_secret is not None:
        return settings.broker_secret.get_secret_value()
    return load_secret(settings.state_dir / BROKER_KEY_FILE).hex()


def _operation_id(route: APIRoute) -> str:
    return route.name
