"""What the devices of a site say over months, in columns: the world's course, then each device.

The same world, the same noise models and the same plans as on the wires; only bytes are missing.
"""

from bisect import bisect_left
from operator import attrgetter

from firmware_sim.months.cameras import CameraDevice
from firmware_sim.months.climates import ClimateDevice, ContactDevice, ShockDevice
from firmware_sim.months.course import course_of
from firmware_sim.months.devices import Device, Said
from firmware_sim.months.platforms import PlatformDevice
from firmware_sim.months.readers import ReaderDevice
from firmware_sim.months.replay import wrapped
from firmware_sim.months.trackers import TrackerDevice
from firmware_sim.months.types import Raw, SiteRun
from firmware_sim.plan import Scenario
from firmware_sim.world import World, build_world


class SiteSampler:
    """One site's devices, from the begin of a run on."""

    def __init__(self, run: SiteRun) -> None:
        """Begin with the goods in place; link outages and clock errors are left to who asks."""
        self._run = run
        self._now_us = run.begins_us
        self._world = build_world(run.scenario)
        self._next = 0  # of the happenings
        self._devices = wrapped(_devices_of(run.scenario, run.seed, run.begins_us), run)

    @property
    def world(self) -> World:
        """The site as it is where the last span ended."""
        return self._world

    @property
    def now_us(self) -> int:
        """Where the last span ended."""
        return self._now_us

    def take(self, until_us: int) -> tuple[Raw, ...]:
        """Return what was said from where the last call ended to ``until_us``, which is excluded.

        One for each gateway, in the order of their names. A happening counts from its own moment
        on: a reading at that moment shows it.
        """
        begins_us, until_us = self._now_us, max(self._now_us, until_us)
        happenings = self._run.happenings
        end = bisect_left(happenings, until_us, self._next, key=attrgetter("at_us"))
        course, self._world = course_of(
            self._world, begins_us, happenings[self._next : end], until_us
        )
        self._next, self._now_us = end, until_us
        by_gateway = {gateway: Said() for gateway in self._run.scenario.gateways()}
        for device in self._devices:
            by_gateway[device.gateway].add(device.sample(course))
        return tuple(
            Raw(
                gateway=gateway,
                begins_us=begins_us,
                ends_us=until_us,
                scalars=tuple(said.scalars),
                reads=tuple(said.reads),
                events=tuple(sorted(said.events, key=attrgetter("at_us"))),
                repeated=tuple(said.repeated),
            )
            for gateway, said in by_gateway.items()
        )


def _devices_of(scenario: Scenario, seed: int, begins_us: int) -> tuple[Device, ...]:
    about = scenario, seed, begins_us
    return (
        *(ReaderDevice(plan, *about) for plan in scenario.readers),
        *(PlatformDevice(plan, *about) for plan in (*scenario.scales, *scenario.weighers)),
        *(ClimateDevice(plan, *about) for plan in scenario.climates),
        *(ShockDevice(plan, *about) for plan in scenario.shocks),
        *(ContactDevice(plan, *about) for plan in (*scenario.doors, *scenario.waters)),
        *(TrackerDevice(plan, *about) for plan in scenario.trackers),
        *(CameraDevice(plan, *about) for plan in scenario.cameras),
    )
