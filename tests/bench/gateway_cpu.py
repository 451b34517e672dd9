"""What a reading costs a gateway: ours beside thingsboard-gateway and Node-RED.

Each polls the same Modbus TCP devices and sends to the same broker; ours signs and journals to
disk (SQLite, ``synchronous=FULL``) besides. Windows of one run are the runs of a result; a peer's
windows lie next to ours in time, never at the same time: the machine has few cores.

The peers are installed on first use below ``var/bench`` from the package registries.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from deploy.ports import polls
from deploy.processes import Child
from deploy.stack import ROOT
from tests.bench.peers.nodered import NodeRed
from tests.bench.peers.ours import GATEWAY, Ours
from tests.bench.peers.site import Load, Site, cpu_s, rss_mb
from tests.bench.peers.thingsboard import ThingsBoard
from tests.bench.results import RUNS_MIN, Measured, Result, summarise

PEERS_DIR: Final = ROOT / "var/bench"
FIRST_S_MAX: Final = 90.0
WARM_S: Final = 10.0  # thingsboard-gateway needs some seconds to reach its steady state.
WINDOW_S: Final = 8.0

TAGS: Final = Load(units=10, registers=100, poll_s=1.0, blocks=False)
BLOCKS: Final = Load(units=100, registers=100, poll_s=1.0)
HALF: Final = Load(units=50, registers=100, poll_s=1.0)
FAST: Final = Load(units=1, registers=100, poll_s=0.01)
IDLE: Final = Load(units=1, registers=1, poll_s=3_600.0)


class Contender(Protocol):
    """A gateway that can be started at a site."""

    name: str

    def prepare(self, site: Site) -> None:
        """Write its settings."""
        ...

    def start(self, site: Site, run: int = 0) -> Child:
        """Start it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One stretch of a run: shares of a core, readings a second, memory."""

    cpu_percent: float
    polled_per_s: float
    arrived_per_s: float
    rss_mb: float

    @property
    def cpu_per_1000(self) -> float:
        """Percent of a core for each 1,000 readings/s that arrived."""
        return self.cpu_percent / self.arrived_per_s * 1_000

    @property
    def forwarded(self) -> float:
        """Which share of what was polled arrived."""
        return self.arrived_per_s / self.polled_per_s


def measure() -> list[Result]:
    """Run every load with ours and the peer in turn."""
    PEERS_DIR.mkdir(parents=True, exist_ok=True)
    thingsboard = ThingsBoard(PEERS_DIR / "thingsboard")
    nodered = NodeRed(PEERS_DIR / "nodered")
    thingsboard.install()
    nodered.install()
    results: list[Result] = []
    tags = _both(TAGS, thingsboard)
    results.append(_cpu("gateway_cpu_tags", thingsboard, "<= 0.1", tags))
    blocks = _both(BLOCKS, thingsboard)
    results.append(_cpu("gateway_cpu_blocks", thingsboard, "<= 0.5", blocks))
    results.append(_memory(thingsboard, blocks))
    half = _both(HALF, nodered)
    results.append(_cpu("gateway_cpu_half", nodered, "<= 1", half))
    fast = _both(FAST, thingsboard)
    what = _what("gateway_fast_polls", "of polled", thingsboard, ">= 0.99: all but the last batch")
    results.append(summarise(what, *[[w.forwarded for w in side] for side in fast]))
    idle = _both(IDLE, thingsboard)
    what = _what("gateway_idle_cpu", "% of a core", thingsboard, "< 2 % of a core")
    results.append(summarise(what, *[[w.cpu_percent for w in side] for side in idle]))
    return results


def _both(load: Load, peer: Contender) -> tuple[Sequence[Window], Sequence[Window]]:
    with TemporaryDirectory(prefix="pledgewatch-peers-") as folder:
        ours = Ours(Path(folder))
        key = ours.public_key
        return _windows(load, ours, key), _windows(load, peer, key)


def _windows(load: Load, contender: Contender, gateway_key: str) -> list[Window]:
    with ExitStack() as stack:
        site = stack.enter_context(Site(load, gateway=GATEWAY, gateway_key=gateway_key))
        contender.prepare(site)
        child = contender.start(site)
        if load is not IDLE:
            child.wait_until(lambda: site.arrived > 0, FIRST_S_MAX)
        _pass(WARM_S)
        return [_window(site, child.pid) for _ in range(RUNS_MIN)]


def _window(site: Site, pid: int) -> Window:
    before = (time.perf_counter(), cpu_s(pid), *site.polled, site.arrived)
    _pass(WINDOW_S)
    after = (time.perf_counter(), cpu_s(pid), *site.polled, site.arrived)
    took_s, cpu, polled_s, polled, arrived = (b - a for a, b in zip(before, after, strict=True))
    return Window(
        cpu_percent=cpu / took_s * 100,
        polled_per_s=polled / polled_s,
        arrived_per_s=arrived / took_s,
        rss_mb=rss_mb(pid),
    )


def _pass(time_s: float) -> None:
    """Let time pass: what is measured is a rate."""
    for _ in polls(time_s + 1.0, 1.0):
        pass


def _cpu(
    name: str, peer: Contender, goal: str, sides: tuple[Sequence[Window], Sequence[Window]]
) -> Result:
    what = _what(name, "% of a core per 1,000 readings/s", peer, goal)
    return summarise(what, *[[w.cpu_per_1000 for w in side] for side in sides])


def _memory(peer: Contender, sides: tuple[Sequence[Window], Sequence[Window]]) -> Result:
    what = _what("gateway_memory", "MB resident", peer, "<= 60 MB")
    return summarise(what, *[[w.rss_mb for w in side] for side in sides])


def _what(name: str, unit: str, peer: Contender, goal: str) -> Measured:
    return Measured(name=name, unit=unit, yardstick=f"{peer.name} on the same load", goal=goal)
