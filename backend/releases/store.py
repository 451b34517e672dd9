"""Release orders in the database, as people see and change them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from backend.collateral.types.releases import ReleaseState
from backend.db import Conn
from backend.ids import (
    AccountId,
    FacilityId,
    ItemId,
    LotId,
    PartyId,
    PledgeId,
    ReleaseId,
    SiteId,
    ZoneId,
)
from backend.releases.types import Destination, Grounds, OrderEvent, OrderRecord
from backend.telemetry.types import datetime_of
from schemas.release import ReleaseOrder

ROWS_MAX: Final = 500
EVENTS_MAX: Final = 1_000

_ORDERS: Final[LiteralString] = """
    SELECT o.id, o.lot_id, o.lender_party, o.executor_party, o.mass_g, o.begins_at, o.ends_at,
           o.zone_id, o.into_lot, o.message, o.key_id, o.issued_at, o.received_at, o.state,
           o.acknowledged_at, o.revoked_at, o.settled_at, o.released_mass_g, o.going_mass_g,
           o.going, array(SELECT r.item_id FROM release_item r WHERE r.order_id = o.id) AS items,
           array(SELECT r.item_id FROM released_item r WHERE r.order_id = o.id) AS released
    FROM release_order o
"""
_LIST: Final = (
    _ORDERS + " WHERE %(lot)s::uuid IS NULL OR o.lot_id = %(lot)s"
    " ORDER BY o.settled_at IS NOT NULL, o.received_at DESC, o.id LIMIT %(limit)s"
)
_GROUNDS: Final = """
    SELECT p.id AS pledge_id, p.facility_id, l.zone_id, l.site_id, s.logistics_party AS keeper,
           l.pledged_mass_g, z.site_id AS zone_site
    FROM lot l JOIN site s ON s.id = l.site_id
    JOIN pledge_lot pl ON pl.lot_id = l.id AND pl.active
    JOIN pledge p ON p.id = pl.pledge_id AND p.state = 'active' AND p.lender_party = %(lender)s
    LEFT JOIN zone z ON z.id = %(zone)s
    WHERE l.id = %(lot)s
"""
_ITEMS: Final = "SELECT id, net_mass_g FROM item WHERE lot_id = %s AND retired_at IS NULL"
_OPEN: Final = """
    SELECT count(*), coalesce(sum(mass_g), 0)::bigint FROM release_order
    WHERE lot_id = %s AND settled_at IS NULL
"""
_NAMED: Final = """
    SELECT r.item_id FROM release_item r JOIN release_order o ON o.id = r.order_id
    WHERE o.lot_id = %s AND o.settled_at IS NULL
"""
_INTO: Final = """
    SELECT i.zone_id, i.owner_party = l.owner_party AND i.commodity_id = l.commodity_id
           AND i.instrument_id = l.instrument_id AND i.grade IS NOT DISTINCT FROM l.grade
           AND i.site_id = l.site_id
           AND EXISTS (SELECT 1 FROM pledge_lot pl
                       WHERE pl.lot_id = i.id AND pl.active AND pl.pledge_id = %(pledge)s) AS alike
    FROM lot i JOIN lot l ON l.id = %(lot)s WHERE i.id = %(into)s AND i.id <> l.id
"""
_ADD: Final = """
    INSERT INTO release_order (id, lot_id, pledge_id, facility_id, lender_party, executor_party,
      mass_g, by_items, begins_at, ends_at, zone_id, into_lot, message, key_id, issued_at,
      received_at, issued_by)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def load_grounds(conn: Conn, order: ReleaseOrder) -> Grounds | None:
    """Return what an order is checked against; None: the lot is not pledged to its lender."""
    wanted = {"lot": order.lot, "lender": order.lender, "zone": order.zone}
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_GROUNDS, wanted).fetchone()
    if row is None:
        return None
    items = conn.execute(_ITEMS, (order.lot,)).fetchall()
    opened = conn.execute(_OPEN, (order.lot,)).fetchone()
    assert opened is not None, "an aggregate gives a row"
    into = None
    if order.into_lot is not None:
        keys = {"lot": order.lot, "into": order.into_lot, "pledge": row["pledge_id"]}
        found = conn.execute(_INTO, keys).fetchone()
        into = None if found is None else Destination(zone_id=ZoneId(found[0]), alike=found[1])
    return Grounds(
        pledge_id=PledgeId(row["pledge_id"]),
        facility_id=FacilityId(row["facility_id"]),
        zone_id=ZoneId(row["zone_id"]),
        site_id=SiteId(row["site_id"]),
        keeper=PartyId(row["keeper"]),
        pledged_mass_g=row["pledged_mass_g"],
        items={ItemId(item): mass_g for item, mass_g in items},
        named=frozenset(ItemId(item) for (item,) in conn.execute(_NAMED, (order.lot,)).fetchall()),
        open_orders=opened[0],
        open_mass_g=opened[1],
        zone_site=None if row["zone_site"] is None else SiteId(row["zone_site"]),
        into=into,
    )


