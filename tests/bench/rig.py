"""Database, broker and worker process without a site: what envelopes are measured against.

Durable as in production: the database syncs each commit to disk.
"""

import contextlib
import secrets
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import psycopg

from backend.clock import SystemClock
from backend.db import Conn, Database
from backend.ids import SiteId
from backend.keys import BackendKey
from backend.migrate import migrate
from deploy.broker import BACKEND_USER, BrokerKind, EmbeddedBroker
from deploy.database import DatabaseServer
from deploy.ports import LOOPBACK
from deploy.postgres import EmbeddedPostgres
from deploy.processes import Daemon, Program, Supervisor, run_to_end
from deploy.stack import ROOT, child_env
from schemas.keys import key_id_of
from tests.bench.load_gateways import LoadPlan, LoadReport
from tests.bench.load_stream import LoadStream
from tests.plant import build_plant, insert

LOAD_S_MAX = 600.0
TEMPLATE = "bench_template"
READY = ("broker_connected", "partitions_leased")  # In the worker's log; it then subscribes.


class Rig:
    """Starts the servers; makes databases in which the loading gateways are enrolled."""

    def __init__(self, gateways: list[str], *, sensors: int) -> None:
        self.gateways = gateways
        self.sensors = sensors
        self.dir = Path(tempfile.mkdtemp(prefix="pledgewatch-bench-"))
        self.key = BackendKey.load(self.dir / "backend")
        self._passwords = {name: secrets.token_urlsafe(15) for name in (BACKEND_USER, *gateways)}
        self._postgres = EmbeddedPostgres(self.dir / "postgres")
        self._broker = EmbeddedBroker(self.dir / "broker", self._passwords)
        self._supervisor = Supervisor()
        self._databases = 0

    def __enter__(self) -> Self:
        """Start database and broker, and prepare the template of databases."""
        self._supervisor.__enter__()
        try:
            self._supervisor.add(self._postgres)
            self._supervisor.add(self._broker)
            url = self._server.create_database(TEMPLATE)
            migrate(url)
            with Database(url) as db, db.working() as conn:
                plant = build_plant(conn, now=SystemClock().now())
                for name in self.gateways:
                    self._enrol(conn, name, plant.site_id)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything and delete its state."""
        self._supervisor.__exit__(kind, error, trace)
        self._postgres.remove()
        self._broker.remove()
        shutil.rmtree(self.dir)

    @contextlib.contextmanager
    def database(self) -> Generator[str]:
        """Yield the URL of a database in which the gateways are enrolled and nothing is stored."""
        self._databases += 1
        name = f"bench_{self._databases}"
        try:
            yield self._server.create_database(name, TEMPLATE)
        finally:
            self._server.drop_database(name)

    @contextlib.contextmanager
    def worker(self, url: str) -> Generator[Daemon]:
        """Run the backend's worker on a database, from its first word to its end."""
        login = f"{BACKEND_USER}:{self._passwords[BACKEND_USER]}"
        env = child_env(
            PLEDGEWATCH_DATABASE_URL=url,
            PLEDGEWATCH_MQTT_URL=f"mqtt://{login}@{LOOPBACK}:{self._broker.port}",
            PLEDGEWATCH_STATE_DIR=str(self.dir / "backend"),
        )
        program = Program(
            name="worker", argv=(sys.executable, "-m", "backend", "worker"), env=env, cwd=ROOT
        )
        daemon = Daemon(program=program, log_dir=self.dir / "log")
        daemon.ready = lambda: _says(self.dir / "log" / "worker.log", *READY)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()
            (self.dir / "log" / "worker.log").unlink(missing_ok=True)

    @property
    def broker(self) -> BrokerKind:
        """Which broker it is."""
        return self._broker.kind

    def load(self, gateways: Sequence[str], envelopes: int, start_unix_us: int) -> LoadReport:
        """Let each of ``gateways`` publish ``envelopes``, in one process; return its report."""
        plan = LoadPlan(
            host=LOOPBACK,
            port=self._broker.port,
            backend_key=self.key.public_key.hex(),
            passwords={name: self._passwords[name] for name in gateways},
            sensors=self.sensors,
            envelopes=envelopes,
            start_unix_us=start_unix_us,
        )
        plan_file, report_file = self.dir / "plan.json", self.dir / "report.json"
        plan_file.write_bytes(msgspec.json.encode(plan))
        run_to_end(load_program(plan_file, report_file), self.dir / "log" / "load.log", LOAD_S_MAX)
        return msgspec.json.decode(report_file.read_bytes(), type=LoadReport)

    def _enrol(self, conn: Conn, gateway: str, site_id: SiteId) -> None:
        key = LoadStream(gateway, sensors=self.sensors).public_key
        known = {"public_key": key, "key_id": key_id_of(key), "enrolled_at": SystemClock().now()}
        insert(conn, "gateway", id=gateway, site_id=site_id, **known)
        insert(conn, "gateway_key", gateway_id=gateway, **known)
        insert(conn, "stream", gateway_id=gateway)

    @property
    def _server(self) -> DatabaseServer:
        return DatabaseServer(url=self._postgres.url)


def load_program(plan_file: Path, report_file: Path) -> Program:
    """Return the program of loading gateways."""
    argv = (sys.executable, "-m", "tests.bench.load_gateways", str(plan_file), str(report_file))
    return Program(name="load", argv=argv, env=child_env(), cwd=ROOT, stop_s=LOAD_S_MAX)


def count_readings(url: str) -> int:
    """Return how many scalar readings are stored."""
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM scalar_reading").fetchone()
    assert row is not None
    return int(row[0])


def _says(log: Path, *words: str) -> bool:
    text = log.read_text(errors="replace") if log.exists() else ""
    return all(word in text for word in words)
