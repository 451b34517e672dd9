"""Each topic is told in its own type, to those whom it concerns."""

import json
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from backend.db import Database
from backend.ids import SubscriptionId
from backend.notifications import service
from backend.notifications.types import (
    Topic,
)
from backend.parties.types import Role
from tests.builders import FixedClock
from tests.integration.backend.facility.lending import build_loan, repay
from tests.integration.backend.notifications.receivers import (
    make_notifier,
    receiving,
    work,
)
from tests.integration.backend.notifications.telling import subscribed
from tests.plant import build_plant, insert

pytestmark = pytest.mark.integration


def test_a_price_that_waits_is_told_with_its_reason(db: Database) -> None:
    """From the history of prices, to whoever asked for prices."""
    plant = build_loan(db)
    at = FixedClock().now()
    with receiving() as receiver:
        subscribed(db, plant, receiver.url, topics=(Topic.PRICE,))
        quote: dict[str, Any] = {"instrument_id": plant.instruments["copper"], "source": "test"}
        with db.working() as conn:
            insert(
                conn,
                "price_event",
                **quote,
                at=at,
                happened_at=at,
                actor="rules",
                what="held",
                reason="it fell by 40 %",
            )
        work(make_notifier(db, FixedClock()))
        body = json.loads(receiver.got[0].body)
        assert body["type"] == "price.held"
        assert body["data"]["instrument_id"] == plant.instruments["copper"]
        assert "it fell by 40 %" in body["data"]["text"]


def test_a_step_of_an_application_is_told_to_its_seats(db: Database) -> None:
    """Who has a seat hears of it; another lender does not."""
    plant, at = build_loan(db), FixedClock().now()
    borrower = plant.actors[Role.BORROWER].party_id
    with db.working() as conn:
        other = build_plant(conn, "b")
    with receiving() as receiver, receiving() as stranger:
        subscribed(db, plant, receiver.url, role=Role.BORROWER, topics=(Topic.APPLICATION,))
        subscribed(db, other, stranger.url, topics=(Topic.APPLICATION,))
        key, step = uuid4(), uuid4()
        with db.working() as conn:
            insert(
                conn,
                "application",
                id=key,
                kind="movable",
                applicant_party=borrower,
                state="opened",
                currency="EUR",
                amount_minor=1,
                asked=Jsonb({}),
                opened_at=at,
                changed_at=at,
            )
            insert(
                conn, "application_seat", application_id=key, seat="borrower", party_id=borrower
            )
            insert(
                conn,
                "application_step",
                id=step,
                application_id=key,
                number=1,
                step="apply",
                became="opened",
                seat="platform",
                actor="x",
                at=at,
                note="",
                body=Jsonb({}),
                body_sha256=bytes(32),
            )
        work(make_notifier(db, FixedClock()))
        body = json.loads(receiver.got[0].body)
        assert body["type"] == "application.apply"
        assert body["data"]["application_id"] == str(key)
        assert stranger.got == []


def test_a_repayment_and_a_test_are_told_and_secrets_turn(db: Database) -> None:
    """Each topic has its type; after a rotation both secrets sign for a day."""
    plant, clock = build_loan(db), FixedClock()
    borrower = plant.actors[Role.BORROWER]
    with receiving() as receiver:
        subscription = subscribed(db, plant, receiver.url, role=Role.BORROWER)
        repay(db, plant, 100)
        with db.acting(borrower) as conn:
            service.send_test(conn, borrower, subscription.id, clock.now())
            service.rotate(conn, SubscriptionId(subscription.id), clock.now())
        work(make_notifier(db, clock))
        kinds = {json.loads(each.body)["type"] for each in receiver.got}
        assert kinds == {"repayment.booked", "test"}
        assert len(receiver.got[0].headers["webhook-signature"].split(" ")) == 4
