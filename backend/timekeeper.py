"""The timekeeper: does what time alone brings, and what prices and people change.

Silence of sensors, prices that go stale, valuations and promises that expire, the partitions of
tomorrow. It listens to what is committed, so that a price reaches the locks in milliseconds and
the second hand only catches what nobody announced. One is active, by an advisory lock on the very
connection that it works on; the others stand by. All it does can be done twice without harm.
"""

import contextlib
import random
import signal
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import FrameType
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from backend.alerts import service as alerts
from backend.applications import service as applications
from backend.clock import Clock, SystemClock
from backend.collateral import service as collateral
from backend.collateral.types import LotChange
from backend.commands import service as commands
from backend.config import Settings
from backend.db import Conn, Database
from backend.errors import UnavailableError
from backend.facility import service as facility
from backend.facility.store import (
    accruals,
    changes,
    drawdowns,
    facilities,
    facilities_of_lots,
)
from backend.ids import ApplicationId, FacilityId, InstrumentId, LotId
from backend.log import configure_log
from backend.market import store as market
from backend.market.pull import Puller
from backend.market.types import SourceHead
from backend.settlement.inbox import work_off
from backend.telemetry import layout

log = structlog.get_logger()

LEASE: Final = (0x5057, 0x7469)  # "PW", "ti": the workers' leases have numbers of partitions.
TICK_S: Final = 1.0
PEOPLE_S: Final = 0.2  # Ingest changes lots many times a second, and relocks them itself.
HOUSEKEEPING_S: Final = 600.0
BACKOFF_S_MIN: Final = 0.2
BACKOFF_S_MAX: Final = 10.0
CHUNK_LOTS: Final = 50  # Held in one transaction; a batch of readings of one of them waits for it.
CHUNK_FACILITIES: Final = 50  # Held in one transaction; a drawdown on one of them waits for it.
CREDENTIALS_DIR: Final = "feed-credentials"  # In the folder of state.
OPENED_BY: Final = "timekeeper"

FAILED: Final = Counter("pledgewatch_timekeeper_failed", "Duties that failed.", ("duty", "error"))
RELOCKED: Final = Counter("pledgewatch_timekeeper_relocked", "Facilities relocked.", ("why",))
ACTIVE: Final = Gauge("pledgewatch_timekeeper_active", "1 while this one is active.")

_CLEAN_SESSIONS: Final = "DELETE FROM session WHERE expires_at <= %s"
_CLEAN_CODES: Final = (
    "DELETE FROM enrolment_code WHERE expires_at <= %s::timestamptz - interval '7 days'"
)

Heads = Mapping[InstrumentId, Sequence[SourceHead]]


