"""The engine: unsound declarations are told, and only the right step is let by."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.applications.rules.machine import (
    Decision,
    Guard,
    Place,
    ask_guards,
    awaited,
    check_kind,
    draw_kind,
    may,
)
from backend.applications.rules.movable import MOVABLE
from backend.applications.rules.movable_guards import GUARDS
from backend.applications.service.kinds import RUNNING
from backend.applications.types.machine import Kind, Seat, Step, Values
from backend.facility.types import Allow, Reason, Refuse
from tests.builders import NOW
from tests.unit.backend.applications.kinds import IP, RECEIVABLE, step

DOCS = Path(__file__).parents[4] / "docs" / "applications.md"
KINDS = {kind.name: kind for kind in (MOVABLE, RECEIVABLE, IP)}


def decide(kind: Kind, name: str, state: str, seat: Seat | None, **changes: Any) -> Decision:  # noqa: ANN401
    """Return what is said to a step."""
    found = kind.step(name)
    assert found is not None
    place = Place(state=state, deadline_at=changes.get("deadline_at"))
    return may(kind, found, place, seat, NOW, changes.get("found", ()))


def code(decision: Decision) -> str:
    """Return the first reason's code."""
    assert isinstance(decision, Refuse)
    return decision.reasons[0].code


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_sound(name: str) -> None:
    """Movable with eight stages, receivable with seven, IP with nine: no fault in any."""
    kind = KINDS[name]
    effects = RUNNING[name].effects.keys() if name in RUNNING else set[str]()
    guards = GUARDS.keys() if name in RUNNING else set[str]()
    assert check_kind(kind, guards, effects) == []
    assert len(kind.stages) == {"movable": 8, "receivable": 7, "ip": 9}[name]


def test_every_guard_and_effect_is_used() -> None:
    """What no step names is dead."""
    steps = MOVABLE.steps
    assert {name for each in steps for name in each.guards} == GUARDS.keys()
    assert {s.does for s in steps} - {None} == RUNNING["movable"].effects.keys()


def _with(*changed: Step) -> Kind:
    names = {each.name for each in changed}
    return replace(
        RECEIVABLE, steps=(*(s for s in RECEIVABLE.steps if s.name not in names), *changed)
    )


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (replace(RECEIVABLE, states=(*RECEIVABLE.states, "lost")), "lost is never reached"),
        (replace(RECEIVABLE, states=RECEIVABLE.states[1:]), "there is no state traded"),
        (replace(RECEIVABLE, ends=RECEIVABLE.ends | {"drawn"}), "drawn is an end, and repay"),
        (replace(RECEIVABLE, ends=RECEIVABLE.ends - {"closed"}), "closed leads to no end"),
        (replace(RECEIVABLE, seats=RECEIVABLE.seats - {Seat.LENDER}), "lender takes no part"),
        (replace(RECEIVABLE, seats=RECEIVABLE.seats | {Seat.LICENSEE}), "licensee does nothing"),
        (replace(RECEIVABLE, stages=RECEIVABLE.stages[1:]), "there is no stage trade"),
        (_with(replace(RECEIVABLE.steps[5], guards=("sane",))), "there is no guard sane"),
        (_with(replace(RECEIVABLE.steps[5], does="magic")), "there is no effect magic"),
        (_with(replace(RECEIVABLE.steps[8], signs="x")), "signs nothing"),
        (_with(replace(RECEIVABLE.steps[3], side=True)), "applied waits for nobody"),
        (_with(replace(RECEIVABLE.steps[0], fields=())), "has no field amount_minor"),
        (
            replace(RECEIVABLE, steps=(*RECEIVABLE.steps, RECEIVABLE.steps[0])),
            "2 steps open an application",
        ),
        (
            replace(RECEIVABLE, steps=(*RECEIVABLE.steps, RECEIVABLE.steps[2])),
            "apply is declared twice",
        ),
    ],
)
def test_an_unsound_declaration_is_told(kind: Kind, fault: str) -> None:
    """Dead and unreachable states, unknown names, ends that go on, seats without a part."""
    assert any(fault in each for each in check_kind(kind, (), ())), check_kind(kind, (), ())


