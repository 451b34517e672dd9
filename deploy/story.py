"""The main job from end to end without a person, and what was measured on the way.

Registers and pledges lots, values them, draws, steals a pallet, sees the lock and the refused
second drawdown, repays while locked, recovers, plays many more incidents, lets the price fall
through the margin-call line and recover, and at the end counts: every reading that a gateway
journalled is stored, once.
"""

import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any
from uuid import uuid4

from rich.console import Console

from deploy.audit import drain, problems_of
from deploy.client import ApiClient
from deploy.errors import DeployError
from deploy.lock_watch import LockWatch
from deploy.processes import Supervisor
from deploy.stack import Stack, StackOptions
from deploy.story_incidents import CASES, Played, Stage, StoryError

COVERAGE_AIM_BPS = 15_150  # Just above the warning line; a fall of 15 % crosses the call line.
REPAID_MINOR = 10_000
RECOVER_S_MAX = (
    120.0  # Coverage stays above the line for some prices, which come every few seconds.
)


def run_story(options: StackOptions, incidents: int) -> int:
    """Play the story; return the exit code. The last line on stdout is JSON."""
    console = Console(highlight=False, stderr=True)
    result: dict[str, Any] = {"ok": False}
    try:
        with Supervisor() as supervisor:
            stack = Stack(options, supervisor)
            console.print("Starting the stack ...")
            stack.start()
            with (
                stack.log_in("lender") as lender,
                stack.log_in("borrower") as borrower,
                LockWatch(stack.postgres.url) as watch,
            ):
                result = _play(console, stack, lender, borrower, watch, incidents)
    except (DeployError, OSError) as error:
        console.print(f"[red]FAILED[/red] {error}", markup=True)
        result["error"] = str(error)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["ok"] else 1


def _play(
    console: Console,
    stack: Stack,
    lender: ApiClient,
    borrower: ApiClient,
    watch: LockWatch,
    incidents: int,
) -> dict[str, Any]:
    stage = Stage(
        control_url=stack.control_url,
        lender=lender,
        borrower=borrower,
        seeded=stack.seeded,
        watch=watch,
    )
    try:
        console.print("Waiting until every lot is seen, weighed and valued ...")
        for name in stage.facilities:
            stage.wait_unlocked(name)
        _draw(console, stage)
        refused = _steal(console, stage)
        played = _play_incidents(console, stage, incidents)
        refused += _price_fall(console, stage)
    finally:
        stage.close()
    sent, stored = _count_readings(console, stack)
    return {
        "ok": sent == stored,
        "incidents": len(played),
        "sensor_to_lock_ms": _quantiles(one.sensor_to_lock_us for one in played),
        "by_kind": {
            kind: _quantiles(one.sensor_to_lock_us for one in played if one.kind == kind)
            for kind in sorted({one.kind for one in played})
        },
        "readings_sent": sent,
        "readings_stored": stored,
        "refused_drawdowns": refused + [reason for one in played for reason in one.refused],
    }


def _play_incidents(console: Console, stage: Stage, incidents: int) -> list[Played]:
    """Play the incidents of each facility one after the other, the facilities side by side."""
    metals = incidents * 3 // 5  # Scales recover sooner than a cold store does.
    counts = {"Metals": metals, "Provisions": incidents - metals}

    def play(facility: str) -> list[Played]:
        cases = cycle(case for case in CASES if case.facility == facility)
        return [_tell(console, stage.play(case)) for case in islice(cases, counts[facility])]

    with ThreadPoolExecutor(len(counts)) as threads:
        played = list(threads.map(play, counts))
    return [one for each in played for one in each]


