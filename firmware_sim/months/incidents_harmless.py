"""What only looks like an incident, and must raise nothing critical; each function is a kind."""

from functools import partial
from typing import Final

from firmware_sim import surroundings as s
from firmware_sim import world as w
from firmware_sim.months.acts import Act, Stage, Step, put_back, seen_us
from firmware_sim.months.incidents_sensors import sight
from firmware_sim.months.types import Harm
from firmware_sim.world import Sight

_NONE: Final = (Harm.NONE,)
_FORKLIFT_G: Final = (1_500_000, 4_500_000)
_PARK_S: Final = (300.0, 1_200.0)
_LIFTED_S: Final = (30.0, 120.0)
_REARRANGED: Final = (0.5, 1.0)  # A tag's chance to be read, in its new place.
_REARRANGED_MAX: Final = 6  # In an hour, by one forklift.
_SHUFFLE_M: Final = 2.5


def tag_dies(stage: Stage) -> Act | None:
    """One tag dies for good; a new one is stuck on when somebody finds it."""
    epcs = stage.pick(1, 1)
    if not epcs:
        return None
    die = partial(w.set_read_factor, epc=epcs[0], factor=0.0)
    return Act(
        steps=(Step(after_us=0, what=f"tag {epcs[0]} dies", change=die),),
        undo=put_back(epcs),
        items=epcs,
        harms=_NONE,
        shown_by=stage.readers(),
        truth="a tag is dead, its item in place",
    )


def forklift_on_scale(stage: Stage) -> Act | None:
    """A forklift parks on the lot's platform for some minutes."""
    if stage.platform is None:
        return None
    mass_g = stage.rng.randint(*_FORKLIFT_G)
    lot = stage.lot.name
    leave_us = min(stage.seconds_us(*_PARK_S), stage.lasts_us)
    return Act(
        steps=(
            Step(
                after_us=0,
                what="a forklift parks on the scale",
                change=partial(s.set_strange_load, lot=lot, mass_g=mass_g),
            ),
            Step(
                after_us=leave_us,
                what="the forklift leaves the scale",
                change=partial(s.set_strange_load, lot=lot, mass_g=0),
            ),
        ),
        undo=(partial(s.set_strange_load, lot=lot, mass_g=0),),
        items=(),
        harms=_NONE,
        shown_by=stage.scale_names,
        truth=f"a forklift of {mass_g / 1000:.0f} kg stands on the scale",
    )


def door_left_open(stage: Stage) -> Act | None:
    """The zone's door stands open for a while."""
    plan = next((p for p in stage.scenario.doors if p.zone == stage.lot.zone), None)
    if plan is None:
        return None
    stand = partial(s.set_door, zone=plan.zone, open_s=stage.lasts_us / 1e6)
    return Act(
        steps=(Step(after_us=0, what=f"door of {plan.zone} left open", change=stand),),
        undo=(partial(s.set_door, zone=plan.zone, open_s=0.0),),
        items=(),
        harms=_NONE,
        shown_by=(plan.name,),
        truth=f"the door of {plan.zone} stands open, the goods in place",
    )


def rearrange(stage: Stage) -> Act | None:
    """Stock is moved about inside its zone: other places, tags read better or worse."""
    epcs = stage.pick(1, min(_REARRANGED_MAX, max(1, len(stage.items) // 2)))
    if not epcs:
        return None
    places = {item.epc: item for item in w.build_world(stage.scenario).items}
    steps: list[Step] = []
    at_us = 0
    for epc in epcs:
        lift, drop = (partial(w.lift, epc=epc, up=up) for up in (True, False))
        steps.append(Step(after_us=at_us, what=f"lift {epc}", change=lift))
        at_us += stage.seconds_us(*_LIFTED_S)
        home = places[epc]
        x_m, y_m = (stage.rng.uniform(-_SHUFFLE_M, _SHUFFLE_M) for _ in range(2))
        put = partial(w.put_at, epc=epc, place_m=(home.home_x_m + x_m, home.home_y_m + y_m))
        factor = partial(w.set_read_factor, epc=epc, factor=stage.rng.uniform(*_REARRANGED))
        for change in (put, factor, drop):
            steps.append(Step(after_us=at_us, what=f"rearrange {epc}", change=change))
        at_us += stage.seconds_us(*_LIFTED_S)
    return Act(
        steps=tuple(steps),
        undo=put_back(epcs),
        items=epcs,
        harms=_NONE,
        shown_by=stage.readers() + stage.scale_names,
        truth=f"{len(epcs)} items stand elsewhere in their zone",
        shows_after_us=seen_us(stage, steps),
    )


def lift_and_put_back(stage: Stage) -> Act | None:
    """An item is lifted off its place for a minute and put back."""
    epcs = stage.pick(1, 1)
    if not epcs or stage.platform is None:
        return None
    lift, drop = (partial(w.lift, epc=epcs[0], up=up) for up in (True, False))
    down_us = min(stage.seconds_us(*_LIFTED_S), stage.lasts_us)
    return Act(
        steps=(
            Step(after_us=0, what=f"lift {epcs[0]}", change=lift),
            Step(after_us=down_us, what=f"set down {epcs[0]}", change=drop),
        ),
        undo=(drop,),
        items=epcs,
        harms=_NONE,
        shown_by=stage.scale_names,
        truth="an item hung on the forks for a minute",
    )


truck_in_view = sight(Sight.TRUCK, _NONE, "a lorry in front of it")
lights_out = sight(Sight.DARK, _NONE, "the lights are out")
light_step = sight(Sight.DIMMED, _NONE, "half of the lights are out")
