"""What others commit, as the database announces it; and the lease of the one who follows it."""

import psycopg

from backend.db import Conn
from backend.errors import UnavailableError


def take_lease(conn: Conn, lease: tuple[int, int]) -> bool:
    """Return whether this connection holds a lease now; it ends with the connection.

    Raises:
        UnavailableError: The server is away.
    """
    try:
        row = conn.execute("SELECT pg_try_advisory_lock(%s, %s)", lease).fetchone()
    except psycopg.OperationalError as error:
        raise _unavailable(error) from error
    return row is not None and bool(row[0])


def listen(conn: Conn) -> None:
    """Let changes be announced on this connection from now on, each with its table's name.

    Raises:
        UnavailableError: The server is away.
    """
    try:
        conn.execute("LISTEN pw_changes")
    except psycopg.OperationalError as error:
        raise _unavailable(error) from error


def wait_for_changes(conn: Conn, wait_s_max: float) -> set[str]:
    """Return the tables that others have changed, as soon as any has, or none after a while.

    Raises:
        UnavailableError: The server is away.
    """
    try:
        own = conn.info.backend_pid
        notices = list(conn.notifies(timeout=wait_s_max, stop_after=1))
    except psycopg.OperationalError as error:
        raise _unavailable(error) from error
    return {notice.payload for notice in notices if notice.pid != own}


def _unavailable(error: psycopg.OperationalError) -> UnavailableError:
    return UnavailableError("database_unavailable", str(error).strip() or type(error).__name__)
