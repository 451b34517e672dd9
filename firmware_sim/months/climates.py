"""Climate, shock, door and leak transmitters over a simulated month: what their polls return."""

from itertools import pairwise

import numpy as np

from firmware_sim.months.bus import Bus
from firmware_sim.months.course import SECOND_US, Course, beat
from firmware_sim.months.devices import Said, silent
from firmware_sim.months.types import Floats, Int64s, ScalarBlock
from firmware_sim.noise import Climate, Vibration, seeded
from firmware_sim.noise.draws import Bools
from firmware_sim.plan import ClimatePlan, DoorPlan, Scenario, ShockPlan, WaterPlan
from firmware_sim.weather import offsets_c
from firmware_sim.world import SENSED_HUMIDITY_TAU_S, Air, World, lag_apart_s
from schemas.quantities import Quantity

Plan = ClimatePlan | ShockPlan | DoorPlan | WaterPlan


class _Unit:
    """One polled unit: its times, its bus, and who hears it."""

    def __init__(self, plan: Plan, scenario: Scenario, seed: int, begins_us: int) -> None:
        """Begin at ``begins_us``, a part of a period later."""
        self.name, self.gateway = plan.name, plan.gateway
        phase = seeded(seed, f"{plan.name}/phase").random()
        self.beat = beat(begins_us, plan.period_s, phase)
        self._bus = Bus(plan.name, scenario.noise_of(plan.name), seed)

    def times(self, course: Course) -> tuple[Int64s, list[tuple[int, int]]]:
        """Return when it is polled, and which of the polls fall to each span of the course."""
        at_us = self.beat.until(course.ends_us)
        begins_us = [moment.at_us for moment in course.moments]
        cuts = [*np.searchsorted(at_us, begins_us).tolist(), len(at_us)]
        return at_us, list(pairwise(cuts))

    def said(self, course: Course, at_us: Int64s, columns: dict[Quantity, Floats]) -> Said:
        """Return what the gateway hears of the columns that were measured."""
        heard = self._audible(course, at_us)
        answered, events = self._bus.pass_on(at_us)
        if not heard.all():
            events = [e for e in events if heard[int(np.searchsorted(at_us, e.at_us))]]
        heard &= answered
        quality = np.zeros(int(heard.sum()), dtype=np.uint8)
        scalars = [
            ScalarBlock(
                sensor=self.name,
                quantity=quantity,
                at_us=at_us[heard],
                value=column[heard],
                quality=quality,
            )
            for quantity, column in columns.items()
        ]
        return Said(scalars=scalars, events=events)

    def _audible(self, course: Course, at_us: Int64s) -> Bools:
        audible = np.ones(len(at_us), dtype=np.bool_)
        for stretch in course.stretches(self._mute):
            if stretch.value:
                span = np.searchsorted(at_us, (stretch.begins_us, stretch.ends_us))
                audible[slice(*span)] = False
        return audible

    def _mute(self, world: World) -> bool:
        return silent(world, self.name, self.gateway)


class ClimateDevice:
    """A temperature and humidity transmitter."""

    def __init__(self, plan: ClimatePlan, scenario: Scenario, seed: int, begins_us: int) -> None:
        """Begin in the air as the plan has it."""
        self.name, self.gateway = plan.name, plan.gateway
        self._plan, self._weather = plan, scenario.life.weather
        self._unit = _Unit(plan, scenario, seed, begins_us)
        self._noise = Climate(scenario.noise_of(plan.name), seeded(seed, plan.name))

    def sample(self, course: Course) -> Said:
        """Return the readings of the course, in tenths as the registers hold them."""
        at_us, cuts = self._unit.times(course)
        warm_c, damp_pct = np.empty(len(at_us)), np.empty(len(at_us))
        for moment, (first, last) in zip(course.moments, cuts, strict=True):
            dt_s = (at_us[first:last] - moment.at_us) / SECOND_US
            air = moment.world.air[self._plan.zone]
            warm_c[first:last], damp_pct[first:last] = sensed_at(air, dt_s)
        if self._plan.weather_share:
            warm_c += self._plan.weather_share * offsets_c(self._weather, at_us)
        columns = {
            Quantity.TEMPERATURE: np.round(self._noise.temperatures_c(warm_c), 1),
            Quantity.HUMIDITY: np.round(self._noise.humidities_pct(damp_pct), 1),
        }
        return self._unit.said(course, at_us, columns)


