"""Prices: what each instrument is valued at now, or why it can not be."""

from fastapi import Request, Response

from backend.deps import CurrentPrincipal, Db, Now
from backend.market import service, store
from backend.market.types import Unusable
from backend.web.console import new_router, render

router = new_router()


@router.get("/market")
def list_prices(request: Request, db: Db, who: CurrentPrincipal, now: Now) -> Response:
    """Show each instrument with the price in use and its age."""
    with db.acting(who.actor) as conn:
        ids = [instrument.id for instrument in store.list_instruments(conn)]
        quotes = service.load_quotes(conn, ids, now)
    rows = [
        {
            "instrument": quotes[key].instrument,
            "volatility": quotes[key].volatility,
            "usable": None if isinstance(decision, Unusable) else decision,
            "unusable": decision if isinstance(decision, Unusable) else None,
        }
        for key in ids
        for decision in (quotes[key].decision,)
    ]
    return render(request, who, "market.html", rows=rows)
