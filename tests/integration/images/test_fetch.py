"""An image from a camera to a person: kept at the gateway, fetched by its digest, verified."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest

from backend.clock import SystemClock
from backend.db import Database
from backend.keys import BackendKey
from backend.parties.types import Role
from backend.worker import Worker
from deploy.broker import BrokerKind, EmbeddedBroker
from firmware_sim.clock import SystemClock as SiteClock
from firmware_sim.devices.camera_http import HttpCamera
from firmware_sim.incidents import IncidentBook
from firmware_sim.noise import seeded
from firmware_sim.plant import Plant
from firmware_sim.scenario import load_scenario
from firmware_sim.world import build_world
from gateway.outbox.identity import open_identity
from schemas.image import encode_chunk, split_image
from schemas.keys import key_id_of
from schemas.topics import image_topic
from tests.builders import add_actor, bearer, token_for
from tests.integration.gateway.daemons import GATEWAY, daemon, write_config
from tests.warehouse import Warehouse, build_warehouse

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
SENSOR = "cam-dock"
HARBOUR = load_scenario("harbour")
DEADLINE_S = 40.0
POLL_S = 0.05

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


@asynccontextmanager
async def camera() -> AsyncGenerator[int]:
    """Serve a simulated camera meanwhile; yields its port."""
    book = IncidentBook(HARBOUR, seeded(1, "incidents"))
    plant = Plant(build_world(HARBOUR), book, SiteClock())
    served = HttpCamera(HARBOUR.cameras[0], plant, 1)
    port = await served.listener.open()
    try:
        yield port
    finally:
        await served.listener.close()


@dataclass(slots=True, kw_only=True)
class Chain:
    """Everything between a camera and a person."""

    made: Warehouse
    db: Database
    broker: EmbeddedBroker
    key: BackendKey
    http: httpx.AsyncClient
    folder: Path

    def configure(self, port: int) -> Path:
        """Write the configuration of a gateway with the camera at ``port``."""
        section = (
            f'[[snapshot]]\nsensor = "{SENSOR}"\nurl = "http://127.0.0.1:{port}/snapshot.jpg"\n'
            "every_s = 1\nheartbeat_s = 10\n"
        )
        return write_config(
            self.folder,
            self.broker.url,
            section,
            backend_key=self.key.public_key,
            more=f'username = "{GATEWAY}"\npassword = "{USERS[GATEWAY]}"',
        )

    @property
    def backend_url(self) -> str:
        """The broker's address as the backend dials it."""
        return f"mqtt://backend:{USERS['backend']}@127.0.0.1:{self.broker.port}"

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[None]:
        """Run a worker meanwhile."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            worker = Worker(self.db, SystemClock(), self.key, self.backend_url)
            tasks.create_task(worker.run(stop))
            try:
                yield
            finally:
                stop.set()

    async def digest(self) -> str:
        """Return the digest in the first reading that names an image."""
        query = "SELECT image_sha256 FROM event_reading WHERE image_sha256 IS NOT NULL ORDER BY at"
        rows = await self.until(lambda: self.made.execute(query))
        return bytes(rows[0][0]).hex()

    async def until(self, look: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is looked at
        """Return what ``look`` gives as soon as it is something."""
        async with asyncio.timeout(DEADLINE_S):
            while not (found := await asyncio.to_thread(look)):  # noqa: ASYNC110 - rows
                await asyncio.sleep(POLL_S)
        return found

    async def ask(self, digest: str) -> None:
        """Ask for an image, as a person does."""
        body = {"gateway_id": GATEWAY, "sha256": digest}
        (await self.http.post("/api/images", json=body)).raise_for_status()

    async def state(self, digest: str) -> dict[str, Any]:
        """Return what the API says of an image."""
        response = await self.http.get(f"/api/images/{GATEWAY}/{digest}")
        return response.raise_for_status().json()

    async def page(self, digest: str) -> str:
        """Return the console's page of an image."""
        response = await self.http.get(f"/images/{GATEWAY}/{digest}")
        return response.raise_for_status().text

    async def until_state(self, digest: str, state: str) -> dict[str, Any]:
        """Return what the API says of an image once it is in that state."""
        async with asyncio.timeout(DEADLINE_S):
            while (said := await self.state(digest))["state"] != state:  # noqa: ASYNC110 - remote
                await asyncio.sleep(POLL_S)
        return said


