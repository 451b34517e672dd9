"""Authorised movements: goods that go to the dock, or leave, as a release order says."""

from collections.abc import Callable
from functools import partial
from typing import Final

from firmware_sim import world as w
from firmware_sim.life import MovementPlan
from firmware_sim.months.acts import SECOND_US, Stage, Step, carried_s, carry
from firmware_sim.months.incidents_goods import AT_DOCK_S, to_lorry
from firmware_sim.months.types import Happening, Order
from firmware_sim.world import World

MARGIN_S: Final = 900.0  # An order's window is longer than the work, at either end.
_BACK_S: Final = (60.0, 180.0)
_ISSUED_S: Final = (3_600.0, 86_400.0)  # Before its window begins.


def longest_s(count: int, stay_s: float) -> float:
    """Return the longest that a movement of ``count`` items takes, and its order's margin."""
    return carried_s(count) + max(stay_s, AT_DOCK_S[1]) + count * _BACK_S[1] + MARGIN_S


def movement_items(stage: Stage, plan: MovementPlan, *, exactly: bool) -> tuple[str, ...]:
    """Return the items that a movement takes: those it names, or as many as it says.

    ``exactly``: none rather than fewer; else one at least stays.
    """
    if plan.items:
        return plan.items if set(plan.items) <= set(stage.items) else ()
    count = plan.count if exactly else min(plan.count, len(stage.items) - 1)
    if count > len(stage.items):
        return ()
    return tuple(stage.rng.sample(sorted(stage.items), count)) if count > 0 else ()


def movement(
    stage: Stage, plan: MovementPlan, epcs: tuple[str, ...], *, leaves: bool
) -> tuple[list[Happening], Order]:
    """Return what happens when ``epcs`` move by order, and the order."""
    zone = plan.to or stage.scenario.dock
    if leaves:
        steps = to_lorry(stage, epcs)
    else:
        steps = carry(stage, epcs, _into(stage, zone))
        back_us = steps[-1].after_us + round(plan.stay_s * SECOND_US)
        for epc in epcs:
            back = partial(w.bring_back, epc=epc)
            steps.append(Step(after_us=back_us, what=f"{epc} is back", change=back))
            back_us += stage.seconds_us(*_BACK_S)
    happenings = [
        Happening(
            at_us=stage.at_us + step.after_us, what=f"by order: {step.what}", change=step.change
        )
        for step in steps
    ]
    begins_us = stage.at_us - round(MARGIN_S * SECOND_US)
    issued_us = begins_us - stage.seconds_us(*_ISSUED_S)
    order = Order(
        id="",
        lot=stage.lot.name,
        items=epcs,
        destination=None if leaves else zone,
        issued_us=max(stage.at_us - stage.since_begin_us, issued_us),
        from_us=begins_us,
        until_us=stage.at_us + round(plan.window_s * SECOND_US),
    )
    return happenings, order


def _into(stage: Stage, zone: str) -> Callable[[World, str], World]:
    plan = stage.zones[zone]

    def move(world: World, epc: str) -> World:
        return w.move_to(world, epc, plan)

    return move
