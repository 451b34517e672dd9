"""The timekeeper ends what nobody signed in time."""

import threading
import time
from datetime import timedelta
from typing import Final

import pytest

from backend.db import Database
from backend.parties.types import Role
from backend.timekeeper import Timekeeper
from tests.builders import NOW, FixedClock
from tests.integration.backend.applications.desk import build_desk

pytestmark = pytest.mark.integration
WAIT_S_MAX: Final = 20.0


def test_the_timekeeper_expires_an_offer(db: Database) -> None:
    """Within its first turn after the deadline; the history says that time did it."""
    desk = build_desk(db)
    desk.reach("sign")
    desk.now = NOW + timedelta(days=7)
    keeper = Timekeeper(db, FixedClock(desk.now), threading.Event())
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        until_s = time.perf_counter() + WAIT_S_MAX
        while desk.view(Role.BORROWER).application.state != "expired":
            assert time.perf_counter() < until_s, "it never expired"
            time.sleep(0.02)
    finally:
        keeper.stop.set()
        thread.join(WAIT_S_MAX)
    assert not thread.is_alive()
    assert desk.view(Role.LENDER).steps[-1].seat.value == "platform"
