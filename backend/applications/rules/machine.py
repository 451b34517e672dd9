"""The engine: whether a kind is sound, and whether a step of it may be done. Pure.

It knows no kind. What a guard looks at and what an effect does belongs to the kind.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from backend.applications.types.machine import Kind, Seat, Step, Values
from backend.facility.types import Allow, Reason, Refuse

F = TypeVar("F")
# Returns each reason against a step; without values, each that holds whatever is asked for.
Guard = Callable[[F, Values | None], Sequence[Reason]]
Decision = Allow | Refuse
# What every application says of itself, whatever its kind: lists show it.
OPENING_FIELDS: Final = frozenset({"amount_minor", "currency"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an application stands, and until when its state's steps may be done."""

    state: str
    deadline_at: datetime | None


def may(
    kind: Kind,
    step: Step,
    place: Place,
    seat: Seat | None,
    now: datetime,
    found: Sequence[Reason] = (),
) -> Decision:
    """Return whether a seat may do a step now, or each reason against it.

    The seat speaks first, then the state, then the deadline; only then what the guards found.

    Args:
        kind: of the application.
        step: one of its steps.
        place: where the application stands.
        seat: who would do it; None: nobody of the application.
        now: when.
        found: what the step's guards say (``ask_guards``).
    """
    if seat is not step.actor:
        who = "nobody in this application" if seat is None else f"the {words(seat)}"
        return _refuse("WRONG_ACTOR", f"{step.name} is the {words(step.actor)}'s, not of {who}")
    if place.state not in step.leaves:
        return _refuse(
            "OUT_OF_ORDER",
            f"{step.name} begins when an application is {' or '.join(step.leaves)}, this one is"
            f" {place.state}",
        )
    ends_at = place.deadline_at if is_timed(kind, place.state) else None
    if step.timed:
        if ends_at is None or now < ends_at:
            when = "there is no deadline" if ends_at is None else f"it is at {ends_at.isoformat()}"
            return _refuse("NOT_DUE", f"{step.name} waits for the deadline: {when}")
    elif ends_at is not None and now >= ends_at and not step.side:
        return _refuse("TOO_LATE", f"it could be done until {ends_at.isoformat()}")
    return Refuse(reasons=tuple(found)) if found else Allow()


def ask_guards(
    step: Step, guards: Mapping[str, Guard[F]], facts: F, values: Values | None
) -> Sequence[Reason]:
    """Return what a step's guards have against it, in their order; each asked once."""
    return [reason for name in step.guards for reason in guards[name](facts, values)]


def is_timed(kind: Kind, state: str) -> bool:
    """Return whether a state ends by itself at the application's deadline."""
    return any(step.timed for step in kind.steps_from(state))


def awaited(kind: Kind, state: str) -> Sequence[Step]:
    """Return the steps that an application on its way waits for."""
    return [step for step in kind.steps if state in step.begins and not (step.side or step.timed)]


def words(name: str) -> str:
    """Return a name as people say it."""
    return name.replace("_", " ")


def check_kind(kind: Kind, guards: Collection[str], effects: Collection[str]) -> Sequence[str]:
    """Return what is wrong with a declaration; nothing when it is sound.

    Args:
        kind: the declaration.
        guards: the names of the guards that there are for it.
        effects: the names of the effects that there are for it.
    """
    return [
        *_check_names(kind),
        *_check_steps(kind, guards, effects),
        *_check_way(kind),
    ]


def _check_names(kind: Kind) -> Iterator[str]:
    for what, names in (
        ("state", kind.states),
        ("step", [step.name for step in kind.steps]),
        ("stage", [stage.name for stage in kind.stages]),
    ):
        twice = sorted({name for name in names if list(names).count(name) > 1})
        yield from (f"{what} {name} is declared twice" for name in twice)
    openings = [step for step in kind.steps if not step.leaves]
    if len(openings) != 1:
        yield f"{len(openings)} steps open an application, must be 1"
        return
    missing = OPENING_FIELDS - {field.name for field in openings[0].fields}
    yield from (f"{openings[0].name} has no field {name}" for name in sorted(missing))
    used = {step.stage for step in kind.steps if not step.side}
    yield from (f"stage {s.name} has no step" for s in kind.stages if s.name not in used)
    yield from (f"end {end} is no state" for end in sorted(kind.ends - set(kind.states)))
    idle = kind.seats - {step.actor for step in kind.steps}
    yield from (f"seat {seat} does nothing" for seat in sorted(idle))


def _check_steps(kind: Kind, guards: Collection[str], effects: Collection[str]) -> Iterator[str]:
    states, stages = set(kind.states), {stage.name for stage in kind.stages}
    for step in kind.steps:
        for state in (*step.leaves, step.becomes):
            if state not in states:
                yield f"{step.name}: there is no state {state}"
        if step.stage not in stages:
            yield f"{step.name}: there is no stage {step.stage}"
        if step.actor not in kind.seats:
            yield f"{step.name}: seat {step.actor} takes no part"
        by_itself = step.actor is Seat.PLATFORM and step.leaves and not step.signs
        if step.timed and (step.fields or not by_itself):
            yield f"{step.name}: what time does is the platform's, asks for nothing, signs nothing"
        for name in step.guards:
            if name not in guards:
                yield f"{step.name}: there is no guard {name}"
        if step.does is not None and step.does not in effects:
            yield f"{step.name}: there is no effect {step.does}"


def _check_way(kind: Kind) -> Iterator[str]:
    """Yield states that nothing leads to, that lead nowhere, and ends that go on."""
    reached: set[str] = set()
    ending = set(kind.ends)
    for _ in kind.states:
        reached |= {s.becomes for s in kind.steps if not s.leaves or reached & {*s.leaves}}
        ending |= {state for s in kind.steps if s.becomes in ending for state in s.leaves}
    for state in kind.states:
        if state not in reached:
            yield f"state {state} is never reached"
        if state not in ending:
            yield f"state {state} leads to no end"
        going_on = [step.name for step in kind.steps_from(state)]
        if state in kind.ends and going_on:
            yield f"state {state} is an end, and {', '.join(going_on)} begins there"
        if state not in kind.ends and not awaited(kind, state):
            yield f"state {state} waits for nobody"


def draw_kind(kind: Kind) -> str:
    """Return a kind as a Mermaid state diagram; the same for the same declaration."""
    lines = ["stateDiagram-v2", f"    [*] --> {kind.opening.becomes}: {_label(kind.opening)}"]
    for step in kind.steps:
        lines += [f"    {state} --> {step.becomes}: {_label(step)}" for state in step.leaves]
    lines += [f"    {state} --> [*]" for state in kind.states if state in kind.ends]
    return "\n".join(lines) + "\n"


def _label(step: Step) -> str:
    signed = ", signed" if step.signs else ""
    return f"{step.name} ({words(step.actor)}{signed})"


def _refuse(code: str, detail: str) -> Refuse:
    return Refuse(reasons=(Reason(code=code, detail=detail),))