class ShockDevice:
    """A shock transmitter with a register that holds the highest recent peak."""

    def __init__(self, plan: ShockPlan, scenario: Scenario, seed: int, begins_us: int) -> None:
        """Begin quiet."""
        self.name, self.gateway = plan.name, plan.gateway
        self._plan = plan
        self._unit = _Unit(plan, scenario, seed, begins_us)
        self._noise = Vibration(scenario.noise_of(plan.name), seeded(seed, plan.name))

    def sample(self, course: Course) -> Said:
        """Return the readings of the course, in thousandths of g."""
        at_us, cuts = self._unit.times(course)
        peak_g = np.empty(len(at_us))
        first = 0
        for stretch in course.stretches(_at_work):
            last = int(np.searchsorted(at_us, stretch.ends_us))
            peak_g[first:last] = self._noise.peaks_g(
                last - first, self._unit.beat.period_s, busy=stretch.value
            )
            first = last
        for moment, (first, last) in zip(course.moments, cuts, strict=True):
            jolt = moment.world.jolts.get(self._plan.zone)
            if jolt is not None:
                until_us = moment.at_us + round(jolt.left_s * SECOND_US)
                held = peak_g[first : min(last, int(np.searchsorted(at_us, until_us)))]
                np.maximum(held, jolt.peak_g, out=held)
        return self._unit.said(course, at_us, {Quantity.SHOCK: np.round(peak_g, 3)})


class ContactDevice:
    """A door contact or a leak sensor."""

    def __init__(
        self, plan: DoorPlan | WaterPlan, scenario: Scenario, seed: int, begins_us: int
    ) -> None:
        """Begin shut, or dry."""
        self.name, self.gateway = plan.name, plan.gateway
        self._plan = plan
        self._unit = _Unit(plan, scenario, seed, begins_us)

    def sample(self, course: Course) -> Said:
        """Return the readings of the course: 1 open or wet, 0 shut or dry."""
        at_us, cuts = self._unit.times(course)
        on = np.zeros(len(at_us))
        for moment, (first, last) in zip(course.moments, cuts, strict=True):
            if isinstance(self._plan, WaterPlan):
                on[first:last] = self._plan.zone in moment.world.wet
            elif left_s := moment.world.doors_open_s[self._plan.zone]:
                until_us = moment.at_us + round(left_s * SECOND_US)
                on[first : min(last, int(np.searchsorted(at_us, until_us)))] = 1.0
        is_door = isinstance(self._plan, DoorPlan)
        quantity = Quantity.CONTACT if is_door else Quantity.WATER
        return self._unit.said(course, at_us, {quantity: on})


def sensed_at(air: Air, dt_s: Floats) -> tuple[Floats, Floats]:
    """Return what a transmitter's elements feel ``dt_s`` after ``air`` was as it is."""
    if air.air_c == air.sensed_c == air.target_c and air.sensed_pct == air.target_pct:
        return np.full(len(dt_s), air.target_c), np.full(len(dt_s), air.target_pct)
    lag_s = lag_apart_s(air)
    far_c = (air.air_c - air.target_c) * air.air_tau_s / (air.air_tau_s - lag_s)
    near_c = air.sensed_c - air.target_c - far_c
    warm_c = air.target_c + far_c * np.exp(-dt_s / air.air_tau_s) + near_c * np.exp(-dt_s / lag_s)
    apart_pct = air.sensed_pct - air.target_pct
    return warm_c, air.target_pct + apart_pct * np.exp(-dt_s / SENSED_HUMIDITY_TAU_S)


def _at_work(world: World) -> bool:
    return world.at_work
