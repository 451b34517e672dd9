"""Goods that leave, move, shrink or are replaced; each function is one kind of incident."""

from collections.abc import Callable
from functools import partial
from typing import Final

from firmware_sim import world as w
from firmware_sim.months.acts import (
    SECOND_US,
    THEFT,
    Act,
    Permit,
    Stage,
    Step,
    carry,
    put_back,
    seen_us,
)
from firmware_sim.months.types import Harm
from firmware_sim.surroundings import set_place
from firmware_sim.world import World

_LEFT_BEHIND: Final = (Harm.SHORTFALL, Harm.TAMPER)
_SEVERAL: Final = (2, 4)
AT_DOCK_S: Final = (60.0, 600.0)
_PORTIONS: Final = (6, 20)
_PILFERED_SHARE: Final = (0.2, 0.6)
_LIGHTER_SHARE: Final = (0.3, 0.8)
_HEAVIER_SHARE: Final = (1.15, 1.5)
_SWAP_S: Final = (60.0, 240.0)  # The pallet is lifted, its tag moved onto a dummy, that set down.
_WINDOW_US: Final = 7_200 * SECOND_US
_LATE_US: Final = 900 * SECOND_US
_DRIVE_STEP_S: Final = 2
_DRIVE_SPEED_M_S: Final = (3.0, 8.0)
_DRIVE_M: Final = 900.0


def take_pallet(stage: Stage) -> Act | None:
    """One item leaves the site with its tag."""
    return _taken(stage, stage.pick(1, 1))


def take_several(stage: Stage) -> Act | None:
    """Several items leave the site with their tags, one after the other."""
    return _taken(stage, stage.pick(*_SEVERAL))


def _taken(stage: Stage, epcs: tuple[str, ...]) -> Act | None:
    if not epcs:
        return None
    steps = carry(stage, epcs, w.take_away)
    return Act(
        steps=tuple(steps),
        shows_after_us=seen_us(stage, steps),
        undo=put_back(epcs),
        items=epcs,
        harms=THEFT,
        shown_by=stage.readers() + stage.scale_names,
        truth=f"{len(epcs)} of {len(stage.items)} items taken from the site with their tags",
    )


def take_goods_leave_tags(stage: Stage) -> Act | None:
    """The goods leave; their pallets with the tags are set back."""
    epcs = stage.pick(1, 2)
    if not epcs:
        return None
    return Act(
        steps=tuple(_swapped(stage, epcs, dict.fromkeys(epcs, 0))),
        undo=put_back(epcs),
        items=epcs,
        harms=_LEFT_BEHIND,
        shown_by=stage.scale_names,
        truth=f"the goods of {len(epcs)} items taken, pallets and tags left in place",
    )


def _swapped(stage: Stage, epcs: tuple[str, ...], contents_g: dict[str, int]) -> list[Step]:
    steps: list[Step] = []
    at_us = 0
    for epc in epcs:
        lift = partial(w.lift, epc=epc, up=True)
        steps.append(Step(after_us=at_us, what=f"lift {epc}", change=lift))
        at_us += stage.seconds_us(*_SWAP_S)
        fill = partial(w.fill, epc=epc, content_g=contents_g[epc])
        steps.append(Step(after_us=at_us, what=f"swap goods of {epc}", change=fill))
        drop = partial(w.lift, epc=epc, up=False)
        steps.append(Step(after_us=at_us, what=f"set down {epc}", change=drop))
        at_us += stage.seconds_us(30.0, 90.0)
    return steps


def swap_lighter(stage: Stage) -> Act | None:
    """Goods are replaced by lighter dummies under the same tags: bags of stones."""
    return _dummies(stage, _LIGHTER_SHARE, "lighter")


def swap_heavier(stage: Stage) -> Act | None:
    """Goods are replaced by heavier dummies under the same tags."""
    return _dummies(stage, _HEAVIER_SHARE, "heavier")


def _dummies(stage: Stage, share: tuple[float, float], word: str) -> Act | None:
    epcs = stage.pick(1, 3)
    if not epcs:
        return None
    contents_g = {epc: round(stage.items[epc] * stage.rng.uniform(*share)) for epc in epcs}
    moved_g = sum(contents_g.values()) - sum(stage.items[epc] for epc in epcs)
    return Act(
        steps=tuple(_swapped(stage, epcs, contents_g)),
        undo=put_back(epcs),
        items=epcs,
        harms=_LEFT_BEHIND,
        shown_by=stage.scale_names,
        truth=f"{len(epcs)} items replaced by {word} dummies, {moved_g / 1000:+.0f} kg in all",
    )


