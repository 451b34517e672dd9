"""Scales and weighing transmitters over a simulated month."""

import numpy as np

from firmware_sim.months.bus import Bus, fault
from firmware_sim.months.course import Course, Stretch, beat
from firmware_sim.months.devices import Said, silent
from firmware_sim.months.types import Bytes8, Floats, Int64s, RawEvent, ScalarBlock
from firmware_sim.noise import LoadCell, seeded
from firmware_sim.plan import ScalePlan, Scenario, WeigherPlan
from firmware_sim.weather import since_warmest_s
from firmware_sim.world import World
from schemas.quantities import QUALITY_CODES, Quality, Quantity

SCALE_PERIOD_S = 1.0  # an indicator repeats itself faster; once a second is enough for a month
TRANSMITTER_DIVISION_G = 1_000  # as on the wire: kilograms
_UNSTABLE = QUALITY_CODES[Quality.UNSTABLE]
_OVERLOAD_DIVISIONS = 9  # OIML R 76-1, 3.4: no indication above Max + 9 e


class PlatformDevice:
    """A platform with either kind of electronics."""

    def __init__(
        self, plan: ScalePlan | WeigherPlan, scenario: Scenario, seed: int, begins_us: int
    ) -> None:
        """Begin at ``begins_us``, settled on whatever load stands there."""
        self.name, self.gateway = plan.name, plan.gateway
        self._plan = plan
        noise = scenario.noise_of(plan.name)
        self._cell = LoadCell(
            noise,
            seeded(seed, plan.name),
            plan.settle_s,
            plan.capacity_g,
            since_warmest_s=since_warmest_s(scenario.life.weather, begins_us),
        )
        phase = seeded(seed, f"{plan.name}/phase").random()
        self._bus: Bus | None = None
        if isinstance(plan, ScalePlan):
            self._division_g = plan.division_g
            period_s = max(SCALE_PERIOD_S, 1.0 / plan.rate_hz)
        else:
            self._division_g = TRANSMITTER_DIVISION_G
            period_s = plan.period_s
            self._bus = Bus(plan.name, noise, seed)
        self._beat = beat(begins_us, period_s, phase)

    def sample(self, course: Course) -> Said:
        """Return the weighings of the course: what the display shows, in grams."""
        parts = [
            self._part(stretch, self._beat.until(stretch.ends_us))
            for stretch in course.stretches(self._state)
        ]
        at_us = np.concatenate([part[0] for part in parts])
        mass_g = np.concatenate([part[1] for part in parts])
        quality = np.concatenate([part[2] for part in parts])
        events: list[RawEvent] = []
        if self._bus is not None:
            heard, events = self._bus.pass_on(at_us)
            at_us, mass_g, quality = at_us[heard], mass_g[heard], quality[heard]
        over = mass_g > self._plan.capacity_g + _OVERLOAD_DIVISIONS * self._division_g
        if isinstance(self._plan, ScalePlan) and over.any():
            events += [fault(self.name, t, "overload") for t in at_us[over].tolist()]
            at_us, mass_g, quality = at_us[~over], mass_g[~over], quality[~over]
        block = ScalarBlock(
            sensor=self.name, quantity=Quantity.MASS, at_us=at_us, value=mass_g, quality=quality
        )
        return Said(scalars=[block], events=events)

    def _state(self, world: World) -> tuple[int, bool, bool]:
        mute = silent(world, self.name, self.gateway)
        return world.load_g(self._plan.lot), world.at_work, mute

    def _part(
        self, stretch: Stretch[tuple[int, bool, bool]], at_us: Int64s
    ) -> tuple[Int64s, Floats, Bytes8]:
        load_g, at_work, mute = stretch.value
        shown_g, stable = self._cell.block(load_g, len(at_us), self._beat.period_s, busy=at_work)
        if mute:
            return at_us[:0], shown_g[:0], np.empty(0, dtype=np.uint8)
        shown_g /= self._division_g
        np.round(shown_g, out=shown_g)
        shown_g *= self._division_g
        quality = np.zeros(len(at_us), dtype=np.uint8)
        if isinstance(self._plan, ScalePlan):
            quality[~stable] = _UNSTABLE  # of a transmitter only the mass is asked for
        return at_us, shown_g, quality
