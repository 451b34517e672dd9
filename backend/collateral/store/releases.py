"""Open release orders as the rules need them, and what has left by them, in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from backend.collateral.types.releases import Progress, Release, Settlement
from backend.db import Conn
from backend.ids import ItemId, LotId, ReleaseId, ZoneId
from backend.telemetry.types import unix_us_of

# Docks are on every way out. Items that have left by another order are named no more.
OPEN: Final = """
    SELECT o.lot_id, o.id, o.mass_g, o.by_items, o.begins_at,
           least(o.ends_at, o.revoked_at) AS ends_at, o.zone_id, o.into_lot,
           o.revoked_at IS NOT NULL AS revoked, o.going, o.going_mass_g,
           array(SELECT i.id FROM release_item r JOIN item i ON i.id = r.item_id
                 WHERE r.order_id = o.id AND i.lot_id = o.lot_id AND i.retired_at IS NULL
           ) AS items,
           array(SELECT z.id FROM zone z JOIN lot l ON l.id = o.lot_id
                 WHERE z.site_id = l.site_id AND z.kind = 'dock') AS docks,
           EXISTS (SELECT 1 FROM sensor_binding b
                   WHERE b.zone_id = o.zone_id AND b.purpose = 'presence') AS watched
    FROM release_order o WHERE o.lot_id = ANY(%s) AND o.settled_at IS NULL
"""
_SETTLE: Final = """
    UPDATE release_order SET settled_at = %(now)s, released_mass_g = %(mass)s, going = '{}',
      going_mass_g = 0, state = CASE WHEN state = 'revoked' THEN state ELSE %(state)s END
    WHERE id = %(id)s
"""
_ADD_RELEASED: Final = """
    INSERT INTO released_item (order_id, item_id, net_mass_g)
    SELECT %(id)s, i.id, i.net_mass_g FROM item i WHERE i.id = ANY(%(items)s)
"""
_RETIRE: Final = "UPDATE item SET retired_at = %(now)s WHERE id = ANY(%(items)s)"
# Where the other lot has an item of that name, the tag tells them apart.
_REBIND: Final = """
    UPDATE item i SET lot_id = %(into)s, name = CASE WHEN EXISTS (
      SELECT 1 FROM item o WHERE o.lot_id = %(into)s AND o.name = i.name AND o.retired_at IS NULL)
      THEN left(i.name, 60) || ' ' || encode(i.epc, 'hex') ELSE i.name END
    WHERE i.id = ANY(%(items)s)
"""
_GROW: Final = "UPDATE lot SET pledged_mass_g = pledged_mass_g + %(mass)s WHERE id = %(into)s"
_SHRINK: Final = """
    UPDATE lot SET pledged_mass_g = greatest(0, pledged_mass_g - %(mass)s) WHERE id = %(lot)s
"""
# Nothing of an empty lot is pledged any more; what watches its place watches nothing of value.
_UNPLEDGE: Final = """
    UPDATE pledge_lot p SET active = false FROM lot l
    WHERE p.lot_id = %(lot)s AND p.active AND l.id = p.lot_id AND l.pledged_mass_g = 0
"""
_DECIDE_ANEW: Final = "UPDATE lot_state SET evaluated = false WHERE lot_id = %(into)s"
_ADD_LOT_EVENT: Final = """
    INSERT INTO lot_event (lot_id, at, actor, what, detail) VALUES (%s, %s, %s, %s, %s)
"""
_ADD_EVENT: Final = """
    INSERT INTO release_event (order_id, at, actor, what, detail) VALUES (%s, %s, %s, %s, %s)
"""
_NOTE: Final = """
    UPDATE release_order SET going = %(going)s, going_mass_g = %(mass)s,
      state = CASE WHEN state = 'issued' THEN 'executing' ELSE state END
    WHERE id = %(id)s
"""


def release_of(row: Mapping[str, Any]) -> Release:
    """Return an open order from its row of ``OPEN``."""
    none_left = row["by_items"] and not row["items"]
    return Release(
        id=ReleaseId(row["id"]),
        items=frozenset(ItemId(item) for item in row["items"]),
        mass_g=0 if none_left else row["mass_g"],
        begin_us=unix_us_of(row["begins_at"]),
        end_us=unix_us_of(row["ends_at"]),
        zone_id=None if row["zone_id"] is None else ZoneId(row["zone_id"]),
        transit=frozenset(ZoneId(zone) for zone in row["docks"]),
        watched=row["watched"],
        into_lot=None if row["into_lot"] is None else LotId(row["into_lot"]),
        revoked=row["revoked"],
        going=tuple(ItemId(item) for item in row["going"]),
        going_mass_g=row["going_mass_g"],
    )


def save_progress(
    conn: Conn, lot_id: LotId, noted: Collection[Progress], now: datetime, actor: str
) -> None:
    """Store what is under way by orders, and tell of it."""
    for each in noted:
        values = {"going": list(each.going), "mass": each.mass_g, "id": each.release_id}
        conn.execute(_NOTE, values)
        _tell(conn, lot_id, (each.release_id, "moving"), (each.going, each.mass_g), (now, actor))


def save_settlements(
    conn: Conn, lot_id: LotId, settled: Collection[Settlement], now: datetime, actor: str
) -> None:
    """Store what has left by orders that end: exactly so much less is pledged."""
    for each in settled:
        into = each.release.into_lot
        values: dict[str, object] = {
            "id": each.release.id,
            "lot": lot_id,
            "into": into,
            "items": list(each.items),
            "mass": each.mass_g,
            "state": each.state.value,
            "now": now,
        }
        conn.execute(_SETTLE, values)
        conn.execute(_ADD_RELEASED, values)
        conn.execute(_RETIRE if into is None else _REBIND, values)
        conn.execute(_SHRINK, values)
        if into is None:
            conn.execute(_UNPLEDGE, values)
        elif each.items or each.mass_g:
            conn.execute(_GROW, values)
            conn.execute(_DECIDE_ANEW, values)
            detail = Jsonb(_detail(each.release.id, each.items, each.mass_g))
            conn.execute(_ADD_LOT_EVENT, (into, now, actor, "received", detail))
        what = each.release.id, each.state.value
        _tell(conn, lot_id, what, (each.items, each.mass_g), (now, actor))


def _tell(
    conn: Conn,
    lot_id: LotId,
    what: tuple[ReleaseId, str],
    goods: tuple[Sequence[ItemId], int],
    by: tuple[datetime, str],
) -> None:
    detail = _detail(what[0], *goods)
    conn.execute(_ADD_LOT_EVENT, (lot_id, *by, f"release_{what[1]}", Jsonb(detail)))
    conn.execute(_ADD_EVENT, (what[0], *by, what[1], Jsonb(detail)))


def _detail(release_id: ReleaseId, items: Sequence[ItemId], mass_g: int) -> dict[str, object]:
    return {"order": str(release_id), "items": [str(item) for item in items], "mass_g": mass_g}
