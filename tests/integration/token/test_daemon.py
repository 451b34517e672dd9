"""The daemon with its key inside a token: it seals, waits while the token is out, and rotates."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest

from backend.db import Database
from backend.keys import BackendKey
from deploy.broker import BrokerKind, EmbeddedBroker
from gateway.control.client import NoDaemonError, ask_status
from gateway.control.status import Status
from gateway.outbox.identity import KEY_FILE
from gateway.signing.token import PIN_REFUSED_FILE
from schemas.quantities import EventType
from tests.integration.gateway.daemons import (
    GATEWAY,
    ROOT,
    daemon,
    gateway,
    scale_section,
    write_config,
)
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import POLL_S, FakeBackend, until
from tests.integration.token.softhsm import SoftToken
from tests.integration.trust.test_rotation import Chain, enrol_by_hand
from tests.warehouse import build_warehouse

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
DEADLINE_S = 40.0
WEIGHT = b"ST,GS,+%07.2fkg\r\n"

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


def write_token_config(
    folder: Path, soft_token: SoftToken, url: str, port: str, backend_key: bytes
) -> Path:
    """Write the configuration of a gateway with a scale and a token."""
    login = f'username = "{GATEWAY}"\npassword = "{USERS[GATEWAY]}"'
    sections = (soft_token.section(), scale_section("scale-1", port))
    return write_config(folder, url, *sections, backend_key=backend_key, more=login)


def made_key(config: Path) -> bytes:
    """Return the public key that the command makes."""
    done = gateway("keygen", "--config", str(config))
    assert done.returncode == 0, done.stderr
    return bytes.fromhex(done.stdout.strip())


async def status(config: Path) -> Status | None:
    """Return what the daemon says, if it runs."""
    try:
        return await asyncio.to_thread(ask_status, config.parent / "state")
    except NoDaemonError:
        return None


async def until_fault(config: Path, wanted: str) -> Status:
    """Wait until the daemon says this of its key; empty: that it signs."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            now = await status(config)
            if now is not None and (wanted in now.key_fault if wanted else not now.key_fault):
                return now
            await asyncio.sleep(POLL_S)


def told(backend: FakeBackend) -> list[str]:
    """Return what the gateway said of its own health, in order."""
    return [
        cbor2.loads(body)["state"]
        for envelope in backend.envelopes
        for kind, body in zip(envelope.events.type, envelope.events.body, strict=True)
        if kind is EventType.HEALTH and b"key: " in body
    ]


def weights(backend: FakeBackend) -> list[float]:
    """Return the different weights that the backend holds, in kilograms and in order."""
    return list(dict.fromkeys(value / 1000 for _, value in backend.scalars("scale-1")))


async def test_token_that_is_pulled_out_costs_no_reading(
    broker: EmbeddedBroker, soft_token: SoftToken, tmp_path: Path
) -> None:
    """Readings are journalled, sealing waits, and all of it comes when the token is back."""
    backend = FakeBackend(GATEWAY)
    with Line() as line:
        config = write_token_config(
            tmp_path, soft_token, broker.url, line.path, backend.notary.public_key
        )
        backend.gateway_key = made_key(config)
        assert b"PRIVATE" not in (tmp_path / "state" / KEY_FILE).read_bytes()
        async with (
            backend.serving(broker.port, username="backend", password=USERS["backend"]),
            daemon(config),
        ):
            await until(lambda: line.is_open, DEADLINE_S)
            line.send(WEIGHT % 1)
            await until(lambda: weights(backend) == [1], DEADLINE_S)
            soft_token.pull()
            line.send(WEIGHT % 2)
            fault = await until_fault(config, "token")
            before = backend.number
            line.send(WEIGHT % 3)
            assert fault.outbox is not None
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    now = await status(config)
                    assert now is not None
                    assert now.outbox is not None
                    if now.outbox.emitted >= fault.outbox.emitted + 1:
                        break
                    await asyncio.sleep(POLL_S)
            assert now.outbox.sealed < now.outbox.emitted
            assert backend.number == before
            soft_token.put_back()
            await until_fault(config, "")
            await until(lambda: weights(backend) == [1, 2, 3], DEADLINE_S)
            await until(lambda: told(backend) == ["silent", "up"], DEADLINE_S)
    assert backend.forks == backend.gaps == 0


