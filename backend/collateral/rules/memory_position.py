"""What is remembered of where a lot is, as the JSON that is stored; anything else raises."""

from typing import Any

from backend.collateral.rules.samples import sample_json, sample_of
from backend.collateral.types import Crossing, Fence, FixRun, Rest


def fence_json(fence: Fence) -> dict[str, object]:
    """Return a fence as JSON; what says nothing is left out."""
    stored: dict[str, object] = {"inside": fence.inside}
    if (run := fence.run) is not None:
        stored["run"] = [
            sample_json(run.since),
            run.inside,
            run.fixes,
            run.east_sum_m,
            run.north_sum_m,
            run.last_at_us,
            run.last_east_m,
            run.last_north_m,
        ]
    if (rest := fence.rest) is not None:
        stored["rest"] = [
            rest.slot,
            rest.east_m,
            rest.north_m,
            rest.scatter_m,
            rest.samples,
            rest.strayed,
        ]
    if (left := fence.left) is not None:
        stored["left"] = [
            sample_json(left.since),
            left.east_m,
            left.north_m,
            left.away_m,
            left.scatter_m,
            left.arrived_us,
        ]
    return stored


def fence_of(stored: list[Any] | dict[str, Any]) -> Fence:
    """Return a fence from JSON; the first releases stored a list that begins with its side.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: It is not what was written.
    """
    if isinstance(stored, list):
        return Fence(inside=stored[0])
    return Fence(
        inside=stored["inside"],
        run=None if "run" not in stored else _run_of(*stored["run"]),
        rest=None if "rest" not in stored else _rest_of(*stored["rest"]),
        left=None if "left" not in stored else _left_of(*stored["left"]),
    )


def _run_of(since: Any, inside: Any, fixes: Any, *more: Any) -> FixRun:  # noqa: ANN401 - likewise
    east_sum_m, north_sum_m, last_at_us, last_east_m, last_north_m = more
    return FixRun(
        since=sample_of(since),
        inside=bool(inside),
        fixes=int(fixes),
        east_sum_m=float(east_sum_m),
        north_sum_m=float(north_sum_m),
        last_at_us=int(last_at_us),
        last_east_m=float(last_east_m),
        last_north_m=float(last_north_m),
    )


def _rest_of(slot: Any, east_m: Any, north_m: Any, *more: Any) -> Rest:  # noqa: ANN401 - likewise
    scatter_m, samples, strayed = more
    return Rest(
        slot=int(slot),
        east_m=float(east_m),
        north_m=float(north_m),
        scatter_m=float(scatter_m),
        samples=int(samples),
        strayed=int(strayed),
    )


def _left_of(since: Any, east_m: Any, north_m: Any, *more: Any) -> Crossing:  # noqa: ANN401 - likewise
    away_m, scatter_m, arrived_us = more
    return Crossing(
        since=sample_of(since),
        east_m=float(east_m),
        north_m=float(north_m),
        away_m=float(away_m),
        scatter_m=float(scatter_m),
        arrived_us=int(arrived_us),
    )
