"""What is wrong with a lot's condition: limits exceeded now or lately, and harm that was done."""

from collections.abc import Mapping
from typing import Final

from backend.collateral.rules.condition import Range, ranges_of
from backend.collateral.rules.detector import Seen
from backend.collateral.rules.told import is_told, reading
from backend.collateral.types import (
    Evidence,
    Excursion,
    Fact,
    FactKind,
    Latch,
    LotMemory,
    LotSetup,
    OverRun,
    Sample,
    SensorKey,
    SensorState,
)
from schemas.quantities import Quantity

# A reading over a limit may still be the sensor's own offset; harm is told only of what is beyond
# its whole error and stayed so, which leaves a sensor that is broken.
AT_RISK: Final = 0.9
HARMED: Final = 0.9999
_SECOND_US: Final = 1_000_000


def condition_facts(setup: LotSetup, memory: LotMemory, seen: Seen) -> list[Fact]:
    """Return limits that are exceeded now, or were so in what has just come.

    Damage itself lasts (its latch); the finding ends with its cause, and the alert stays.
    """
    facts: list[Fact] = []
    for quantity, allowed in ranges_of(setup.limits).items():
        evidence: list[Evidence] = []
        began: list[Sample] = []
        for (key, over), run in memory.overs.items():
            if over is quantity:
                evidence += _running(key, quantity, run, seen.sensors.get(key), allowed)
                began.append(run.since)
        for (key, over), passed in memory.passed.items():
            if over is quantity and is_told(passed.arrived_us, seen.since_us, seen.now_us):
                evidence += _passed(key, quantity, passed, allowed)
                began.append(passed.since)
        latch = memory.latches.get(quantity)
        if latch is not None and (evidence or _is_told(latch, seen)):
            evidence.append(
                reading(latch.sensor, quantity, latch.sample, "harm done", _bounds(allowed))
            )
            began.append(latch.sample)
        if evidence:
            facts.append(
                Fact(
                    key=f"damage:{quantity.value}",
                    kind=FactKind.OVER_LIMIT,
                    grave=latch is not None,
                    text=f"{quantity.value} outside what the goods of {setup.name} stand",
                    evidence=tuple(evidence),
                    probability=AT_RISK if latch is None else HARMED,
                    began_us=min(sample.made_us for sample in began),
                )
            )
    return facts


def _is_told(latch: Latch, seen: Seen) -> bool:
    """Return whether harm was done by what has just come, or a moment before."""
    return is_told(latch.arrived_us, seen.since_us, seen.now_us)


def _running(
    key: SensorKey, quantity: Quantity, run: OverRun, state: SensorState | None, allowed: Range
) -> list[Evidence]:
    expected = _bounds(allowed)
    told = [reading(key, quantity, run.since, "first over the limit", expected)]
    if run.worst != run.since:
        told.append(reading(key, quantity, run.worst, _dosed(run), expected))
    values: Mapping[Quantity, Sample] = {} if state is None else state.values
    last = values.get(quantity)
    if last is not None and last not in (run.since, run.worst):
        told.append(reading(key, quantity, last, "last reading", expected))
    return told


def _dosed(run: OverRun) -> str:
    dwell_s, dose_s = run.dwell_us // _SECOND_US, run.dose_us // _SECOND_US
    return f"worst so far, over for {dwell_s} s, which counts as {dose_s} s at the limit"


def _passed(
    key: SensorKey, quantity: Quantity, passed: Excursion, allowed: Range
) -> list[Evidence]:
    expected = _bounds(allowed)
    told = [reading(key, quantity, passed.since, "first over the limit", expected)]
    if passed.worst != passed.since:
        told.append(reading(key, quantity, passed.worst, "worst", expected))
    return [*told, reading(key, quantity, passed.ended, "back within", expected)]


def _bounds(allowed: Range) -> str:
    """Return what a reading should be, in words; the unit is the reading's."""
    parts = [
        f"at {word} {bound:g}"
        for word, bound in (("least", allowed.least), ("most", allowed.most))
        if abs(bound) < float("inf")
    ]
    return ", ".join(parts)
