"""From what happened to who is told, with real receivers, dead ones, and a notifier that dies."""

import asyncio
import contextlib
import json
import ssl
import threading
from base64 import b64decode
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from backend.alerts import service as alerts
from backend.alerts.types import AlertKind, Finding, Severity, Steps
from backend.db import Database
from backend.errors import InvalidError
from backend.facility.service import facilities
from backend.ids import SubscriptionId
from backend.notifications import service, store
from backend.notifications.rules import attempts, signatures
from backend.notifications.senders.mail import MailSender, parse_server
from backend.notifications.senders.webhook import WebhookSender
from backend.notifications.service import NewSubscription
from backend.notifications.types import (
    Channel,
    Message,
    MessageState,
    Reach,
    Subscription,
    SubscriptionState,
    Topic,
)
from backend.parties.types import Role
from tests.builders import FixedClock
from tests.integration.backend.facility.lending import build_loan, repay, steal
from tests.integration.backend.notifications.receivers import (
    LOCAL,
    MASTER,
    certified,
    mail_server,
    make_notifier,
    receiving,
    wait_until,
    work,
)
from tests.plant import Plant, build_plant

pytestmark = pytest.mark.integration


def subscribed(
    db: Database,
    plant: Plant,
    target: str,
    role: Role = Role.LENDER,
    channel: Channel = Channel.WEBHOOK,
    **overrides: object,
) -> Subscription:
    """Subscribe a party of the plant to everything."""
    values: dict[str, object] = {
        "name": "desk",
        "channel": channel,
        "target": target,
        "topics": tuple(Topic),
        "severity_min": Severity.INFO,
        "digest_s": 300,
        **overrides,
    }
    actor = plant.actors[role]
    with db.acting(actor) as conn:
        new = NewSubscription(**values)  # pyright: ignore[reportArgumentType]  # as above
        return service.subscribe(conn, actor, new, LOCAL, FixedClock().now())


def raise_alert(db: Database, plant: Plant, cause: str = "one", lot: str = "copper") -> None:
    """Open an alert as ingest does."""
    finding = Finding(
        cause=cause,
        kind=AlertKind.SHORTFALL,
        severity=Severity.CRITICAL,
        summary=f"a pallet is gone: {cause}",
        lot_id=plant.lots[lot],
    )
    with db.working() as conn:
        alerts.take(conn, [Steps(findings=(finding,))], FixedClock().now())


def messages(db: Database, subscription: Subscription) -> list[Message]:
    """Return a subscription's messages, newest first."""
    with db.working() as conn:
        return list(store.list_messages(conn, subscription.id, 500))


def loaded(db: Database, subscription: Subscription) -> Subscription:
    """Return a subscription as it is now."""
    with db.working() as conn:
        return service.load(conn, subscription.id)


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


def test_an_email_is_one_for_a_cause_however_often_it_comes(db: Database) -> None:
    """The first goes soon, with what came together; the next after the digest's time."""
    plant, clock = build_loan(db), FixedClock()
    with mail_server() as box:
        server = parse_server(f"smtp+plain://127.0.0.1:{box.port}")
        sender = MailSender(server, "pw@bank.example", "https://console.example", clock)
        subscription = subscribed(
            db, plant, "desk@bank.example", channel=Channel.EMAIL, topics=(Topic.ALERT, Topic.LOCK)
        )

        def tick(seconds: int) -> None:
            clock.advance(timedelta(seconds=seconds))
            work(make_notifier(db, clock, mail=sender))

        raise_alert(db, plant)
        with db.working() as conn:
            steal(conn, plant)
        tick(0)
        assert box.got == []
        tick(6)
        assert len(box.got) == 1
        lender = plant.actors[Role.LENDER]
        for _ in range(100):
            with db.acting(lender) as conn:
                facilities.lock_manually(conn, lender, plant.facility_id, "audit", clock.now())
        tick(6)
        assert len(box.got) == 1, "not before the digest's time"
        tick(300)
        assert len(box.got) == 2
        second = box.got[1]
        text = second.get_payload(decode=True)
        assert isinstance(text, bytes)
        assert b"100 times" in text
        assert second["To"] == "desk@bank.example"
        assert second["Message-ID"] == f"<{messages(db, subscription)[0].id}@bank.example>"


def test_an_email_goes_encrypted_or_not_at_all(db: Database, tmp_path: Path) -> None:
    """STARTTLS is asked for; a server without it, or with another's certificate, gets nothing."""
    plant, clock = build_loan(db), FixedClock()
    subscription = subscribed(db, plant, "desk@bank.example", channel=Channel.EMAIL)
    lender = plant.actors[Role.LENDER]
    server_tls, trusted = certified(tmp_path)
    with mail_server() as plain, mail_server(server_tls) as box:
        with db.acting(lender) as conn:
            service.send_test(conn, lender, subscription.id, clock.now())

        def result_at(port: int, tls: ssl.SSLContext) -> str | None:
            clock.advance(timedelta(hours=1))
            sender = MailSender(
                parse_server(f"smtp://localhost:{port}"), "pw@bank.example", "", clock, tls
            )
            work(make_notifier(db, clock, mail=sender))
            return messages(db, subscription)[0].result

        assert "STARTTLS" in (result_at(plain.port, trusted) or "")
        assert "CERTIFICATE" in (result_at(box.port, ssl.create_default_context()) or "")
        assert (plain.got, box.got) == ([], [])
        assert result_at(box.port, trusted) == "taken by localhost"
        assert box.encrypted == [True]


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