@given(
    kind=st.sampled_from(list(KINDS.values())),
    data=st.data(),
    seat=st.none() | st.sampled_from(Seat),
    late=st.booleans(),
    against=st.booleans(),
)
def test_a_step_is_let_by_only_to_its_actor_in_its_state_in_time(
    kind: Kind, data: st.DataObject, seat: Seat | None, late: bool, against: bool
) -> None:
    """Whatever the kind: allowed exactly when actor, state, time and guards all agree."""
    found = data.draw(st.sampled_from([each for each in kind.steps if each.leaves]))
    state = data.draw(st.sampled_from(kind.states))
    reasons = (Reason(code="X", detail="x"),) if against else ()
    deadline_at = NOW - timedelta(seconds=1) if late else NOW + timedelta(seconds=1)
    place = Place(state=state, deadline_at=deadline_at)
    decision = may(kind, found, place, seat, NOW, reasons)
    timed = any(each.timed for each in kind.steps_from(state))
    in_time = (timed and late) if found.timed else (not timed or not late or found.side)
    fits = seat is found.actor and state in found.leaves and in_time and not against
    assert isinstance(decision, Allow) is fits


def test_the_actor_speaks_before_the_state_and_the_state_before_the_rest() -> None:
    """Who may not, is told so and no more of the application."""
    against = (Reason(code="X", detail="x"),)
    wrong = decide(MOVABLE, "approve", "applied", Seat.BORROWER, found=against)
    assert code(wrong) == "WRONG_ACTOR"
    assert code(decide(MOVABLE, "approve", "applied", None)) == "WRONG_ACTOR"
    early = decide(MOVABLE, "approve", "applied", Seat.LENDER, found=against)
    assert code(early) == "OUT_OF_ORDER"
    assert code(decide(MOVABLE, "approve", "certified", Seat.LENDER, found=against)) == "X"


def test_after_the_deadline_only_time_and_ways_out_are_left() -> None:
    """An offer that is over can not be signed, though nobody has noted its end yet."""
    over = {"deadline_at": NOW}
    assert code(decide(MOVABLE, "sign", "offered", Seat.BORROWER, **over)) == "TOO_LATE"
    assert code(decide(MOVABLE, "expire", "offered", Seat.PLATFORM)) == "NOT_DUE"
    assert isinstance(decide(MOVABLE, "expire", "offered", Seat.PLATFORM, **over), Allow)
    assert isinstance(decide(MOVABLE, "withdraw", "offered", Seat.BORROWER, **over), Allow)


def _says(name: str) -> Guard[str]:
    def guard(facts: str, _values: Values | None) -> list[Reason]:
        return [Reason(code=name, detail=facts)]

    return guard


def test_guards_are_asked_in_their_order() -> None:
    """And a step without any asks none."""
    named = replace(step("x", Seat.LENDER, "a", "b"), guards=("two", "one"))
    guards: dict[str, Guard[str]] = {"one": _says("one"), "two": _says("two")}
    assert [each.code for each in ask_guards(named, guards, "f", None)] == ["two", "one"]
    assert ask_guards(step("x", Seat.LENDER, "a", "b"), guards, "f", None) == []


def test_an_application_on_its_way_waits_for_somebody() -> None:
    """In every state but the ends; ways out and time are nobody's duty."""
    for kind in KINDS.values():
        for state in kind.states:
            names = [each.name for each in awaited(kind, state)]
            assert bool(names) is (state not in kind.ends)
            assert not {"withdraw", "expire", "decline"} & {*names}


def test_the_diagram_in_the_documentation_is_the_declarations() -> None:
    """docs/applications.md shows what runs."""
    assert f"```mermaid\n{draw_kind(MOVABLE)}```" in DOCS.read_text(encoding="utf-8")
