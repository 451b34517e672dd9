"""The floor plan of a site: its zones, and every item where it was last seen."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Request, Response

from backend.deps import CurrentPrincipal, Db
from backend.ids import SiteId
from backend.plant import store as plant
from backend.web.console import new_router, render
from backend.web.floor_plan import draw
from backend.web.store import lots
from backend.web.store import plant as store
from backend.web.types import PAGE_ROWS, Window

router = new_router()
SHOWN: Final = Window(rows=PAGE_ROWS)  # Those with alerts come first.


@router.get("/floor")
def show_floor(
    request: Request, db: Db, who: CurrentPrincipal, site: Annotated[UUID | None, Query()] = None
) -> Response:
    """Show a site, the first by name unless one is asked for."""
    with db.acting(who.actor) as conn:
        sites = plant.list_sites(conn)
        chosen = next((each for each in sites if site in (None, each.id)), None)
        key = None if chosen is None else SiteId(chosen.id)
        zones = () if key is None else store.list_zones(conn, key)
        items = () if key is None else lots.list_items_of_site(conn, key)
        shown = () if key is None else lots.list_lots_of_site(conn, key, SHOWN)
    return render(
        request,
        who,
        "floor.html",
        sites=sites,
        site=chosen,
        plan=draw(zones, items),
        lots=shown,
    )
