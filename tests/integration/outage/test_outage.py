"""Thirteen hours without a network, in a small outbox, then a real worker: nothing unaccounted."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from math import sin
from pathlib import Path
from random import Random

import httpx
import pytest

from backend.clock import SystemClock as BackendClock
from backend.db import Database
from backend.keys import BackendKey
from backend.parties.types import Role
from backend.worker import Worker
from deploy.audit import audit_stored
from deploy.broker import BrokerKind, EmbeddedBroker
from gateway.clock import SystemClock
from gateway.envelope import SealLimits
from gateway.outbox.database import connect
from gateway.outbox.thinning import decode_message
from gateway.outbox.writer import Batch, Outbox
from gateway.reading import ClockSegment, Reading, Scalar
from gateway.signing import ReceiptVerifier
from gateway.uplink.mqtt import Broker
from gateway.uplink.session import Uplink, UplinkParts
from schemas.digest import Digest
from schemas.envelope import ClockState
from schemas.quantities import EventType, Quantity
from tests.builders import add_actor, bearer, token_for
from tests.integration.backend.web.sessions import console_client, give_password
from tests.unit.gateway.builders import (
    GATEWAY,
    make_event,
    make_parts,
    make_scalar,
    make_sighting,
)
from tests.unit.gateway.outbox.thinned import check_message
from tests.warehouse import Warehouse, build_warehouse

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
HOURS = 13
ROUND_S = 20
CHANNELS = [(f"scale-{number}", Quantity.MASS) for number in range(48)]
ROUNDS_A_PUT = 15
BYTES_MAX = 512 * 1024
WAL_INDEX_BYTES = 65_536  # Of the write-ahead log; its size is fixed.
WINDOW = 8
DEADLINE_S = 60.0

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(slots=True, kw_only=True)
class Site:
    """A gateway's outbox, and all that was ever put into it."""

    outbox: Outbox
    segment: ClockSegment
    begin_us: int
    put: list[Reading] = field(default_factory=list[Reading])
    rounds: int = 0

    def measure(self, rounds: int) -> None:
        """Put that many rounds in: a value of each channel, now and then an event or a tag."""
        batch: list[Reading] = []
        for number in range(self.rounds, self.rounds + rounds):
            at_us = self.begin_us + number * ROUND_S * 1_000_000
            batch += [
                make_scalar(
                    sensor=sensor,
                    quantity=quantity,
                    time_unix_us=at_us,
                    value=1_000 * sin(number / (50 + place)) + number * 7919 % 13,
                )
                for place, (sensor, quantity) in enumerate(CHANNELS)
            ]
            if number % 25 == 0:
                said: dict[str, object] = {"why": "noise", "n": number}
                batch.append(make_event(EventType.FAULT, said, time_unix_us=at_us))
            if number % 30 == 0:
                batch.append(make_sighting(time_unix_us=at_us))
        self.rounds += rounds
        self.put += batch
        self.outbox.put(Batch(segment=self.segment, readings=batch, urgent=False))

    async def until_journalled(self) -> None:
        """Wait until everything put in is in the file."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                stats = await asyncio.wrap_future(self.outbox.stats())
                if stats.emitted == len(self.put):
                    return
                await asyncio.sleep(0.005)

    async def until_receipted(self) -> None:
        """Wait until everything put in is sealed and held by the backend."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                stats = await asyncio.wrap_future(self.outbox.stats())
                if stats.sealed_readings == len(self.put) and not stats.unreceipted:
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


@asynccontextmanager
async def connected(
    site: Site, wake: list[Uplink], broker: EmbeddedBroker, db: Database
) -> AsyncGenerator[None]:
    """Run the gateway's uplink and the backend's worker meanwhile."""
    key = BackendKey(bytes(range(32)))
    way = Broker(
        host="127.0.0.1",
        port=broker.port,
        username=GATEWAY,
        password=USERS[GATEWAY],
        tls=None,
        keepalive_s=5,
    )
    uplink = Uplink(
        UplinkParts(
            gateway=GATEWAY,
            transport=way,
            outbox=site.outbox,
            verifier=ReceiptVerifier(key.public_key, GATEWAY),
            clock=SystemClock(),
            random=Random(1),
            alarm=pytest.fail,
        ),
        window=WINDOW,
        receipt_timeout_s=5.0,
    )
    stop = asyncio.Event()
    url = f"mqtt://backend:{USERS['backend']}@127.0.0.1:{broker.port}"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Worker(db, BackendClock(), key, url).run(stop))
        sending = tasks.create_task(uplink.run())
        wake.append(uplink)
        try:
            yield
        finally:
            wake.clear()
            sending.cancel()
            stop.set()


def enrol(made: Warehouse, public_key: bytes, key_id: bytes) -> None:
    """Store the gateway under test beside the warehouse's own."""
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


