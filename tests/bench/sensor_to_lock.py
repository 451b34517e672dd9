"""How long from a device's first bytes that show an incident until its lock is committed.

The real stack with its simulated site, gateways and broker, first without other load, then with
20,000 readings a second from gateways that only load. Beside the figures it prints where the time
went, for each kind of incident.
"""

import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from deploy.lock_watch import LockWatch
from deploy.ports import LOOPBACK, polls
from deploy.processes import Daemon, Supervisor
from deploy.stack import Stack, StackOptions
from deploy.story_incidents import CASES, Played, Stage, StoryError
from tests.bench.load_gateways import LoadPlan, LoadReport
from tests.bench.load_stream import READINGS, LoadStream, gateway_names
from tests.bench.lock_trace import Parts, trace
from tests.bench.results import Result, machine, quantile, significant
from tests.bench.rig import count_readings, load_program

INCIDENTS = 24  # Three rounds of the story's eight cases, of six kinds.
GATEWAYS = 10
SENSORS = 64
READINGS_PER_S = 20_000
LOAD_S_MAX = 1_200  # Far beyond what the incidents take; then the load ends by itself.
FLOWING_READINGS = 100_000  # Stored before the first incident under load.
FLOWING_S_MAX = 60.0
SHARES = (("sensor_to_lock", 0.5, "p50 < 150 ms"), ("sensor_to_lock_p99", 0.99, "p99 < 500 ms"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """An incident and where its time went."""

    played: Played
    parts: Parts | None

    @property
    def ms(self) -> float:
        """From the first bytes to the lock."""
        return self.played.sensor_to_lock_us / 1_000


def measure() -> list[Result]:
    """Play the incidents without and with load; return median and 99th percentile."""
    folder = Path(tempfile.mkdtemp(prefix="pledgewatch-bench-"))
    options = StackOptions(state_dir=folder / "stack")
    results: list[Result] = []
    try:
        with Supervisor() as supervisor:
            stack = Stack(options, supervisor)
            stack.start()
            with _stage(stack) as stage:
                quiet = _play_all(stack, stage)
                with _load(stack, supervisor, folder):
                    busy = _play_all(stack, stage)
            report = msgspec.json.decode((folder / "report.json").read_bytes(), type=LoadReport)
            _tell(quiet, busy, report)
            results = [_result(name, share, goal, busy, quiet) for name, share, goal in SHARES]
    finally:
        Stack(options, Supervisor()).remove()
        shutil.rmtree(folder)
    return results


@contextmanager
def _stage(stack: Stack) -> Generator[Stage]:
    with (
        stack.log_in("lender") as lender,
        stack.log_in("borrower") as borrower,
        LockWatch(stack.postgres.url) as watch,
    ):
        stage = Stage(
            control_url=stack.control_url,
            lender=lender,
            borrower=borrower,
            seeded=stack.seeded,
            watch=watch,
        )
        try:
            for name in stage.facilities:
                stage.wait_unlocked(name)
            yield stage
        finally:
            stage.close()


def _play_all(stack: Stack, stage: Stage) -> list[Traced]:
    played = [stage.play(CASES[number % len(CASES)]) for number in range(INCIDENTS)]
    return [Traced(played=one, parts=trace(stack.postgres.url, one)) for one in played]


@contextmanager
def _load(stack: Stack, supervisor: Supervisor, folder: Path) -> Generator[None]:
    """Enrol loading gateways, let them publish meanwhile, and wait for their last receipts."""
    names = gateway_names(GATEWAYS)
    backend_key, passwords = "", dict[str, str]()
    with stack.log_in("operator") as operator:
        site_id = operator.get("/api/sites")[0]["id"]
        for name in names:
            operator.post("/api/gateways", {"id": name, "site_id": site_id})
            code = operator.post(f"/api/gateways/{name}/enrolment-codes")["code"]
            public_key = LoadStream(name, sensors=SENSORS).public_key.hex()
            body = {"code": code, "gateway_id": name, "public_key": public_key}
            answer = operator.post("/api/enrol", body)
            backend_key, passwords[name] = answer["backend_key"], answer["broker"]["password"]
            stack.broker.add_user(name, passwords[name])
    plan = LoadPlan(
        host=LOOPBACK,
        port=stack.broker.port,
        backend_key=backend_key,
        passwords=passwords,
        sensors=SENSORS,
        envelopes=LOAD_S_MAX * READINGS_PER_S // READINGS // GATEWAYS,
        start_unix_us=0,
        readings_per_s=READINGS_PER_S,
    )
    plan_file, report_file = folder / "plan.json", folder / "report.json"
    plan_file.write_bytes(msgspec.json.encode(plan))
    before = count_readings(stack.postgres.url)
    load = Daemon(program=load_program(plan_file, report_file), log_dir=stack.dir / "log")
    supervisor.add(load)
    for _ in polls(FLOWING_S_MAX, every_s=0.5):
        supervisor.check()
        if count_readings(stack.postgres.url) - before > FLOWING_READINGS:
            break
    else:
        message = f"the load does not flow: {FLOWING_READINGS} readings in {FLOWING_S_MAX} s"
        raise StoryError(message)
    yield
    supervisor.check()
    load.stop()


def _result(
    name: str, share: float, goal: str, busy: Sequence[Traced], quiet: Sequence[Traced]
) -> Result:
    values = [one.ms for one in busy]
    value, yardstick = quantile(values, share), quantile([one.ms for one in quiet], share)
    return Result(
        name=name,
        value=significant(value),
        unit="ms",
        yardstick="the same incidents without the background load",
        yardstick_value=significant(yardstick),
        ratio=significant(value / yardstick),
        goal=goal,
        runs=len(values),
        spread=significant((max(values) - min(values)) / median(values)),
        machine=machine(),
        command="make bench ONLY=sensor_to_lock",
    )


def _tell(quiet: Sequence[Traced], busy: Sequence[Traced], report: LoadReport) -> None:
    """Print where the time went, and whether the load was what it should be."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    took_s = (report.ended_unix_us - report.began_unix_us) / 1e6
    rate = report.receipted * READINGS / took_s
    console.print(
        f"Load: {report.receipted:,} envelopes, {rate:,.0f} readings/s stored over "
        f"{took_s:.0f} s, at most {report.behind_ms_max:.0f} ms behind, "
        f"{report.resends} times sent again, {report.cpu_s / took_s:.0%} of a core"
    )
    console.print(_table("Without load, ms (median of each kind)", quiet))
    console.print(_table(f"With {READINGS_PER_S:,} readings/s, ms (median of each kind)", busy))


def _table(title: str, traced: Sequence[Traced]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("kind")
    for column in ("n", "all", "max", *(part.name for part in fields(Parts))):
        table.add_column(column, justify="right")
    kinds = sorted({one.played.kind for one in traced})
    groups = [(kind, [one for one in traced if one.played.kind == kind]) for kind in kinds]
    for kind, group in [*groups, ("all", list(traced))]:
        whole = [one.ms for one in group]
        known = [astuple(one.parts) for one in group if one.parts is not None]
        parts = [f"{median(column):.0f}" for column in zip(*known, strict=True)]
        table.add_row(kind, str(len(group)), f"{median(whole):.0f}", f"{max(whole):.0f}", *parts)
    return table
