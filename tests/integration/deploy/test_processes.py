"""Children of the launcher: they start, report how they died, and never outlive it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import ChildDiedError, NotReadyError
from deploy.ports import polls
from deploy.processes import Child, Daemon, Program, Supervisor

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(600)",
)
LAUNCHER = """
import sys
from pathlib import Path
from deploy.processes import Daemon, Program, Supervisor

folder = Path(sys.argv[1])
sleeper = (sys.executable, "-c", "import time; time.sleep(600)")
with Supervisor() as supervisor:
    for name in ("one", "two"):
        daemon = Daemon(program=Program(name=name, argv=sleeper), log_dir=folder)
        supervisor.add(daemon)
        print(daemon.child.pid, flush=True)
    print("up", flush=True)
    supervisor.wait()
print("stopped", flush=True)
"""


def eventually(condition: Callable[[], bool], limit_s: float = 10.0) -> bool:
    """Poll until ``condition`` holds."""
    return any(condition() for _ in polls(limit_s))


def runs(pid: int) -> bool:
    """Tell whether a process exists and is no zombie (a container's init may collect none)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def child_of(folder: Path, argv: tuple[str, ...], stop_s: float = 5.0) -> Child:
    """Return a child that is not started yet."""
    return Child(Program(name="program", argv=argv, stop_s=stop_s), folder / "program.log")


def launch(folder: Path) -> tuple["subprocess.Popen[str]", list[int]]:
    """Start a launcher with two children and return it with their ids once all run."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert launcher.stdout is not None
    lines = [launcher.stdout.readline().strip() for _ in range(3)]
    assert lines[2] == "up"
    return launcher, [int(line) for line in lines[:2]]


def test_child_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    """The error of a dead child names the exit code and quotes the end of its log."""
    child = child_of(
        tmp_path, (sys.executable, "-c", "print('out of paper'); raise SystemExit(3)")
    )
    child.start()

    with pytest.raises(ChildDiedError, match=r"exit code 3(.|\n)*out of paper"):
        child.wait_until(lambda: False, limit_s=20)


def test_child_that_is_never_ready_is_an_error_within_the_limit(tmp_path: Path) -> None:
    """A wait for readiness is bounded."""
    child = child_of(tmp_path, SLEEPER)
    child.start()
    try:
        with pytest.raises(NotReadyError, match=r"not ready after 0.2 s"):
            child.wait_until(lambda: False, limit_s=0.2)
    finally:
        child.kill()


def test_child_that_ignores_its_stop_signal_is_killed(tmp_path: Path) -> None:
    """A deaf child is gone after its time, by SIGKILL."""
    child = child_of(tmp_path, STUBBORN, stop_s=0.2)
    child.start()
    child.wait_until(lambda: "deaf" in child.tail())

    child.stop()

    assert child.returncode() == -signal.SIGKILL


def test_killed_child_can_be_started_again(tmp_path: Path) -> None:
    """Kill and start give another process and one log."""
    child = child_of(tmp_path, SLEEPER)
    child.start()
    first = child.pid
    child.kill()
    child.start()
    try:
        assert child.pid != first
        assert not runs(first)
    finally:
        child.stop()
    assert child.returncode() == -signal.SIGTERM


def test_log_is_private(tmp_path: Path) -> None:
    """A log may quote secrets: only its owner reads it."""
    child = child_of(tmp_path, SLEEPER)
    child.start()
    child.stop()

    assert child.log_path.stat().st_mode & 0o777 == 0o600


def test_supervisor_restarts_as_often_as_allowed_and_then_tells(tmp_path: Path) -> None:
    """One restart allowed: the first death is repaired, the second is an error."""
    daemon = Daemon(program=Program(name="flaky", argv=SLEEPER), log_dir=tmp_path, restarts_max=1)
    with Supervisor() as supervisor:
        supervisor.add(daemon)
        assert daemon.child is not None
        os.kill(daemon.child.pid, signal.SIGKILL)
        assert eventually(lambda: supervisor.check() is None and daemon.restarts == 1)
        assert daemon.child.returncode() is None
        daemon.child.kill()
        with pytest.raises(ChildDiedError, match="flaky ended by signal 9"):
            supervisor.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_signal_ends_launcher_and_children(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end every child, and the launcher normally."""
    launcher, children = launch(tmp_path)

    launcher.send_signal(number)
    output, _ = launcher.communicate(timeout=20)

    assert launcher.returncode == 0
    assert "stopped" in output
    assert not any(runs(pid) for pid in children)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_nothing_survives_a_killed_launcher(tmp_path: Path) -> None:
    """After kill -9 of the launcher no child is left."""
    launcher, children = launch(tmp_path)

    launcher.kill()
    launcher.communicate(timeout=20)

    assert eventually(lambda: not any(runs(pid) for pid in children))
