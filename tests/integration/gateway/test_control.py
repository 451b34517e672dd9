"""What an installer sees and changes on a running daemon, over its socket, files and signals."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import pytest

from deploy.broker import BrokerKind, EmbeddedBroker
from gateway.control.client import ask_reload, ask_status
from gateway.control.software import software_sha256
from gateway.control.status import SensorStatus, Status
from gateway.errors import GatewayError
from schemas.quantities import EventType
from tests.integration.gateway.daemons import (
    GATEWAY,
    daemon,
    gateway,
    scale_section,
    write_config,
)
from tests.integration.gateway.lines import Line
from tests.integration.gateway.support import FakeBackend, until

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
LOGIN = {"username": "backend", "password": USERS["backend"]}
GATEWAY_LOGIN = f'username = "{GATEWAY}"\npassword = "{USERS[GATEWAY]}"'


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own."""
    with EmbeddedBroker(tmp_path / "broker", USERS, kind=BrokerKind.AMQTT) as running:
        yield running


@dataclass(slots=True)
class Rig:
    """A daemon, the backend behind its broker, and its folder."""

    folder: Path
    url: str
    backend: FakeBackend
    process: asyncio.subprocess.Process
    config: Path

    def rewrite(self, *sections: str, more: str = GATEWAY_LOGIN) -> None:
        """Write the configuration's file anew."""
        key = self.backend.notary.public_key
        write_config(self.folder, self.url, *sections, backend_key=key, more=more)

    async def status(self) -> Status:
        """Return how the daemon stands."""
        return await asyncio.to_thread(ask_status, self.folder / "state")

    async def until(self, sensor: str, health: str) -> SensorStatus:
        """Wait until a sensor's health is as said; return how it stands."""
        async with asyncio.timeout(15):
            while True:
                for seen in (await self.status()).sensors:
                    if seen.name == sensor and seen.health == health:
                        return seen
                await asyncio.sleep(0.05)

    def starts(self) -> list[dict[str, Any]]:
        """Return what the daemon has attested, oldest first."""
        return [
            cbor2.loads(body)
            for envelope in self.backend.envelopes
            for event, body in zip(envelope.events.type, envelope.events.body, strict=True)
            if event is EventType.GATEWAY_START
        ]


@asynccontextmanager
async def running(
    folder: Path,
    broker: EmbeddedBroker,
    *sections: str,
    environment: dict[str, str] | None = None,
) -> AsyncGenerator[Rig]:
    """Run a daemon and its backend meanwhile."""
    backend = FakeBackend(GATEWAY)
    key = backend.notary.public_key
    config = write_config(folder, broker.url, *sections, backend_key=key, more=GATEWAY_LOGIN)
    async with (
        backend.serving(broker.port, **LOGIN),
        daemon(config, environment) as process,
    ):
        rig = Rig(folder, broker.url, backend, process, config)
        await until(lambda: len(rig.starts()) == 1, 20)
        yield rig


def weigh(line: Line, kilograms: float) -> None:
    """Let a scale show a weight."""
    line.send(b"ST,GS,%+08.2fkg\r\n" % kilograms)


