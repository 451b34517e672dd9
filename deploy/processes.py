"""Child processes that never outlive their launcher.

A :class:`Child` is one process with its own log file, session and process group. A
:class:`Supervisor` starts children and services in order, notices deaths, and ends everything in
reverse order: on leaving its ``with`` block, on Ctrl-C and on SIGTERM. On Linux the kernel ends
the children even when the launcher is killed with SIGKILL (``PR_SET_PDEATHSIG``).

It does not watch grandchildren: a child that forks must end its own. And the kernel's signal comes
when the *thread* that started a child ends, so start children from the main thread.
"""

import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import BinaryIO, Protocol, Self

from deploy.errors import ChildDiedError, NotReadyError, StopRequestedError
from deploy.ports import polls

LOG_BYTES_MAX = (
    16 * 1024 * 1024
)  # A demo left running must not fill the disk: one old file is kept.
LOG_TAIL_BYTES = 4096  # About twenty lines: enough to see why a program died.
STOP_S = 10.0  # A database needs the longest: it writes a checkpoint.
KILL_S = 5.0  # After SIGKILL only a process stuck in the kernel takes longer.
READY_S = 60.0  # A cold start on two busy cores, with a database that first recovers.
WATCH_EVERY_S = 0.2
CHORE_EVERY = 10  # Rounds of watching: two seconds.

_PR_SET_PDEATHSIG = 1  # prctl(2)
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Handler = Callable[[int, FrameType | None], object] | int | None  # As signal.signal returns it.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The unprivileged account that a child runs as when the launcher is root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, and how it likes to be stopped."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    stop_s: float = STOP_S


class Child:
    """One process that can be started, watched, stopped, killed and started again."""

    def __init__(self, program: Program, log_path: Path) -> None:
        self.program = program
        self.log_path = log_path
        self._popen: subprocess.Popen[bytes] | None = None
        self._ended_with: int | None = None

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    @property
    def pid(self) -> int:
        """The process id; only while it runs."""
        assert self._popen is not None, f"{self.name} does not run"
        return self._popen.pid

    def start(self) -> None:
        """Start the process; its output goes to the end of the log file."""
        assert self._popen is None, f"{self.name} already runs"
        with _open_log(self.log_path) as log:
            self._popen = spawn(self.program, log.fileno())
        self._ended_with = None

    def returncode(self) -> int | None:
        """Return how the process ended (negative: by that signal), or None while it runs."""
        if self._popen is not None and _has_exited(self._popen.pid):
            self._reap()
        return self._ended_with

    def ask_to_stop(self) -> None:
        """Send the program its stop signal, without waiting."""
        if self._popen is not None:
            # Not Popen.send_signal: that collects the exit status of a process that has ended.
            os.kill(self._popen.pid, self.program.stop_signal)

    def stop(self) -> None:
        """Stop the process, with SIGKILL if it ignores its stop signal, and its whole group."""
        self.ask_to_stop()
        if self._popen is not None:
            for _ in polls(self.program.stop_s, every_s=0.02):
                if _has_exited(self._popen.pid):
                    break
            self._reap()

    def kill(self) -> None:
        """End the process at once with SIGKILL, as a power cut would."""
        if self._popen is not None:
            self._reap()

    def tail(self) -> str:
        """Return the last lines of the log."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - LOG_TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except FileNotFoundError:
            return "(no log)"

    def died(self, returncode: int) -> ChildDiedError:
        """Return the error that says how the process ended and what it said last."""
        return ChildDiedError(self.name, returncode, self.log_path, self.tail())

    def wait_until(self, ready: Callable[[], bool], limit_s: float = READY_S) -> None:
        """Wait until ``ready`` says yes.

        Raises:
            ChildDiedError: the process ended instead.
            NotReadyError: it was not ready in time; it still runs.
        """
        for _ in polls(limit_s):
            if (returncode := self.returncode()) is not None:
                raise self.died(returncode)
            if ready():
                return
        raise NotReadyError(self.name, limit_s, self.log_path, self.tail())

    def _reap(self) -> None:
        """Kill the group and collect the exit status.

        The leader is collected last: until then its process group's number cannot be reused.
        """
        assert self._popen is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._ended_with = self._popen.wait(timeout=KILL_S)
        self._popen = None


class Service(Protocol):
    """Something with a child process that a supervisor can start, watch and stop."""

    @property
    def child(self) -> Child | None:
        """The process, once started."""
        ...

    def start(self) -> None:
        """Start it and return when it is ready."""
        ...

    def stop(self) -> None:
        """Stop it; no error if it does not run."""
        ...


def _always_ready() -> bool:
    return True


def _nothing() -> None:
    pass


@dataclass(slots=True, kw_only=True)
class Daemon:
    """A plain program as a service: started, then polled until ready."""

    program: Program
    log_dir: Path
    ready: Callable[[], bool] = _always_ready
    ready_s: float = READY_S
    restarts_max: int = 0
    restarts: int = field(default=0, init=False)
    child: Child | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the program and wait until it is ready."""
        if self.child is None:
            self.child = Child(self.program, self.log_dir / f"{self.program.name}.log")
        self.child.start()
        self.child.wait_until(self.ready, self.ready_s)

    def stop(self) -> None:
        """Stop the program."""
        if self.child is not None:
            self.child.stop()

    def may_restart(self) -> bool:
        """Count one restart and tell whether it is still allowed."""
        self.restarts += 1
        return self.restarts <= self.restarts_max


