"""Sees locks as they commit: the database tells its listeners after the commit, never before."""

import threading
from dataclasses import dataclass

import psycopg

from deploy.clock import unix_us

_POLL_S = 0.5  # How long a stop may go unnoticed; notifications arrive at once.


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLock:
    """A lock, and when this process first saw it committed."""

    id: int
    facility_id: str
    reason: str
    detail: str
    seen_unix_us: int


class LockWatch:
    """A thread that listens for committed locks. Use as a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: list[SeenLock] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="lock-watch", daemon=True)

    def __enter__(self) -> "LockWatch":
        """Start listening; locks that exist already are not reported."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=5.0)

    def last_id(self) -> int:
        """Return the id of the newest lock seen, 0 if none."""
        with self._changed:
            return self._seen[-1].id if self._seen else 0

    def wait_for(
        self, facility_id: str, after_id: int, reasons: frozenset[str], timeout_s: float
    ) -> SeenLock | None:
        """Return the first lock of the facility newer than ``after_id``, or None in time."""

        def found() -> SeenLock | None:
            for lock in self._seen:
                if (
                    lock.id > after_id
                    and lock.facility_id == facility_id
                    and lock.reason in reasons
                ):
                    return lock
            return None

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, timeout=timeout_s)
            return found()

    def _listen(self) -> None:
        last = 0
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as conn:
                    conn.execute("LISTEN pw_changes")
                    last = max(last, self._read(conn, last, report=last > 0))
                    while not self._stop.is_set():
                        # To its end: while it runs, the generator holds the connection.
                        notices = list(conn.notifies(timeout=_POLL_S, stop_after=1))
                        if any(notice.payload == "facility_lock" for notice in notices):
                            last = self._read(conn, last, report=True)
            except psycopg.OperationalError:
                self._stop.wait(_POLL_S)  # The database is restarting; try again.

    def _read(self, conn: psycopg.Connection, last: int, *, report: bool) -> int:
        rows = conn.execute(
            "SELECT id, facility_id::text, reason, detail FROM facility_lock "
            "WHERE id > %s ORDER BY id",
            (last,),
        ).fetchall()
        at = unix_us()
        if report and rows:
            with self._changed:
                self._seen += [
                    SeenLock(
                        id=row[0],
                        facility_id=row[1],
                        reason=row[2],
                        detail=row[3],
                        seen_unix_us=at,
                    )
                    for row in rows
                ]
                self._changed.notify_all()
        return int(rows[-1][0]) if rows else last
