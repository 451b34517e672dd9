"""E-mail: digests, and TLS or nothing."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from backend.db import Database
from backend.facility.service import facilities
from backend.notifications import service
from backend.notifications.senders.mail import MailSender, parse_server
from backend.notifications.types import (
    Channel,
    Topic,
)
from backend.parties.types import Role
from tests.builders import FixedClock
from tests.integration.backend.facility.lending import build_loan, steal
from tests.integration.backend.notifications.receivers import (
    certified,
    mail_server,
    make_notifier,
    work,
)
from tests.integration.backend.notifications.telling import messages, raise_alert, subscribed

pytestmark = pytest.mark.integration


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