async def test_wrong_pin_delays_sealing_until_the_file_is_right(
    broker: EmbeddedBroker, soft_token: SoftToken, tmp_path: Path
) -> None:
    """The daemon runs and journals; with the right PIN it goes on, without a restart."""
    backend = FakeBackend(GATEWAY)
    with Line() as line:
        config = write_token_config(
            tmp_path, soft_token, broker.url, line.path, backend.notary.public_key
        )
        backend.gateway_key = made_key(config)
        soft_token.write_pin("999999")
        async with (
            backend.serving(broker.port, username="backend", password=USERS["backend"]),
            daemon(config),
        ):
            await until(lambda: line.is_open, DEADLINE_S)
            line.send(WEIGHT % 1)
            await until_fault(config, "it is not tried again")
            assert (tmp_path / "state" / PIN_REFUSED_FILE).exists()
            soft_token.write_pin()
            await until(lambda: weights(backend) == [1], DEADLINE_S)
            assert not (tmp_path / "state" / PIN_REFUSED_FILE).exists()


def test_commands_name_what_is_wrong(soft_token: SoftToken, tmp_path: Path) -> None:
    """A token that is not there, and a section given in part, are told by key, value and bound."""
    config = write_token_config(tmp_path, soft_token, "mqtt://127.0.0.1:1", "/dev/null", bytes(32))
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('token = "gw-token"', 'token = "other"'), encoding="utf-8")
    done = gateway("keygen", "--config", str(config))
    assert done.returncode == 3
    assert "key.token is 'other', must be of a token that is plugged in" in done.stderr
    assert not (tmp_path / "state" / KEY_FILE).exists()
    config.write_text(text.replace('token = "gw-token"\n', ""), encoding="utf-8")
    done = gateway("check", "--config", str(config))
    assert done.returncode == 3
    assert "key.token is None, must be given" in done.stderr


def test_doctor_looks_into_the_token(soft_token: SoftToken, tmp_path: Path) -> None:
    """It says where the key is; and what to do when the token does not hold it."""
    config = write_token_config(tmp_path, soft_token, "mqtt://127.0.0.1:1", "/dev/null", bytes(32))
    made_key(config)
    assert "inside token 'gw-token'" in gateway("doctor", "--config", str(config)).stdout
    soft_token.pull()
    told = gateway("doctor", "--config", str(config)).stdout
    assert "key.token is 'gw-token'" in told
    assert "plug the token in" in told


async def test_gateway_turns_to_a_new_key_inside_the_token(
    broker: EmbeddedBroker, soft_token: SoftToken, tmp_path: Path, db: Database, db_url: str
) -> None:
    """Under a real backend: two rotations, every weight once, and one key is left in the token."""
    made = build_warehouse(db_url)
    key = BackendKey(bytes(range(32)))
    with Line() as line:
        config = write_token_config(tmp_path, soft_token, broker.url, line.path, key.public_key)
        enrol_by_hand(made, made_key(config))
        chain = Chain(
            db=db, made=made, broker=broker, key=key, config=config, line=line, home=ROOT
        )
        async with chain.worker():
            async with daemon(chain.config):
                await chain.until(True, chain.listens)
                chain.weigh()
                await chain.until_all_held()
                await asyncio.to_thread(gateway, "rotate", "--config", str(config))
                await chain.until(2, lambda: len(chain.keys()))
                chain.weigh()
                await chain.until_all_held()
                await chain.until(1, lambda: len(soft_token.labels()))
            done = await asyncio.to_thread(gateway, "rotate", "--config", str(config))
            assert done.returncode == 0, done.stderr
            async with daemon(chain.config):
                await chain.until(3, lambda: len(chain.keys()))
                await chain.until(True, chain.listens)
                chain.weigh()
                await chain.until_all_held()
                await chain.until(1, lambda: len(soft_token.labels()))
    assert made.execute("SELECT count(*) FROM refused_envelope") == [(0,)]
