"""Harm to goods that stay: heat, frost, damp, water, a fall; each function is one kind."""

from collections.abc import Callable
from functools import partial
from typing import Final

from firmware_sim import surroundings as s
from firmware_sim import world as w
from firmware_sim.life import DAY_US
from firmware_sim.months.acts import SECOND_US, Act, Stage, Step
from firmware_sim.months.types import Harm
from firmware_sim.plan import ClimatePlan

_DAMAGE: Final = (Harm.DAMAGE,)
_LOOK_S: Final = 10  # How finely the moment at which a limit is passed is worked out.


def overheat(stage: Stage) -> Act | None:
    """The zone's cooling fails, and its air passes the upper limit of the goods."""
    climate, limit_c = climate_of(stage), stage.lot.limits.temperature_max_c
    if climate is None or limit_c is None:
        return None
    return _air(stage, climate, climate.overheat_c, lambda sensed_c: sensed_c > limit_c)


def freeze(stage: Stage) -> Act | None:
    """The zone's heating fails, and its air passes the lower limit of the goods."""
    climate, limit_c = climate_of(stage), stage.lot.limits.temperature_min_c
    if climate is None or limit_c is None or climate.freeze_c is None:
        return None
    return _air(stage, climate, climate.freeze_c, lambda sensed_c: sensed_c < limit_c)


def climate_of(stage: Stage) -> ClimatePlan | None:
    """Return the transmitter of the lot's zone."""
    zone = stage.lot.zone
    return next((plan for plan in stage.scenario.climates if plan.zone == zone), None)


def _air(
    stage: Stage, climate: ClimatePlan, target_c: float, passed: Callable[[float], bool]
) -> Act | None:
    shows_us = _passes_us(stage, climate, target_c, passed)
    dwell_us = stage.lot.limits.temperature_dwell_s * SECOND_US
    if shows_us is None or shows_us + 2 * dwell_us > stage.lasts_us:
        return None  # It would end before it does harm.
    change = partial(w.set_air, zone=climate.zone, target_c=target_c)
    return Act(
        steps=(Step(after_us=0, what=f"air toward {target_c:g} C", change=change),),
        undo=(partial(w.set_air, zone=climate.zone, target_c=climate.temperature_c),),
        items=(),
        harms=_DAMAGE,
        shown_by=(climate.name,),
        truth=f"air of {climate.zone} drifts from {climate.temperature_c:g} to {target_c:g} C",
        shows_after_us=shows_us,
    )


def _passes_us(
    stage: Stage, climate: ClimatePlan, target_c: float, passed: Callable[[float], bool]
) -> int | None:
    """Return when the transmitter's element passes the limit, the daily wave included."""
    weather = stage.scenario.life.weather
    world = w.set_air(w.build_world(stage.scenario), climate.zone, target_c)
    for second in range(0, DAY_US // SECOND_US, _LOOK_S):
        wave_c = climate.weather_share * weather.offset_c(stage.at_us + second * SECOND_US)
        if passed(world.air[climate.zone].sensed_c + wave_c):
            return second * SECOND_US
        world = w.step(world, _LOOK_S)
    return None


def damp(stage: Stage) -> Act | None:
    """The zone's air becomes more humid than the goods stand."""
    climate, limit_pct = climate_of(stage), stage.lot.limits.humidity_max_pct
    if climate is None or limit_pct is None or climate.damp_pct <= limit_pct:
        return None
    world = s.set_damp(w.build_world(stage.scenario), climate.zone, climate.damp_pct)
    shows_s = 0
    while world.air[climate.zone].sensed_pct <= limit_pct:
        world, shows_s = w.step(world, 1.0), shows_s + 1
    return Act(
        steps=(
            Step(
                after_us=0,
                what=f"air at {climate.damp_pct:g} %RH",
                change=partial(s.set_damp, zone=climate.zone, target_pct=climate.damp_pct),
            ),
        ),
        undo=(partial(s.set_damp, zone=climate.zone, target_pct=climate.humidity_pct),),
        items=(),
        harms=_DAMAGE,
        shown_by=(climate.name,),
        truth=f"air of {climate.zone} at {climate.damp_pct:g} %RH, limit {limit_pct:g}",
        shows_after_us=shows_s * SECOND_US,
    )


def drop(stage: Stage) -> Act | None:
    """Something heavy falls off the forks."""
    plan = next((p for p in stage.scenario.shocks if p.zone == stage.lot.zone), None)
    limit_g = stage.lot.limits.shock_max_g0
    if plan is None or limit_g is None or limit_g > w.DROP_PEAK_G:
        return None
    peak_g = stage.rng.uniform(max(limit_g * 1.2, 3.5), max(limit_g * 1.5, w.DROP_PEAK_G + 3.0))
    change = partial(w.jolt, zone=plan.zone, peak_g=peak_g, hold_s=plan.hold_s)
    return Act(
        steps=(Step(after_us=0, what=f"a shock of {peak_g:.1f} g", change=change),),
        undo=(partial(w.calm, zone=plan.zone),),
        items=(),
        harms=_DAMAGE,
        shown_by=(plan.name,),
        truth=f"a load falls in {plan.zone}: {peak_g:.1f} g",
    )


def water(stage: Stage) -> Act | None:
    """Water stands on the zone's floor."""
    plan = next((p for p in stage.scenario.waters if p.zone == stage.lot.zone), None)
    if plan is None:
        return None
    return Act(
        steps=(
            Step(
                after_us=0,
                what=f"water in {plan.zone}",
                change=partial(s.set_wet, zone=plan.zone, wet=True),
            ),
        ),
        undo=(partial(s.set_wet, zone=plan.zone, wet=False),),
        items=(),
        harms=_DAMAGE,
        shown_by=(plan.name,),
        truth=f"water on the floor of {plan.zone}",
    )
