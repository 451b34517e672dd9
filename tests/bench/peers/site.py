"""Devices, link, broker and recorder as processes; what a process costs.

Everything is on loopback, in a folder of its own, and ends with the ``with`` block.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from deploy.broker import find_mosquitto
from deploy.ports import free_port, polls, tcp_answers
from deploy.processes import Child, Program
from deploy.stack import ROOT, child_env
from tests.bench.peers import account
from tests.bench.peers.account import Account
from tests.bench.peers.link import Link
from tests.bench.peers.recorder import RecorderPlan

TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
BROKER: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
{user}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is polled: ``units`` devices of ``registers`` each, every ``poll_s``."""

    units: int
    registers: int
    poll_s: float
    blocks: bool = True  # For peers that are told: one request a device, or one a register.


class Site:
    """All but the gateway."""

    def __init__(self, load: Load, *, gateway: str, gateway_key: str) -> None:
        self.load = load
        self.dir = Path(tempfile.mkdtemp(prefix="pledgewatch-peers-"))
        self.modbus_port = free_port()
        self.link_port = free_port()
        self._broker_port = free_port()
        self.backend_seed = secrets.token_bytes(32)
        self._gateway = gateway
        self._gateway_key = gateway_key
        self._stack = contextlib.ExitStack()
        self.stats_file = self.dir / "devices.json"
        self.record_file = self.dir / "record.bin"
        self.link: Link
        self._recorder: Child
        self._devices: Child

    def __enter__(self) -> Self:
        """Start everything and return when it answers."""
        self._stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        self._stack.close()

    def run(self, name: str, *argv: str, env: dict[str, str] | None = None) -> Child:
        """Start a program that ends with the site."""
        program = Program(name=name, argv=argv, env=env or child_env(), cwd=ROOT)
        child = Child(program, self.dir / f"{name}.log")
        child.start()
        self._stack.callback(child.kill)
        return child

    def stop_devices(self) -> None:
        """End polling: what was counted until now is all there is."""
        self._devices.stop()

    def forget(self, forgetting: bool) -> None:
        """Let the broker acknowledge what nobody records."""
        os.kill(self._recorder.pid, signal.SIGUSR1 if forgetting else signal.SIGUSR2)

    @property
    def polled(self) -> tuple[float, int]:
        """When the devices counted last, in seconds, and the readings taken until then."""
        return account.polled(self.stats_file)

    @property
    def arrived(self) -> int:
        """Readings recorded so far."""
        return account.arrived(self.record_file)

    def account(self) -> Account:
        """Return the account of the run; the devices must have been stopped."""
        return account.account(self.stats_file, self.record_file, registers=self.load.registers)

    def settle(self, limit_s: float, quiet_s: float = 10.0) -> None:
        """Wait until nothing has arrived for ``quiet_s``, or all has, at most ``limit_s``."""
        every_s = 0.5
        last, quiet = -1, 0.0
        for _ in polls(limit_s, every_s):
            now = self.arrived
            quiet = quiet + every_s if now == last else 0.0
            last = now
            if quiet >= quiet_s:
                return

    def _start(self) -> None:
        mosquitto = find_mosquitto()
        assert mosquitto is not None, "Mosquitto is not installed"
        config = self.dir / "mosquitto.conf"
        user = "user root" if os.geteuid() == 0 else ""
        config.write_text(BROKER.format(port=self._broker_port, user=user))
        broker = self.run("mosquitto", str(mosquitto), "-c", str(config))
        broker.wait_until(lambda: tcp_answers(self._broker_port))
        self._devices = self.run(
            "devices",
            *(sys.executable, "-m", "tests.bench.peers.devices"),
            *(str(self.modbus_port), str(self.stats_file)),
        )
        self._devices.wait_until(self.stats_file.exists)
        plan = RecorderPlan(
            port=self._broker_port,
            record_file=str(self.record_file),
            gateway=self._gateway,
            gateway_key=self._gateway_key,
            backend_seed=self.backend_seed.hex(),
        )
        plan_file = self.dir / "recorder.json"
        plan_file.write_bytes(msgspec.json.encode(plan))
        self._recorder = self.run(
            "recorder", sys.executable, "-m", "tests.bench.peers.recorder", str(plan_file)
        )
        self._recorder.wait_until(self.record_file.exists)
        self.link = Link(self.link_port, self._broker_port)
        self._stack.callback(self.link.close)


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process, in 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as a program's settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))
