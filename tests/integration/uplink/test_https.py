"""The HTTPS way, end to end: what is sent is stored, once, whatever is killed or forged."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.db import Database
from deploy.broker import BrokerKind, EmbeddedBroker
from tests.integration.gateway.daemons import daemon
from tests.integration.gateway.lines import Line
from tests.integration.uplink.rig import USERS, Rig, make_rig
from tests.warehouse import build_warehouse

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def rig(db: Database, db_url: str, tmp_path: Path) -> Iterator[Rig]:
    """An enrolled gateway with a scale, and a broker."""
    made = build_warehouse(db_url)
    with (
        EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as broker,
        Line() as line,
    ):
        yield make_rig(db, made, broker, tmp_path, line)


async def test_readings_over_https_are_stored_once_and_receipted(rig: Rig) -> None:
    """The plain way: posted, judged, committed, receipted; the inbox is empty again."""
    async with rig.worker():
        with rig.api():
            async with daemon(rig.configure(rig.api_url)):
                await rig.weigh_some(5)
                await rig.until(0, rig.waiting)
    assert rig.refused() == []


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


async def test_killed_worker_loses_and_doubles_nothing(rig: Rig) -> None:
    """Kill -9 of the worker; what waits in the inbox is judged by the next one."""
    with rig.api():
        async with daemon(rig.configure(rig.api_url)):
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
