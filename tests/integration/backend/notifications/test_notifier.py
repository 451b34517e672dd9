"""From what happened to who is told, with real receivers, dead ones, and one that dies."""

import asyncio
import contextlib
import json
import threading
from base64 import b64decode
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from backend.db import Database
from backend.errors import InvalidError
from backend.notifications import service
from backend.notifications.rules import attempts, signatures
from backend.notifications.senders.webhook import WebhookSender
from backend.notifications.types import (
    Channel,
    MessageState,
    Reach,
    SubscriptionState,
    Topic,
)
from backend.parties.types import Role
from tests.builders import FixedClock
from tests.integration.backend.facility.lending import build_loan, steal
from tests.integration.backend.notifications.receivers import (
    MASTER,
    certified,
    make_notifier,
    receiving,
    wait_until,
    work,
)
from tests.integration.backend.notifications.telling import (
    loaded,
    messages,
    raise_alert,
    subscribed,
)
from tests.plant import build_plant

pytestmark = pytest.mark.integration


def test_a_theft_is_told_signed_to_those_who_may_see_it(db: Database) -> None:
    """The alert and its lock reach the lender; a lender of other goods hears nothing."""
    plant = build_loan(db)
    with db.working() as conn:
        other = build_plant(conn, "b")
    with receiving() as receiver, receiving() as stranger:
        subscription = subscribed(db, plant, receiver.url)
        subscribed(db, other, stranger.url)
        raise_alert(db, plant)
        with db.working() as conn:
            steal(conn, plant)
        work(make_notifier(db, FixedClock()))

        bodies = [json.loads(each.body) for each in receiver.got]
        assert {body["type"] for body in bodies} >= {"alert.opened", "lock.opened"}
        assert stranger.got == []
        alert = next(body for body in bodies if body["type"] == "alert.opened")
        assert alert["data"]["alert"]["lot"] == "copper"
        assert alert["data"]["url"].startswith("https://console.example/alerts/")
        got = receiver.got[0]
        secret = signatures.secret_of(MASTER, subscription.id, 1).removeprefix("whsec_")
        content = signatures.content_of(
            got.headers["webhook-id"], int(got.headers["webhook-timestamp"]), got.body
        )
        sent = got.headers["webhook-signature"].split(" ")
        assert signatures.sign_symmetric(b64decode(secret), content) in sent
        assert sorted(each.partition(",")[0] for each in sent) == ["v1", "v1a"]
        states = {each.state for each in messages(db, subscription)}
        assert states == {MessageState.DELIVERED}


def test_what_was_rolled_back_is_not_told(db: Database) -> None:
    """The outbox is written in the transaction of the event, or not at all."""
    plant = build_loan(db)
    with receiving() as receiver:
        subscribed(db, plant, receiver.url)
        with contextlib.suppress(RuntimeError), db.working() as conn:
            steal(conn, plant)
            raise RuntimeError
        work(make_notifier(db, FixedClock()))
        assert receiver.got == []


def test_one_that_dies_between_sending_and_marking_sends_again_under_the_same_id(
    db: Database,
) -> None:
    """At least once: the next notifier waits for the dead one's claim to end, and repeats."""
    plant, clock = build_loan(db), FixedClock()
    with receiving() as receiver:
        subscription = subscribed(db, plant, receiver.url)
        raise_alert(db, plant)
        dying = make_notifier(db, clock)
        receiver.hold = threading.Event()

        async def die() -> None:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(dying.run(asyncio.Event()))
                await asyncio.to_thread(wait_until, lambda: receiver.got != [])
                sending.cancel()

        asyncio.run(die())
        receiver.hold.set()
        receiver.hold = None

        work(make_notifier(db, clock))
        assert len(receiver.got) == 1, "what another may be sending is not sent twice at once"
        clock.advance(timedelta(seconds=61))
        work(make_notifier(db, clock))

        assert len(receiver.got) == 2
        assert len(set(receiver.ids)) == 1
        assert [each.state for each in messages(db, subscription)] == [MessageState.DELIVERED]


def test_a_receiver_that_hangs_delays_only_itself(db: Database) -> None:
    """Ingest commits and others are told while one receiver does not answer."""
    plant = build_loan(db)
    with receiving() as slow, receiving() as quick:
        slow.hold = threading.Event()
        subscribed(db, plant, slow.url)
        subscribed(db, plant, quick.url, role=Role.BORROWER)
        notifier, stop = make_notifier(db, FixedClock()), asyncio.Event()

        async def run() -> None:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(notifier.run(stop))
                for cause in ("one", "two"):
                    await asyncio.to_thread(raise_alert, db, plant, cause)
                    wanted = 1 if cause == "one" else 2
                    await asyncio.to_thread(wait_until, lambda n=wanted: len(quick.got) == n)
                assert len(slow.got) == 1, "one at a time"
                assert slow.hold is not None
                slow.hold.set()
                await asyncio.to_thread(wait_until, lambda: len(slow.got) == 2)
                stop.set()
                await running

        asyncio.run(run())


