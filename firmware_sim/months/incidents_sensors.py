"""What is done to tags, scales, cameras and gateways; each function is one kind of incident."""

from collections.abc import Callable
from functools import partial
from typing import Final

from firmware_sim import surroundings as s
from firmware_sim import world as w
from firmware_sim.months.acts import SECOND_US, THEFT, Act, Change, Stage, Step, carry, put_back
from firmware_sim.months.types import Harm
from firmware_sim.plan import LotPlan, Scenario
from firmware_sim.world import Sight

_TAMPER: Final = (Harm.TAMPER,)
_CLONED: Final = (Harm.TAMPER, Harm.DOUBLE_PLEDGE, Harm.RELOCATION)
_BLINDED: Final = (Harm.SURVEILLANCE_LOST, Harm.TAMPER)
_WEEK_S: Final = 7 * 86_400
_REPLAY_S_MIN: Final = 3_600  # Less than an hour of record is no week's readings.
_FOIL_S: Final = (10.0, 30.0)  # To wrap one tag.
_MANY: Final = 12


def shield_tag(stage: Stage) -> Act | None:
    """One tag is wrapped in foil, its goods stay: no theft, and a scale can tell."""
    return _shielded(stage, stage.pick(1, 1), (Harm.NONE,))


def shield_tags(stage: Stage) -> Act | None:
    """Several tags are wrapped in foil within a minute or two, their goods stay."""
    return _shielded(stage, stage.pick(2, 4), (Harm.TAMPER, *THEFT))


def _shielded(stage: Stage, epcs: tuple[str, ...], harms: tuple[Harm, ...]) -> Act | None:
    if not epcs:
        return None
    steps: list[Step] = []
    at_us = 0
    for epc in epcs:
        foil = partial(w.set_read_factor, epc=epc, factor=0.0)
        steps.append(Step(after_us=at_us, what=f"foil on {epc}", change=foil))
        at_us += stage.seconds_us(*_FOIL_S)
    return Act(
        steps=tuple(steps),
        undo=put_back(epcs),
        items=epcs,
        harms=harms,
        shown_by=stage.readers(),
        truth=f"{len(epcs)} tags shielded with foil, the goods in place",
    )


def clone_tag(stage: Stage) -> Act | None:
    """A copy of an item's tag is read at another site while the item stands here."""
    return _cloned(stage, stage.pick(1, 1))


def many_receipts(stage: Stage) -> Act | None:
    """One stack, many receipts: copies of a lot's tags stand at another site as its goods."""
    return _cloned(stage, tuple(sorted(stage.items)[:_MANY]))


def _cloned(stage: Stage, epcs: tuple[str, ...]) -> Act | None:
    if stage.neighbour is None or not epcs:
        return None
    watched = sorted({reader.zone for reader in stage.neighbour.readers})
    if not watched:
        return None
    zone = stage.rng.choice(watched)
    add = partial(s.set_foreign_tags, zone=zone, epcs=frozenset(epcs), there=True)
    drop = partial(s.set_foreign_tags, zone=zone, epcs=frozenset(epcs), there=False)
    theirs = tuple(plan.name for plan in stage.neighbour.readers if plan.zone == zone)
    return Act(
        steps=(),
        undo=(),
        items=epcs,
        harms=_CLONED,
        shown_by=stage.readers() + theirs,
        truth=f"copies of {len(epcs)} tags in zone {zone} of site {stage.neighbour.site}",
        elsewhere=(Step(after_us=0, what=f"copies of {len(epcs)} tags", change=add),),
        undo_elsewhere=(drop,),
    )


def rezero_scale(stage: Stage) -> Act | None:
    """The scale is made to show more, and goods of that mass are taken, their tags left."""
    epcs = stage.pick(1, 2)
    if not epcs or stage.platform is None:
        return None
    taken_g = sum(stage.items[epc] for epc in epcs)
    at_us = stage.seconds_us(30.0, 120.0)
    shift = partial(s.set_zero_shift, lot=stage.lot.name, shift_g=taken_g)
    steps = [Step(after_us=0, what="zero the scale under a load", change=shift)]
    for epc in epcs:
        fill = partial(w.empty, epc=epc)
        steps.append(Step(after_us=at_us, what=f"take goods of {epc}", change=fill))
    return Act(
        steps=tuple(steps),
        undo=(partial(s.set_zero_shift, lot=stage.lot.name, shift_g=0), *put_back(epcs)),
        items=epcs,
        harms=(Harm.TAMPER, Harm.SHORTFALL),
        shown_by=stage.scale_names,
        truth=f"zero shifted by {taken_g / 1000:.0f} kg, then the goods of {len(epcs)} items gone",
    )


def prop_scale(stage: Stage) -> Act | None:
    """The platform is propped up, so that it shows the same, and items leave with their tags."""
    epcs = stage.pick(1, 3)
    if not epcs or stage.platform is None:
        return None
    wait_us = stage.seconds_us(30.0, 300.0)
    prop = partial(s.set_propped, lot=stage.lot.name, propped=True)
    steps = [Step(after_us=0, what="prop the platform", change=prop)]
    steps += _later(carry(stage, epcs, w.take_away), wait_us)
    return Act(
        steps=tuple(steps),
        undo=(partial(s.set_propped, lot=stage.lot.name, propped=False), *put_back(epcs)),
        items=epcs,
        harms=(*THEFT, Harm.TAMPER),
        shown_by=stage.readers() + stage.scale_names,
        truth=f"scale propped at its load, then {len(epcs)} items taken with their tags",
        shows_after_us=steps[2].after_us,  # Its scale says nothing of it.
    )


