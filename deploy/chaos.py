"""Kills the programs at random moments of a running site, and then counts every reading.

Each kill is a SIGKILL, as a power cut would be, of a gateway, the worker, the broker or the
database, while incidents come and go. What must hold at the end: every reading that a gateway
journalled is stored, once, in an unbroken chain.
"""

import json
import random
import sys
import time
from collections import Counter
from typing import Any

import httpx
from rich.console import Console

from deploy.audit import drain, problems_of
from deploy.errors import DeployError
from deploy.processes import Supervisor
from deploy.stack import Stack, StackOptions

PAUSE_S = (0.2, 1.5)  # Between kills: sometimes before the last one has quite recovered.
DOWN_S = (0.0, 0.6)  # How long the killed program stays away.
DATABASE, BROKER = "database", "broker"


def run_chaos(options: StackOptions, kills: int) -> int:
    """Run it; return the exit code. The last line on stdout is JSON."""
    console = Console(highlight=False, stderr=True)
    rng = random.Random(options.seed)  # noqa: S311 - reproducible, not secret
    result: dict[str, Any] = {"ok": False, "seed": options.seed}
    try:
        with Supervisor() as supervisor:
            stack = Stack(options, supervisor)
            stack.start()
            killed = _kill_at_random(console, stack, rng, kills)
            audits = drain(stack)
            problems = problems_of(audits)
            for problem in problems:
                console.print(f"[red]{problem}[/red]", markup=True)
            result |= {
                "ok": not problems,
                "kills": dict(killed),
                "emitted": sum(audit.emitted for audit in audits),
                "stored": sum(audit.stored for audit in audits),
                "problems": problems,
            }
    except (DeployError, OSError) as error:
        console.print(f"[red]FAILED[/red] {error}", markup=True)
        result["error"] = str(error)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["ok"] else 1


def _kill_at_random(
    console: Console, stack: Stack, rng: random.Random, kills: int
) -> Counter[str]:
    targets = (*stack.scenario.gateways(), "worker", BROKER, DATABASE)
    killed: Counter[str] = Counter()
    with httpx.Client(base_url=stack.control_url, timeout=10.0, trust_env=False) as simulator:
        for number in range(kills):
            time.sleep(rng.uniform(*PAUSE_S))
            _stir(simulator, rng)
            target = rng.choice(targets)
            kill(stack, target)
            time.sleep(rng.uniform(*DOWN_S))
            start_again(stack, target)
            killed[target] += 1
            console.print(f"{number + 1:3d} killed {target}")
        for incident in simulator.get("/incidents").json():
            if incident["active"]:
                simulator.post(f"/incidents/{incident['id']}/undo")
    return killed


def kill(stack: Stack, target: str) -> None:
    """Kill a part of the stack with SIGKILL."""
    if target == DATABASE:
        assert stack.postgres.child is not None
        stack.postgres.child.kill()
    elif target == BROKER:
        stack.broker.kill()
    else:
        child = stack.daemons[target].child
        assert child is not None
        child.kill()


def start_again(stack: Stack, target: str) -> None:
    """Start a killed part again, and whatever died of its absence."""
    if target == DATABASE:
        stack.postgres.start()
    elif target == BROKER:
        stack.broker.start()
    else:
        stack.daemons[target].start()
    for daemon in stack.daemons.values():
        if daemon.child is not None and daemon.child.returncode() is not None:
            message = f"{daemon.program.name} did not outlive a kill of {target}"
            raise DeployError(f"{message}:\n{daemon.child.tail()}")


def _stir(simulator: httpx.Client, rng: random.Random) -> None:
    """Cause or undo an incident now and then; one that is refused is no matter."""
    active = [each for each in simulator.get("/incidents").json() if each["active"]]
    if active and rng.random() < 0.5:
        simulator.post(f"/incidents/{rng.choice(active)['id']}/undo")
    else:
        kinds = simulator.get("/kinds").json()["kinds"]
        simulator.post("/incidents", json={"kind": rng.choice(kinds)})
