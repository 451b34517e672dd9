"""What the devices of a site say over months, in columns: the world's course, then each device.

The same world, the same noise models and the same plans as on the wires; only bytes are missing.
"""

from bisect import bisect_left
from operator import attrgetter

from firmware_sim.months.course import course_of
from firmware_sim.months.devices import Device
from firmware_sim.months.platforms import PlatformDevice
from firmware_sim.months.readers import ReaderDevice
from firmware_sim.months.types import Raw, RawEvent, ReadBlock, ScalarBlock, SiteRun
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
        self._devices = _devices_of(run.scenario, run.seed, run.begins_us)

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
        scalars: dict[str, list[ScalarBlock]] = {}
        reads: dict[str, list[ReadBlock]] = {}
        events: dict[str, list[RawEvent]] = {}
        for device in self._devices:
            said = device.sample(course)
            scalars.setdefault(device.gateway, []).extend(said.scalars)
            reads.setdefault(device.gateway, []).extend(said.reads)
            events.setdefault(device.gateway, []).extend(said.events)
        return tuple(
            Raw(
                gateway=gateway,
                begins_us=begins_us,
                ends_us=until_us,
                scalars=tuple(scalars.get(gateway, ())),
                reads=tuple(reads.get(gateway, ())),
                events=tuple(sorted(events.get(gateway, ()), key=attrgetter("at_us"))),
            )
            for gateway in self._run.scenario.gateways()
        )


def _devices_of(scenario: Scenario, seed: int, begins_us: int) -> tuple[Device, ...]:
    return (
        *(ReaderDevice(plan, scenario, seed, begins_us) for plan in scenario.readers),
        *(
            PlatformDevice(plan, scenario, seed, begins_us)
            for plan in (*scenario.scales, *scenario.weighers)
        ),
    )
