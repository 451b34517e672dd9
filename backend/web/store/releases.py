"""Release orders as pages show them, and what the form for one offers."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from backend.db import Conn
from backend.web.types import EVERYTHING, ROWS_MAX, GoodsRow, Named, OrderRow, Window

# A lender keeps sight of its order when the lot is pledged to it no more: names may be missing.
_ORDERS: Final = """
SELECT o.id, o.lot_id, l.name AS lot, lp.name AS lender, xp.name AS executor, o.executor_party,
  o.state, (SELECT count(*)::int FROM release_item r WHERE r.order_id = o.id) AS items, o.mass_g,
  o.begins_at, o.ends_at, z.name AS zone, o.zone_id IS NOT NULL AS stays, o.into_lot,
  d.name AS into, o.issued_at, o.received_at, i.login AS issued_by, o.acknowledged_at,
  a.login AS acknowledged_by, o.revoked_at, v.login AS revoked_by,
  cardinality(o.going) AS going, o.going_mass_g, o.settled_at,
  (SELECT count(*)::int FROM released_item r WHERE r.order_id = o.id) AS released,
  o.released_mass_g
FROM release_order o
LEFT JOIN lot l ON l.id = o.lot_id
LEFT JOIN lot d ON d.id = o.into_lot
LEFT JOIN zone z ON z.id = o.zone_id
LEFT JOIN party lp ON lp.id = o.lender_party
LEFT JOIN party xp ON xp.id = o.executor_party
LEFT JOIN account i ON i.id = o.issued_by
LEFT JOIN account a ON a.id = o.acknowledged_by
LEFT JOIN account v ON v.id = o.revoked_by
WHERE """
_ORDERS_ORDER: Final = """
ORDER BY o.settled_at IS NOT NULL, o.received_at DESC, o.id LIMIT %(rows)s OFFSET %(offset)s
"""
_ALL: Final = f"{_ORDERS}true{_ORDERS_ORDER}"
_ONE: Final = f"{_ORDERS}o.id = %(id)s{_ORDERS_ORDER}"
_OF_LOT: Final = f"{_ORDERS}o.lot_id = %(lot)s{_ORDERS_ORDER}"
_GOODS: Final = """
SELECT i.id, i.name, encode(i.epc, 'hex') AS epc, i.net_mass_g, n.item_id IS NOT NULL AS named,
  i.id = ANY(o.going) AS going, r.item_id IS NOT NULL AS released, z.name AS zone, t.seen_at,
  t.gateway_id, t.sensor, t.envelope_number
FROM release_order o
JOIN item i ON i.id = ANY(o.going)
  OR i.id IN (SELECT item_id FROM release_item WHERE order_id = o.id)
  OR i.id IN (SELECT item_id FROM released_item WHERE order_id = o.id)
LEFT JOIN release_item n ON n.order_id = o.id AND n.item_id = i.id
LEFT JOIN released_item r ON r.order_id = o.id AND r.item_id = i.id
LEFT JOIN item_state t ON t.item_id = i.id
LEFT JOIN zone z ON z.id = t.zone_id
WHERE o.id = %(id)s ORDER BY i.name, i.id LIMIT %(rows)s
"""
_FREE: Final = """
SELECT i.id::text AS id, i.name FROM item i
WHERE i.lot_id = %(lot)s AND i.retired_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM release_item r JOIN release_order o ON o.id = r.order_id
  WHERE r.item_id = i.id AND o.settled_at IS NULL)
ORDER BY i.name, i.id LIMIT %(rows)s
"""
# A lot can be joined that is of the same kind and under the same pledge.
_PLACES: Final = """
SELECT z.id::text || coalesce('/' || j.id::text, '') AS id,
  'to ' || z.name || coalesce(', joining lot ' || j.name, ', pledged no more') AS name
FROM lot l
JOIN zone z ON z.site_id = l.site_id AND z.id <> l.zone_id
LEFT JOIN LATERAL (
  SELECT NULL::uuid AS id, NULL::text AS name
  UNION ALL
  SELECT m.id, m.name FROM lot m
  JOIN pledge_lot mp ON mp.lot_id = m.id AND mp.active
  JOIN pledge_lot lp ON lp.lot_id = l.id AND lp.active AND lp.pledge_id = mp.pledge_id
  WHERE m.zone_id = z.id AND m.id <> l.id AND m.owner_party = l.owner_party
    AND m.commodity_id = l.commodity_id AND m.instrument_id = l.instrument_id
) j ON true
WHERE l.id = %(lot)s ORDER BY z.name, j.name NULLS FIRST LIMIT %(rows)s
"""
_KEEPER: Final = """
SELECT p.id::text AS id, p.name FROM lot l JOIN site s ON s.id = l.site_id
JOIN party p ON p.id = s.logistics_party WHERE l.id = %(lot)s
"""


def list_orders(conn: Conn, window: Window = EVERYTHING) -> Sequence[OrderRow]:
    """Return the release orders that the actor may see, open ones first, then the newest."""
    return _orders(conn, _ALL, window)


def list_orders_of_lot(conn: Conn, lot_id: UUID, window: Window) -> Sequence[OrderRow]:
    """Return a lot's release orders, open ones first, then the newest."""
    return _orders(conn, _OF_LOT, window, lot=lot_id)


def load_order(conn: Conn, order_id: UUID) -> OrderRow | None:
    """Return one release order, if the actor may see it."""
    return next(iter(_orders(conn, _ONE, EVERYTHING, id=order_id)), None)


def _orders(conn: Conn, query: LiteralString, window: Window, **key: UUID) -> Sequence[OrderRow]:
    with conn.cursor(row_factory=class_row(OrderRow)) as cursor:
        return cursor.execute(query, {**asdict(window), **key}).fetchall()


def list_goods(conn: Conn, order_id: UUID) -> Sequence[GoodsRow]:
    """Return the items that an order names, and those that go or went by it, by name."""
    with conn.cursor(row_factory=class_row(GoodsRow)) as cursor:
        return cursor.execute(_GOODS, {"id": order_id, "rows": ROWS_MAX}).fetchall()


def list_free_items(conn: Conn, lot_id: UUID) -> Sequence[Named]:
    """Return the items of a lot that no open order names."""
    return _named(conn, _FREE, lot_id)


def list_places(conn: Conn, lot_id: UUID) -> Sequence[Named]:
    """Return where goods of a lot can go within its site, as zone or as zone and lot."""
    return _named(conn, _PLACES, lot_id)


def load_keeper(conn: Conn, lot_id: UUID) -> Named | None:
    """Return the party that keeps a lot's site, and so executes orders."""
    return next(iter(_named(conn, _KEEPER, lot_id)), None)


def _named(conn: Conn, query: LiteralString, lot_id: UUID) -> Sequence[Named]:
    with conn.cursor(row_factory=class_row(Named)) as cursor:
        return cursor.execute(query, {"lot": lot_id, "rows": ROWS_MAX}).fetchall()