@pytest.mark.slow
async def test_status_shows_sensor_outbox_and_uplink(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """One request shows the last value with unit and age, the queue, the receipt, the digests."""
    with Line() as line:
        async with running(tmp_path, broker, scale_section("scale-1", line.path)) as rig:
            await until(lambda: line.is_open)
            weigh(line, 12.34)
            sensor = await rig.until("scale-1", "up")
            await until(lambda: rig.backend.scalars("scale-1") != [])
            status = await rig.status()
            shown = await asyncio.to_thread(
                gateway, "watch", "--once", "--config", str(rig.config)
            )
            raw = await asyncio.to_thread(gateway, "watch", "--json", "--config", str(rig.config))

    (channel,) = sensor.channels
    assert (channel.channel, channel.value, channel.unit) == ("mass", 12_340.0, "g")
    assert channel.age_s < 10
    assert sensor.counts == {"good": 1}
    assert status.drivers[0].state == "running"
    assert status.outbox is not None
    assert status.outbox.emitted >= status.outbox.sealed >= 1
    assert status.uplink.state == "open"
    assert status.uplink.receipt_number is not None
    assert status.software_sha256 == software_sha256().hex()
    assert status.process.rss_bytes < 100_000_000
    assert "12.34 kg" in shown.stdout
    assert "uplink  open" in shown.stdout
    assert json.loads(raw.stdout)["gateway"] == GATEWAY


@pytest.mark.slow
async def test_reload_restarts_what_changed_and_loses_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """One scale goes on weighing while another is changed, one added and one taken away."""
    with Line() as kept, Line() as changed, Line() as added, Line() as gone:
        sections = [
            scale_section(n, line.path)
            for n, line in (("kept", kept), ("changed", changed), ("gone", gone))
        ]
        async with running(tmp_path, broker, *sections) as rig:
            await until(lambda: kept.is_open and changed.is_open and gone.is_open)
            for line in (kept, changed, gone):
                line.rearm()
            weights = [float(n) for n in range(1, 201)]

            async def weigh_all() -> None:
                for weight in weights:
                    weigh(kept, weight)
                    await asyncio.sleep(0.02)

            async with asyncio.TaskGroup() as tasks:
                weighing = tasks.create_task(weigh_all())
                await until(lambda: len(rig.backend.scalars("kept")) > 20)
                rig.rewrite(
                    sections[0],
                    scale_section("changed", changed.path, "deadband = 5.0"),
                    scale_section("added", added.path),
                )
                done = await asyncio.to_thread(ask_reload, tmp_path / "state")
                assert not weighing.done()
            await until(lambda: changed.is_open and added.is_open)
            weigh(changed, 1.0)
            weigh(added, 2.0)
            await until(lambda: len(rig.backend.scalars("kept")) == len(weights))
            await until(lambda: rig.backend.scalars("added") != [])
            await until(lambda: rig.backend.scalars("changed") != [])
            await until(lambda: len(rig.starts()) == 2)
            names = {sensor.name for sensor in (await rig.status()).sensors}

            assert not kept.is_open  # Nobody opened it again.
            assert not gone.is_open
    assert (done.started, done.restarted, done.stopped) == (["added"], ["changed"], ["gone"])
    assert not done.reconnected
    assert names == {"kept", "changed", "added"}
    assert [value for _, value in rig.backend.scalars("kept")] == [w * 1_000 for w in weights]
    assert rig.backend.gaps == rig.backend.forks == 0
    first, second = rig.starts()
    assert second["config_sha256"].hex() == done.config_sha256
    assert second["config_sha256"] != first["config_sha256"]
    assert (first["why"], second["why"]) == ("start", "reload")
    assert first["software_sha256"] == second["software_sha256"] == software_sha256()
    assert len(first["boot_id"]) == 16


@pytest.mark.slow
async def test_bad_configuration_changes_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """A wrong file is refused with key, value and bound; a hang-up signal with one reads on."""
    with Line() as line:
        async with running(tmp_path, broker, scale_section("scale-1", line.path)) as rig:
            await until(lambda: line.is_open)
            line.rearm()
            good = rig.config.read_text("utf-8")
            rig.rewrite(scale_section("scale-1", line.path, "late_s = -1"))
            with pytest.raises(GatewayError, match=r"serial\[0\]\.late_s is -1"):
                await asyncio.to_thread(ask_reload, tmp_path / "state")
            rig.process.send_signal(signal.SIGHUP)
            rig.config.write_text(good.replace(GATEWAY, "gw-other"), "utf-8")
            with pytest.raises(GatewayError, match=r"gateway\.id is 'gw-other'"):
                await asyncio.to_thread(ask_reload, tmp_path / "state")
            rig.config.write_text(good, "utf-8")
            again = await asyncio.to_thread(ask_reload, tmp_path / "state")
            weigh(line, 3.0)
            await until(lambda: rig.backend.scalars("scale-1") != [])

            assert again.idle
            assert not line.is_open  # The driver was never started again.
            assert len(rig.starts()) == 1


@pytest.mark.slow
async def test_hang_up_signal_reloads(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """SIGHUP reads the file again; a comment changes the digest, which is attested, alone."""
    with Line() as line:
        async with running(tmp_path, broker, scale_section("scale-1", line.path)) as rig:
            await until(lambda: line.is_open)
            line.rearm()
            with rig.config.open("a", encoding="utf-8") as file:
                file.write("# wired by the north door\n")
            rig.process.send_signal(signal.SIGHUP)
            await until(lambda: len(rig.starts()) == 2)

            assert not line.is_open
            assert rig.backend.gaps == rig.backend.forks == 0


@pytest.mark.slow
async def test_uplink_is_opened_anew_where_its_settings_changed(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """With a wrong password the readings wait; with the right one again they all arrive."""
    with Line() as line:
        section = scale_section("scale-1", line.path)
        async with running(tmp_path, broker, section) as rig:
            await until(lambda: line.is_open)
            rig.rewrite(section, more=f'username = "{GATEWAY}"\npassword = "wrong"')
            first = await asyncio.to_thread(ask_reload, tmp_path / "state")
            for weight in range(5):
                weigh(line, float(weight))
            await rig.until("scale-1", "up")
            assert rig.backend.scalars("scale-1") == []
            rig.rewrite(section)
            second = await asyncio.to_thread(ask_reload, tmp_path / "state")
            await until(lambda: len(rig.backend.scalars("scale-1")) == 5)
    assert first.reconnected
    assert second.reconnected
    assert rig.backend.gaps == rig.backend.forks == 0


@pytest.mark.slow
async def test_service_manager_hears_of_start_life_and_end(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """READY when sensors are read, WATCHDOG while it lives, a STATUS line, STOPPING at the end."""
    path = str(tmp_path / "notify")
    heard: list[str] = []
    with Line() as line, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(manager, lambda: heard.append(manager.recv(4_096).decode()))
        environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"}
        section = scale_section("scale-1", line.path)
        async with running(tmp_path, broker, section, environment=environment) as rig:
            await until(lambda: heard.count("WATCHDOG=1") >= 3)
            rig.process.send_signal(signal.SIGSTOP)  # A process that hangs says nothing.
            while heard:
                heard.clear()
                await asyncio.sleep(0.3)
            assert heard == []
            rig.process.send_signal(signal.SIGCONT)
            await until(lambda: "WATCHDOG=1" in heard)
        loop.remove_reader(manager)
    assert "STOPPING=1" in heard


def test_without_a_daemon_the_commands_say_so(tmp_path: Path) -> None:
    """Watch and reload end with code 1, and say how to start it."""
    config = write_config(tmp_path, "mqtt://127.0.0.1:1")
    for command in ("watch", "reload"):
        done = gateway(command, "--config", str(config))
        assert done.returncode == 1
        assert "no daemon runs" in done.stderr
        assert "systemctl start" in done.stderr
