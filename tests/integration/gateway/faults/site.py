"""A broker, a backend, and Modbus devices that count every read: what each fault is held against.

A register's k-th read is k: a reading that is lost, doubled or out of order shows by its number.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.broker import EmbeddedBroker
from gateway.outbox.database import OutboxStats, connect, read_stats
from gateway.outbox.identity import OUTBOX_FILE, open_identity
from tests.bench.peers.devices import Connection, Counters
from tests.integration.gateway.daemons import GATEWAY, ROOT, write_config
from tests.integration.gateway.support import FakeBackend, until

USERS = {"backend": "b-secret", GATEWAY: "g-secret"}
UNITS = 2
REGISTERS = 20
POLL_S = 0.02
DRAIN_S_MAX = 60.0


@dataclass(slots=True, kw_only=True)
class FaultSite:
    """The surroundings of one gateway."""

    folder: Path
    backend: FakeBackend
    counters: Counters = field(default_factory=Counters)
    port: int = 0  # Of the devices.
    resting: bool = False  # The devices answer nothing any more, and so count nothing.

    def configure(self, url: str, *sections: str) -> Path:
        """Write the configuration of a gateway that polls all devices; return its file."""
        state_dir = self.folder / "state"
        signer, _ = open_identity(state_dir)
        self.backend.gateway_key = signer.public_key
        login = f'username = "{GATEWAY}"\npassword = "{USERS[GATEWAY]}"\nkeepalive_s = 2\n'
        return write_config(
            self.folder,
            url,
            self._bus(),
            *sections,
            backend_key=self.backend.notary.public_key,
            more=login,
        )

    @property
    def stats(self) -> OutboxStats:
        """What the outbox holds."""
        db = connect(self.folder / "state" / OUTBOX_FILE)
        try:
            return read_stats(db)
        finally:
            db.close()

    @property
    def values(self) -> dict[str, list[int]]:
        """What the backend holds of each register, in the order of the stream."""
        return {
            name: [int(value) for _, value in self.backend.scalars(name)]
            for name in (f"u{u}-r{r}" for u in range(1, UNITS + 1) for r in range(REGISTERS))
        }

    @property
    def polls(self) -> int:
        """How often the devices were asked for all registers."""
        return sum(counts[0] for counts in self.counters.reads.values())

    async def until_drained(self) -> None:
        """Wait until the backend holds every reading that was journalled."""

        def drained() -> bool:
            stats = self.stats
            return stats.unreceipted == 0 and stats.emitted == self.backend.readings

        await until(drained, DRAIN_S_MAX)

    def _bus(self) -> str:
        lines = [f'[[modbus]]\nname = "bus"\nurl = "tcp://127.0.0.1:{self.port}"']
        for unit in range(1, UNITS + 1):
            lines.append(f"[[modbus.unit]]\nunit = {unit}\npoll_s = {POLL_S}")
            lines.extend(
                f'[[modbus.unit.register]]\nsensor = "u{unit}-r{register}"\nquantity = "mass"\n'
                f'address = {register}\ntype = "uint16"'
                for register in range(REGISTERS)
            )
        return "\n".join(lines) + "\n"


class _Devices(Connection):
    """One connection to the devices of a site."""

    def __init__(self, site: FaultSite) -> None:
        super().__init__(site.counters)
        self._site = site

    def data_received(self, data: bytes) -> None:
        """Answer unless the devices rest."""
        if not self._site.resting:
            super().data_received(data)


@asynccontextmanager
async def fault_site(folder: Path, broker: EmbeddedBroker) -> AsyncGenerator[FaultSite]:
    """Serve devices and backend meanwhile."""
    site = FaultSite(folder=folder, backend=FakeBackend(GATEWAY))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Devices(site), "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    serving = site.backend.serving(broker.port, username="backend", password=USERS["backend"])
    async with server, serving:
        yield site


class Zygote:
    """Forks daemons of the gateway."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._child = 0

    async def start(self, config: Path) -> None:
        """Fork a daemon."""
        self._stdin.write(f"{config}\n".encode())
        self._child = int(await self._stdout.readline())

    async def end(self, number: signal.Signals) -> int:
        """Send the daemon a signal; return how it ended (negative: by that signal)."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)
        self._stdin.write(b"\n")
        return int(await self._stdout.readline())


@asynccontextmanager
async def zygote() -> AsyncGenerator[Zygote]:
    """Run the process that forks meanwhile."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.gateway.faults.zygote"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield Zygote(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
