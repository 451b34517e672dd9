"""A field bus over a simulated month: what a gateway says of polls that fail."""

from typing import Final

from firmware_sim.months.types import Bytes8, Int64s, RawEvent
from firmware_sim.noise import FieldBus, NoiseProfile, seeded
from firmware_sim.noise.draws import Bools
from schemas.quantities import EventType

# A damaged reply is none, and one that comes too late is thrown away: a gateway that flushes its
# line has nothing else to say of either.
NO_ANSWER: Final = "no_answer"


class Bus:
    """The polls of one unit."""

    def __init__(self, name: str, noise: NoiseProfile, seed: int) -> None:
        """Begin with the first poll."""
        self._name = name
        self._bus = FieldBus(noise, seeded(seed, f"{name}/bus"))

    def pass_on(self, at_us: Int64s) -> tuple[Bools, list[RawEvent]]:
        """Return which of the polls are answered, and what is said of the others."""
        errors: Bytes8 = self._bus.take(len(at_us))
        heard = errors == 0
        return heard, [fault(self._name, t, NO_ANSWER) for t in at_us[~heard].tolist()]


def fault(sensor: str, at_us: int, why: str) -> RawEvent:
    """Return the event that says that there is no reading, and why."""
    body: dict[str, object] = {"why": why, "bytes": b""}
    return RawEvent(sensor=sensor, at_us=at_us, type=EventType.FAULT, body=body)
