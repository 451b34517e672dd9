"""What all simulated devices of a simulated month share."""

from dataclasses import dataclass, field
from typing import Protocol

from firmware_sim.months.course import Course
from firmware_sim.months.types import EventBlock, RawEvent, ReadBlock, ScalarBlock
from firmware_sim.world import World


@dataclass(slots=True, kw_only=True)
class Said:
    """What a device said in a span of time."""

    scalars: list[ScalarBlock] = field(default_factory=list[ScalarBlock])
    reads: list[ReadBlock] = field(default_factory=list[ReadBlock])
    events: list[RawEvent] = field(default_factory=list[RawEvent])
    repeated: list[EventBlock] = field(default_factory=list[EventBlock])

    def add(self, other: "Said") -> None:
        """Take over what another device said."""
        self.scalars += other.scalars
        self.reads += other.reads
        self.events += other.events
        self.repeated += other.repeated


class Device(Protocol):
    """A device that has said all up to where the last course ended."""

    @property
    def name(self) -> str:
        """The sensor's name."""
        ...

    @property
    def gateway(self) -> str:
        """Who hears it."""
        ...

    def sample(self, course: Course) -> Said:
        """Return what it says in the course that follows the last one."""
        ...


def silent(world: World, name: str, gateway: str) -> bool:
    """Return whether nobody hears a device: its cable is cut, or its gateway has no power."""
    return name in world.cut_cables or gateway in world.unplugged
