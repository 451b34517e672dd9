"""GNSS trackers over a simulated month."""

import numpy as np

from firmware_sim.devices.gnss_nmea import to_degrees
from firmware_sim.months.course import Course, beat
from firmware_sim.months.devices import Said, silent
from firmware_sim.months.types import Floats, ScalarBlock
from firmware_sim.noise import Wander, seeded
from firmware_sim.noise.draws import Bools
from firmware_sim.plan import GnssPlan, Scenario
from firmware_sim.world import World
from schemas.quantities import Quantity

_FIX_3D = 3.0


class TrackerDevice:
    """A receiver that tells its position each period, or that it has none."""

    def __init__(self, plan: GnssPlan, scenario: Scenario, seed: int, begins_us: int) -> None:
        """Begin at ``begins_us``; receivers compute on the whole second."""
        self.name, self.gateway = plan.name, plan.gateway
        self._plan = plan
        self._wander = Wander(
            scenario.noise_of(plan.name), seeded(seed, plan.name), roof=plan.roof
        )
        self._beat = beat(begins_us, plan.period_s, 0.0)
        (lat_deg, lon_deg), (up_deg, right_deg) = (
            to_degrees(
                origin_lat_deg=scenario.origin_lat_deg,
                origin_lon_deg=scenario.origin_lon_deg,
                x_m=step_m,
                y_m=step_m,
            )
            for step_m in (0.0, 1.0)
        )
        self._lat_deg = lat_deg, up_deg - lat_deg  # at the origin, and a metre's worth
        self._lon_deg = lon_deg, right_deg - lon_deg

    def sample(self, course: Course) -> Said:
        """Return the positions of the course."""
        at_us = self._beat.until(course.ends_us)
        errors = self._wander.block(len(at_us), self._beat.period_s)
        heard = np.ones(len(at_us), dtype=np.bool_)
        for stretch in course.stretches(self._state):
            span = slice(*np.searchsorted(at_us, (stretch.begins_us, stretch.ends_us)))
            (x_m, y_m), mute = stretch.value
            errors.east_m[span] += x_m
            errors.north_m[span] += y_m
            heard[span] = not mute
        lat_deg = self._lat_deg[0] + errors.north_m * self._lat_deg[1]
        lon_deg = self._lon_deg[0] + errors.east_m * self._lon_deg[1]
        fixed = heard & errors.fixed

        def block(quantity: Quantity, value: Floats, shown: Bools) -> ScalarBlock:
            return ScalarBlock(
                sensor=self.name,
                quantity=quantity,
                at_us=at_us[shown],
                value=value[shown],
                quality=np.zeros(int(shown.sum()), dtype=np.uint8),
            )

        scalars = [
            block(Quantity.FIX, np.where(errors.fixed, _FIX_3D, 0.0), heard),
            block(Quantity.LATITUDE, lat_deg, fixed),
            block(Quantity.LONGITUDE, lon_deg, fixed),
            block(Quantity.HDOP, errors.hdop, fixed),
        ]
        return Said(scalars=scalars)

    def _state(self, world: World) -> tuple[tuple[float, float], bool]:
        place_m = world.places_m.get(self.name, (self._plan.x_m, self._plan.y_m))
        return place_m, silent(world, self.name, self.gateway)
