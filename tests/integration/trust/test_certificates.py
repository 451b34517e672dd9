"""A gateway gets its certificate with its code, renews it, and is locked out when revoked."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from backend.app import create_app
from backend.clock import SystemClock
from backend.db import Database
from backend.keys import BackendKey
from backend.worker import Worker
from deploy.broker import find_mosquitto
from deploy.database import DatabaseServer
from deploy.ports import free_port, polls, tcp_answers
from gateway.control.client import NoDaemonError, ask_renew, ask_status
from gateway.control.status import CertificateStatus
from gateway.uplink.tls_files import BUNDLE_FILE, bundle_sha256
from tests.builders import make_settings
from tests.integration.gateway.daemons import GATEWAY, ROOT, daemon, gateway, scale_section
from tests.integration.gateway.lines import Line
from tests.integration.trust.secure_broker import USERS, SecureBroker, secure_broker
from tests.warehouse import Warehouse, build_warehouse

DEADLINE_S = 40.0
POLL_S = 0.1
SHORT_HOURS = 15 / 3_600  # Due for renewal after ten seconds.
ANSWER_S = 20.0
# MQTT 3.1.1, 3.1 and 3.2: a clean session of the client "probe"; accepted, no session before.
CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05probe"
CONNACK = b"\x20\x02\x00\x00"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto 2 not installed"),
]


@dataclass(slots=True, kw_only=True)
class Site:
    """A backend with an authority, a broker that trusts it, and a gateway with a scale."""

    db: Database
    made: Warehouse
    folder: Path
    broker: SecureBroker
    line: Line
    port: int = field(default_factory=free_port)
    sent: int = 0

    @property
    def state(self) -> Path:
        """The gateway's state folder."""
        return self.folder / "state"

    def configure(self) -> Path:
        """Write a configuration that leaves the uplink to the enrolment."""
        path = self.folder / "gateway.toml"
        path.write_text(
            f'[gateway]\nid = "{GATEWAY}"\nstate_dir = "{self.state}"\n'
            f"[uplink]\nreceipt_timeout_s = 1.0\n{scale_section('scale-1', self.line.path)}",
            encoding="utf-8",
        )
        return path

    def enrol(self, config: Path, *more: str) -> None:
        """Enrol the gateway by a new code from the terminal."""
        code = backend(self.folder, self.db.url, "gateway", "code", GATEWAY).split()[0]
        url = f"http://127.0.0.1:{self.port}"
        done = gateway("enrol", url, code, "--config", str(config), *more)
        assert done.returncode == 0, done.stderr

    @contextmanager
    def api(self, hours: float = 24.0 * 90) -> Generator[None]:
        """Serve the api meanwhile; what it issues lives so long."""
        settings = make_settings(
            database_url=self.db.url,
            state_dir=self.folder / "backend",
            certificate_mqtt_url=f"mqtts://127.0.0.1:{self.broker.certificate_port}",
            certificate_hours=hours,
        )
        config = uvicorn.Config(
            create_app(settings, self.db, SystemClock()),
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            for _ in polls(10.0):
                if tcp_answers(self.port):
                    break
            yield
        finally:
            server.should_exit = True
            thread.join(10.0)

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[None]:
        """Run a worker meanwhile, at the listener for passwords."""
        stop = asyncio.Event()
        login = f"backend:{USERS['backend']}"
        url = f"mqtts://{login}@127.0.0.1:{self.broker.password_port}"
        key = BackendKey.load(self.folder / "backend")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Worker(self.db, SystemClock(), key, url).run(stop))
            try:
                yield
            finally:
                stop.set()

    def held(self) -> list[float]:
        """Return the weights that the database holds, in kilograms."""
        rows = self.made.execute(
            "SELECT r.value / 1000 FROM scalar_reading r JOIN channel c ON c.id = r.channel_id"
            " WHERE c.gateway_id = %s AND c.sensor = 'scale-1' ORDER BY r.at, r.value",
            GATEWAY,
        )
        return [round(row[0], 2) for row in rows]

    async def weigh(self) -> None:
        """Send a weight, and wait until it and all before it are held."""
        await until(self._reads)
        self.sent += 1
        self.line.send(b"ST,GS,+%07.2fkg\r\n" % self.sent)
        wanted = [float(number) for number in range(1, self.sent + 1)]
        await until(lambda: self.held() == wanted)

    def certificate(self) -> CertificateStatus | None:
        """Return what the daemon says of its certificate."""
        return ask_status(self.state).certificate

    def context(self) -> ssl.SSLContext:
        """Return how the gateway comes to the broker, with the files of this moment."""
        context = ssl.create_default_context(cafile=self.broker.certs / "ca.crt")
        context.load_cert_chain(self.state / BUNDLE_FILE)
        return context

    def _reads(self) -> bool:
        try:
            status = ask_status(self.state)
        except NoDaemonError:
            return False
        return self.line.is_open and all(each.state != "waiting" for each in status.drivers)


