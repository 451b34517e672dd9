"""The uplink over TLS to a real Mosquitto that asks for certificates, with the deployed files."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from deploy.broker import find_mosquitto
from schemas.topics import up_topic
from tests.integration.gateway.daemons import GATEWAY, daemon, scale_section, write_config
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import FakeBackend, until
from tests.integration.trust.secure_broker import DEPLOY, USERS, SecureBroker, secure_broker

REFUSED_S = 6.0

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl"),
    pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto 2 not installed"),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SecureBroker]:
    """Start Mosquitto with the production configuration and certificates made by hand."""
    certs = tmp_path / "certs"
    _certify(certs, "server", "localhost", "127.0.0.1")
    _certify(certs, "client", GATEWAY)
    _certify(certs, "client", "gw-other")
    _certify(certs, "crl")
    with secure_broker(certs, tmp_path / "broker.log") as running:
        yield running


def _certify(folder: Path, *arguments: str) -> None:
    script = DEPLOY / "mosquitto" / "make-certs.sh"
    subprocess.run([script, folder, *arguments], check=True, capture_output=True)


def _config(folder: Path, broker: SecureBroker, backend: FakeBackend, port: str) -> Path:
    certs = broker.certs
    more = (
        f'ca_file = "{certs / "ca.crt"}"\ncert_file = "{certs / GATEWAY}.crt"\n'
        f'key_file = "{certs / GATEWAY}.key"'
    )
    return write_config(
        folder,
        f"mqtts://127.0.0.1:{broker.certificate_port}",
        scale_section("scale-1", port),
        backend_key=backend.notary.public_key,
        more=more,
    )


async def _reaches(broker: SecureBroker, name: str, topic: str) -> bool:
    """Tell whether what ``name`` publishes under its certificate reaches the backend."""
    parameters = aiomqtt.TLSParameters(
        ca_certs=str(broker.certs / "ca.crt"),
        certfile=str(broker.certs / f"{name}.crt"),
        keyfile=str(broker.certs / f"{name}.key"),
    )
    async with (
        aiomqtt.Client(
            "127.0.0.1",
            broker.password_port,
            username="backend",
            password=USERS["backend"],
            tls_context=broker.context,
        ) as reader,
        aiomqtt.Client("127.0.0.1", broker.certificate_port, tls_params=parameters) as writer,
    ):
        await reader.subscribe("pw/#", qos=1)
        await writer.publish(topic, b"?", qos=1)
        await reader.publish("pw/control", b"", qos=1)
        async for message in reader.messages:
            if message.topic.value == topic:
                return True
            if message.topic.value == "pw/control":
                return False
    raise AssertionError("the broker has gone")


async def test_gateway_with_a_certificate_delivers_over_tls(
    broker: SecureBroker, tmp_path: Path
) -> None:
    """No password: the certificate's name is the user's, for whom the ACL holds."""
    backend = FakeBackend(GATEWAY, tls_context=broker.context)
    with Line() as line:
        config = _config(tmp_path, broker, backend, line.path)
        serving = backend.serving(
            broker.password_port,
            username="backend",
            password=USERS["backend"],
        )
        async with serving, daemon(config):
            await until(lambda: line.is_open)
            line.send(b"ST,GS,+0007.00kg\r\n")
            await until(lambda: len(backend.scalars("scale-1")) == 1)
    assert backend.forks == 0


async def test_certificate_reaches_the_topics_of_its_own_name_only(broker: SecureBroker) -> None:
    """Whoever holds one gateway's certificate is that gateway and no other."""
    assert await _reaches(broker, GATEWAY, up_topic(GATEWAY))
    assert not await _reaches(broker, "gw-other", up_topic(GATEWAY))


async def test_foreign_certificate_and_none_are_not_let_in(
    broker: SecureBroker, tmp_path: Path
) -> None:
    """Another authority's certificate with the right name is as good as none."""
    _certify(tmp_path / "foreign", "client", GATEWAY)
    foreign = ssl.create_default_context(cafile=broker.certs / "ca.crt")
    foreign.load_cert_chain(
        tmp_path / "foreign" / f"{GATEWAY}.crt", tmp_path / "foreign" / f"{GATEWAY}.key"
    )
    for context in (foreign, broker.context):
        with pytest.raises(aiomqtt.MqttError):
            async with (
                asyncio.timeout(REFUSED_S * 2),
                aiomqtt.Client(
                    "127.0.0.1",
                    broker.certificate_port,
                    username=GATEWAY,
                    tls_context=context,
                    timeout=REFUSED_S,
                ),
            ):
                pass
