"""Routes of the console: its pages, its files and its stream of events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from backend.db import Database
from backend.deps import CurrentPrincipal, Now
from backend.errors import NotFoundError, UnavailableError
from backend.web.console import FILES
from backend.web.events import STREAM_S_MAX, Hub, stream
from backend.web.pages import (
    alerts,
    applications,
    base,
    facilities,
    floor,
    images,
    keys,
    loans,
    login,
    lots,
    market,
    notifications,
    plant,
    pledges,
    register,
    release_orders,
    simulator,
    stock_takes,
)

FOREVER: Final = "public, max-age=31536000, immutable"  # The address changes with the content.


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Listen to the database for as long as the application serves."""
    db = app.state.db
    assert isinstance(db, Database)
    app.state.hub = hub = Hub(db.url)
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(hub.run())
        yield
        listening.cancel()


router = APIRouter(tags=["web"], include_in_schema=False, lifespan=_lifespan)
for page in (
    login,
    base,
    facilities,
    loans,
    lots,
    pledges,
    applications,
    keys,
    release_orders,
    stock_takes,
    alerts,
    images,
    floor,
    plant,
    market,
    notifications,
    register,
    simulator,
):
    router.include_router(page.router)


@router.get("/events")
async def events(request: Request, who: CurrentPrincipal, now: Now) -> StreamingResponse:
    """Stream the names of tables that change, until the session is over."""
    hub = getattr(request.app.state, "hub", None)
    if not isinstance(hub, Hub):
        raise UnavailableError("no_events", "this process does not listen to the database")
    life_s = STREAM_S_MAX
    if who.session is not None:
        life_s = (who.session.expires_at - now).total_seconds()
    return StreamingResponse(
        stream(hub, hub.subscribe(), life_s),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would hold events back
    )


@router.get("/static/{name:path}")
def static_file(name: str, request: Request) -> Response:
    """Return one of the console's own files; nothing in them is anybody's secret."""
    file = FILES.get(name)
    if file is None:
        raise NotFoundError("file", name)
    current = request.query_params.get("v") == file.digest
    headers = {"Cache-Control": FOREVER if current else "no-cache"}
    return Response(file.content, media_type=file.media_type, headers=headers)