def _later(steps: list[Step], by_us: int) -> list[Step]:
    return [
        Step(after_us=step.after_us + by_us, what=step.what, change=step.change) for step in steps
    ]


def replay_readings(stage: Stage) -> Act | None:
    """The lot's scale, its readers or both say again what they said a week ago; items leave."""
    epcs = stage.pick(1, 3)
    ago_s = min(_WEEK_S, stage.since_begin_us // SECOND_US // 3_600 * 3_600)
    groups = [group for group in (stage.scale_names, stage.readers()) if group]
    if not epcs or not groups or ago_s < max(_REPLAY_S_MIN, stage.lasts_us // SECOND_US):
        return None
    # One kind is left as a witness where there are two: who replays all is not seen by sensors.
    sensors = stage.rng.choice(groups)
    wait_us = stage.seconds_us(30.0, 300.0)
    steps = [
        Step(
            after_us=0,
            what=f"replay {name}",
            change=partial(s.set_replayed, sensor=name, ago_s=ago_s),
        )
        for name in sensors
    ]
    steps += _later(carry(stage, epcs, w.take_away), wait_us)
    calm = tuple(partial(s.set_replayed, sensor=name, ago_s=0) for name in sensors)
    return Act(
        steps=tuple(steps),
        undo=(*calm, *put_back(epcs)),
        items=epcs,
        harms=(*THEFT, Harm.TAMPER),
        shown_by=stage.readers() + stage.scale_names,
        truth=f"{', '.join(sensors)} replay what they said {ago_s} s ago, {len(epcs)} items gone",
        shows_after_us=steps[len(sensors) + (sensors == stage.scale_names)].after_us,
    )


def unplug_gateway(stage: Stage) -> Act | None:
    """The power of the gateway that reads the lot is pulled: it reads nothing."""
    name = gateway_of(stage.scenario, stage.lot)
    if name is None:
        return None
    return _done_to(
        stage,
        partial(s.set_unplugged, gateway=name, unplugged=True),
        partial(s.set_unplugged, gateway=name, unplugged=False),
        (_BLINDED, all_sensors(stage.scenario, name), f"gateway {name} without power"),
    )


def cut_scale_cable(stage: Stage) -> Act | None:
    """The cable of the lot's scale is cut."""
    return _cut(stage, stage.scale_names)


def cut_reader_cable(stage: Stage) -> Act | None:
    """The cables of all readers of the lot's zone are cut."""
    return _cut(stage, stage.readers())


def _cut(stage: Stage, names: tuple[str, ...]) -> Act | None:
    if not names:
        return None
    return Act(
        steps=tuple(
            Step(
                after_us=0,
                what=f"cut cable of {name}",
                change=partial(w.set_cable_cut, device=name, cut=True),
            )
            for name in names
        ),
        undo=tuple(partial(w.set_cable_cut, device=name, cut=False) for name in names),
        items=(),
        harms=_BLINDED,
        shown_by=names,
        truth=f"cable of {', '.join(names)} cut",
    )


def gateway_of(scenario: Scenario, lot: LotPlan) -> str | None:
    """Return the gateway that reads the lot's tags, else its scale, else any that there is."""
    for plan in scenario.readers:
        if plan.zone == lot.zone:
            return plan.gateway
    for plan in (*scenario.scales, *scenario.weighers, *scenario.trackers):
        if plan.lot == lot.name:
            return plan.gateway
    return next(iter(scenario.gateways()), None)


def all_sensors(scenario: Scenario, gateway: str | None) -> tuple[str, ...]:
    """Return the names of the sensors on ``gateway``."""
    groups = (scenario.readers, scenario.scales, scenario.weighers, scenario.climates)
    more = (scenario.shocks, scenario.doors, scenario.waters, scenario.trackers, scenario.cameras)
    plans = [plan for group in groups for plan in group] + [p for group in more for p in group]
    return tuple(plan.name for plan in plans if plan.gateway == gateway)


def cover_camera(stage: Stage) -> Act | None:
    """A camera that watches the lot is covered."""
    name = camera_of(stage)
    if name is None:
        return None
    return _done_to(
        stage,
        partial(w.set_covered, camera=name, covered=True),
        partial(w.set_covered, camera=name, covered=False),
        (_TAMPER, (name,), f"camera {name} covered"),
    )


def sight(kind: Sight, harms: tuple[Harm, ...], truth: str) -> Callable[[Stage], Act | None]:
    """Return the kind of incident in which ``kind`` is in a camera's picture."""

    def happen(stage: Stage) -> Act | None:
        name = camera_of(stage)
        if name is None:
            return None
        return _done_to(
            stage,
            partial(w.set_sight, camera=name, sight=kind, on=True),
            partial(w.set_sight, camera=name, sight=kind, on=False),
            (harms, (name,), f"camera {name}: {truth}"),
        )

    return happen


def camera_of(stage: Stage) -> str | None:
    """Return a camera that watches the lot's zone."""
    names = [plan.name for plan in stage.scenario.cameras if stage.lot.zone in plan.watches]
    return stage.rng.choice(names) if names else None


def _done_to(
    stage: Stage,
    change: Change,
    undo: Change,
    said: tuple[tuple[Harm, ...], tuple[str, ...], str],
) -> Act:
    harms, shown_by, truth = said
    return Act(
        steps=(Step(after_us=0, what=truth, change=change),),
        undo=(undo,),
        items=(),
        harms=harms,
        shown_by=shown_by,
        truth=f"{truth}; lot {stage.lot.name} untouched",
    )


move_camera = sight(Sight.MOVED, _TAMPER, "turned away")
defocus_camera = sight(Sight.BLURRED, _TAMPER, "its lens turned")
freeze_camera = sight(Sight.FROZEN, _TAMPER, "replays one image")
