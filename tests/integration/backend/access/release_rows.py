"""A release order and a stock-take of one plant, with all that hangs on them."""

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

from backend.db import Conn
from backend.parties.types import Role
from tests.builders import NOW
from tests.plant import ITEM_MASS_G, Plant, insert


def add_release_rows(conn: Conn, plant: Plant) -> dict[str, Any]:
    """Store them; return their ids by name."""
    lender = plant.actors[Role.LENDER]
    public_key = sha256(f"party key {plant.name}".encode()).digest()
    key_id, order_id, stock_take_id = public_key[:16], uuid4(), uuid4()
    lot_id, item = plant.lots["copper"], plant.items["copper"][0]
    insert(
        conn,
        "party_key",
        key_id=key_id,
        public_key=public_key,
        party_id=lender.party_id,
        name="x",
        registered_at=NOW,
        registered_by=lender.account_id,
        valid_until=NOW + timedelta(days=1),
    )
    insert(
        conn,
        "release_order",
        id=order_id,
        lot_id=lot_id,
        pledge_id=plant.pledge_id,
        facility_id=plant.facility_id,
        lender_party=lender.party_id,
        executor_party=plant.actors[Role.LOGISTICS].party_id,
        mass_g=ITEM_MASS_G,
        by_items=True,
        begins_at=NOW,
        ends_at=NOW + timedelta(hours=1),
        message=b"x",
        key_id=key_id,
        issued_at=NOW,
        received_at=NOW,
        issued_by=lender.account_id,
    )
    insert(conn, "release_item", order_id=order_id, item_id=item.id)
    insert(conn, "released_item", order_id=order_id, item_id=item.id, net_mass_g=ITEM_MASS_G)
    insert(conn, "release_event", order_id=order_id, at=NOW, actor="x", what="issued")
    insert(
        conn,
        "stock_take",
        id=stock_take_id,
        lot_id=lot_id,
        at=NOW,
        recorded_at=NOW,
        recorded_by=plant.actors[Role.LOGISTICS].account_id,
        counted_by="x",
        source="hand",
    )
    insert(
        conn,
        "stock_take_item",
        stock_take_id=stock_take_id,
        epc=item.epc,
        item_id=item.id,
        result="found",
    )
    return {"keys": [key_id], "orders": [order_id], "stock_takes": [stock_take_id]}
