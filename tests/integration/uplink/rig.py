"""A real gateway, api, worker, broker and PostgreSQL for one stream, and what to break of them."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from backend.app import create_app
from backend.clock import SystemClock
from backend.commands import service as commands
from backend.db import Database
from backend.ids import GatewayId
from backend.keys import BackendKey
from backend.plant.broker_credentials import broker_password
from backend.worker import Worker
from deploy.broker import EmbeddedBroker
from deploy.ports import free_port, polls, tcp_answers
from gateway.control.client import NoDaemonError, ask_status
from gateway.control.status import Status
from gateway.errors import UnavailableError
from gateway.outbox.identity import open_identity
from schemas.keys import key_id_of
from tests.builders import make_settings
from tests.integration.gateway.daemons import GATEWAY, scale_section, write_config
from tests.integration.gateway.lines import Line
from tests.warehouse import Warehouse

SECRET = "a-secret-of-the-test"
PASSWORD = broker_password(SECRET, GATEWAY)
USERS = {"backend": "b-secret", GATEWAY: PASSWORD}
DEADLINE_S = 40.0
POLL_S = 0.05
START_S_MAX = 40.0  # Two seconds on a quiet machine; the suite makes it busy.
ROOT = Path(__file__).parents[3]


@dataclass(slots=True, kw_only=True)
class Rig:
    """Everything between a scale and the database, for one gateway."""

    db: Database
    made: Warehouse
    broker: EmbeddedBroker
    key: BackendKey
    folder: Path
    line: Line
    public_key: bytes
    port: int = field(default_factory=free_port)
    sent: int = 0

    def configure(self, url: str, more: str = "") -> Path:
        """Write the gateway's configuration, to send to ``url``."""
        login = f'username = "{GATEWAY}"\npassword = "{PASSWORD}"\n{more}'
        return write_config(
            self.folder,
            url,
            scale_section("scale-1", self.line.path),
            backend_key=self.key.public_key,
            more=login,
        )

    @property
    def api_url(self) -> str:
        """Where the api listens, when it does."""
        return f"http://127.0.0.1:{self.port}"

    def url_of(self, way: str) -> str:
        """Return where a gateway sends that goes one of the two ways."""
        return self.api_url if way == "https" else self.broker.url

    def unreceipted(self) -> int:
        """Return how many envelopes the gateway holds without a receipt."""
        outbox = self.status().outbox
        return -1 if outbox is None else outbox.unreceipted

    def receipted(self) -> int:
        """Return the number of the last envelope that the gateway has a receipt for."""
        outbox = self.status().outbox
        return -1 if outbox is None else outbox.receipted_number

    def weigh(self) -> None:
        """Send a weight that was never sent before, when the last one has been read.

        Of several lines that a driver finds waiting together the newest counts.
        """
        assert any(self.line.unread == 0 for _ in polls(DEADLINE_S)), "the scale is not read"
        self.sent += 1
        self.line.send(b"ST,GS,+%07.2fkg\r\n" % self.sent)

    def held(self) -> list[float]:
        """Return the weights that the database holds, in kilograms."""
        rows = self.made.execute(
            "SELECT r.value / 1000 FROM scalar_reading r JOIN channel c ON c.id = r.channel_id"
            " WHERE c.gateway_id = %s AND c.sensor = 'scale-1' ORDER BY r.at, r.value",
            GATEWAY,
        )
        return [round(row[0], 2) for row in rows]

    def waiting(self) -> int:
        """Return how many messages wait in the inbox."""
        rows = self.made.execute("SELECT count(*) FROM uplink_inbox WHERE message IS NOT NULL")
        return int(rows[0][0])

    def refused(self) -> list[str]:
        """Return why messages were refused, in their order."""
        rows = self.made.execute("SELECT reason FROM refused_envelope ORDER BY id")
        return [str(row[0]) for row in rows]

    async def until(self, wanted: object, look: Callable[[], Any]) -> None:
        """Wait until ``look`` gives ``wanted``."""
        async with asyncio.timeout(DEADLINE_S):
            while await asyncio.to_thread(look) != wanted:  # noqa: ASYNC110 - rows have no event
                await asyncio.sleep(POLL_S)

    async def until_all_held(self) -> None:
        """Wait until every weight is held; each once, in the order of sending."""
        await self.until([float(number) for number in range(1, self.sent + 1)], self.held)

    def status(self) -> Status:
        """Return how the daemon says that it stands."""
        return ask_status(self.folder / "state")

    def challenge(self) -> None:
        """Have the backend challenge the gateway."""
        with self.db.working() as conn:
            commands.challenge(conn, GatewayId(GATEWAY), None, SystemClock().now())

    def listens(self) -> bool:
        """Tell whether the daemon reads the scale: what is sent before is discarded."""
        try:
            status = self.status()
        except (NoDaemonError, UnavailableError):  # Not yet, or just begun.
            return False
        return self.line.is_open and all(driver.state != "waiting" for driver in status.drivers)

    async def weigh_some(self, count: int = 3) -> None:
        """Send weights and wait until all are held."""
        await self.until(True, self.listens)
        for _ in range(count):
            self.weigh()
        await self.until_all_held()

    def client(self) -> httpx.Client:
        """Return a client with the gateway's login."""
        return httpx.Client(base_url=self.api_url, auth=(GATEWAY, PASSWORD), timeout=40)

    @contextmanager
    def api(self, *, tls: tuple[Path, Path] | None = None) -> Generator[None]:
        """Serve the api meanwhile."""
        settings = make_settings(
            database_url=self.db.url, state_dir=self.folder / "backend", broker_secret=SECRET
        )
        app = create_app(settings, self.db, SystemClock())
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            timeout_graceful_shutdown=1,
            ssl_certfile=None if tls is None else str(tls[0]),
            ssl_keyfile=None if tls is None else str(tls[1]),
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            _await_port(self.port)
            yield
        finally:
            server.should_exit = True
            thread.join(START_S_MAX)

    @contextmanager
    def api_process(self) -> Generator[subprocess.Popen[bytes]]:
        """Serve the api meanwhile in a process of its own, which may be killed."""
        environment = {
            "PLEDGEWATCH_DATABASE_URL": self.db.url,
            "PLEDGEWATCH_STATE_DIR": str(self.folder / "backend"),
            "PLEDGEWATCH_BROKER_SECRET": SECRET,
            "PATH": "",
        }
        with subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-m",
                    "uvicorn",
                    "--factory",
                    "backend.app:app_from_environment",
                ),
                *("--port", str(self.port), "--log-level", "warning"),
            ],
            cwd=ROOT,
            env=environment,
        ) as process:
            try:
                _await_port(self.port)
                yield process
            finally:
                process.kill()

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[None]:
        """Run a worker meanwhile."""
        stop = asyncio.Event()
        url = f"mqtt://backend:{USERS['backend']}@127.0.0.1:{self.broker.port}"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Worker(self.db, SystemClock(), self.key, url).run(stop))
            try:
                yield
            finally:
                stop.set()

    @contextmanager
    def worker_process(self) -> Generator[subprocess.Popen[bytes]]:
        """Run a worker meanwhile in a process of its own, which may be killed."""
        environment = {
            "PLEDGEWATCH_DATABASE_URL": self.db.url,
            "PLEDGEWATCH_STATE_DIR": str(self.folder / "backend"),
            "PLEDGEWATCH_MQTT_URL": (
                f"mqtt://backend:{USERS['backend']}@127.0.0.1:{self.broker.port}"
            ),
            "PATH": "",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "backend", "worker"], cwd=ROOT, env=environment
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def make_rig(
    db: Database, made: Warehouse, broker: EmbeddedBroker, folder: Path, line: Line
) -> Rig:
    """Return an enrolled gateway with a scale."""
    signer, _ = open_identity(folder / "state")
    rig = Rig(
        db=db,
        made=made,
        broker=broker,
        key=BackendKey.load(folder / "backend"),
        folder=folder,
        line=line,
        public_key=signer.public_key,
    )
    key_id = key_id_of(signer.public_key)
    made.execute(
        "INSERT INTO gateway (id, site_id, public_key, key_id, enrolled_at)"
        " SELECT %s, site_id, %s, %s, now() FROM gateway LIMIT 1",
        GATEWAY,
        signer.public_key,
        key_id,
    )
    made.execute(
        "INSERT INTO gateway_key (key_id, public_key, gateway_id, enrolled_at)"
        " VALUES (%s, %s, %s, now())",
        key_id,
        signer.public_key,
        GATEWAY,
    )
    made.execute("INSERT INTO stream (gateway_id) VALUES (%s)", GATEWAY)
    return rig


def _await_port(port: int) -> None:
    assert any(tcp_answers(port) for _ in polls(START_S_MAX)), "the api did not start"