def pilfer(stage: Stage) -> Act | None:
    """Part of the goods of some items is carried off in small portions over hours or days."""
    epcs = stage.pick(1, 3)
    if not epcs:
        return None
    portions = stage.rng.randint(*_PORTIONS)
    last_us = stage.share_us(0.6, 0.8)
    times_us = [0, *sorted(stage.rng.randrange(1, last_us) for _ in range(portions - 1))]
    share = stage.rng.uniform(*_PILFERED_SHARE)
    steps: list[Step] = []
    taken_g = 0
    for number, after_us in enumerate(times_us, 1):
        epc = epcs[number % len(epcs)]
        turn, turns = -(-number // len(epcs)), -(-portions // len(epcs))
        part_g = round(stage.items[epc] * share * min(1.0, turn / turns))
        fill = partial(w.fill, epc=epc, content_g=stage.items[epc] - part_g)
        steps.append(Step(after_us=after_us, what=f"pilfer from {epc}", change=fill))
    taken_g = round(sum(stage.items[epc] for epc in epcs) * share)
    return Act(
        steps=tuple(steps),
        undo=put_back(epcs),
        items=epcs,
        harms=_LEFT_BEHIND,
        shown_by=stage.scale_names,
        truth=f"about {taken_g / 1000:.0f} kg carried off in {portions} portions",
    )


def _to(stage: Stage, zone: str) -> Callable[[World, str], World]:
    plan = stage.zones[zone]
    return lambda world, epc: w.move_to(world, epc, plan)


def move_inside(stage: Stage) -> Act | None:
    """An item is carried into another zone of the site without an order."""
    dock = stage.scenario.dock
    others = [name for name in stage.zones if name not in (stage.lot.zone, dock)]
    zones = [name for name in others if stage.readers(name)] or others
    return _moved(stage, stage.rng.choice(sorted(zones))) if zones else None


def move_pallet(stage: Stage) -> Act | None:
    """An item is carried to the dock without an order, and stays there."""
    return _moved(stage, stage.scenario.dock) if stage.lot.zone != stage.scenario.dock else None


def _moved(stage: Stage, zone: str) -> Act | None:
    epcs = stage.pick(1, 2)
    if not epcs:
        return None
    steps = carry(stage, epcs, _to(stage, zone))
    return Act(
        steps=tuple(steps),
        shows_after_us=seen_us(stage, steps),
        undo=put_back(epcs),
        items=epcs,
        harms=THEFT,
        shown_by=stage.readers() + stage.scale_names + stage.readers(zone),
        truth=f"{len(epcs)} items carried to zone {zone} without an order",
    )


def leave_by_dock(stage: Stage) -> Act | None:
    """Items go to the dock, are read there, and leave the site."""
    epcs, dock = stage.pick(1, 2), stage.scenario.dock
    if not epcs or stage.lot.zone == dock:
        return None
    steps = to_lorry(stage, epcs)
    return Act(
        steps=tuple(steps),
        shows_after_us=seen_us(stage, steps),
        undo=put_back(epcs),
        items=epcs,
        harms=THEFT,
        shown_by=stage.readers() + stage.scale_names + stage.readers(dock),
        truth=f"{len(epcs)} items left the site through the dock without an order",
    )


def to_lorry(stage: Stage, epcs: tuple[str, ...]) -> list[Step]:
    """Return the steps in which items go to the dock and from there off the site."""
    steps = carry(stage, epcs, _to(stage, stage.scenario.dock))
    gone_us = steps[-1].after_us + stage.seconds_us(*AT_DOCK_S)
    for epc in epcs:
        leave = partial(w.take_away, epc=epc)
        steps.append(Step(after_us=gone_us, what=f"load {epc} on a lorry", change=leave))
    return steps


def drive_off(stage: Stage) -> Act | None:
    """The container with the tracker is driven off the site, its goods and tags inside."""
    tracker = next((t for t in stage.scenario.trackers if t.lot == stage.lot.name), None)
    if tracker is None or not stage.items:
        return None
    epcs = tuple(sorted(stage.items))
    speed_m_s = stage.rng.uniform(*_DRIVE_SPEED_M_S)
    east, north = stage.rng.choice([(0.8, 0.6), (0.6, -0.8), (1.0, 0.0), (-0.6, -0.8)])
    steps: list[Step] = []
    for number in range(1, int(_DRIVE_M / speed_m_s) // _DRIVE_STEP_S + 1):
        far_m = speed_m_s * number * _DRIVE_STEP_S
        place_m = (tracker.x_m + east * far_m, tracker.y_m + north * far_m)
        go = partial(set_place, tracker=tracker.name, place_m=place_m)
        steps.append(
            Step(after_us=(number - 1) * _DRIVE_STEP_S * SECOND_US, what="drive", change=go)
        )
    gone_us = stage.seconds_us(10.0, 30.0)  # Out of the readers' field by then.
    for epc in epcs:
        leave = partial(w.take_away, epc=epc)
        steps.append(Step(after_us=gone_us, what=f"{epc} leaves", change=leave))
    return Act(
        steps=tuple(sorted(steps, key=lambda step: step.after_us)),
        undo=(*put_back(epcs), partial(set_place, tracker=tracker.name, place_m=None)),
        items=epcs,
        harms=THEFT,
        shown_by=(tracker.name, *stage.readers(), *stage.scale_names),
        truth=f"the container of {len(epcs)} items driven {_DRIVE_M:.0f} m away",
    )


def goods_never_there(stage: Stage) -> Act | None:
    """Some of the registered goods were never there: tagged pallets came empty."""
    epcs = stage.pick(1, max(1, len(stage.items) // 2))
    if not epcs:
        return None
    steps = tuple(
        Step(after_us=0, what=f"{epc} came empty", change=partial(w.empty, epc=epc))
        for epc in epcs
    )
    return Act(
        steps=steps,
        undo=put_back(epcs),
        items=epcs,
        harms=_LEFT_BEHIND,
        shown_by=stage.scale_names,
        truth=f"{len(epcs)} of {len(stage.items)} registered items never held goods",
    )


def items_never_there(stage: Stage) -> Act | None:
    """Some of the registered items were never at the site: forged receipts."""
    epcs = stage.pick(1, max(1, len(stage.items) // 2))
    if not epcs:
        return None
    steps = tuple(
        Step(after_us=0, what=f"{epc} never came", change=partial(w.take_away, epc=epc))
        for epc in epcs
    )
    return Act(
        steps=steps,
        undo=put_back(epcs),
        items=epcs,
        harms=THEFT,
        shown_by=stage.readers() + stage.scale_names,
        truth=f"{len(epcs)} of {len(stage.items)} registered items never came",
    )


def take_too_many(stage: Stage) -> Act | None:
    """A release order is executed, and one item more than it names goes along."""
    epcs, dock = stage.pick(2, 3), stage.scenario.dock
    if len(epcs) < 2 or stage.lot.zone == dock:
        return None
    steps = carry(stage, epcs, _to(stage, dock))
    until_us = stage.lasts_us + _LATE_US
    permit = Permit(items=epcs[:-1], destination=dock, from_us=-_LATE_US, until_us=until_us)
    return Act(
        steps=tuple(steps),
        undo=put_back(epcs),
        items=epcs[-1:],
        harms=THEFT,
        shown_by=stage.readers() + stage.scale_names + stage.readers(dock),
        truth=f"{len(epcs)} items carried to the dock under an order for {len(epcs) - 1}",
        shows_after_us=seen_us(stage, steps, len(epcs) - 1),
        permits=(permit,),
    )


def take_too_late(stage: Stage) -> Act | None:
    """An item leaves under a release order whose window is over."""
    epcs, dock = stage.pick(1, 1), stage.scenario.dock
    if not epcs or stage.lot.zone == dock:
        return None
    permit = Permit(
        items=epcs, destination=None, from_us=-_LATE_US - _WINDOW_US, until_us=-_LATE_US
    )
    steps = to_lorry(stage, epcs)
    return Act(
        steps=tuple(steps),
        shows_after_us=seen_us(stage, steps),
        undo=put_back(epcs),
        items=epcs,
        harms=THEFT,
        shown_by=stage.readers() + stage.scale_names + stage.readers(dock),
        truth="an item left the site a quarter of an hour after its order's window",
        permits=(permit,),
    )
