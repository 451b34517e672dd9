"""Cases until the time is over; each failure once, as small as it could be made."""

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

from tests.fuzz.findings import Finding, save_finding
from tests.fuzz.mutate import make_case, make_cuts, make_long_case
from tests.fuzz.mutate_cbor import make_cbor_case
from tests.fuzz.seeds import load_seeds
from tests.fuzz.targets import BrokenError, Target

FINDINGS_MAX: Final = 10  # Of one target in one run; after that somebody must look.
LONG_CASE_EACH: Final = 2_000  # One case in so many is long: it takes as much time as the others.
SIGNED_CASES: Final = 0.7  # So many cases of a signed message change what it says, not its bytes.
SHRINKS_MAX: Final = 400
PROGRESS_S: Final = 10.0


@dataclass(slots=True)
class Summary:
    """What a run of one target came to."""

    family: str
    seconds: float = 0.0
    cases: int = 0
    bytes: int = 0
    findings: int = 0
    whys: list[str] = field(default_factory=list[str])


def fuzz(
    target: Target,
    *,
    seed: int,
    folder: Path,
    seconds: float | None = None,
    cases_max: int | None = None,
    progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Return what came of feeding mutated seeds to ``target`` for so long, or so many cases."""
    random = Random(f"{target.name}:{seed}")
    seeds = load_seeds(target.name)
    summary = Summary(target.name)
    begun_s = told_s = perf_counter()
    while (seconds is None or perf_counter() - begun_s < seconds) and (
        cases_max is None or summary.cases < cases_max
    ):
        if target.streamed and summary.cases % LONG_CASE_EACH == LONG_CASE_EACH - 1:
            data = make_long_case(seeds, random)
        elif target.signed and random.random() < SIGNED_CASES:
            data = make_cbor_case(seeds, random)
        else:
            data = make_case(seeds, random)
        cuts = make_cuts(len(data), random)
        summary.cases += 1
        summary.bytes += len(data)
        why = failure(target, data, cuts)
        if why is not None and why not in summary.whys:
            summary.whys.append(why)
            summary.findings += 1
            data, cuts = shrink(target, data, cuts, why)
            save_finding(folder, Finding(
                target=target.name, why=why, seed=seed, data=data.hex(), cuts=list(cuts)
            ))  # fmt: skip
            if summary.findings >= FINDINGS_MAX:
                break
        if progress is not None and perf_counter() - told_s >= PROGRESS_S:
            told_s = perf_counter()
            summary.seconds = round(told_s - begun_s, 1)
            progress(summary)
    summary.seconds = round(perf_counter() - begun_s, 1)
    return summary


def failure(target: Target, data: bytes, cuts: Sequence[int]) -> str | None:
    """Return how ``target`` fails on ``data``, without what depends on the bytes; None if not."""
    try:
        target.check(data, cuts)
    except BrokenError as error:
        return str(error).partition(":")[0]
    except Exception as error:  # noqa: BLE001 - any exception at all is what is looked for
        frame = traceback.extract_tb(sys.exc_info()[2])[-1]
        return f"{type(error).__name__} in {Path(frame.filename).name}, {frame.name}"
    return None


def shrink(
    target: Target, data: bytes, cuts: Sequence[int], why: str
) -> tuple[bytes, Sequence[int]]:
    """Return less bytes that fail in the same way, and where they are cut."""
    tries = 0
    size = len(data) // 2
    while size and tries < SHRINKS_MAX:
        begin = 0
        while begin < len(data) and tries < SHRINKS_MAX:
            tries += 1
            less = data[:begin] + data[begin + size :]
            moved = sorted(min(max(c - size, begin) if c > begin else c, len(less)) for c in cuts)
            if failure(target, less, moved) == why:
                data, cuts = less, moved
            else:
                begin += size
        size //= 2
    return data, cuts
