"""The database at the edge: who acts, for one transaction.

A transaction is opened here and nowhere else; services and stores take the connection and never
commit. ``BEGIN``, the role and the actor travel in one statement: acting costs one round trip.

The connection's own role owns the tables, so it must never be used bare for a request: only
``acting``, ``auth``, ``enrolling`` and ``at_door`` put it under row-level security.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, LiteralString, Protocol, Self, TypeVar
from uuid import UUID

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from backend.errors import ForbiddenError, InvalidError, RefusedError, UnavailableError

Conn = psycopg.Connection[TupleRow]
T = TypeVar("T")

POOL_CONNECTIONS_MAX: Final = 16  # A process serves that many requests at once; more wait.
POOL_WAIT_S_MAX: Final = 10.0  # Waiting longer for a connection is no service.
CONNECT_S_MAX: Final = 5
API_STATEMENT_S_MAX: Final = 15  # A page that takes longer is of no use to whoever waits.
WORKER_STATEMENT_S_MAX: Final = 60  # A batch, on a slow disk, with its indexes.
LOCK_S_MAX: Final = 10  # Above the longest batch that holds a facility; then the caller retries.
ATTEMPTS_MAX: Final = 5  # Of a transaction that lost against another one.
RETRY_PAUSE: Final = timedelta(milliseconds=20)  # Times the attempt: losers must not meet again.

API_ROLE: Final = "pledgewatch_api"
WORKER_ROLE: Final = "pledgewatch_worker"

# One string without parameters, so that it travels as one simple query.
_BEGIN_ACTING: Final[LiteralString] = (
    "BEGIN; SET LOCAL ROLE pledgewatch_api; SET LOCAL pw.role = {role};"
    " SET LOCAL pw.party = {party}; SET LOCAL statement_timeout = {statement_ms};"
    " SET LOCAL lock_timeout = {lock_ms}"
)
_BEGIN_AT_DOOR: Final[LiteralString] = (
    "BEGIN; SET LOCAL ROLE pledgewatch_api; SET LOCAL pw.role = 'uplink'; SET LOCAL pw.party = '';"
    " SET LOCAL pw.gateway = {gateway}; SET LOCAL statement_timeout = {statement_ms};"
    " SET LOCAL lock_timeout = {lock_ms}"
)
_BEGIN_WORKING: Final[LiteralString] = (
    "BEGIN; SET LOCAL ROLE pledgewatch_worker;"
    " SET LOCAL statement_timeout = {statement_ms}; SET LOCAL lock_timeout = {lock_ms}"
)


_BEGIN_READING: Final[LiteralString] = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE pledgewatch_worker;"
    " SET LOCAL statement_timeout = {statement_ms}; SET LOCAL lock_timeout = {lock_ms}"
)


class ActsFor(Protocol):
    """What the policies must know of an actor."""

    @property
    def role(self) -> str:
        """The role's name."""
        ...

    @property
    def party_id(self) -> UUID:
        """The party that it acts for."""
        ...


