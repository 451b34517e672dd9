"""The notifier as a program of its own: it tells, ends when told to, and survives being killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.alerts.types import Severity
from backend.clock import SystemClock
from backend.db import Database
from backend.notifications import service
from backend.notifications.service import NewSubscription
from backend.notifications.types import Channel, MessageState, Topic
from backend.parties.types import Role
from tests.integration.backend.notifications.receivers import LOCAL, receiving, wait_until
from tests.plant import Plant, build_plant, insert

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(90)]
ROOT = Path(__file__).parents[4]


@contextmanager
def program(db: Database, directory: Path) -> Generator[subprocess.Popen[bytes]]:
    """Run a notifier that may call this machine; kill it when nobody else has."""
    settings = {
        "PLEDGEWATCH_DATABASE_URL": db.url,
        "PLEDGEWATCH_STATE_DIR": str(directory / "state"),
        "PLEDGEWATCH_NOTIFY_HTTP": "true",
        "PLEDGEWATCH_NOTIFY_NETWORKS": "127.0.0.0/8",
    }
    with (directory / "log").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend", "notifier"],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=out,
            stderr=out,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(20)


def states(db: Database) -> list[str]:
    """Return how far the messages have come."""
    with db.working() as conn:
        return [row[0] for row in conn.execute("SELECT state FROM notice_message ORDER BY 1")]


def subscribe(db: Database, plant: Plant, url: str) -> None:
    """Subscribe the lender to what happens to its facilities."""
    lender = plant.actors[Role.LENDER]
    new = NewSubscription(
        name="desk",
        channel=Channel.WEBHOOK,
        target=url,
        topics=(Topic.FACILITY,),
        severity_min=Severity.INFO,
        digest_s=0,
    )
    with db.acting(lender) as conn:
        service.subscribe(conn, lender, new, LOCAL, SystemClock().now())


def test_one_that_is_killed_after_sending_sends_again_under_the_same_id(
    db: Database, tmp_path: Path
) -> None:
    """Kill -9 between the receiver's bytes and the mark: the next program repeats, then ends."""
    with db.working() as conn:
        plant = build_plant(conn)
    with receiving() as receiver:
        receiver.hold = threading.Event()
        subscribe(db, plant, receiver.url)
        with db.working() as conn:
            now = SystemClock().now()
            key = plant.facility_id
            insert(conn, "facility_event", facility_id=key, at=now, actor="x", what="opened")
        with program(db, tmp_path) as first:
            wait_until(lambda: len(receiver.got) == 1)
            first.kill()
            first.wait(20)
        receiver.hold.set()
        receiver.hold = None
        assert states(db) == [MessageState.QUEUED]
        with db.working() as conn:  # A minute later, nobody holds it any more.
            conn.execute("UPDATE notice_message SET claimed_until = now()")

        with program(db, tmp_path) as second:
            wait_until(lambda: states(db) == [MessageState.DELIVERED])
            second.send_signal(signal.SIGTERM)
            assert second.wait(20) == 0, (tmp_path / "log").read_text()

        assert len(receiver.got) == 2
        assert len(set(receiver.ids)) == 1
        assert receiver.got[0].body == receiver.got[1].body
