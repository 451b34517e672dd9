"""The HTTPS way, end to end: what is sent is stored, once, whatever is killed or forged."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.db import Database
from deploy.broker import BrokerKind, EmbeddedBroker
from tests.integration.gateway.daemons import GATEWAY, daemon
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import Notary
from tests.integration.gateway.test_llrp_tls import make_certificate
from tests.integration.uplink.hostile import HostileProxy, Mood
from tests.integration.uplink.rig import USERS, Rig, make_rig
from tests.unit.gateway.builders import make_receipt
from tests.warehouse import build_warehouse

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]

WAYS = ("mqtt", "https")


@pytest.fixture
def rig(db: Database, db_url: str, tmp_path: Path) -> Iterator[Rig]:
    """An enrolled gateway with a scale, and a broker."""
    made = build_warehouse(db_url)
    with (
        EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as broker,
        Line() as line,
    ):
        yield make_rig(db, made, broker, tmp_path, line)


@pytest.mark.parametrize("way", WAYS)
async def test_readings_are_stored_once_and_receipted(rig: Rig, way: str) -> None:
    """The plain way: sent, judged, committed, receipted; the inbox is empty again."""
    async with rig.worker():
        with rig.api():
            async with daemon(rig.configure(rig.url_of(way))):
                await rig.weigh_some(5)
                await rig.until(0, rig.waiting)
                await rig.until(0, rig.unreceipted)
    assert rig.refused() == []


@pytest.mark.parametrize("way", WAYS)
async def test_stopped_stream_stops_the_gateway(rig: Rig, way: str) -> None:
    """The backend's signed word stops the sending, whichever way it comes; nothing is deleted."""
    async with rig.worker():
        with rig.api():
            async with daemon(rig.configure(rig.url_of(way))):
                await rig.weigh_some(1)
                rig.made.execute(
                    "UPDATE stream SET state = 'stopped' WHERE gateway_id = 'gw-test'"
                )
                rig.weigh()
                await rig.until("stopped", lambda: rig.status().uplink.state)
                assert rig.unreceipted() > 0
    assert set(rig.refused()) == {"stream_stopped"}


async def test_switch_from_broker_to_https_and_back_is_one_chain(rig: Rig) -> None:
    """The stream goes on whichever way its envelopes take."""
    async with rig.worker():
        with rig.api():
            for url in (rig.broker.url, rig.api_url, rig.broker.url, rig.api_url):
                async with daemon(rig.configure(url)):
                    await rig.weigh_some(2)
    assert rig.refused() == []
    assert rig.made.execute("SELECT state FROM stream WHERE gateway_id = 'gw-test'") == [("open",)]


async def test_killed_api_loses_nothing(rig: Rig) -> None:
    """Kill -9 of the api with the gateway connected; what was read meanwhile arrives later."""
    async with rig.worker(), daemon(rig.configure(rig.api_url)):
        for _ in range(3):
            with rig.api_process() as process:
                await rig.weigh_some(2)
                rig.weigh()
                process.kill()
            rig.weigh()
            await asyncio.sleep(0.3)
        with rig.api_process():
            await rig.weigh_some(1)
    assert rig.refused() == []


@pytest.mark.parametrize("way", WAYS)
async def test_killed_worker_loses_and_doubles_nothing(rig: Rig, way: str) -> None:
    """Kill -9 of the worker; what waits is judged by the next one, or sent to it again."""
    with rig.api():
        async with daemon(rig.configure(rig.url_of(way))):
            for _ in range(3):
                with rig.worker_process() as process:
                    await rig.weigh_some(2)
                    rig.weigh()
                    process.kill()
                rig.weigh()
                await asyncio.sleep(0.3)
            with rig.worker_process():
                await rig.weigh_some(1)
    assert rig.refused() == []


async def test_hostile_proxy_deletes_nothing_and_doubles_nothing(rig: Rig) -> None:
    """Receipts of its own making are counted; cut questions and repeated posts do no harm."""
    forged = Notary().sign(make_receipt(1, bytes(32), gateway=GATEWAY))
    proxy = HostileProxy(rig.api_url, forged)
    async with rig.worker():
        with rig.api(), proxy.serving():
            async with daemon(rig.configure(proxy.url)):
                await rig.weigh_some(1)
                proxy.mood = Mood.FORGE
                rig.weigh()
                await rig.until(True, lambda: rig.status().uplink.forged > 0)
                before = rig.receipted()  # From now on no receipt is genuine.
                rig.weigh()
                await rig.until(True, lambda: rig.unreceipted() > 0)
                assert rig.receipted() == before
                for mood in (Mood.REPEAT, Mood.CUT, Mood.PASS):
                    proxy.mood = mood
                    rig.weigh()
                    await rig.until_all_held()
    assert rig.refused() == []
    assert rig.made.execute("SELECT state FROM stream WHERE gateway_id = 'gw-test'") == [("open",)]


async def test_private_authority_is_trusted_when_named_and_only_then(rig: Rig) -> None:
    """TLS with a certificate that nobody vouches for but ``ca_file``."""
    cert, key = make_certificate(rig.folder)
    url = f"https://127.0.0.1:{rig.port}"
    async with rig.worker():
        with rig.api(tls=(cert, key)):
            async with daemon(rig.configure(url)):
                await rig.until(True, rig.listens)
                rig.weigh()
                await rig.until(True, lambda: "certificate" in rig.status().uplink.error)
                assert rig.held() == []
            async with daemon(rig.configure(url, f'ca_file = "{cert}"')):
                await rig.weigh_some(2)


async def test_command_comes_over_https_and_its_answer_goes_back(rig: Rig) -> None:
    """A challenge is fetched by the waiting question, and answered in the stream."""
    async with rig.worker():
        with rig.api():
            async with daemon(rig.configure(rig.api_url)):
                await rig.weigh_some(1)
                await asyncio.to_thread(rig.challenge)
                await rig.until(
                    [("done",)],
                    lambda: rig.made.execute("SELECT outcome FROM gateway_command_outcome"),
                )
                await rig.until(
                    [(None,)], lambda: rig.made.execute("SELECT command FROM uplink_held")
                )