def add_order(
    conn: Conn,
    order: ReleaseOrder,
    grounds: Grounds,
    signed: tuple[bytes, bytes],
    by: AccountId,
    now: datetime,
) -> None:
    """Store an order; ``signed`` is the message as it travelled, and the key that signed it."""
    conn.execute(
        _ADD,
        (
            order.id,
            order.lot,
            grounds.pledge_id,
            grounds.facility_id,
            order.lender,
            order.executor,
            order.mass_g,
            bool(order.items),
            datetime_of(order.begins_unix_us),
            datetime_of(order.ends_unix_us),
            order.zone,
            order.into_lot,
            *signed,
            datetime_of(order.issued_unix_us),
            now,
            by,
        ),
    )
    if order.items:
        conn.execute(
            "INSERT INTO release_item (order_id, item_id) SELECT %s, unnest(%s::uuid[])",
            (order.id, list(order.items)),
        )


def fetch_orders(conn: Conn, lot_id: LotId | None) -> Sequence[OrderRecord]:
    """Return release orders that the actor may see, or those of a lot; open and newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LIST, {"lot": lot_id, "limit": ROWS_MAX}).fetchall()
    return [_record(row) for row in rows]


def load_order(conn: Conn, order_id: ReleaseId, *, lock: bool = False) -> OrderRecord | None:
    """Return an order, if the actor may see it."""
    query = _ORDERS + (" WHERE o.id = %s FOR UPDATE" if lock else " WHERE o.id = %s")
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, (order_id,)).fetchone()
    return None if row is None else _record(row)


def fetch_events(conn: Conn, order_id: ReleaseId) -> Sequence[OrderEvent]:
    """Return what happened to an order, oldest first."""
    with conn.cursor(row_factory=class_row(OrderEvent)) as cursor:
        return cursor.execute(
            "SELECT at, actor, what, detail FROM release_event WHERE order_id = %s"
            " ORDER BY id LIMIT %s",
            (order_id, EVENTS_MAX),
        ).fetchall()


def add_event(conn: Conn, order_id: ReleaseId, now: datetime, actor: str, what: str) -> None:
    """Store what a person did with an order."""
    conn.execute(
        "INSERT INTO release_event (order_id, at, actor, what, detail)"
        " VALUES (%s, %s, %s, %s, %s)",
        (order_id, now, actor, what, Jsonb({})),
    )


def save_acknowledged(conn: Conn, order_id: ReleaseId, by: AccountId, now: datetime) -> int:
    """Store that the executor begins; return how many orders of the actor that was."""
    return conn.execute(
        "UPDATE release_order SET acknowledged_at = %s, acknowledged_by = %s WHERE id = %s",
        (now, by, order_id),
    ).rowcount


def save_revoked(conn: Conn, order_id: ReleaseId, by: AccountId, now: datetime) -> int:
    """Store that nothing more may leave; return how many orders of the actor that was."""
    return conn.execute(
        "UPDATE release_order SET state = 'revoked', revoked_at = %s, revoked_by = %s"
        " WHERE id = %s",
        (now, by, order_id),
    ).rowcount


def _record(row: Mapping[str, Any]) -> OrderRecord:
    values: dict[str, Any] = {
        **row,
        "state": ReleaseState(row["state"]),
        "message": bytes(row["message"]),
        "key_id": bytes(row["key_id"]),
    }
    return OrderRecord(**values)
