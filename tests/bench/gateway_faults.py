"""What gateways lose in faults: ours beside thingsboard-gateway, in the same faults.

Devices count each read of each register; a reading is lost when it was read and arrived never.
``python -m tests.bench --only gateway_faults`` runs all; a fault takes one to three minutes each.
``python -m tests.bench.gateway_faults disk_full`` runs one with ours alone.

A kill takes readings with it that the device has answered and no program has seen yet: a few
milliseconds' worth, for every contender.
"""

import os
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final, Protocol

import typer

from deploy.ports import polls
from deploy.processes import Child
from deploy.stack import ROOT
from tests.bench.peers.account import Account
from tests.bench.peers.link import LinkState
from tests.bench.peers.ours import GATEWAY, Ours
from tests.bench.peers.site import Load, Site
from tests.bench.peers.thingsboard import ThingsBoard
from tests.bench.results import Result, machine

PEERS_DIR: Final = ROOT / "var/bench"
LOAD: Final = Load(units=10, registers=100, poll_s=1.0)
FIRST_S_MAX: Final = 90.0
STEADY_S: Final = 10.0
FAULT_S: Final = 30.0
DRAIN_S_MAX: Final = 120.0
DISK_BYTES: Final = 48 * 1024 * 1024
SETTLED_S: Final = 15.0  # Nothing has arrived for so long: nothing will.


class Contender(Protocol):
    """A gateway that keeps its state below a folder."""

    name: str

    def start(self, site: Site, run: int = 0) -> Child:
        """Start it."""
        ...


@dataclass(slots=True, kw_only=True)
class Running:
    """A contender at a site, which can be killed and started again."""

    site: Site
    contender: Contender
    child: Child
    disk: Path
    runs: int = 1

    def kill(self) -> None:
        """End it as a power cut would, and start it again."""
        self.child.kill()
        self.child = self.contender.start(self.site, self.runs)
        self.runs += 1


def _link(running: Running, state: LinkState, time_s: float = FAULT_S) -> None:
    running.site.link.set(state)
    _pass(time_s)


def server_down(running: Running) -> None:
    """Nobody can connect for half a minute."""
    _link(running, LinkState.CUT)


def server_down_and_killed(running: Running) -> None:
    """The gateway is killed while nobody can connect."""
    _link(running, LinkState.CUT, FAULT_S / 2)
    running.kill()
    _pass(FAULT_S / 2)


def server_down_and_killed_twice(running: Running) -> None:
    """Killed, started while nobody can connect, and killed again."""
    server_down_and_killed(running)
    running.kill()
    _pass(FAULT_S / 3)


def server_silent(running: Running) -> None:
    """Connections stay open, and no byte comes through, for half a minute."""
    _link(running, LinkState.SILENT)


def stalled_then_reset(running: Running) -> None:
    """The same, and then all connections are reset: what was on its way is gone."""
    _link(running, LinkState.SILENT)
    running.site.link.reset()


def killed(running: Running) -> None:
    """Killed in the steady state."""
    running.kill()


def broker_forgets(running: Running) -> None:
    """The broker acknowledges for half a minute, and nobody ever sees what."""
    running.site.forget(True)
    _pass(FAULT_S)
    running.site.forget(False)


def disk_full(running: Running) -> None:
    """Nobody can connect and the disk is full, for half a minute."""
    running.site.link.set(LinkState.CUT)
    ballast = running.disk / "ballast"
    with ballast.open("wb", buffering=0) as file:  # What waits in a buffer fails at the close.
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            pass
    _pass(FAULT_S)
    ballast.unlink()


FAULTS: Final[Sequence[Callable[[Running], None]]] = (
    server_down,
    server_down_and_killed,
    server_down_and_killed_twice,
    server_silent,
    stalled_then_reset,
    killed,
    broker_forgets,
    disk_full,
)


def measure() -> list[Result]:
    """Run every fault with ours and with the peer; return what each lost."""
    PEERS_DIR.mkdir(parents=True, exist_ok=True)
    ThingsBoard(PEERS_DIR / "thingsboard").install()
    faults = [f for f in FAULTS if f is not disk_full or os.geteuid() == 0]
    return [_result(fault, run_ours(fault), run_thingsboard(fault)) for fault in faults]


def run_ours(fault: Callable[[Running], None]) -> Account:
    """Return our account of one fault."""
    with TemporaryDirectory(prefix="pledgewatch-peers-") as folder, _disk(Path(folder)) as disk:
        ours = Ours(disk)
        return _run(ours, ours.prepare, fault, ours.public_key, disk)


def run_thingsboard(fault: Callable[[Running], None], storage: str = "sqlite") -> Account:
    """Return the peer's account of one fault; by default with its most durable storage."""
    with TemporaryDirectory(prefix="pledgewatch-peers-") as folder, _disk(Path(folder)) as disk:
        peer = ThingsBoard(PEERS_DIR / "thingsboard", storage=storage)
        key = Ours(Path(folder) / "unused").public_key
        return _run(peer, partial(peer.prepare, storage_dir=disk), fault, key, disk)


def _run(
    contender: Contender,
    prepare: Callable[[Site], None],
    fault: Callable[[Running], None],
    gateway_key: str,
    disk: Path,
) -> Account:
    with ExitStack() as stack:
        site = stack.enter_context(Site(LOAD, gateway=GATEWAY, gateway_key=gateway_key))
        prepare(site)
        child = contender.start(site)
        child.wait_until(lambda: site.arrived > 0, FIRST_S_MAX)
        _pass(STEADY_S)
        running = Running(site=site, contender=contender, child=child, disk=disk)
        fault(running)
        site.link.set(LinkState.OPEN)
        _pass(STEADY_S)
        site.stop_devices()
        site.settle(DRAIN_S_MAX, SETTLED_S)
        return site.account()


@contextmanager
def _disk(folder: Path) -> Generator[Path]:
    """Yield a folder on a small disk of its own, when we may mount one."""
    disk = folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        yield disk
        return
    size = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _pass(time_s: float) -> None:
    for _ in polls(time_s + 1.0, 1.0):
        pass


def _result(fault: Callable[[Running], None], ours: Account, peer: Account) -> Result:
    return Result(
        name=f"gateway_lost_{fault.__name__}",
        value=ours.lost,
        unit=f"readings of {ours.polled}, {ours.twice} twice",
        yardstick=f"thingsboard-gateway, sqlite, of {peer.polled}, {peer.twice} twice",
        yardstick_value=peer.lost,
        ratio=ours.lost / max(peer.lost, 1),
        goal="0",
        runs=1,
        spread=0.0,
        machine=machine(),
        command="make bench ONLY=gateway_faults",
    )


def main(
    fault: Annotated[str, typer.Argument(help=f"One of {', '.join(f.__name__ for f in FAULTS)}.")],
) -> None:
    """Run one fault with ours alone; print its account."""
    by_name = {each.__name__: each for each in FAULTS}
    if fault not in by_name:
        raise typer.BadParameter(f"{fault}: must be one of {', '.join(by_name)}")
    if by_name[fault] is disk_full and os.geteuid() != 0:
        raise typer.BadParameter("disk_full: must be root, which alone may mount a disk")
    account = run_ours(by_name[fault])
    typer.echo(
        f"{fault}: read {account.polled}, arrived {account.arrived}, lost {account.lost},"
        f" twice {account.twice}"
    )


if __name__ == "__main__":
    typer.run(main)
