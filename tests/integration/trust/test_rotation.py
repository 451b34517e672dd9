"""A real gateway and a real worker turn to a new key, are killed meanwhile, and lose nothing."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest

from backend.clock import SystemClock
from backend.commands import service as commands
from backend.db import Database
from backend.ids import GatewayId
from backend.keys import BackendKey
from backend.worker import Worker
from deploy.broker import BrokerKind, EmbeddedBroker
from gateway.control.client import NoDaemonError, ask_status
from gateway.outbox.identity import open_identity
from schemas.command import Rotate
from schemas.keys import key_id_of
from tests.integration.gateway.daemons import (
    GATEWAY,
    daemon,
    gateway,
    install,
    scale_section,
    write_config,
)
from tests.integration.gateway.lines import Line
from tests.warehouse import Warehouse, build_warehouse

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
DEADLINE_S = 40.0
POLL_S = 0.05

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


@dataclass(slots=True, kw_only=True)
class Chain:
    """Everything between a scale and the database, for one gateway."""

    db: Database
    made: Warehouse
    broker: EmbeddedBroker
    key: BackendKey
    config: Path
    home: Path
    line: Line
    sent: int = 0

    def weigh(self) -> None:
        """Send a weight that was never sent before."""
        self.sent += 1
        self.line.send(b"ST,GS,+%07.2fkg\r\n" % self.sent)

    def daemon(self) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
        """Run the gateway meanwhile; it listens when it has opened the line anew."""
        self.line.rearm()
        return daemon(self.config, home=self.home)

    def rotate(self) -> CompletedProcess[str]:
        """Ask for a new key by hand."""
        return gateway("rotate", "--config", str(self.config), home=self.home)

    def held(self) -> list[float]:
        """Return the weights that the database holds, in kilograms."""
        rows = self.made.execute(
            "SELECT r.value / 1000 FROM scalar_reading r JOIN channel c ON c.id = r.channel_id"
            " WHERE c.gateway_id = %s AND c.sensor = 'scale-1'"
            " ORDER BY r.at, r.value",
            GATEWAY,
        )
        return [round(row[0], 2) for row in rows]

    def listens(self) -> bool:
        """Tell whether the daemon answers, and has opened the line."""
        try:
            ask_status(self.config.parent / "state")
        except NoDaemonError:
            return False
        return self.line.is_open

    def keys(self) -> list[bytes]:
        """Return the ids of all keys that the gateway ever had, oldest first."""
        rows = self.made.execute(
            "SELECT key_id FROM gateway_key WHERE gateway_id = %s ORDER BY enrolled_at", GATEWAY
        )
        return [bytes(row[0]) for row in rows]

    def tampers(self) -> list[tuple[Any, ...]]:
        """Return what the backend takes for tampering: cause, summary, and what it saw."""
        return self.made.execute(
            "SELECT a.cause, a.summary, e.envelope_number, e.text FROM alert a"
            " JOIN alert_evidence e ON e.alert_id = a.id WHERE a.kind = 'tamper' ORDER BY e.id"
        )

    async def until(self, wanted: object, look: Any) -> None:  # noqa: ANN401 - a callable
        """Wait until ``look`` gives ``wanted``."""
        async with asyncio.timeout(DEADLINE_S):
            while await asyncio.to_thread(look) != wanted:  # noqa: ASYNC110 - rows have no event
                await asyncio.sleep(POLL_S)

    async def until_all_held(self) -> None:
        """Wait until every weight is held; each once, in the order of sending."""
        wanted = [float(number) for number in range(1, self.sent + 1)]
        await self.until(wanted, self.held)

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


@pytest.fixture
def chain(db: Database, db_url: str, broker: EmbeddedBroker, tmp_path: Path) -> Iterator[Chain]:
    """An enrolled gateway with a scale."""
    made = build_warehouse(db_url)
    key = BackendKey(bytes(range(32)))
    with Line() as line:
        login = f'username = "{GATEWAY}"\npassword = "{USERS[GATEWAY]}"'
        config = write_config(
            tmp_path,
            broker.url,
            scale_section("scale-1", line.path),
            backend_key=key.public_key,
            more=login,
        )
        signer, _ = open_identity(tmp_path / "state")
        enrol_by_hand(made, signer.public_key)
        yield Chain(
            db=db,
            made=made,
            broker=broker,
            key=key,
            config=config,
            home=install(tmp_path),
            line=line,
        )


def enrol_by_hand(made: Warehouse, public_key: bytes) -> None:
    """Let the backend know a gateway's key, as its API would."""
    key_id = key_id_of(public_key)
    made.execute(
        "INSERT INTO gateway (id, site_id, public_key, key_id, enrolled_at)"
        " SELECT %s, site_id, %s, %s, now() FROM gateway LIMIT 1",
        GATEWAY,
        public_key,
        key_id,
    )
    made.execute(
        "INSERT INTO gateway_key (key_id, public_key, gateway_id, enrolled_at)"
        " VALUES (%s, %s, %s, now())",
        key_id,
        public_key,
        GATEWAY,
    )
    made.execute("INSERT INTO stream (gateway_id) VALUES (%s)", GATEWAY)


