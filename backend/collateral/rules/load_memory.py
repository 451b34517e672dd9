"""What is remembered of a scale, as the JSON that is stored with its lot.

Reading back trusts nothing: whatever is not as written raises, and its lot is then unevaluated.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from backend.collateral.rules.samples import sample_json, sample_of
from backend.collateral.types import (
    Baseline,
    LoadMemory,
    LoadRun,
    Minute,
    PastRun,
    Sample,
    Stillness,
)

_T = TypeVar("_T")


def load_json(load: LoadMemory) -> dict[str, object]:
    """Return what is remembered of a scale; what says nothing is left out."""
    base, minute = load.base, load.minute
    stored: dict[str, object] = {
        "drop": _run_json(load.drop),
        "loss": _run_json(load.loss),
        "excess": _run_json(load.excess),
        "past": [_past_json(each) for each in load.past],
        "base": base and [base.gross_g, base.expected_g, base.slack_g, base.at_us, base.warmth_c],
        "minute": minute
        and [minute.minute, minute.readings, minute.sum_g, minute.least_g, minute.most_g],
        "still": _still_json(load.still),
        "moving_at_us": load.moving_at_us,
        "thermometer": load.thermometer,
        "warmth_c": load.warmth_c,
        "last_g": load.last_g,
    }
    return {name: value for name, value in stored.items() if value not in (None, [])}


def load_of(stored: Mapping[str, Any] | Sequence[Any]) -> LoadMemory:
    """Return what is remembered of a scale, from JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: It is not what was written.
    """
    if not isinstance(stored, Mapping):
        # Written before there was more to remember than a run of too light weights.
        since, readings = stored
        first = sample_of(since)
        run = LoadRun(
            since=first, readings=int(readings), tail_g=first.value, last_at_us=first.at_us
        )
        return LoadMemory(drop=run)
    return LoadMemory(
        drop=_run_of(stored.get("drop")),
        loss=_run_of(stored.get("loss")),
        excess=_run_of(stored.get("excess")),
        past=tuple(_past_of(each) for each in stored.get("past", [])),
        base=_maybe(stored.get("base"), _base_of),
        minute=_maybe(stored.get("minute"), _minute_of),
        still=_still_of(stored.get("still")),
        moving_at_us=_maybe(stored.get("moving_at_us"), int),
        thermometer=_maybe(stored.get("thermometer"), str),
        warmth_c=_maybe(stored.get("warmth_c"), float),
        last_g=_maybe(stored.get("last_g"), float),
    )


def _run_json(run: LoadRun) -> list[object] | None:
    if run.since is None:
        return None
    return [
        sample_json(run.since),
        run.readings,
        run.against,
        _sample_json(run.level),
        run.worst_g,
        run.tail_g,
        run.last_at_us,
        run.lasted_us,
        run.moved,
        run.found_us,
    ]


def _run_of(listed: list[Any] | None) -> LoadRun:
    if listed is None:
        return LoadRun()
    since, readings, against, level, worst_g, tail_g, last_at_us, lasted_us, moved, found = listed
    return LoadRun(
        since=sample_of(since),
        readings=int(readings),
        against=bool(against),
        level=_maybe(level, sample_of),
        worst_g=float(worst_g),
        tail_g=float(tail_g),
        last_at_us=int(last_at_us),
        lasted_us=int(lasted_us),
        moved=bool(moved),
        found_us=_maybe(found, int),
    )


def _past_json(past: PastRun) -> list[object]:
    level = sample_json(past.level)
    return [
        past.line,
        sample_json(past.since),
        level,
        past.worst_g,
        past.lasted_us,
        past.found_us,
    ]


def _past_of(listed: list[Any]) -> PastRun:
    line, since, level, worst_g, lasted_us, found_us = listed
    return PastRun(
        line=str(line),
        since=sample_of(since),
        level=sample_of(level),
        worst_g=float(worst_g),
        lasted_us=int(lasted_us),
        found_us=int(found_us),
    )


def _base_of(listed: list[Any]) -> Baseline:
    gross_g, expected_g, slack_g, at_us, warmth_c = listed
    return Baseline(
        gross_g=int(gross_g),
        expected_g=int(expected_g),
        slack_g=int(slack_g),
        at_us=int(at_us),
        warmth_c=_maybe(warmth_c, float),
    )


def _minute_of(listed: list[Any]) -> Minute:
    minute, readings, sum_g, least_g, most_g = listed
    return Minute(
        minute=int(minute),
        readings=int(readings),
        sum_g=int(sum_g),
        least_g=float(least_g),
        most_g=float(most_g),
    )


def _still_json(still: Stillness) -> list[object] | None:
    if still == Stillness():
        return None
    return [
        still.hours,
        still.same,
        still.pairs,
        still.hour,
        still.hour_same,
        still.hour_pairs,
        still.run,
        _sample_json(still.since),
        still.found_us,
    ]


def _still_of(listed: list[Any] | None) -> Stillness:
    if listed is None:
        return Stillness()
    hours, same, pairs, hour, hour_same, hour_pairs, run, since, found_us = listed
    return Stillness(
        hours=int(hours),
        same=int(same),
        pairs=int(pairs),
        hour=int(hour),
        hour_same=int(hour_same),
        hour_pairs=int(hour_pairs),
        run=int(run),
        since=_maybe(since, sample_of),
        found_us=_maybe(found_us, int),
    )


def _sample_json(sample: Sample | None) -> list[object] | None:
    return None if sample is None else sample_json(sample)


def _maybe(value: Any, of: Callable[[Any], _T]) -> _T | None:  # noqa: ANN401 - JSON
    return None if value is None else of(value)
