"""The live site: the current world, moved on by time and by incidents, and who said what when.

The one mutable thing that the devices share. Single-threaded: every call is made on the loop.
"""

import asyncio

from firmware_sim.clock import Clock, ticks
from firmware_sim.incidents import Incident, IncidentBook, Kind
from firmware_sim.world import World, step

PHYSICS_PERIOD_S = 0.1  # ten times faster than the fastest quantity anybody polls


class Plant:
    """Holds the world and tells devices when something happened to it."""

    def __init__(self, world: World, book: IncidentBook, clock: Clock) -> None:
        """Start from ``world``; incidents are labelled in ``book``."""
        self._world = world
        self._happened = asyncio.Event()
        self.book = book
        self.clock = clock

    @property
    def world(self) -> World:
        """The site as it is now."""
        return self._world

    def start(self, kind: Kind, lot: str | None) -> Incident:
        """Let an incident happen now and return its label.

        Raises:
            RefusedError: it cannot happen there.
        """
        world, incident = self.book.start(self._world, kind, lot, self.clock.unix_us())
        self._become(world)
        return incident

    def undo(self, incident_id: str) -> Incident:
        """Take an incident back now and return its closed label.

        Raises:
            RefusedError: there is none, or it was undone before.
        """
        world, incident = self.book.undo(self._world, incident_id, self.clock.unix_us())
        self._become(world)
        return incident

    def wrote(
        self, device: str, world: World, *, unix_us: int, value: float | None = None
    ) -> None:
        """Note that bytes of ``device`` made from ``world`` left it at ``unix_us``."""
        self.book.wrote(device, world.revision, value, unix_us)

    async def changed_since(self, revision: int) -> World:
        """Return the world as soon as something has happened to it after ``revision``."""
        while self._world.revision == revision:
            await self._happened.wait()
        return self._world

    async def run(self) -> None:
        """Let time pass in the world until cancelled."""
        async for dt_s in ticks(self.clock, PHYSICS_PERIOD_S):
            self._world = step(self._world, dt_s)

    def _become(self, world: World) -> None:
        self._world = world
        self._happened.set()
        self._happened = asyncio.Event()