async def test_gateway_turns_to_a_new_key_on_command_and_by_hand(chain: Chain) -> None:
    """The backend asks, the installer asks, somebody asks while it is stopped: three new keys."""
    async with chain.worker():
        async with chain.daemon():
            await chain.until(True, chain.listens)
            chain.weigh()
            await chain.until_all_held()
            await asyncio.to_thread(_ask_to_rotate, chain)
            await chain.until(2, lambda: len(chain.keys()))
            await chain.until(
                [("done",)],
                lambda: chain.made.execute("SELECT outcome FROM gateway_command_outcome"),
            )
            chain.weigh()
            await chain.until_all_held()
            done = await asyncio.to_thread(chain.rotate)
            assert done.returncode == 0, done.stderr
            await chain.until(3, lambda: len(chain.keys()))
            assert key_id_of(bytes.fromhex(done.stdout.strip())) == chain.keys()[-1]
            chain.weigh()
            await chain.until_all_held()
        done = await asyncio.to_thread(chain.rotate)
        assert done.returncode == 0, done.stderr
        async with chain.daemon():
            await chain.until(4, lambda: len(chain.keys()))
            await chain.until(True, chain.listens)
            chain.weigh()
            await chain.until_all_held()
    assert chain.made.execute("SELECT count(*) FROM refused_envelope") == [(0,)]
    assert chain.made.execute("SELECT count(*) FROM stream_closed") == [(3,)]


@pytest.mark.parametrize("seed", range(12 if "PLEDGEWATCH_SOAK" in os.environ else 1))
async def test_killed_while_it_turns_nothing_is_lost_or_twice(chain: Chain, seed: int) -> None:
    """Kill -9 of the daemon at random instants of one rotation after another."""
    random = Random(seed)
    for _ in range(4):
        async with chain.daemon() as process:
            await chain.until(True, chain.listens)
            chain.weigh()
            await asyncio.to_thread(chain.rotate)
            chain.weigh()
            async with chain.worker():
                await asyncio.sleep(random.uniform(0.0, 1.5))
                process.kill()
                await process.wait()
    async with chain.worker(), chain.daemon():
        await chain.until(True, chain.listens)
        chain.weigh()
        await chain.until(True, lambda: chain.sent == max(chain.held(), default=0))
        held = chain.held()
        assert len(set(held)) == len(held), "a weight is held twice"
        # What the line had not yet handed over when the daemon was killed was never read.
        assert set(held) <= set(range(1, chain.sent + 1))
        assert len(chain.keys()) >= 2
    assert chain.made.execute("SELECT state FROM stream WHERE gateway_id = %s", GATEWAY) == [
        ("open",)
    ]
    assert chain.tampers() == []


def _ask_to_rotate(chain: Chain) -> None:
    with psycopg.connect(chain.made.url, autocommit=True) as _, chain.db.working() as conn:
        asked = commands.Asked(gateway_id=GatewayId(GATEWAY), order=Rotate())
        commands.ask(conn, asked, SystemClock().now())