def test_what_is_refused_for_a_day_is_given_up_and_replayed_by_a_person(db: Database) -> None:
    """Seven attempts, then dead and disabled, which others of the party are told; then again."""
    plant, clock = build_loan(db), FixedClock()
    lender = plant.actors[Role.LENDER]
    with receiving() as dead, receiving() as alive:
        dead.status = 500
        subscription = subscribed(db, plant, dead.url, topics=(Topic.ALERT,))
        subscribed(db, plant, alive.url, name="second", topics=(Topic.PRICE,))
        raise_alert(db, plant)
        for _ in range(attempts.ATTEMPTS_MAX + 2):
            work(make_notifier(db, clock))
            clock.advance(timedelta(hours=15, seconds=1))

        assert len(dead.got) == attempts.ATTEMPTS_MAX
        assert len(set(dead.ids)) == 1
        given_up = messages(db, subscription)[0]
        assert (given_up.state, given_up.result) == (MessageState.DEAD, "HTTP 500")
        found = loaded(db, subscription)
        assert (found.state, found.why) == (SubscriptionState.DISABLED, "HTTP 500")
        told = [json.loads(each.body) for each in alive.got]
        assert [body["type"] for body in told] == ["subscription.disabled"]

        dead.status = 200
        with db.acting(lender) as conn:
            service.change_state(conn, found.id, SubscriptionState.ACTIVE, clock.now())
            service.replay(conn, given_up.id, clock.now())
        work(make_notifier(db, clock))
        assert dead.ids[-1] == dead.ids[0]
        assert messages(db, subscription)[0].state is MessageState.DELIVERED


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (302, {"Location": "http://127.0.0.1:9/"}, "HTTP 302"),
        (503, {"Retry-After": "3600"}, "503"),
    ],
)
def test_a_redirect_is_a_failure_and_a_wish_for_time_is_granted(
    db: Database, status: int, answer: dict[str, str], said: str
) -> None:
    """Nobody is led elsewhere; who asks for an hour has an hour."""
    plant, clock = build_loan(db), FixedClock()
    with receiving() as receiver:
        receiver.status, receiver.answer = status, answer
        subscription = subscribed(db, plant, receiver.url)
        raise_alert(db, plant)
        work(make_notifier(db, clock))
        found = messages(db, subscription)[0]
        assert said in (found.result or "")
        wait = found.next_attempt_at - clock.now()
        assert (wait >= timedelta(hours=1)) is ("Retry-After" in answer)
        receiver.status = 410
        clock.advance(timedelta(hours=2))
        work(make_notifier(db, clock))
        assert loaded(db, subscription).state is SubscriptionState.DISABLED


def test_a_webhook_goes_to_who_has_the_certificate_of_its_name(
    db: Database, tmp_path: Path
) -> None:
    """The connection is to the judged address; the certificate must be the name's."""
    plant, clock = build_loan(db), FixedClock()
    server_tls, _ = certified(tmp_path)
    with receiving(server_tls) as receiver:
        port = receiver.url.split(":")[2].removesuffix("/hook")
        named = subscribed(db, plant, f"https://localhost:{port}", topics=(Topic.ALERT,))
        other = subscribed(db, plant, f"https://127.0.0.1:{port}", topics=(Topic.ALERT,))
        raise_alert(db, plant)
        notifier = make_notifier(db, clock)
        notifier.senders[Channel.WEBHOOK] = WebhookSender(
            MASTER,
            Reach(networks=(ip_network("127.0.0.0/8"), ip_network("::1"))),
            clock,
            ca_file=tmp_path / "ca.crt",
        )
        work(notifier)
        assert messages(db, named)[0].result == "HTTP 204"
        assert "CERTIFICATE" in (messages(db, other)[0].result or "")
        assert [each.headers["host"] for each in receiver.got] == [f"localhost:{port}"]


def test_a_private_address_is_not_called(db: Database) -> None:
    """A subscription from before the rule was set, or a name that leads inside, calls nobody."""
    plant = build_loan(db)
    with receiving() as receiver:
        subscription = subscribed(db, plant, receiver.url.replace("127.0.0.1", "localhost"))
        raise_alert(db, plant)
        work(make_notifier(db, FixedClock(), Reach(http=True)))
        assert receiver.got == []
        assert "may not be called" in (messages(db, subscription)[0].result or "")
    with pytest.raises(InvalidError):
        subscribed(db, plant, "ftp://receiver.example/")