def backend(folder: Path, db_url: str, *arguments: str) -> str:
    """Run one command of the backend to its end; return what it printed."""
    environment = {
        **os.environ,
        "PLEDGEWATCH_DATABASE_URL": db_url,
        "PLEDGEWATCH_STATE_DIR": str(folder / "backend"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "backend", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def until(look: object) -> None:
    """Wait until ``look`` gives True."""
    assert callable(look)
    async with asyncio.timeout(DEADLINE_S):
        while not await asyncio.to_thread(look):  # noqa: ASYNC110 - rows have no event
            await asyncio.sleep(POLL_S)


@pytest.fixture(scope="module")
def authority(
    database_server: DatabaseServer,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """A folder with the state and the certificates that the operator's own commands made."""
    folder = tmp_path_factory.mktemp("authority")
    name = f"pw_ca_{os.getpid()}"
    url = database_server.create_database(name, template_database)
    certs = folder / "certs"
    backend(folder, url, "ca", "init")
    backend(folder, url, "ca", "server", "--directory", str(certs), "localhost", "127.0.0.1")
    backend(folder, url, "ca", "crl", "--output", str(certs / "ca.crl"))
    yield folder
    database_server.drop_database(name)


@pytest.fixture
def site(
    db: Database,
    db_url: str,
    authority: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """A site of the test's own, under the same authority."""
    made = build_warehouse(db_url)
    made.execute(
        "INSERT INTO gateway (id, site_id) SELECT %s, site_id FROM gateway LIMIT 1", GATEWAY
    )
    shutil.copytree(authority, tmp_path, dirs_exist_ok=True)
    certs = tmp_path / "certs"
    monkeypatch.setenv("SSL_CERT_FILE", str(certs / "ca.crt"))  # As compose.yaml does.
    with secure_broker(certs, tmp_path / "broker.log") as broker, Line() as line:
        yield Site(db=db, made=made, folder=tmp_path, broker=broker, line=line)


async def _lets_in(broker: SecureBroker, context: ssl.SSLContext) -> bool:
    """Tell whether the broker's listener for certificates takes a session.

    By hand: a client library tells a refusal from a broken line only by a time-out.
    """
    async with asyncio.timeout(ANSWER_S):
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", broker.certificate_port, ssl=context
            )
            try:
                writer.write(CONNECT)
                return await reader.readexactly(len(CONNACK)) == CONNACK
            finally:
                writer.transport.abort()
        except (asyncio.IncompleteReadError, OSError):
            return False


async def test_gateway_enrols_and_delivers_by_certificate(site: Site) -> None:
    """One code, and nothing about TLS in the configuration; then a renewal on demand."""
    config = site.configure()
    with site.api():
        await asyncio.to_thread(site.enrol, config)
        bundle = site.state / BUNDLE_FILE
        assert bundle.stat().st_mode & 0o777 == 0o600
        before = bundle_sha256(site.state)
        async with site.worker(), daemon(config):
            await site.weigh()
            renewed = await asyncio.to_thread(ask_renew, site.state)
            assert bundle_sha256(site.state) != before
            await site.weigh()
            told = await asyncio.to_thread(site.certificate)
            assert told is not None
            assert told.failures == 0
        doctor = await asyncio.to_thread(gateway, "doctor", "--config", str(config))
        assert re.search(r"ok +certificate .*broker\.pem holds 89 days more", doctor.stdout)
        alone = await asyncio.to_thread(gateway, "renew", "--config", str(config))
        assert alone.returncode == 0, alone.stderr
    assert renewed.ends_unix_s > 0


async def test_certificate_renews_itself_through_an_outage_of_the_api(site: Site) -> None:
    """A certificate of seconds is renewed in time, or as soon as the API is back."""
    config = site.configure()
    with site.api(SHORT_HOURS):
        await asyncio.to_thread(site.enrol, config)
    first = bundle_sha256(site.state)
    async with site.worker(), daemon(config):
        await site.weigh()

        def failed() -> bool:
            told = site.certificate()
            return told is not None and told.failures > 0

        await until(failed)
        with site.api(SHORT_HOURS):
            await until(lambda: bundle_sha256(site.state) != first)
            second = bundle_sha256(site.state)
            await site.weigh()
            await until(lambda: bundle_sha256(site.state) != second)
            await site.weigh()


async def test_revoked_and_foreign_certificates_are_not_let_in(site: Site, tmp_path: Path) -> None:
    """After the list is written and the broker has read it; another authority never is."""
    config = site.configure()
    with site.api():
        await asyncio.to_thread(site.enrol, config)
        own = site.context()
    assert await _lets_in(site.broker, own)

    url, folder = site.db.url, site.folder
    await asyncio.to_thread(backend, folder, url, "gateway", "revoke", GATEWAY)
    crl = await asyncio.to_thread(backend, folder, url, "ca", "crl")
    site.broker.reload(crl)
    async with asyncio.timeout(DEADLINE_S):
        while await _lets_in(site.broker, own):  # noqa: ASYNC110 - the broker has no event
            await asyncio.sleep(POLL_S)

    other = tmp_path / "other"
    await asyncio.to_thread(backend, other, url, "ca", "init")
    (other / "backend" / "ca.key").replace(folder / "backend" / "ca.key")
    (other / "backend" / "ca.crt").replace(folder / "backend" / "ca.crt")
    with site.api():
        await asyncio.to_thread(site.enrol, config, "--new-key")
        foreign = site.context()
    assert not await _lets_in(site.broker, foreign)
    assert tcp_answers(site.broker.certificate_port)