class Supervisor:
    """Starts services in order, notices when one dies, stops all in reverse order.

    Leaving the ``with`` block by a stop signal is a normal end: ``stop_signal`` then says which.
    """

    def __init__(self) -> None:
        self.stop_signal: int | None = None
        self._services: list[Service] = []
        self._handlers: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        """Take over the stop signals."""
        if threading.current_thread() is threading.main_thread():
            for number in _STOP_SIGNALS:
                self._handlers[number] = signal.signal(number, self._request_stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Stop everything; signals that come meanwhile are ignored, since each wait is bounded."""
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)
        try:
            self.stop_all()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
        return isinstance(error, StopRequestedError)

    def add(self, service: Service) -> None:
        """Start ``service`` and watch it from then on; stop it even if it failed to start."""
        self._services.append(service)
        service.start()

    def check(self) -> None:
        """Restart what died and may be restarted.

        Raises:
            ChildDiedError: a service died that may not be restarted (any more).
        """
        for service in self._services:
            if service.child is None or (returncode := service.child.returncode()) is None:
                continue
            if isinstance(service, Daemon) and service.may_restart():
                service.start()
            else:
                raise service.child.died(returncode)

    def wait(self, chore: Callable[[], None] = _nothing) -> None:
        """Watch until ``StopRequestedError`` or ``ChildDiedError`` ends it.

        ``chore`` is done every ``CHORE_EVERY`` rounds; what it raises ends it too.
        """
        for turn in itertools.count():
            self.check()
            if turn % CHORE_EVERY == 0:
                chore()
            time.sleep(WATCH_EVERY_S)

    def stop_all(self) -> None:
        """Stop every service, the last started first, even when one of them fails to stop."""
        for service in reversed(self._services):
            # Plain programs hear it together, databases and brokers when their clients are gone.
            if isinstance(service, Daemon) and service.child is not None:
                service.child.ask_to_stop()
        with contextlib.ExitStack() as stack:
            for service in self._services:
                stack.callback(service.stop)
        self._services.clear()

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = number
        raise StopRequestedError(number)


def spawn(program: Program, output_fd: int) -> subprocess.Popen[bytes]:
    """Start a program in its own session, so that a Ctrl-C reaches the launcher alone."""
    account = program.account
    return subprocess.Popen(  # noqa: S603 - the one place that starts programs: argv lists, no shell
        program.argv,
        stdin=subprocess.DEVNULL,
        stdout=output_fd,
        stderr=subprocess.STDOUT,
        env=program.env,
        # A folder that every account can enter: the launcher's own may be private to root.
        cwd=program.cwd or Path("/"),
        start_new_session=True,
        umask=0o077,
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
        preexec_fn=_tie_to_parent(program.death_signal),
    )


def run_to_end(
    program: Program, log_path: Path, limit_s: float, exit_codes: Collection[int] = (0,)
) -> None:
    """Run a short program to its end, its output going to the end of ``log_path``.

    Raises:
        ChildDiedError: it ended with none of ``exit_codes``.
        NotReadyError: it did not end within ``limit_s`` and was killed.
    """
    child = Child(program, log_path)
    child.start()
    try:
        for _ in polls(limit_s, every_s=0.02):
            if (returncode := child.returncode()) is not None:
                break
        else:
            raise NotReadyError(child.name, limit_s, log_path, child.tail())
    finally:
        child.kill()
    if returncode not in exit_codes:
        raise child.died(returncode)


def output_of(
    program: Program, limit_s: float = READY_S, exit_codes: Collection[int] = (0,)
) -> str:
    """Run a short program and return what it printed.

    Raises:
        ChildDiedError: it ended with none of ``exit_codes``.
        PermissionError: its account may not run it.
    """
    with tempfile.TemporaryDirectory() as folder:
        log_path = Path(folder) / "output"
        run_to_end(program, log_path, limit_s, exit_codes)
        return log_path.read_text(errors="replace")


def _tie_to_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Return what the child does before exec: ask the kernel for ``death_signal`` when we die."""
    parent_pid = os.getpid()

    def tie() -> None:
        if _LIBC is not None:
            # After the change of user, which clears it (prctl(2)).
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent_pid:  # The parent died before prctl was called.
                os._exit(1)

    return tie


def _has_exited(pid: int) -> bool:
    """Tell whether our child ended, and leave its exit status to be collected."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, flags) is not None


def _open_log(path: Path) -> BinaryIO:
    """Open a log file for appending, readable by its owner only; a big one is put aside first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".old.log"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