@pytest.fixture
async def chain(
    db: Database, db_url: str, broker: EmbeddedBroker, tmp_path: Path, api_url: str
) -> AsyncGenerator[Chain]:
    """An enrolled gateway, and an operator who is logged in."""
    made = build_warehouse(db_url)
    key = BackendKey(bytes(range(32)))
    signer, _ = open_identity(tmp_path / "state")
    _enrol(made, signer.public_key)
    token = token_for(db, add_actor(db, Role.OPERATOR))
    async with httpx.AsyncClient(base_url=api_url, headers=bearer(token), trust_env=False) as http:
        yield Chain(made=made, db=db, broker=broker, key=key, http=http, folder=tmp_path)


def _enrol(made: Warehouse, public_key: bytes) -> None:
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


async def test_image_is_fetched_and_verified(chain: Chain) -> None:
    """The bytes that the API gives have the digest that stands in the signed reading."""
    async with camera() as port, chain.worker(), daemon(chain.configure(port)):
        digest = await chain.digest()
        assert (await chain.state(digest))["state"] == "known"
        early = await chain.http.get(f"/api/images/{GATEWAY}/{digest}/content")
        assert (early.status_code, early.json()["error"]["code"]) == (404, "not_here")

        assert "Fetch the image" in await chain.page(digest)

        await chain.ask(digest)
        said = await chain.until_state(digest, "here")

        content = await chain.http.get(f"/api/images/{GATEWAY}/{digest}/content")
        assert content.headers["content-type"] == "image/jpeg"
        assert sha256(content.content).hexdigest() == digest
        assert (said["sensor"], said["bytes"]) == (SENSOR, len(content.content))
        page = await chain.page(digest)
        assert "digest verified" in page
        assert f'src="/api/images/{GATEWAY}/{digest}/content"' in page


async def test_forged_image_is_refused_by_name(chain: Chain) -> None:
    """A hostile broker's own image ends in a refusal; asked again, the genuine one comes."""
    async with camera() as port, chain.worker():
        config = chain.configure(port)
        async with daemon(config):
            digest = await chain.digest()
        forged = b"\xff\xd8\xff" + bytes(40_000)
        chunks = [encode_chunk(c) for c in split_image(bytes.fromhex(digest), forged)]
        await chain.ask(digest)
        async with aiomqtt.Client(
            "127.0.0.1",
            chain.broker.port,
            username="backend",
            password=USERS["backend"],
        ) as hostile:
            said: dict[str, Any] = {"state": "asked"}
            async with asyncio.timeout(DEADLINE_S):
                while said["state"] == "asked":
                    for chunk in chunks:
                        await hostile.publish(image_topic(GATEWAY), chunk, qos=1)
                    said = await chain.state(digest)
        assert (said["state"], said["reason"]) == ("refused", "digest_mismatch")
        content = await chain.http.get(f"/api/images/{GATEWAY}/{digest}/content")
        assert content.status_code == 404

        async with daemon(config), asyncio.timeout(DEADLINE_S):
            while (await chain.state(digest))["state"] != "here":
                await chain.ask(digest)  # Forged chunks may still have been on their way.
                await asyncio.sleep(POLL_S)


async def test_image_that_is_kept_no_longer_is_said_so(chain: Chain) -> None:
    """The gateway's own word ends the request."""
    async with camera() as port, chain.worker(), daemon(chain.configure(port)):
        digest = await chain.digest()
        for path in (chain.folder / "state" / "images").rglob(f"{digest}.jpg"):
            path.unlink()

        await chain.ask(digest)

        said = await chain.until_state(digest, "refused")
        assert said["reason"] == "not_kept"
        assert digest in said["detail"]
