"""Doctor finds what was broken on purpose, with a daemon and without one."""

import asyncio
import json
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.broker import BrokerKind, EmbeddedBroker
from tests.integration.gateway.daemons import (
    GATEWAY,
    daemon,
    gateway,
    scale_section,
    write_config,
)
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import Notary, until

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
LOGIN = f'username = "{GATEWAY}"\npassword = "{USERS[GATEWAY]}"'
Findings = dict[str, list[tuple[str, str]]]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


def doctor(config: Path) -> tuple[int, Findings]:
    """Return the exit code, and verdict and text of all findings by their check."""
    done = gateway("doctor", "--json", "--config", str(config))
    findings: Findings = {}
    for one in json.loads(done.stdout):
        findings.setdefault(one["check"], []).append((one["verdict"], one["what"]))
        assert bool(one["remedy"]) == (one["verdict"] != "ok"), one
    return done.returncode, findings


@contextmanager
def speaking(line: Line) -> Generator[None]:
    """Let a scale speak ten times a second meanwhile."""
    ended = threading.Event()

    def speak() -> None:
        while not ended.wait(0.1):
            line.send(b"ST,GS,+0012.34kg\r\n")

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
def test_good_installation_has_no_problems(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Before the daemon's first start: device, port, key, disk, broker and login are good."""
    key = Notary().public_key
    with Line() as line, speaking(line):
        section = scale_section("scale-1", line.path)
        config = write_config(tmp_path, broker.url, section, backend_key=key, more=LOGIN)
        assert gateway("keygen", "--config", str(config)).returncode == 0
        code, findings = doctor(config)

    assert code == 0, findings
    for check in ("state folder", "disk writes", "key", "enrolment", "login", "port", "device"):
        assert [verdict for verdict, _ in findings[check]] == ["ok"], check


@pytest.mark.slow
def test_each_broken_part_is_named(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """A silent device, a missing port and a wrong password are three problems, each by name."""
    key = Notary().public_key
    with Line() as line:
        config = write_config(
            tmp_path,
            broker.url,
            scale_section("silent", line.path),
            scale_section("missing", "/dev/absent"),
            backend_key=key,
            more=f'username = "{GATEWAY}"\npassword = "wrong"',
        )
        assert gateway("keygen", "--config", str(config)).returncode == 0
        code, findings = doctor(config)

    assert code == 1
    assert findings["login"][0][0] == "problem"
    assert findings["port"][1] == ("problem", "/dev/absent does not exist")
    (silent, missing) = findings["device"]
    assert silent[0] == missing[0] == "problem"
    assert "silent: no answer within" in silent[1]
    assert "/dev/absent" in missing[1]


def test_way_to_the_broker_ends_where_it_is_cut(tmp_path: Path) -> None:
    """Where nobody listens the name is good, the connection is not, and no login is tried."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = write_config(
        tmp_path, f"mqtt://127.0.0.1:{port}", backend_key=Notary().public_key, more=LOGIN
    )
    code, findings = doctor(config)

    assert code == 1
    assert findings["name"][0][0] == "ok"
    assert findings["connection"][0][0] == "problem"
    assert "login" not in findings


def test_gateway_that_is_not_enrolled_is_told(tmp_path: Path) -> None:
    """Without the backend's key the way to it is not looked for."""
    code, findings = doctor(write_config(tmp_path, "mqtt://127.0.0.1:1"))
    assert code == 1
    assert findings["enrolment"][0][0] == "problem"


@pytest.mark.slow
async def test_running_daemon_is_asked_and_not_disturbed(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """With a daemon its ports stay its own, and its session with the broker goes on."""
    key = Notary().public_key
    with Line() as line, speaking(line):
        section = scale_section("scale-1", line.path)
        config = write_config(tmp_path, broker.url, section, backend_key=key, more=LOGIN)
        async with daemon(config) as process:
            await until(lambda: line.is_open, 20)
            line.rearm()
            async with asyncio.timeout(20):
                while True:
                    _, findings = await asyncio.to_thread(doctor, config)
                    if ("ok", "the daemon is logged in") in findings.get("broker", []):
                        break
            assert process.returncode is None
            assert not line.is_open
    assert "device" not in findings
    assert findings["sensor"][0][0] == "ok"
    assert "scale-1: 12.34 kg" in findings["sensor"][0][1]
