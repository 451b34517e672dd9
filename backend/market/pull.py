"""Pulls prices over HTTP from where the operator allows it; one feed at a time.

A thread of its own beside the timekeeper: a source that dribbles holds up no lock. Several may
run: a feed that is due is claimed before it is asked.
"""

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import structlog
from prometheus_client import Counter

from backend.clock import Clock
from backend.db import Database
from backend.errors import PledgewatchError, UnavailableError
from backend.market.rules.price_file import FILE_BYTES_MAX
from backend.market.service import feeds as service
from backend.market.types import Feed

log = structlog.get_logger()

OK: Final = 200
IDLE_S: Final = 1.0
AWAY_S: Final = 5.0
CONNECT_S_MAX: Final = 5.0
READ_S_MAX: Final = 10.0
TOTAL_S_MAX: Final = 30.0  # A source that dribbles is as good as one that is silent.
CREDENTIAL_BYTES_MAX: Final = 4_096  # A header's value; a longer file is the wrong file.
PLATFORM: Final = "platform"  # The folder of credentials of feeds that are no party's.

PULLED: Final = Counter("pledgewatch_feeds_pulled", "Attempts.", ("outcome",))


class PullError(PledgewatchError):
    """A source did not answer with prices; it is asked again later."""

    def __init__(self, message: str) -> None:
        super().__init__("pull_failed", message)


@dataclass(slots=True)
class Puller:
    """Pulls what is due; used by one thread.

    ``credentials`` is the folder that holds, for each party, files with the value of the
    Authorization header; the database knows only their names.
    """

    db: Database
    clock: Clock
    hosts: frozenset[str]
    credentials: Path
    jitter: random.Random = field(default_factory=random.Random)

    def run(self, stop: threading.Event) -> None:
        """Pull until ``stop`` is set, whatever happens to the server."""
        while not stop.is_set():
            try:
                busy = self.step()
            except UnavailableError as error:
                log.warning("database_away", detail=error.message)
                stop.wait(AWAY_S)
                continue
            if not busy:
                stop.wait(IDLE_S)

    def step(self) -> bool:
        """Pull one feed that is due; return whether there was one.

        Raises:
            UnavailableError: The database is away.
        """
        with self.db.working() as conn:
            feed = service.claim_due(conn, self.clock.now(), self.hosts)
        if feed is None:
            return False
        try:
            content = self._fetch(feed)
            with self.db.working() as conn:
                recorded = service.take_pulled(conn, feed, content, self.clock.now())
        except UnavailableError:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, PledgewatchError) as error:
            self._fail(feed, error)
        else:
            if feed.failures:
                log.info("feed_back", feed_id=str(feed.id), instrument_id=feed.instrument_id)
            PULLED.labels("held" if recorded.held else "taken").inc()
        return True

    def _fail(self, feed: Feed, error: Exception) -> None:
        detail = error.message if isinstance(error, PledgewatchError) else str(error)
        what = f"{type(error).__name__}: {detail}"
        PULLED.labels("failed").inc()
        if feed.failures == 0:  # Once when it is lost, once when it is back.
            log.warning("feed_lost", feed_id=str(feed.id), error=what)
        with self.db.working() as conn:
            service.note_failure(conn, feed, what, self.clock.now(), self.jitter.uniform(0, 1))

    def _fetch(self, feed: Feed) -> bytes:
        """Return what a feed's address answers with.

        Raises:
            PullError: It answers otherwise than with 200, too long, or too slowly.
            OSError: The credential can not be read.
        """
        assert feed.url is not None
        headers = {"User-Agent": "pledgewatch", **self._authorization(feed)}
        timeout = httpx.Timeout(READ_S_MAX, connect=CONNECT_S_MAX)
        until_s = self.clock.monotonic_s() + TOTAL_S_MAX
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout) as client,
            client.stream("GET", feed.url, headers=headers) as response,
        ):
            if response.status_code != OK:
                raise PullError(f"HTTP {response.status_code}")
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > FILE_BYTES_MAX:
                    raise PullError(f"the answer is over {FILE_BYTES_MAX} bytes")
                if self.clock.monotonic_s() > until_s:
                    raise PullError(f"no whole answer within {TOTAL_S_MAX:.0f} s")
        return bytes(content)

    def _authorization(self, feed: Feed) -> dict[str, str]:
        if feed.credential is None:
            return {}
        owner = PLATFORM if feed.owner_party is None else str(feed.owner_party)
        with (self.credentials / owner / feed.credential).open("rb") as file:
            value = file.read(CREDENTIAL_BYTES_MAX + 1)
        if len(value) > CREDENTIAL_BYTES_MAX:
            raise PullError(f"credential {feed.credential} is over {CREDENTIAL_BYTES_MAX} bytes")
        return {"Authorization": value.decode("ascii").strip()}