def _draw(console: Console, stage: Stage) -> None:
    """Borrow on the metals until coverage is near the warning line."""
    before = stage.facility("Metals")
    amount = before["value_minor"] * 10_000 // COVERAGE_AIM_BPS
    drawdown_id = str(uuid4())
    body = {"id": drawdown_id, "amount_minor": amount}
    stage.borrower.post(f"/api/facilities/{stage.facilities['Metals']}/drawdowns", body)
    stage.lender.post(f"/api/drawdowns/{drawdown_id}/authorise")
    stage.lender.post(f"/api/drawdowns/{drawdown_id}/disburse")
    after = stage.facility("Metals")
    _check(
        after["exposure_minor"] == amount, f"exposure is {after['exposure_minor']}, not {amount}"
    )
    console.print(f"Drew {amount / 100:,.2f} USD; coverage {after['coverage_bps'] / 100:.1f} %.")


def _steal(console: Console, stage: Stage) -> list[dict[str, Any]]:
    """Steal a pallet: locked, refused; repaying stays possible; put back, resolved, unlocked."""
    after_id = stage.watch.last_id()
    incident = stage.cause("take_pallet", "copper")
    facility_id = stage.facilities["Metals"]
    lock = stage.watch.wait_for(facility_id, after_id, frozenset({"QUANTITY_SHORT"}), 45.0)
    _check(lock is not None, "the theft of a pallet locked nothing")
    assert lock is not None
    console.print(f"Stole a pallet: locked, {lock.reason}: {lock.detail}")
    refused = stage.refused_drawdown("Metals")
    console.print(f"Second drawdown refused: {', '.join(str(r['code']) for r in refused)}")
    before = stage.facility("Metals")["exposure_minor"]
    body = {"id": str(uuid4()), "amount_minor": REPAID_MINOR}
    stage.borrower.post(f"/api/facilities/{facility_id}/repayments", body)
    after = stage.facility("Metals")
    _check(
        after["exposure_minor"] == before - REPAID_MINOR, "repayment while locked did not count"
    )
    console.print(f"Repaid {REPAID_MINOR / 100:,.2f} USD while locked.")
    stage.undo(incident["id"])
    stage.wait_unlocked("Metals")
    console.print("Pallet back, alert resolved, lock lifted.")
    return refused


def _price_fall(console: Console, stage: Stage) -> list[dict[str, Any]]:
    """Let both metals fall by 15 % through the margin-call line, then recover."""
    after_id = stage.watch.last_id()
    facility_id = stage.facilities["Metals"]
    falls = [stage.cause("price_drop", lot) for lot in ("copper", "aluminium")]
    lock = stage.watch.wait_for(facility_id, after_id, frozenset({"BELOW_CALL_LINE"}), 45.0)
    _check(lock is not None, "a fall of 15 % crossed no margin-call line")
    assert lock is not None
    console.print(f"Metals fell by 15 %: {lock.detail}")
    refused = stage.refused_drawdown("Metals")
    for fall in falls:
        stage.undo(fall["id"])
    stage.wait_unlocked("Metals", RECOVER_S_MAX)
    console.print("Prices recovered, and after several valuations so did the line.")
    return refused


def _count_readings(console: Console, stack: Stack) -> tuple[int, int]:
    """Let the gateways send what is left, and count both ends."""
    audits = drain(stack)
    for problem in problems_of(audits):
        console.print(f"[red]{problem}[/red]", markup=True)
    sent = sum(audit.emitted for audit in audits)
    stored = sum(audit.stored for audit in audits)
    console.print(f"Readings journalled by gateways {sent}, stored {stored}.")
    _check(all(audit.whole for audit in audits), "a stream is not whole")
    return sent, stored


def _tell(console: Console, played: Played) -> Played:
    codes = ", ".join(str(reason["code"]) for reason in played.refused)
    console.print(
        f"  {played.kind:22s} {played.lot:10s} {played.reason:15s} "
        f"{played.sensor_to_lock_us / 1000:8.0f} ms   refused: {codes}"
    )
    return played


def _quantiles(values_us: Iterable[int]) -> dict[str, float | int]:
    """Return count, median, 99th percentile (nearest rank) and maximum, in milliseconds."""
    ordered = sorted(values_us)
    if not ordered:
        return {"n": 0}

    def rank(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000

    return {"n": len(ordered), "p50": rank(0.5), "p99": rank(0.99), "max": ordered[-1] / 1000}


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StoryError(otherwise)
