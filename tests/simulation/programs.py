"""Runs ``python -m deploy`` as a child that leaves no process and no file behind."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.processes import Supervisor
from deploy.stack import ROOT, Stack, StackOptions, child_env

STOP_S_MAX = 40.0  # A child asked to stop ends its own children, each within a bounded time.
TAIL_CHARACTERS = 2_000  # Of each program's log: enough to see why it failed.
LOG_MAX = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a run ended: the JSON of its last line, and what it said meanwhile."""

    exit_code: int
    result: dict[str, Any]
    log: str


def run_deploy(command: str, *arguments: str, state_dir: Path, s_max: float) -> Told:
    """Run a command of ``python -m deploy`` with its state in ``state_dir``, and remove that.

    It is asked to stop after ``s_max`` seconds, and killed if it does not; the kernel then ends
    what it started.
    """
    state = state_dir / "state"
    argv = [sys.executable, "-m", "deploy", command, "--dir", str(state), *arguments]
    with (state_dir / "said.log").open("w+b") as said:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=child_env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        try:
            output = _output(process, s_max)
            said.seek(0)
            log = said.read().decode(errors="replace") + _tails(state / "log")
        finally:
            _end(process)
            Stack(StackOptions(state_dir=state), Supervisor()).remove()
    last = output.decode().strip().rpartition("\n")[2]
    return Told(
        exit_code=process.returncode, result=json.loads(last) if last else {}, log=log[-LOG_MAX:]
    )


def _output(process: subprocess.Popen[bytes], s_max: float) -> bytes:
    try:
        return process.communicate(timeout=s_max)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        return process.communicate(timeout=STOP_S_MAX)[0]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=STOP_S_MAX)
    assert process.stdout is not None
    process.stdout.close()


def _tails(folder: Path) -> str:
    """Return the last lines of each program's log."""
    parts = (
        f"\n--- {path.name}\n{path.read_text(errors='replace')[-TAIL_CHARACTERS:]}"
        for path in sorted(folder.glob("*.log"))
    )
    return "".join(parts)