class Database:
    """A pool of connections to one database; open it with ``with``."""

    def __init__(self, url: str, *, connections_max: int = POOL_CONNECTIONS_MAX) -> None:
        self.url = url
        self._pool: ConnectionPool[Conn] = ConnectionPool(
            url,
            min_size=1,
            max_size=connections_max,
            timeout=POOL_WAIT_S_MAX,
            open=False,
            check=ConnectionPool[Conn].check_connection,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_S_MAX},
            name="pledgewatch",
        )

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether ``open`` was called, and ``close`` was not."""
        return not self._pool.closed

    def open(self) -> None:
        """Start the pool; it connects in the background, and again after the server was away."""
        self._pool.open()

    def close(self) -> None:
        """End every connection."""
        self._pool.close()

    def connect(self) -> Conn:
        """Return a connection of the caller's own: for advisory locks, LISTEN and ``working``.

        Raises:
            UnavailableError: The server does not answer.
        """
        try:
            return psycopg.connect(self.url, autocommit=True, connect_timeout=CONNECT_S_MAX)
        except psycopg.OperationalError as error:
            raise _unavailable(error) from error

    def check(self) -> None:
        """Ask the server for nothing, to see that it answers.

        Raises:
            UnavailableError: It is away, or no connection became free.
        """
        with self.auth() as conn:
            conn.execute("SELECT 1")

    @contextmanager
    def acting(self, actor: ActsFor) -> Generator[Conn]:
        """Open a transaction under row-level security as ``actor``.

        What the database refuses of the caller's wishes comes out as a refusal, so that a rule
        that a handler forgot is no crash: a policy, a constraint, a number too large.

        Raises:
            RefusedError: The database refused.
            UnavailableError: The server is away, or no connection became free.
        """
        begin = _acting(actor.role, str(actor.party_id))
        with self._pooled() as conn, _refusals(), _transaction(conn, begin):
            yield conn

    @contextmanager
    def auth(self) -> Generator[Conn]:
        """Open a transaction that may look at accounts, sessions and tokens, and nothing else.

        Raises:
            UnavailableError: The server is away, or no connection became free.
        """
        with self._pooled() as conn, _refusals(), _transaction(conn, _acting("auth", "")):
            yield conn

    @contextmanager
    def enrolling(self) -> Generator[Conn]:
        """Open a transaction that may enrol a gateway, and nothing else.

        Raises:
            UnavailableError: The server is away, or no connection became free.
        """
        with self._pooled() as conn, _refusals(), _transaction(conn, _acting("enrol", "")):
            yield conn

    @contextmanager
    def at_door(self, gateway: str) -> Generator[Conn]:
        """Open a transaction that may add to the inbox for one gateway and see what it is told.

        Raises:
            UnavailableError: The server is away, or no connection became free.
        """
        with self._pooled() as conn, _refusals(), _transaction(conn, _at_door(gateway)):
            yield conn

    @contextmanager
    def working(self, conn: Conn | None = None) -> Generator[Conn]:
        """Open a transaction as the worker, past row-level security.

        Args:
            conn: A connection from ``connect``, for a caller whose lease lives on it.

        Raises:
            UnavailableError: The server is away, or no connection became free.
        """
        if conn is not None:
            with _transaction(conn, _working()):
                yield conn
        else:
            with self._pooled() as pooled, _transaction(pooled, _working()):
                yield pooled

    @contextmanager
    def reading(self) -> Generator[Conn]:
        """Open a transaction that sees everything, as of one moment, and can write nothing.

        The database itself refuses a write: for whoever computes what would be if.

        Raises:
            UnavailableError: The server is away, or no connection became free.
        """
        with self._pooled() as conn, _transaction(conn, _reading()):
            yield conn

    def retrying(self, transaction: Callable[[], T]) -> T:
        """Return what ``transaction`` returns; run again when it lost against another one.

        Raises:
            UnavailableError: It lost each time, or waited too long for a lock.
        """
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return transaction()
            except (errors.SerializationFailure, errors.DeadlockDetected):
                if attempt < ATTEMPTS_MAX:
                    time.sleep(attempt * RETRY_PAUSE.total_seconds())
        raise UnavailableError("busy", f"lost against other transactions {ATTEMPTS_MAX} times")

    @contextmanager
    def _pooled(self) -> Generator[Conn]:
        try:
            conn = self._pool.getconn()
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise _unavailable(error) from error
        try:
            yield conn
        finally:
            self._pool.putconn(conn)


@contextmanager
def _transaction(conn: Conn, begin: sql.Composed) -> Generator[None]:
    """Run a block between ``begin`` and COMMIT; roll back whatever leaves it by an exception."""
    assert conn.autocommit, "BEGIN is ours to send"
    try:
        conn.execute(begin)
        yield
        conn.commit()
    except errors.LockNotAvailable as error:
        raise UnavailableError("busy", f"no lock within {LOCK_S_MAX} s") from error
    except errors.QueryCanceled as error:
        raise UnavailableError("busy", "the statement took too long") from error
    except psycopg.OperationalError as error:
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
            raise
        raise _unavailable(error) from error
    finally:
        if not conn.closed:
            _roll_back(conn)


@contextmanager
def _refusals() -> Generator[None]:
    """Turn what the database refuses into errors for the caller."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise ForbiddenError("this account may not do that") from error
    except errors.UniqueViolation as error:
        name = error.diag.constraint_name
        raise RefusedError("conflict", f"it exists already ({name})", constraint=name) from error
    except errors.ForeignKeyViolation as error:
        name = error.diag.constraint_name
        message = f"it names something that does not exist ({name})"
        raise RefusedError("unknown_reference", message, constraint=name) from error
    except (errors.CheckViolation, errors.NotNullViolation) as error:
        name = error.diag.constraint_name or error.diag.column_name
        raise InvalidError(str(name), "refused", "as the database's constraint says") from error
    except psycopg.DataError as error:
        raise InvalidError("a value", str(error), "one that the database can hold") from error


def _roll_back(conn: Conn) -> None:
    """Leave no transaction open; after a commit there is none, and nothing is sent."""
    try:
        conn.rollback()
    except psycopg.OperationalError:
        conn.close()


def _acting(role: str, party: str) -> sql.Composed:
    return sql.SQL(_BEGIN_ACTING).format(
        role=sql.Literal(role),
        party=sql.Literal(party),
        statement_ms=sql.Literal(API_STATEMENT_S_MAX * 1_000),
        lock_ms=sql.Literal(LOCK_S_MAX * 1_000),
    )


def _at_door(gateway: str) -> sql.Composed:
    return sql.SQL(_BEGIN_AT_DOOR).format(
        gateway=sql.Literal(gateway),
        statement_ms=sql.Literal(API_STATEMENT_S_MAX * 1_000),
        lock_ms=sql.Literal(LOCK_S_MAX * 1_000),
    )


def _working() -> sql.Composed:
    return sql.SQL(_BEGIN_WORKING).format(
        statement_ms=sql.Literal(WORKER_STATEMENT_S_MAX * 1_000),
        lock_ms=sql.Literal(LOCK_S_MAX * 1_000),
    )


def _reading() -> sql.Composed:
    return sql.SQL(_BEGIN_READING).format(
        statement_ms=sql.Literal(WORKER_STATEMENT_S_MAX * 1_000),
        lock_ms=sql.Literal(LOCK_S_MAX * 1_000),
    )


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError("database_unavailable", str(error).strip() or type(error).__name__)
