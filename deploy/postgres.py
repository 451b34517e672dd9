"""An embedded PostgreSQL: a small launcher over a folder of PostgreSQL programs.

State: everything lies in one folder, the cluster included; a second start keeps it. Connections:
TCP on loopback with SCRAM passwords; no Unix socket, so no path is too long and no folder needs
opening. ``fsync`` is on unless ``durable=False`` (tests only).

PostgreSQL refuses to run as root. A launcher that is root runs it as ``postgres``, if there is
such a user, else as ``nobody``. If that account cannot reach the state folder (root's home, a
private clone), the cluster lies in a folder of /var/tmp that is marked as belonging to the state
folder, and programs out of the account's reach are copied there.

The programs connect as ``pledgewatch``, who owns the database and is no superuser: row-level
security holds for it where a table forces it, as it will in production.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self

import psycopg
from psycopg import sql

from deploy.accounts import (
    choose_account,
    give_to,
    is_own_folder,
    server_home,
    stand_in_for,
    write_private,
)
from deploy.errors import StateError
from deploy.pg_binaries import Binaries, find_binaries, within_reach
from deploy.ports import LOOPBACK, keep_or_pick, polls
from deploy.processes import Account, Child, Program, run_to_end

SUPERUSER = "postgres"
OWNER = "pledgewatch"
DATABASE = "pledgewatch"
INITDB_S_MAX = 120.0  # About a second; a slow SD card needs most of a minute.
ORPHANS_S_MAX = 30.0  # A fast shutdown writes one checkpoint of at most shared_buffers.
CONNECT_S = 2  # The least that libpq accepts.
CREATEROLE_GRANT_MAJOR_MIN = 16

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "jit": "off",  # Compiling costs more than it saves in statements of a few milliseconds.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A PostgreSQL server in ``data_dir``: a context manager, or ``start`` and ``stop``."""

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        port: int | None = None,
        binaries: Binaries | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.child: Child | None = None
        self._durable = durable
        self._port = port
        self._binaries = binaries
        self._secrets: dict[str, str] = {}
        self._lock_fd: int | None = None

    @property
    def url(self) -> str:
        """The URL of the programs' database, as its owner."""
        return self._url(OWNER, DATABASE)

    @property
    def superuser_url(self) -> str:
        """The URL of the same database as superuser, for maintenance and extensions."""
        return self._url(SUPERUSER, DATABASE)

    @property
    def port(self) -> int:
        """The TCP port; known from the first start on and kept until the folder is removed."""
        assert self._port is not None, "not started yet"
        return self._port

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def start(self) -> None:
        """Start the server, or start it again after a kill, and return when it answers.

        Raises:
            MissingProgramError: there is no PostgreSQL on this machine.
            StateError: the folder is in use or cannot be used.
            ChildDiedError, NotReadyError: the server did not come up; its last words are in it.
        """
        try:
            self._lock()
            self._start_locked()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, nothing committed is lost."""
        if self.child is not None:
            self.child.stop()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def kill(self) -> None:
        """Kill the server with SIGKILL; ``start`` brings it back at the same address."""
        assert self.child is not None, "not started yet"
        self.child.kill()

    def remove(self) -> None:
        """Delete the stopped server's state, all of it."""
        assert self._lock_fd is None, "stop it first"
        for folder in (self.data_dir, stand_in_for(self.data_dir)):
            if is_own_folder(folder):
                shutil.rmtree(folder)
        self._secrets = {}

    def _start_locked(self) -> None:
        account = choose_account()
        self._secrets = _load_or_make_secrets(self.data_dir / "secrets.json")
        home = server_home(self.data_dir, self._secrets["state_id"], account)
        cluster = home / "cluster"
        _end_orphans(cluster)
        binaries = within_reach(self._binaries or find_binaries(_major_of(cluster)), account, home)
        _check_major(cluster, binaries)
        if not cluster.exists():
            self._init_cluster(binaries, cluster, account)
        self._port = keep_or_pick(self._port or _load_port(self.data_dir / "port"))
        self.child = Child(self._program(binaries, cluster, account), self.log_path)
        self.child.start()
        self.child.wait_until(self._answers)
        (self.data_dir / "port").write_text(f"{self._port}\n", encoding="utf-8")
        self._ensure_owner_and_database()

    @property
    def log_path(self) -> Path:
        """The server's log, with that of initdb at its beginning."""
        return self.data_dir / "postgres.log"

    def _lock(self) -> None:
        """Take the folder for this launcher; the kernel frees it when we die."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._lock_fd is not None:
            return
        fd = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            message = f"{self.data_dir} is in use by another launcher: stop that one first"
            raise StateError(message) from None
        self._lock_fd = fd

    def _init_cluster(self, binaries: Binaries, cluster: Path, account: Account | None) -> None:
        """Make a cluster beside its final place: a half-made one is never taken for whole."""
        partial = cluster.with_name("cluster.partial")
        password_file = cluster.with_name("initdb-password")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        write_private(password_file, self._secrets["superuser_password"], account)
        give_to(account, partial)
        argv = (
            str(binaries.bin_dir / "initdb"),
            f"--pgdata={partial}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth-local=reject",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            *(() if self._durable else ("--no-sync",)),
        )
        try:
            program = Program(name="initdb", argv=argv, account=account)
            run_to_end(program, self.log_path, INITDB_S_MAX)
        finally:
            password_file.unlink()
        partial.rename(cluster)

    def _program(self, binaries: Binaries, cluster: Path, account: Account | None) -> Program:
        settings = _SETTINGS | {"port": str(self.port)}
        if binaries.major >= CREATEROLE_GRANT_MAJOR_MIN:
            # As before version 16: who creates a role may act as it.
            settings["createrole_self_grant"] = "set, inherit"
        if not self._durable:
            settings |= _NOT_DURABLE
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return Program(
            name="postgres",
            argv=(str(binaries.bin_dir / "postgres"), "-D", str(cluster), *options),
            account=account,
            # "Fast shutdown", "Immediate shutdown": PostgreSQL manual, section 18.5.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGQUIT,
            stop_s=ORPHANS_S_MAX,
        )

    def _url(self, role: str, database: str) -> str:
        password = self._secrets[f"{'superuser' if role == SUPERUSER else 'owner'}_password"]
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.port}/{database}"

    def _answers(self) -> bool:
        url = self._url(SUPERUSER, "postgres")
        try:
            psycopg.connect(url, connect_timeout=CONNECT_S).close()
        except psycopg.OperationalError:
            return False
        return True

    def _ensure_owner_and_database(self) -> None:
        """Create the role and its database at the first start, or the first that got so far."""
        url = self._url(SUPERUSER, "postgres")
        with psycopg.connect(url, connect_timeout=CONNECT_S, autocommit=True) as connection:
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", OWNER):
                statement = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}")
                password = sql.Literal(self._secrets["owner_password"])
                connection.execute(statement.format(sql.Identifier(OWNER), password))
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
                names = (sql.Identifier(DATABASE), sql.Identifier(OWNER))
                connection.execute(statement.format(*names))


def _exists(connection: psycopg.Connection, query: LiteralString, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None


def _load_or_make_secrets(path: Path) -> dict[str, str]:
    """Return the passwords and the id of this state folder, made on first use."""
    if path.exists():
        loaded: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return loaded
    names = ("state_id", "superuser_password", "owner_password")
    made = {name: secrets.token_hex(16) for name in names}
    write_private(path, json.dumps(made))
    return made


def _load_port(path: Path) -> int | None:
    text = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    return int(text) if text.isdecimal() else None


def _major_of(cluster: Path) -> int | None:
    version = cluster / "PG_VERSION"
    return int(version.read_text(encoding="ascii")) if version.exists() else None


def _check_major(cluster: Path, binaries: Binaries) -> None:
    major = _major_of(cluster)
    if major not in (None, binaries.major):
        message = f"{cluster} was made by PostgreSQL {major}, not {binaries.major}"
        raise StateError(message)


def _end_orphans(cluster: Path) -> None:
    """End servers that a killed launcher left on this cluster, and a stale pid file.

    We hold the folder's lock, so whoever still works on the cluster is nobody's child. Left alone,
    a new server would refuse to start beside them, or because their number was given to another
    process meanwhile.
    """
    orphans: set[int] = set()
    for attempt in polls(ORPHANS_S_MAX, every_s=0.1):
        if not (orphans := _processes_in(cluster)):
            (cluster / "postmaster.pid").unlink(missing_ok=True)
            return
        for pid in orphans:
            # "Fast shutdown" first, "immediate" for what still runs after three seconds.
            if attempt in (0, 30):
                _signal(pid, signal.SIGINT if attempt == 0 else signal.SIGQUIT)
    message = f"processes {sorted(orphans)} still work on {cluster}"
    raise StateError(message)


def _processes_in(cluster: Path) -> set[int]:
    """Return the processes whose working directory is the cluster: its servers (Linux)."""
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if entry.readlink() == cluster:
                found.add(int(entry.parent.name))
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
