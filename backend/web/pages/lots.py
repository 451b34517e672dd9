"""Lots: the list, one lot with why it is as it is, and the form that registers one."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from fastapi import Request, Response

from backend.deps import CurrentPrincipal, Db, Now
from backend.errors import NotFoundError
from backend.ids import LotId
from backend.stock_takes import store as takes
from backend.web.charts import Spark, sparkline
from backend.web.console import AskedPage, new_router, render
from backend.web.store import lots as store
from backend.web.store import releases
from backend.web.types import PAGE_ROWS, ChannelPoint, WatchRow, Window

router = new_router()
SPARK_SPAN: Final = timedelta(minutes=15)
SPARK_POINTS: Final = 80
PARTS: Final = Window(
    rows=5
)  # Orders and stock-takes beside the lot; all have lists of their own.
# Readings that make a line worth looking at; where something is, is seen on the floor plan.
DRAWN: Final = frozenset({"mass", "temperature", "humidity", "shock", "tilt", "inventory"})


@router.get("/lots")
def list_lots(request: Request, db: Db, who: CurrentPrincipal, pager: AskedPage) -> Response:
    """Show every lot of the actor with its four-part state."""
    with db.acting(who.actor) as conn:
        lots = store.list_lots(conn, pager.window)
    more = len(lots) > PAGE_ROWS
    return render(request, who, "lots.html", lots=lots[:PAGE_ROWS], pager=pager, more=more)


@router.get("/lots/{lot_id}")
def show_lot(lot_id: UUID, request: Request, db: Db, who: CurrentPrincipal, now: Now) -> Response:
    """Show one lot: its state and why, its items, what watches it, alerts, history."""
    with db.acting(who.actor) as conn:
        lot = store.load_lot(conn, lot_id)
        if lot is None:
            raise NotFoundError("lot", lot_id)
        watches = store.list_watches(conn, lot_id)
        drawn = [w.channel_id for w in watches if w.channel_id is not None and w.quantity in DRAWN]
        points = store.list_points(conn, drawn, now - SPARK_SPAN, now, SPARK_POINTS)
        context: dict[str, Any] = {
            "items": store.list_items_of_lot(conn, lot_id),
            "events": store.list_lot_events(conn, lot_id),
            "alerts": store.list_alerts(conn, lot_id=lot_id),
            "orders": releases.list_orders_of_lot(conn, lot_id, PARTS),
            "taken": takes.fetch_of_lot(conn, LotId(lot_id))[: PARTS.rows],
        }
    begin, end = (now - SPARK_SPAN).timestamp(), now.timestamp()
    sparks = _sparks(points, begin, end)
    return render(
        request,
        who,
        "lot.html",
        lot=lot,
        sensors=_by_sensor(watches),
        sparks=sparks,
        **context,
    )


def _sparks(points: Sequence[ChannelPoint], begin: float, end: float) -> dict[int, Spark]:
    series: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        series.setdefault(point.channel_id, []).append((point.at.timestamp(), point.value))
    return {channel: sparkline(each, begin, end) for channel, each in series.items()}


def _by_sensor(watches: Sequence[WatchRow]) -> dict[tuple[str, str], list[WatchRow]]:
    sensors: dict[tuple[str, str], list[WatchRow]] = {}
    for watch in watches:
        sensors.setdefault((watch.gateway_id, watch.sensor), []).append(watch)
    return sensors