async def test_thirteen_hours_without_network_are_accounted_for(
    db: Database, db_url: str, api_url: str, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """The bound holds a fraction of it: thinned several times over, then sent; all is told.

    The chain is whole, readings journalled = stored + thinned, every event is there, and least and
    greatest of each digest are those of the readings that it stands for.
    """
    made = build_warehouse(db_url)
    parts = make_parts(
        tmp_path, limits=SealLimits(readings_max=256), bytes_max=BYTES_MAX, window=WINDOW
    )
    enrol(made, parts.signer.public_key, parts.signer.key_id)
    clock = SystemClock()
    begin_us = clock.unix_us() - HOURS * 3_600_000_000
    segment = ClockSegment(
        boot_id=bytes(16), offset_us=begin_us - 3_600_000_000, state=ClockState.NTP
    )
    loop, wake = asyncio.get_running_loop(), list[Uplink]()

    def notify() -> None:
        for uplink in wake:
            loop.call_soon_threadsafe(uplink.wake)

    outbox = Outbox(parts, clock, age_s=0.2, notify=notify)
    site = Site(outbox=outbox, segment=segment, begin_us=begin_us)
    try:
        for _ in range(HOURS * 3_600 // ROUND_S // ROUNDS_A_PUT):
            site.measure(ROUNDS_A_PUT)
            await site.until_journalled()
        stats = await asyncio.wrap_future(outbox.stats())
        assert stats.thinned_readings > len(site.put) // 2
        assert await asyncio.to_thread(level_of, parts.path) >= 2, "what was thinned was again"
        assert await asyncio.to_thread(bytes_of, tmp_path) <= BYTES_MAX + WAL_INDEX_BYTES
        async with connected(site, wake, broker, db):
            await site.until_receipted()
            site.measure(3)  # And on it goes, with nothing thinned.
            await site.until_receipted()
        stats = await asyncio.wrap_future(outbox.stats())
    finally:
        await asyncio.to_thread(outbox.close)

    held = audit_stored(db_url, GATEWAY)
    assert held.problems == ()
    assert held.thinned == stats.thinned_readings
    assert held.rows + held.thinned == stats.emitted == len(site.put)
    check_digests(made, site.put)
    check_series(made, site.put)
    check_views(made, db, api_url)


def level_of(path: Path) -> int:
    """Return how many times over something in an outbox file was thinned."""
    with closing(connect(path)) as outbox:
        return int(outbox.execute("SELECT MAX(level) FROM digests").fetchone()[0])


def bytes_of(folder: Path) -> int:
    """Return the size of the outbox file and of what belongs to it."""
    return sum(file.stat().st_size for file in folder.glob("outbox.sqlite3*"))


def check_digests(made: Warehouse, put: list[Reading]) -> None:
    """Check each message that is held against the readings that it stands for."""
    rows = made.execute(
        "SELECT bytes FROM envelope WHERE gateway_id = %s ORDER BY number", GATEWAY
    )
    messages = [decode_message(bytes(row[0])) for row in rows]
    for message in messages:
        begin = message.readings_before
        check_message(message, put[begin : begin + message.readings])
    assert sum(isinstance(message, Digest) for message in messages) > 3
    assert sum(len(m.events) for m in messages) == len(
        made.execute(
            "SELECT 1 FROM event_reading r JOIN channel c ON c.id = r.channel_id"
            " WHERE c.gateway_id = %s",
            GATEWAY,
        )
    )


def check_series(made: Warehouse, put: list[Reading]) -> None:
    """Check the extremes of each channel's rows against the original series."""
    for sensor, quantity in CHANNELS:
        original = [
            r.value
            for r in put
            if isinstance(r, Scalar) and (r.sensor, r.quantity) == (sensor, quantity)
        ]
        row = made.execute(
            "SELECT min(r.value), max(r.value), (array_agg(r.value ORDER BY r.at))[1],"
            " (array_agg(r.value ORDER BY r.at DESC))[1]"
            " FROM scalar_reading r JOIN channel c ON c.id = r.channel_id"
            " WHERE c.gateway_id = %s AND c.sensor = %s AND c.quantity = %s",
            GATEWAY,
            sensor,
            quantity.value,
        )[0]
        assert row == (min(original), max(original), original[0], original[-1])


def check_views(made: Warehouse, db: Database, api_url: str) -> None:
    """Check that an operator is shown the thinning, by the API and in the console."""
    operator = add_actor(db, Role.OPERATOR)
    with httpx.Client(base_url=api_url, headers=bearer(token_for(db, operator))) as client:
        streams = {g["id"]: g["stream"] for g in client.get("/api/gateways").json()}
        runs = client.get(f"/api/gateways/{GATEWAY}/thinnings").json()
        none = client.get(f"/api/gateways/{made.gateway.name}/thinnings").json()
    thinned = sum(run["readings"] - run["kept"] for run in runs)
    assert streams[GATEWAY]["readings_thinned"] == thinned > 0
    assert [run["last_number"] for run in runs] == sorted(
        [run["last_number"] for run in runs], reverse=True
    )
    assert none == []
    give_password(db, operator)
    with console_client(api_url, Role.OPERATOR.value) as browser:
        page = browser.get("/gateways").text
    assert f"{thinned:,} more thinned away" in page
    assert f"thinned to {runs[0]['kept']:,} by the gateway" in page
