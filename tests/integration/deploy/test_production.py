"""The files for production: broker configuration, certificates, compose file, systemd units."""

import os
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.accounts import choose_account, give_to, write_private
from deploy.broker import ACL_FILE, find_mosquitto
from deploy.passwords import password_file
from deploy.ports import free_port, tcp_answers
from deploy.processes import Child, Program
from tests.integration.deploy.mqtt_probe import Probe

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

DEPLOY = Path(__file__).parents[3] / "deploy"
MQTT_CONNECT = bytes.fromhex("100c 0004 4d515454 04 02 003c 0000")
MQTT_CONNACK = b"\x20"
USERS = {name: secrets.token_hex(8) for name in ("backend", "gw-north", "gw-south")}
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto 2 not installed")


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a private authority with a server and a client certificate."""
    folder = tmp_path_factory.mktemp("certs")
    script = DEPLOY / "mosquitto" / "make-certs.sh"
    for arguments in (("server", "localhost", "127.0.0.1"), ("client", "gw-north"), ("crl",)):
        subprocess.run([script, folder, *arguments], check=True, capture_output=True)
    return folder


@pytest.fixture
def production_broker(certs: Path, tmp_path: Path) -> Iterator[Probe]:
    """Start Mosquitto with the production configuration, only paths and address changed."""
    account = choose_account()
    # pytest's folders are private to root; the account needs one that it can enter.
    home = Path(f"/var/tmp/pledgewatch-test-{os.getpid()}-{secrets.token_hex(4)}")
    home.mkdir(mode=0o711)
    (home / "data").mkdir(mode=0o700)
    give_to(account, home / "data")
    write_private(home / "acl", ACL_FILE.read_text(encoding="utf-8"), account)
    write_private(home / "passwords", password_file(USERS), account)
    for name in ("ca.crt", "server.crt", "server.key", "ca.crl"):
        write_private(home / name, (certs / name).read_text(encoding="ascii"), account)
    port = free_port()
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    for old, new in {
        "listener 8883\n": f"listener {port} 127.0.0.1\n",
        "listener 8884\n": f"listener {free_port()} 127.0.0.1\n",
        "/mosquitto/secrets/": f"{home}/",
        "/mosquitto/config/": f"{home}/",
        "/mosquitto/certs/": f"{home}/",
        "/mosquitto/crl/": f"{home}/",
        "/mosquitto/data/": f"{home}/data/",
    }.items():
        assert old in text
        text = text.replace(old, new)
    write_private(home / "mosquitto.conf", text, account)
    argv = (str(find_mosquitto()), "-c", str(home / "mosquitto.conf"))
    child = Child(Program(name="broker", argv=argv, account=account), tmp_path / "broker.log")
    child.start()
    try:
        child.wait_until(lambda: tcp_answers(port))
        tls = ssl.create_default_context(cafile=certs / "ca.crt")
        yield Probe(port=port, passwords=USERS, tls=tls)
    finally:
        child.stop()
        shutil.rmtree(home)


@needs_openssl
@needs_mosquitto
async def test_production_broker_holds_its_acl_over_tls(production_broker: Probe) -> None:
    """Real Mosquitto with the files that are deployed: parties reach their own topics only."""
    probe = production_broker
    north, south = (("backend", f"pw/1/down/gw-{name}/command") for name in ("north", "south"))
    backend = ("backend", "pw/control")
    own, receipt = "pw/1/up/3/gw-north", "pw/1/down/gw-north/receipt"
    foreign = "pw/1/up/3/gw-south"

    assert await probe.reaches(topic=own, by="gw-north", reader="backend", control=backend)
    assert await probe.reaches(topic=receipt, by="backend", reader="gw-north", control=north)
    assert not await probe.reaches(topic=foreign, by="gw-north", reader="backend", control=backend)
    assert not await probe.reaches(topic=receipt, by="backend", reader="gw-south", control=south)


@needs_openssl
@needs_mosquitto
async def test_production_broker_refuses_strangers_and_plain_text(
    production_broker: Probe,
) -> None:
    """No password, a wrong one, no TLS and an unknown authority are all refused."""
    port = production_broker.port
    assert await production_broker.may_connect("gw-north")
    known = production_broker.tls
    wrong = Probe(port=port, passwords={"gw-north": "wrong"}, tls=known)
    assert not await wrong.may_connect("gw-north")
    assert not await wrong.may_connect("")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        assert not _answer(plain, MQTT_CONNECT).startswith(MQTT_CONNACK)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")


def _answer(connection: socket.socket, data: bytes) -> bytes:
    """Return what comes back; nothing if the connection is cut."""
    try:
        connection.sendall(data)
        return connection.recv(64)
    except ConnectionError:
        return b""


@needs_openssl
def test_certificates_verify_and_keys_are_private(certs: Path) -> None:
    """Both leaves lead to the authority for their purpose only; no key is readable by others."""
    for leaf, purpose, fits in (
        ("server", "sslserver", True),
        ("gw-north", "sslclient", True),
        ("gw-north", "sslserver", False),
    ):
        result = subprocess.run(
            ["openssl", "verify", "-purpose", purpose, "-CAfile", "ca.crt", f"{leaf}.crt"],
            cwd=certs,
            capture_output=True,
            check=False,
        )
        assert (result.returncode == 0) is fits
    assert all(key.stat().st_mode & 0o077 == 0 for key in certs.glob("*.key"))


def compose() -> dict[str, Any]:
    """Return the compose file."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_compose_file_is_consistent() -> None:
    """Services, volumes and networks that are named exist; images are pinned; files are there."""
    loaded = compose()
    services = loaded["services"]
    programs = {"api", "worker", "timekeeper", "notifier"}
    assert set(services) == {"database", "broker", "migrate"} | programs
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service["networks"]) <= set(loaded["networks"]), name
        if "build" not in service:
            assert service["image"].rpartition(":")[2][0].isdigit(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if not source.startswith("./"):
                assert source in loaded["volumes"], name
    build = services["api"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_compose_waits_for_what_it_needs() -> None:
    """Database and broker have health checks, and nothing starts before the migration ended."""
    services = compose()["services"]
    assert all("healthcheck" in services[name] for name in ("database", "broker", "api"))
    for name in ("api", "worker", "timekeeper", "notifier"):
        needed = services[name]["depends_on"]["migrate"]
        assert needed == {"condition": "service_completed_successfully"}


def test_compose_publishes_the_broker_only() -> None:
    """The console is on loopback and the database on no port at all."""
    ports = {name: each.get("ports", []) for name, each in compose()["services"].items()}
    assert ports.pop("broker") == ["8883:8883", "8884:8884"]
    assert ports.pop("api") == ["127.0.0.1:8080:8080"]
    assert not any(ports.values())


def test_no_secret_has_a_default() -> None:
    """The example of the environment file leaves every password to be filled in."""
    for line in (DEPLOY / "compose.env.example").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            value = line.partition("=")[2]
            assert value == "" or "CHANGE" in value


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize(
    "unit", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda p: p.stem
)
def test_systemd_unit_is_valid_and_hardened(unit: Path, tmp_path: Path) -> None:
    """Systemd itself accepts the unit and rates its exposure as low."""
    text = unit.read_text(encoding="utf-8")
    copy = tmp_path / unit.name
    # Its program is not installed on this machine; any that exists will do for the syntax.
    for program in ("/opt/pledgewatch/.venv/bin/python", "/usr/bin/pledgewatch-gateway"):
        text = text.replace(program, "/bin/true")
    copy.write_text(text, encoding="utf-8")
    verify = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    assert (verify.returncode, verify.stderr) == (0, "")
    rating = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", copy],
        capture_output=True,
        check=False,
    )
    assert rating.returncode == 0


@pytest.mark.parametrize(
    "script",
    [
        "deploy/install.sh",
        "deploy/mosquitto/make-certs.sh",
        "deploy/timescaledb/10-pledgewatch.sh",
        ".ci/run",
    ],
)
def test_scripts_are_executable_and_strict(script: str) -> None:
    """Shell scripts parse, stop at the first error, and can be run."""
    path = DEPLOY.parent / script
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", path], check=True)


def test_make_explains_itself() -> None:
    """Plain ``make`` lists the commands and does nothing."""
    result = subprocess.run(
        ["make"], cwd=DEPLOY.parent, capture_output=True, text=True, check=True
    )
    for command in ("demo", "story", "test", "bench", "check", "setup", "fix", "clean", "lock"):
        assert f"make {command} " in result.stdout