@dataclass(slots=True)
class Timekeeper:
    """One that may be active; used by one thread."""

    db: Database
    clock: Clock
    stop: threading.Event
    heads: Heads = field(default_factory=lambda: dict[InstrumentId, Sequence[SourceHead]]())
    challenges_per_hour: float = 0.0
    distrusted: set[LotId] = field(default_factory=lambda: set[LotId]())
    event_id: int = 0
    changed: set[str] = field(default_factory=lambda: set[str]())
    followed_s: float = 0.0
    housekept_s: float | None = None

    def run(self) -> None:
        """Stand by or be active until ``stop`` is set, whatever happens to the server."""
        pause_s = BACKOFF_S_MIN
        while not self.stop.is_set():
            begun_s = self.clock.monotonic_s()
            try:
                with contextlib.closing(self.db.connect()) as conn:
                    self._serve(conn)
            except UnavailableError as error:
                FAILED.labels("connection", error.code).inc()
                log.warning("database_away", detail=error.message)
            except Exception as error:
                FAILED.labels("serve", type(error).__name__).inc()
                log.exception("timekeeper_failed")
            finally:
                ACTIVE.set(0)
            if self.clock.monotonic_s() - begun_s > BACKOFF_S_MAX:
                pause_s = BACKOFF_S_MIN
            # Full jitter, so that many do not come back at one moment.
            self.stop.wait(random.uniform(0, pause_s))  # noqa: S311 - a pause is no secret
            pause_s = min(BACKOFF_S_MAX, 2 * pause_s)

    def _serve(self, conn: Conn) -> None:
        """Work on one connection until it is lost or ``stop`` is set."""
        while not self.stop.is_set() and not changes.take_lease(conn, LEASE):
            self.stop.wait(TICK_S)
        if self.stop.is_set():
            return
        log.info("timekeeper_active")
        ACTIVE.set(1)
        changes.listen(conn)
        with self.db.working(conn):
            self.event_id = facilities.newest_event_id(conn)
        self.heads = {}
        self.changed = {"pledge"}  # What happened before is not known: all is looked at once.
        while not self.stop.is_set():
            self._tick(conn)
            until_s = self.clock.monotonic_s() + TICK_S
            while not self.stop.is_set() and (left_s := until_s - self.clock.monotonic_s()) > 0:
                wait_s = min(left_s, PEOPLE_S) if self.changed else left_s
                self.changed |= changes.wait_for_changes(conn, wait_s)
                self._follow(conn)

    def _tick(self, conn: Conn) -> None:
        """Do what the second hand brings."""
        self._duty(conn, "sweep", self._sweep)
        self._duty(conn, "accrue", self._accrue)
        self._duty(conn, "due", self._relock_due)
        self._duty(conn, "challenge", self._challenge)
        self._duty(conn, "unattended", self._note_unattended)
        self._duty(conn, "settlement", self._settle_statements)
        self._duty(conn, "applications", self._expire_applications)
        now_s = self.clock.monotonic_s()
        if self.housekept_s is None or now_s - self.housekept_s >= HOUSEKEEPING_S:
            self.housekept_s = now_s
            self._duty(conn, "housekeeping", self._housekeep)

    def _follow(self, conn: Conn) -> None:
        """Do what was announced: prices at once, people's acts soon."""
        if "price" in self.changed:
            self.changed.discard("price")
            self._duty(conn, "price", self._relock_priced)
        now_s = self.clock.monotonic_s()
        if not self.changed or now_s - self.followed_s < PEOPLE_S:
            return
        changed, self.changed, self.followed_s = self.changed, set(), now_s
        if changed & {"pledge", "calendar_day", "grade_differential"}:
            self._duty(conn, "pledge", self._relock_open)
        elif changed & {"alert", "lot_state"}:
            self._duty(conn, "people", self._relock_behind)
        if changed & {"drawdown", "repayment"}:
            self._duty(conn, "money", self._relock_acted)

    def _duty(self, conn: Conn, name: str, duty: Callable[[Conn, datetime], None]) -> None:
        """Do one duty; its failure keeps no other from being done, unless the server is away."""
        try:
            duty(conn, self.clock.now())
        except UnavailableError as error:
            if conn.closed or conn.broken:
                raise
            FAILED.labels(name, error.code).inc()
            log.warning("duty_put_off", duty=name, detail=error.message)
        except Exception as error:
            FAILED.labels(name, type(error).__name__).inc()
            log.exception("duty_failed", duty=name)

    def _sweep(self, conn: Conn, now: datetime) -> None:
        """Decide again the lots whose state depends on the time; evidence and lock together."""
        with self.db.working(conn):
            due = collateral.due(conn, now)
        distrusted = self.distrusted
        self.distrusted = set()
        for start in range(0, len(due), CHUNK_LOTS):
            self._sweep_some(conn, due[start : start + CHUNK_LOTS], now, distrusted)

    def _sweep_some(
        self, conn: Conn, lots: Sequence[LotId], now: datetime, distrusted: Collection[LotId]
    ) -> None:
        """Sweep some lots; one that fails does not stop the rest, and locks."""
        try:
            self._settle(conn, lots, now, lambda: collateral.sweep(conn, now, lots))
        except UnavailableError as error:
            if conn.closed or conn.broken:
                raise
            FAILED.labels("sweep", error.code).inc()
            log.warning("duty_put_off", duty="sweep", detail=error.message)
        except Exception as error:
            if conn.closed or conn.broken:
                raise
            if len(lots) > 1:
                for each in lots:
                    self._sweep_some(conn, [each], now, distrusted)
                return
            FAILED.labels("sweep", type(error).__name__).inc()
            if lots[0] not in distrusted:  # Else it is known.
                log.exception("sweep_failed", lot_id=str(lots[0]))
            self.distrusted |= {*lots}
            self._distrust(conn, lots, now)

    def _distrust(self, conn: Conn, lots: Sequence[LotId], now: datetime) -> None:
        """Lock a lot whose state can not be stored."""
        try:
            self._settle(conn, lots, now, lambda: collateral.distrust(conn, lots[0]))
        except Exception as error:
            if conn.closed or conn.broken:
                raise
            FAILED.labels("distrust", type(error).__name__).inc()
            log.exception("distrust_failed", lot_id=str(lots[0]))

    def _settle(
        self,
        conn: Conn,
        lots: Sequence[LotId],
        now: datetime,
        decide: Callable[[], Sequence[LotChange] | None],
    ) -> None:
        """Decide lots and lock what follows, in one transaction; None: all of them have moved."""

        def transaction() -> None:
            with self.db.working(conn):
                changes = decide()
                alerts.follow(conn, changes or (), now)
                moved = lots if changes is None else [change.lot_id for change in changes]
                if moved:
                    found = facilities_of_lots(conn, moved)
                    facility.relock(conn, found, now, opened_by=OPENED_BY)

        self.db.retrying(transaction)

    def _challenge(self, conn: Conn, now: datetime) -> None:
        """Challenge gateways at random; who does not answer, or is revoked, watches nothing."""

        def challenge() -> None:
            with self.db.working(conn):
                changed = {
                    *commands.note_unanswered(conn, now),
                    *commands.follow_revocations(conn, now),
                }
                moved = collateral.reconsider(conn, changed, now)
                alerts.follow(conn, moved, now)
                lots = [change.lot_id for change in moved]
                if lots:
                    found = facilities_of_lots(conn, lots)
                    facility.relock(conn, found, now, opened_by=OPENED_BY)
                if self.challenges_per_hour > 0:
                    commands.challenge_some(conn, self.challenges_per_hour, TICK_S, now)

        self.db.retrying(challenge)

    def _note_unattended(self, conn: Conn, now: datetime) -> None:
        """Note the critical alerts that nobody has acknowledged in time."""
        with self.db.working(conn):
            alerts.note_unattended(conn, now)

    def _expire_applications(self, conn: Conn, now: datetime) -> None:
        """End what waited past its deadline: an offer that nobody signed in time."""
        with self.db.working(conn):
            due = applications.fetch_due(conn, now)
        for application_id in due:
            self._duty(conn, "expiry", partial(self._expire_application, application_id))

    def _expire_application(
        self, application_id: ApplicationId, conn: Conn, now: datetime
    ) -> None:
        """End one; another that fails does not stop it."""
        with self.db.working(conn):
            applications.expire(conn, application_id, now)

    def _settle_statements(self, conn: Conn, now: datetime) -> None:
        """Place what banks have told; their money relocks what it repays."""
        work_off(self.db, now, conn)

    def _relock_due(self, conn: Conn, now: datetime) -> None:
        with self.db.working(conn):
            due = {*facilities.facilities_due(conn, now)}
            due |= {*drawdowns.facilities_with_expired(conn, now)}
        self._relock(conn, sorted(due), now, "due")

    def _accrue(self, conn: Conn, now: datetime) -> None:
        """Book interest, fees and penalties of the days that are over; one facility at a time."""
        with self.db.working(conn):
            behind = accruals.facilities_to_accrue(conn, now)
        for facility_id in behind:
            try:
                self._accrue_one(conn, facility_id, now)
            except Exception as error:
                if conn.closed or conn.broken:
                    raise
                FAILED.labels("accrue", type(error).__name__).inc()
                log.exception("accrual_failed", facility=str(facility_id))

    def _accrue_one(self, conn: Conn, facility_id: FacilityId, now: datetime) -> None:
        def accrue() -> None:
            with self.db.working(conn):
                facility.accrue_days(conn, [facility_id], now, OPENED_BY)

        self.db.retrying(accrue)

    def _relock_priced(self, conn: Conn, now: datetime) -> None:
        """Relock what is valued at the instruments whose newest quotes are not what they were."""
        with self.db.working(conn):
            ids = market.list_instrument_ids(conn)
            heads = market.load_heads(conn, ids)
            moved = [key for key in ids if heads.get(key) != self.heads.get(key)]
            found = facilities.facilities_of_instruments(conn, moved)
        self._relock(conn, found, now, "price")
        self.heads = heads  # Only now: when the server went away, they are looked at again.

    def _relock_open(self, conn: Conn, now: datetime) -> None:
        with self.db.working(conn):
            found = facilities.facilities_open(conn)
        self._relock(conn, found, now, "pledge")

    def _relock_behind(self, conn: Conn, now: datetime) -> None:
        with self.db.working(conn):
            found = {*facilities.facilities_locked(conn), *facilities.facilities_behind(conn)}
        self._relock(conn, sorted(found), now, "people")

    def _relock_acted(self, conn: Conn, now: datetime) -> None:
        with self.db.working(conn):
            found, event_id = facilities.facilities_acted_on(conn, self.event_id)
        self._relock(conn, found, now, "money")
        self.event_id = event_id

    def _relock(self, conn: Conn, ids: Sequence[FacilityId], now: datetime, why: str) -> None:
        """Relock facilities some at a time; one that fails does not stop the rest."""
        for start in range(0, len(ids), CHUNK_FACILITIES):
            chunk = ids[start : start + CHUNK_FACILITIES]
            try:
                self._relock_chunk(conn, chunk, now)
            except Exception as error:
                if conn.closed or conn.broken:
                    raise
                if len(chunk) == 1:
                    FAILED.labels("relock", type(error).__name__).inc()
                    log.exception("relock_failed", facility=str(chunk[0]))
                    continue
                for each in chunk:
                    self._relock(conn, [each], now, why)
                continue
            RELOCKED.labels(why).inc(len(chunk))

    def _relock_chunk(self, conn: Conn, chunk: Sequence[FacilityId], now: datetime) -> None:
        def relock() -> None:
            with self.db.working(conn):
                facility.relock(conn, chunk, now, opened_by=OPENED_BY)

        self.db.retrying(relock)

    def _housekeep(self, conn: Conn, now: datetime) -> None:
        with self.db.working(conn):
            layout.ensure_layout(conn, now)
        with self.db.working(conn):
            conn.execute(_CLEAN_SESSIONS, [now])
            conn.execute(_CLEAN_CODES, [now])


def run(settings: Settings) -> None:
    """Run a timekeeper until it is told to end."""
    configure_log()
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    clock = SystemClock()
    with Database(settings.database_url, connections_max=2) as db:
        puller = Puller(
            db,
            clock,
            hosts=frozenset(filter(None, map(str.strip, settings.feed_hosts.split(",")))),
            credentials=settings.state_dir / CREDENTIALS_DIR,
        )
        pulling = threading.Thread(target=pull, args=(puller, stop), name="pull")
        pulling.start()
        try:
            Timekeeper(db, clock, stop, challenges_per_hour=settings.challenges_per_hour).run()
        finally:
            stop.set()
            pulling.join()


def pull(puller: Puller, stop: threading.Event) -> None:
    """Pull prices until ``stop`` is set: a thread, so that a slow source is in no lock's way."""
    while not stop.is_set():
        try:
            puller.run(stop)
        except Exception as error:
            FAILED.labels("pull", type(error).__name__).inc()
            log.exception("pull_failed")
            stop.wait(BACKOFF_S_MAX)
