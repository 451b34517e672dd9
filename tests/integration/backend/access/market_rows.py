"""Rows of what one plant's lender says of its instruments."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.range import DateRange

from backend.db import Conn
from backend.parties.types import Role
from tests.builders import NOW
from tests.plant import Plant, insert


def add_market_rows(conn: Conn, plant: Plant) -> dict[str, Any]:
    """Return the ids by which the rows are found."""
    lender = plant.actors[Role.LENDER]
    calendar = insert(
        conn,
        "calendar",
        id=f"CALENDAR-{plant.name}".upper(),
        name="x",
        week="1111100",
        owner_party=lender.party_id,
    )
    insert(conn, "calendar_day", calendar_id=calendar, day=NOW.date(), trades=False, name="x")
    differentials: list[int] = []
    feeds: list[UUID] = []
    for instrument_id in plant.instruments.values():
        grade = insert(conn, "grade", instrument_id=instrument_id, code="A")
        differentials.append(
            insert(
                conn,
                "grade_differential",
                grade_id=grade,
                kind="absolute",
                amount=1,
                valid=DateRange(NOW.date(), None),
                set_by=lender.account_id,
                set_at=NOW,
            )
        )
        at = NOW - timedelta(seconds=60)
        key: dict[str, Any] = {"instrument_id": instrument_id, "source": "test", "at": at}
        insert(conn, "price", **key, value=1, quality="rejected", received_at=NOW)
        insert(
            conn,
            "price_decision",
            **key,
            quality="rejected",
            reason="x",
            decided_by=lender.account_id,
            decided_at=NOW,
        )
        insert(conn, "price_event", **key, happened_at=NOW, actor="x", what="held", reason="x")
        feed = insert(
            conn,
            "feed",
            id=uuid4(),
            instrument_id=instrument_id,
            source="pulled",
            kind="http_pull",
            priority=2,
            owner_party=lender.party_id,
            url="https://127.0.0.1/x",
            format="csv",
            every_s=3_600,
            next_at=NOW + timedelta(days=1),
            created_by=lender.account_id,
            created_at=NOW,
        )
        feeds.append(feed)
    return {"feed": feeds[0], "calendar": calendar, "differential": differentials[0]}
