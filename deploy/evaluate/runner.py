"""Seeds over processes: each its own, no more at a time than there are jobs; Ctrl-C ends all."""

import gc
import os
import signal
import time
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.queues import Queue
from queue import Empty
from types import FrameType
from typing import Final, NoReturn

from deploy.errors import StopRequestedError
from deploy.evaluate.options import Options
from deploy.evaluate.outcome import Result
from deploy.evaluate.score import Truth, score
from deploy.evaluate.seed_run import SeedRun, run_seed
from firmware_sim.life import DAY_US
from firmware_sim.months.script import site_runs

MONTH_DAYS: Final = 30.0
POLL_S: Final = 0.2
# A run makes millions of small objects without cycles: looking for those seldom saves a tenth.
GC_ALLOCATIONS: Final = 200_000
RAISED_SHOWN_MAX: Final = 50

Told = Callable[[int, float], None]
Progress = tuple[int, float]

_TOLD: "list[Queue[Progress]]" = []  # Of a worker process: one, from its begin on.


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One seed."""

    options: Options
    seed: int


def evaluate_seed(job: Job, told: Callable[[float], None]) -> tuple[Result, SeedRun]:
    """Return what both detectors made of one seed, and all that came of it."""
    options = job.options
    began_s = time.process_time()
    gc.set_threshold(GC_ALLOCATIONS)
    runs = site_runs(
        options.scenario,
        seed=job.seed,
        sites=options.sites,
        days=options.days,
        without=options.without,
    )
    run = run_seed(runs, steps_us=options.step_s * 1_000_000, progress=told)
    pairs = zip(runs, run.registered, strict=True)
    truths = [Truth.of(each, own, run.silences) for each, own in pairs]
    ours = score(truths, run.alerts, job.seed)
    naive = score(truths, run.naive, job.seed)
    months = sum((each.ends_us - each.begins_us) / DAY_US / MONTH_DAYS for each in runs)
    raised: dict[str, int] = {}
    for (_, error), times in run.tally.raised.items():
        raised[error] = raised.get(error, 0) + times
    return Result(
        seed=job.seed,
        sites=len(runs),
        site_months=months,
        ours=ours,
        naive=naive,
        readings=run.readings,
        turns=run.tally.turns,
        cpu_s=time.process_time() - began_s,
        raised=tuple(sorted(raised.items(), key=lambda each: -each[1])[:RAISED_SHOWN_MAX]),
        compared=run.compared,
        differences=run.differences,
    ), run


def evaluate_all(options: Options, told: Told) -> list[Result]:
    """Return the results of all seeds in their order; ``told`` hears how far each one is."""
    if len(options.seeds) == 1 or options.jobs == 1:
        return [
            evaluate_seed(Job(options=options, seed=seed), lambda part, s=seed: told(s, part))[0]
            for seed in options.seeds
        ]
    results: dict[int, Result] = {}
    with _pool(options) as (pool, queue):
        waiting: dict[Future[Result], int] = {
            pool.submit(_work, Job(options=options, seed=seed)): seed for seed in options.seeds
        }
        while waiting:
            done, _ = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
            _drain(queue, told)
            for future in done:
                seed = waiting.pop(future)
                results[seed] = future.result()
                told(seed, 1.0)
    return [results[seed] for seed in options.seeds]


@contextmanager
def _pool(options: Options) -> "Generator[tuple[ProcessPoolExecutor, Queue[Progress]]]":
    """Yield worker processes and their way to tell of progress; none outlives this."""
    context = get_context("spawn")
    queue: Queue[Progress] = context.Queue()
    pool = ProcessPoolExecutor(
        max_workers=min(options.jobs, len(options.seeds)),
        mp_context=context,
        initializer=_begin_work,
        initargs=(queue,),
    )
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield pool, queue
    except BaseException:
        for process in active_children():
            process.terminate()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        pool.shutdown(cancel_futures=True)
        queue.close()
        queue.cancel_join_thread()


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise StopRequestedError(number)


def _begin_work(queue: "Queue[Progress]") -> None:
    """Let the parent decide what Ctrl-C means, and take the way to tell of progress."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _TOLD.append(queue)


def _work(job: Job) -> Result:
    """Evaluate a seed in a process of its own, for as long as somebody waits for it."""
    (queue,) = _TOLD
    parent = parent_process()

    def told(part: float) -> None:
        if parent is not None and not parent.is_alive():
            os._exit(1)  # Killed outright, it could not end this process any more.
        queue.put((job.seed, part))

    return evaluate_seed(job, told)[0]


def _drain(queue: "Queue[Progress]", told: Told) -> None:
    while True:
        try:
            seed, part = queue.get_nowait()
        except Empty:
            return
        told(seed, part)
