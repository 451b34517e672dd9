"""The uplink over TLS to a real Mosquitto that asks for certificates, with the deployed files."""

import asyncio
import os
import secrets
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import pytest

from deploy.accounts import choose_account, give_to, write_private
from deploy.broker import ACL_FILE, find_mosquitto
from deploy.passwords import password_file
from deploy.ports import free_port, tcp_answers
from deploy.processes import Child, Program
from schemas.topics import up_topic
from tests.integration.gateway.daemons import GATEWAY, daemon, scale_section, write_config
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import FakeBackend, until

DEPLOY = Path(__file__).parents[3] / "deploy"
USERS = {"backend": secrets.token_hex(8)}
REFUSED_S = 6.0

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl"),
    pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto 2 not installed"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureBroker:
    """A broker with two listeners: passwords, and certificates."""

    password_port: int
    certificate_port: int
    certs: Path

    @property
    def context(self) -> ssl.SSLContext:
        """What the backend trusts."""
        return ssl.create_default_context(cafile=self.certs / "ca.crt")


def _certify(folder: Path, *arguments: str) -> None:
    script = DEPLOY / "mosquitto" / "make-certs.sh"
    subprocess.run([script, folder, *arguments], check=True, capture_output=True)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SecureBroker]:
    """Start Mosquitto with the production configuration, only paths and addresses changed."""
    certs = tmp_path / "certs"
    _certify(certs, "server", "localhost", "127.0.0.1")
    _certify(certs, "client", GATEWAY)
    _certify(certs, "client", "gw-other")
    account = choose_account()
    # pytest's folders are private to root; the account needs one that it can enter.
    home = Path(f"/var/tmp/pledgewatch-test-{os.getpid()}-{secrets.token_hex(4)}")
    home.mkdir(mode=0o711)
    (home / "data").mkdir(mode=0o700)
    give_to(account, home / "data")
    write_private(home / "acl", ACL_FILE.read_text(encoding="utf-8"), account)
    write_private(home / "passwords", password_file(USERS), account)
    for name in ("ca.crt", "server.crt", "server.key"):
        write_private(home / name, (certs / name).read_text(encoding="ascii"), account)
    ports = free_port(), free_port()
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    for old, new in {
        "listener 8883\n": f"listener {ports[0]} 127.0.0.1\n",
        "listener 8884\n": f"listener {ports[1]} 127.0.0.1\n",
        "/mosquitto/secrets/": f"{home}/",
        "/mosquitto/config/": f"{home}/",
        "/mosquitto/certs/": f"{home}/",
        "/mosquitto/data/": f"{home}/data/",
    }.items():
        assert old in text
        text = text.replace(old, new)
    write_private(home / "mosquitto.conf", text, account)
    argv = (str(find_mosquitto()), "-c", str(home / "mosquitto.conf"))
    child = Child(Program(name="broker", argv=argv, account=account), tmp_path / "broker.log")
    child.start()
    try:
        child.wait_until(lambda: all(tcp_answers(port) for port in ports))
        yield SecureBroker(password_port=ports[0], certificate_port=ports[1], certs=certs)
    finally:
        child.stop()
        shutil.rmtree(home)


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
    backend = FakeBackend(GATEWAY)
    with Line() as line:
        config = _config(tmp_path, broker, backend, line.path)
        serving = backend.serving(
            broker.password_port,
            username="backend",
            password=USERS["backend"],
            tls_context=broker.context,
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
